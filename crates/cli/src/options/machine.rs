//! Choices that benchmarks share, as the command line spells them.

use crate::options::UsageError;
use anyhow::Result;
use clap::{Args, ValueEnum};
use minference_attention::{Arithmetic, CpuBackend, ElementType, InstructionSet};
use minference_model::{CacheFormat, ComputeOptions, MatmulArithmetic};

/// Type of Q, K and V in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

impl From<Dtype> for ElementType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheDtype {
    F32,
    F16,
    Bf16,
    /// 8-bit codes: half the memory of f16
    Int8,
    /// 4-bit codes: a quarter of it, less exact
    Int4,
}

impl From<CacheDtype> for CacheFormat {
    fn from(dtype: CacheDtype) -> Self {
        match dtype {
            CacheDtype::F32 => Self::F32,
            CacheDtype::F16 => Self::F16,
            CacheDtype::Bf16 => Self::Bf16,
            CacheDtype::Int8 => Self::Int8,
            CacheDtype::Int4 => Self::Int4,
        }
    }
}

/// A choice as the command line spells it.
fn spelling(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}

/// What products are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArithmeticChoice {
    /// f32 throughout
    F32,
    /// 16-bit products with wider sums (avx512-bf16 and avx512-fp16 only)
    F16,
    /// 16 bits for 16-bit inputs where that is accurate, f32 otherwise
    Auto,
}

/// Instruction sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstructionSetChoice {
    /// The fastest that this machine has
    Auto,
    Portable,
    Avx2,
    Avx512,
    #[value(name = "avx512-bf16")]
    Avx512Bf16,
    #[value(name = "avx512-fp16")]
    Avx512Fp16,
}

/// What a prompt's rows are multiplied with weights in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum MatmulChoice {
    /// f32
    #[default]
    F32,
    /// 8 bits: faster, less exact
    Int8,
}

impl From<MatmulChoice> for MatmulArithmetic {
    fn from(choice: MatmulChoice) -> Self {
        match choice {
            MatmulChoice::F32 => Self::F32,
            MatmulChoice::Int8 => Self::Int8,
        }
    }
}

/// How to multiply with weights.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct MatmulOptions {
    /// Arithmetic of the prompt's products with weights; the answer's are always in f32
    #[arg(long, value_enum, default_value = "f32")]
    matmul: MatmulChoice,
}

impl MatmulOptions {
    /// As the command line spells it.
    pub(crate) fn name(self) -> String {
        spelling(&self.matmul)
    }
}

/// How to compute.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct MachineOptions {
    /// Number of threads [default: one per core]
    #[arg(long)]
    threads: Option<usize>,
    /// Instruction set of the kernels
    #[arg(long, value_enum, default_value = "auto")]
    instruction_set: InstructionSetChoice,
    /// Arithmetic of the kernels
    #[arg(long, value_enum, default_value = "auto")]
    arithmetic: ArithmeticChoice,
}

impl MachineOptions {
    /// The backend that does it.
    pub(crate) fn backend(&self) -> Result<CpuBackend> {
        let options = self.options();
        let mut builder = CpuBackend::builder().arithmetic(options.arithmetic);
        if let Some(threads) = options.threads {
            builder = builder.threads(threads);
        }
        if let Some(set) = options.instruction_set {
            builder = builder.instruction_set(set);
        }
        builder.build().map_err(refused)
    }

    /// What a model runs on.
    pub(crate) fn compute(&self, matmul: MatmulOptions) -> Result<minference_model::Compute> {
        let options = ComputeOptions { matmul: matmul.matmul.into(), ..self.options() };
        minference_model::Compute::new(options).map_err(|error| match error {
            minference_model::Error::Attention(error) => refused(error),
            error => anyhow::Error::new(error).context(FAILED),
        })
    }

    fn options(&self) -> ComputeOptions {
        ComputeOptions {
            matmul: MatmulArithmetic::default(),
            threads: self.threads,
            arithmetic: match self.arithmetic {
                ArithmeticChoice::F32 => Arithmetic::F32,
                ArithmeticChoice::F16 => Arithmetic::Bits16,
                ArithmeticChoice::Auto => Arithmetic::Auto,
            },
            instruction_set: match self.instruction_set {
                InstructionSetChoice::Auto => None,
                InstructionSetChoice::Portable => Some(InstructionSet::Portable),
                InstructionSetChoice::Avx2 => Some(InstructionSet::Avx2),
                InstructionSetChoice::Avx512 => Some(InstructionSet::Avx512),
                InstructionSetChoice::Avx512Bf16 => Some(InstructionSet::Avx512Bf16),
                InstructionSetChoice::Avx512Fp16 => Some(InstructionSet::Avx512Fp16),
            },
        }
    }
}

const FAILED: &str = "can't set up the CPU";

/// Numbers and instruction sets were asked for by options; that threads can't start is nobody's
/// fault.
fn refused(error: minference_attention::Error) -> anyhow::Error {
    use minference_attention::Error::{InstructionSet, Parameter};
    let is_wrong_option = matches!(error, InstructionSet { .. } | Parameter { .. });
    let error = anyhow::Error::new(error).context(FAILED);
    if is_wrong_option { UsageError::from(error).into() } else { error }
}
