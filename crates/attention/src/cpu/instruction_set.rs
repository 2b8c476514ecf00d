//! What the machine has, what was asked for, and the instance that follows from both.

use super::instances::{self, AttentionKernels};
use crate::element::ElementType;
use std::fmt;

/// Instruction sets with kernels of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum InstructionSet {
    /// What the compiler's baseline has: SSE2 on x86-64, NEON on ARM.
    Portable,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512,
    /// AVX-512 with VDPBF16PS and VPDPWSSD: 16-bit arithmetic at twice the f32 rate on AMD since
    /// Zen 4.
    #[cfg_attr(feature = "clap", value(name = "avx512-bf16"))]
    Avx512Bf16,
    /// AVX-512 with VFMADDPH and VPDPWSSD: 16-bit arithmetic at twice the f32 rate on Intel since
    /// Sapphire Rapids.
    #[cfg_attr(feature = "clap", value(name = "avx512-fp16"))]
    Avx512Fp16,
}

/// What products and sums are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Arithmetic {
    /// f32 throughout.
    F32,
    /// 16-bit products with wider sums, about twice as fast (avx512-bf16 and avx512-fp16 only).
    ///
    /// [`InstructionSet::Avx512Fp16`] computes `bf16` inputs in `f32` all the same, since its
    /// 16-bit arithmetic would not be accurate for them.
    #[cfg_attr(feature = "clap", value(name = "f16"))]
    Bits16,
    /// 16 bits for 16-bit inputs where that is accurate, f32 otherwise.
    ///
    /// Accurate means at most twice the error of a plain implementation in the inputs' type or
    /// `bf16`.
    #[default]
    Auto,
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bits16 => "f16",
            Self::Auto => "auto",
        })
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Avx512Fp16 => "avx512-fp16",
        })
    }
}

impl InstructionSet {
    /// All of them, slowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Avx512Fp16];

    /// Those that this machine can run, slowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|set| set.is_available()).collect()
    }

    /// The fastest that this machine can run.
    pub fn best() -> Self {
        // Intel's VDPBF16PS runs at half the f32 rate, so there the set with bf16 but without fp16
        // brings nothing.
        let worthwhile = |set: &Self| *set != Self::Avx512Bf16 || has_fast_bf16();
        Self::available().into_iter().rfind(worthwhile).unwrap_or(Self::Portable)
    }

    /// Whether this machine can run it.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let vnni = avx512 && is_x86_feature_detected!("avx512vnni");
        match self {
            Self::Portable => true,
            Self::Avx2 => avx2,
            Self::Avx512 => avx512,
            Self::Avx512Bf16 => vnni && is_x86_feature_detected!("avx512bf16"),
            Self::Avx512Fp16 => vnni && is_x86_feature_detected!("avx512fp16"),
        }
    }

    /// Whether this machine can run it.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Self::Portable
    }

    /// Whether it has [`Arithmetic::Bits16`].
    pub fn has_16_bit_arithmetic(self) -> bool {
        matches!(self, Self::Avx512Bf16 | Self::Avx512Fp16)
    }

    /// [`Arithmetic::F32`] or [`Arithmetic::Bits16`] for inputs of a type.
    pub(super) fn resolve(self, arithmetic: Arithmetic, element_type: ElementType) -> Arithmetic {
        // bf16 products are exact in VDPBF16PS. The i16 scores of the other set round them, which
        // large scores don't forgive: there no 16-bit arithmetic meets the accuracy rule.
        let accurate = (self, element_type) != (Self::Avx512Fp16, ElementType::Bf16);
        match arithmetic {
            Arithmetic::Auto if element_type == ElementType::F32 => Arithmetic::F32,
            Arithmetic::Auto | Arithmetic::Bits16 if self.has_16_bit_arithmetic() && accurate => {
                Arithmetic::Bits16
            }
            _ => Arithmetic::F32,
        }
    }

    /// The instance for an arithmetic (which the builder of the backend has checked) and an element
    /// type.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn kernels(
        self,
        arithmetic: Arithmetic,
        element_type: ElementType,
    ) -> &'static AttentionKernels {
        match (self, self.resolve(arithmetic, element_type)) {
            (Self::Portable, _) => &instances::PORTABLE,
            (Self::Avx2, _) => &instances::AVX2,
            (Self::Avx512Bf16, Arithmetic::Bits16) if element_type == ElementType::Bf16 => {
                &instances::AVX512_BF16
            }
            (Self::Avx512Bf16, Arithmetic::Bits16) => &instances::AVX512_INT16_BF16,
            (Self::Avx512Fp16, Arithmetic::Bits16) => &instances::AVX512_INT16_FP16,
            (Self::Avx512 | Self::Avx512Bf16 | Self::Avx512Fp16, _) => &instances::AVX512,
        }
    }

    /// The instance for an arithmetic and an element type.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn kernels(self, _: Arithmetic, _: ElementType) -> &'static AttentionKernels {
        &instances::PORTABLE
    }
}

#[cfg(target_arch = "x86_64")]
fn has_fast_bf16() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    // "AuthenticAMD"
    (vendor.ebx, vendor.edx, vendor.ecx) == (0x6874_7541, 0x6974_6e65, 0x444d_4163)
}

#[cfg(not(target_arch = "x86_64"))]
fn has_fast_bf16() -> bool {
    false
}
