//! The instances of the kernels: an instruction set and an arithmetic each, entered through one
//! function per job that enables the instruction set. Everything generic is compiled into these
//! entries; what calls them sees a table of functions.

use super::block_scores::{BlockScoreWork, score_query_blocks};
use super::decode::{PartialOutput, decode_partition};
use super::dot::float32::Float32;
use super::dot::{ScoreDot, ValueDot};
#[cfg(target_arch = "x86_64")]
use super::dot::{bfloat16::BFloat16, float16::Float16, int16::Int16};
use super::line_scores::{
    Exponentials, LineStatistics, LineWork, PartitionScores, exponentials_of_partition, score_partition,
};
use super::packed::{PackedKeyRange, PackedShape};
use super::peak::multiply_adds;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};
use super::tile_loop::{HeadWork, Workspace, attend_blocks};
use crate::error::Result;
use crate::inputs::AttentionInputs;
use std::marker::PhantomData;
use std::ops::Range;

/// An instruction set with the arithmetic of both products.
pub(crate) trait Instance {
    type Simd: Simd;
    type Score: ScoreDot<Self::Simd>;
    type Value: ValueDot<Self::Simd>;
}

/// The instance of three types.
pub(crate) struct ArithmeticInstance<S, Score, Value>(PhantomData<(S, Score, Value)>);

impl<S: Simd, Score: ScoreDot<S>, Value: ValueDot<S>> Instance for ArithmeticInstance<S, Score, Value> {
    type Simd = S;
    type Score = Score;
    type Value = Value;
}

/// The instance that computes in `f32` with the instruction set of another.
pub(crate) type Float32Instance<S> = ArithmeticInstance<S, Float32, Float32>;

/// One instance's functions and figures.
///
/// Every function requires that the machine has the instance's instructions, which is why they are
/// unsafe; see the function of the same job for what else it requires.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionKernels {
    pub(crate) elements_per_word: usize,
    pub(crate) keys_per_word: usize,
    pub(crate) value_limit: Option<f32>,
    /// [`PackedKeyRange::pack`]
    pub(crate) pack: unsafe fn(PackedKeyRange<'_>, &AttentionInputs<'_>, usize) -> Result<f64>,
    /// [`attend_blocks`]
    pub(crate) attend: unsafe fn(&HeadWork<'_>, Range<usize>, &mut Workspace) -> Result<()>,
    /// [`exponentials_of_partition`], with the instance's scores and `f32` values
    pub(crate) exponentials: unsafe fn(&LineWork<'_>, Range<usize>, Vec<u32>) -> Result<Exponentials>,
    /// [`multiply_adds`]
    pub(crate) multiply_adds: unsafe fn(u64) -> u64,
    /// What is computed in `f32` whatever the arithmetic.
    pub(crate) float32: Float32Kernels,
}

/// The functions of an instruction set that compute in `f32`; all instances with its vectors share
/// them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Float32Kernels {
    /// [`score_partition`]
    pub(crate) line_scores: unsafe fn(Exponentials, &LineStatistics, usize) -> Result<PartitionScores>,
    /// [`score_query_blocks`]
    pub(crate) block_scores: unsafe fn(&BlockScoreWork<'_>, Range<usize>) -> Result<()>,
    /// [`decode_partition`]
    pub(crate) decode: unsafe fn(&AttentionInputs<'_>, Range<usize>) -> PartialOutput,
}

impl AttentionKernels {
    /// The packed form of a head.
    pub(crate) fn packed_shape(&self, keys: usize, head_dim: usize) -> PackedShape {
        PackedShape::new(keys, head_dim, self.elements_per_word, self.keys_per_word)
    }
}

/// Defines a constant table of `f32` kernels: the vectors, how many of them fill a register tile
/// (and how many of a value row decoding adds up at once), and the target features of the entries.
macro_rules! float32_kernels {
    ($name:ident: $simd:ty, tile: $rows:literal by $vectors:literal, decode: $decode:literal $(, features: $features:literal)?) => {
        const $name: Float32Kernels = {
            // SAFETY of all entries: the caller's contract is that of the function called.
            $(#[target_feature(enable = $features)])?
            unsafe fn line_scores(
                exponentials: Exponentials,
                total: &LineStatistics,
                last_queries: usize,
            ) -> Result<PartitionScores> {
                // SAFETY: as above.
                unsafe { score_partition::<$simd>(exponentials, total, last_queries) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn block_scores(work: &BlockScoreWork<'_>, query_blocks: Range<usize>) -> Result<()> {
                // SAFETY: as above.
                unsafe { score_query_blocks::<Float32Instance<$simd>, $rows, $vectors>(work, query_blocks) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn decode(inputs: &AttentionInputs<'_>, keys: Range<usize>) -> PartialOutput {
                // SAFETY: as above.
                unsafe { decode_partition::<$simd, $decode>(inputs, keys) }
            }
            Float32Kernels { line_scores, block_scores, decode }
        };
    };
}

float32_kernels! { FLOAT32_PORTABLE: Portable<4>, tile: 4 by 2, decode: 1 }
#[cfg(target_arch = "x86_64")]
float32_kernels! { FLOAT32_AVX2: Avx2, tile: 4 by 2, decode: 1, features: "avx2,fma,f16c" }
#[cfg(target_arch = "x86_64")]
float32_kernels! {
    FLOAT32_AVX512: Avx512, tile: 4 by 4, decode: 2, features: "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
}

/// Defines a constant table of kernels: the instance, the vectors per register tile, the `f32`
/// kernels of its instruction set, and the target features of the entries.
macro_rules! kernels {
    ($(#[$doc:meta])* $name:ident: $instance:ty, tile: $rows:literal by $vectors:literal, float32: $float32:ident
     $(, features: $features:literal)?) => {
        $(#[$doc])*
        pub(crate) const $name: AttentionKernels = {
            type I = $instance;
            type Estimate = ArithmeticInstance<<I as Instance>::Simd, <I as Instance>::Score, Float32>;

            // SAFETY of all entries: the caller's contract is that of the function called.
            $(#[target_feature(enable = $features)])?
            unsafe fn pack(
                part: PackedKeyRange<'_>,
                inputs: &AttentionInputs<'_>,
                kv_head: usize,
            ) -> Result<f64> {
                // SAFETY: as above.
                unsafe { part.pack::<I>(inputs, kv_head) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn attend(work: &HeadWork<'_>, blocks: Range<usize>, workspace: &mut Workspace) -> Result<()> {
                // SAFETY: as above.
                unsafe { attend_blocks::<I, $rows, $vectors>(work, blocks, workspace) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn exponentials(
                work: &LineWork<'_>,
                keys: Range<usize>,
                values: Vec<u32>,
            ) -> Result<Exponentials> {
                // One vector of votes needs more keys at once to keep the units busy.
                let is_narrow = work.last_queries <= <<I as Instance>::Simd as Simd>::LANES;
                // SAFETY: as above.
                unsafe {
                    if is_narrow {
                        exponentials_of_partition::<Estimate, 8, 1>(work, keys, values)
                    } else {
                        exponentials_of_partition::<Estimate, $rows, $vectors>(work, keys, values)
                    }
                }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn peak(rounds: u64) -> u64 {
                // SAFETY: as above.
                unsafe { multiply_adds::<I>(rounds) }
            }

            AttentionKernels {
                elements_per_word: <<I as Instance>::Score as ScoreDot<<I as Instance>::Simd>>::ELEMENTS_PER_WORD,
                keys_per_word: <<I as Instance>::Value as ValueDot<<I as Instance>::Simd>>::KEYS_PER_WORD,
                value_limit: <<I as Instance>::Value as ValueDot<<I as Instance>::Simd>>::VALUE_LIMIT,
                pack,
                attend,
                exponentials,
                multiply_adds: peak,
                float32: $float32,
            }
        };
    };
}

kernels! {
    /// Whatever the compiler's baseline has.
    PORTABLE: Float32Instance<Portable<4>>, tile: 4 by 2, float32: FLOAT32_PORTABLE
}

#[cfg(target_arch = "x86_64")]
kernels! {
    /// AVX2 with FMA.
    AVX2: Float32Instance<Avx2>, tile: 4 by 2, float32: FLOAT32_AVX2, features: "avx2,fma,f16c"
}

#[cfg(all(test, target_arch = "x86_64"))]
kernels! {
    /// AVX2 with `f32` scores and emulated `f16` values.
    AVX2_EMULATED_FP16: ArithmeticInstance<Avx2, Float32, super::dot::emulated_float16::EmulatedFloat16>, tile: 4 by 2,
    float32: FLOAT32_AVX2, features: "avx2,fma,f16c"
}

#[cfg(target_arch = "x86_64")]
kernels! {
    /// AVX-512, `f32` arithmetic.
    AVX512: Float32Instance<Avx512>, tile: 4 by 4, float32: FLOAT32_AVX512, features: "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
}

#[cfg(target_arch = "x86_64")]
kernels! {
    /// AVX-512 with `bf16` pairs in both products.
    AVX512_BF16: ArithmeticInstance<Avx512, BFloat16, BFloat16>, tile: 4 by 4, float32: FLOAT32_AVX512,
    features: "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c"
}

#[cfg(target_arch = "x86_64")]
kernels! {
    /// AVX-512 with `i16` scores and `bf16` values.
    AVX512_INT16_BF16: ArithmeticInstance<Avx512, Int16, BFloat16>, tile: 4 by 4, float32: FLOAT32_AVX512,
    features: "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c"
}

#[cfg(target_arch = "x86_64")]
kernels! {
    /// AVX-512 with `i16` scores and `f16` values.
    AVX512_INT16_FP16: ArithmeticInstance<Avx512, Int16, Float16>, tile: 4 by 4, float32: FLOAT32_AVX512,
    features: "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512fp16,avx2,fma,f16c"
}
