//! Loops over rows and blocks, compiled once per instruction set and chosen at run time.
//!
//! | module | what it holds |
//! |---|---|
//! | `blocks` | quantised blocks, widened to `f32` |
//! | `product` | products of stored matrix rows with a few input rows: decoding |
//! | `rows` | norms, gated activations, rotations |
//!
//! All of it is safe code that the compiler vectorises; only [`Kernels`]' entries, which enable instruction sets, need care.

mod blocks;
mod product;
mod rows;

pub(crate) use product::MOST_INPUTS;

use crate::config::Activation;
use crate::matrix::WeightFormat;
use blocks::Block;
use minference_attention::InstructionSet;

/// Running sums of a dot product: two vectors of the widest instruction set.
const LANES: usize = 32;

/// How `a * b + c` is computed: fused where the instruction set has it, since the function behind `f32::mul_add` is slow where it
/// has not.
trait MulAdd {
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// One rounding.
struct Fused;
/// Two roundings.
struct Separate;

impl MulAdd for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl MulAdd for Separate {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// Half precision to `f32`, without branches, so that loops over it vectorise.
#[inline(always)]
fn widen_half(bits: u16) -> f32 {
    // The exponent of f16 is moved into that of f32 and its bias made good by a product, which also normalises subnormals.
    const BIAS: f32 = f32::from_bits((127 + 112) << 23);
    let (sign, magnitude) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7fff));
    let finite = (f32::from_bits(magnitude << 13) * BIAS).to_bits();
    let infinite_or_nan = 0x7f80_0000 | (magnitude << 13);
    f32::from_bits(sign | if magnitude < 0x7c00 { finite } else { infinite_or_nan })
}

/// Calls a generic function with the [`Block`] of a format.
macro_rules! with_block {
    ($format:expr, $function:ident :: <$mul_add:ty> $arguments:tt) => {
        match $format {
            WeightFormat::F32 => $function::<blocks::F32, $mul_add> $arguments,
            WeightFormat::F16 => $function::<blocks::F16, $mul_add> $arguments,
            WeightFormat::Bf16 => $function::<blocks::Bf16, $mul_add> $arguments,
            WeightFormat::Q4_0 => $function::<blocks::Q4_0, $mul_add> $arguments,
            WeightFormat::Q4_1 => $function::<blocks::Q4_1, $mul_add> $arguments,
            WeightFormat::Q5_0 => $function::<blocks::Q5_0, $mul_add> $arguments,
            WeightFormat::Q5_1 => $function::<blocks::Q5_1, $mul_add> $arguments,
            WeightFormat::Q8_0 => $function::<blocks::Q8_0, $mul_add> $arguments,
            WeightFormat::Q2K => $function::<blocks::Q2K, $mul_add> $arguments,
            WeightFormat::Q3K => $function::<blocks::Q3K, $mul_add> $arguments,
            WeightFormat::Q4K => $function::<blocks::Q4K, $mul_add> $arguments,
            WeightFormat::Q5K => $function::<blocks::Q5K, $mul_add> $arguments,
            WeightFormat::Q6K => $function::<blocks::Q6K, $mul_add> $arguments,
        }
    };
}

/// Widens a row, or several that follow each other.
#[inline(always)]
fn widen<B: Block, M: MulAdd>(row: &[u8], out: &mut [f32]) {
    let (blocks, outs) = (row.chunks_exact(B::BYTES), out.chunks_exact_mut(B::LEN));
    let rest = blocks.remainder();
    let whole = outs.len() * B::LEN;
    for (bytes, out) in blocks.zip(outs) {
        B::widen::<M>(bytes, out);
    }
    B::widen_rest(rest, &mut out[whole..]);
}

/// Products of consecutive matrix rows with up to [`MOST_INPUTS`] rows; `out` is `[rows][inputs]`.
#[inline(always)]
fn products<B: Block, M: MulAdd>(rows: &[u8], inputs: &[f32], columns: usize, out: &mut [f32]) {
    let count = inputs.len() / columns;
    let row_bytes = rows.len() / (out.len() / count);
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(count)) {
        product::row_products::<B, M>(row, inputs, columns, |input, sum| out[input] = sum);
    }
}

type Widen = unsafe fn(WeightFormat, &[u8], &mut [f32]);
type Products = unsafe fn(WeightFormat, &[u8], &[f32], usize, &mut [f32]);
type RmsNorm = unsafe fn(&[f32], &[f32], f32, &mut [f32]);
type RmsNormInPlace = unsafe fn(&mut [f32], &[f32], f32);
type Gate = unsafe fn(Activation, &mut [f32], &[f32]);
type Rotate = unsafe fn(&mut [f32], &[f32], &[f32]);

/// The loops of one instruction set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    widen: Widen,
    products: Products,
    rms_norm: RmsNorm,
    rms_norm_in_place: RmsNormInPlace,
    gate: Gate,
    rotate_halves: Rotate,
    rotate_neighbours: Rotate,
}

/// Defines a constant table of kernels, compiled for some target features.
macro_rules! kernels {
    ($name:ident: $mul_add:ty $(, features: $features:literal)?) => {
        const $name: Kernels = {
            $(#[target_feature(enable = $features)])?
            fn widen_rows(format: WeightFormat, rows: &[u8], out: &mut [f32]) {
                with_block!(format, widen::<$mul_add>(rows, out))
            }
            $(#[target_feature(enable = $features)])?
            fn row_products(format: WeightFormat, rows: &[u8], inputs: &[f32], columns: usize, out: &mut [f32]) {
                with_block!(format, products::<$mul_add>(rows, inputs, columns, out))
            }
            $(#[target_feature(enable = $features)])?
            fn rms_norm(row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
                rows::rms_norm::<$mul_add>(row, weight, epsilon, out)
            }
            $(#[target_feature(enable = $features)])?
            fn rms_norm_in_place(row: &mut [f32], weight: &[f32], epsilon: f32) {
                rows::rms_norm_in_place::<$mul_add>(row, weight, epsilon)
            }
            $(#[target_feature(enable = $features)])?
            fn gate(activation: Activation, gate: &mut [f32], up: &[f32]) {
                rows::gate::<$mul_add>(activation, gate, up)
            }
            $(#[target_feature(enable = $features)])?
            fn rotate_halves(row: &mut [f32], cosines: &[f32], sines: &[f32]) {
                rows::rotate::<false>(row, cosines, sines)
            }
            $(#[target_feature(enable = $features)])?
            fn rotate_neighbours(row: &mut [f32], cosines: &[f32], sines: &[f32]) {
                rows::rotate::<true>(row, cosines, sines)
            }
            Kernels {
                widen: widen_rows,
                products: row_products,
                rms_norm,
                rms_norm_in_place,
                gate,
                rotate_halves,
                rotate_neighbours,
            }
        };
    };
}

kernels! { PORTABLE: Separate }
#[cfg(target_arch = "x86_64")]
kernels! { AVX2: Fused, features: "avx2,fma,f16c" }
#[cfg(target_arch = "x86_64")]
kernels! { AVX512: Fused, features: "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c" }

// SAFETY of the calls below: a table is handed out by `available` alone, which checks that the machine has its instructions; the
// functions themselves are safe code.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Kernels {
    /// Those for an instruction set, which the caller knows the machine has.
    pub(crate) fn for_instruction_set(set: InstructionSet) -> Self {
        let fitting = |(kernels_set, _): &&(InstructionSet, Self)| match set {
            InstructionSet::Portable | InstructionSet::Avx2 => *kernels_set == set,
            // The wider ones differ in 16-bit arithmetic, which is not used here.
            _ => true,
        };
        Self::available().iter().rfind(fitting).map_or(PORTABLE, |(_, kernels)| *kernels)
    }

    /// All that this machine can run, slowest first.
    pub(crate) fn available() -> Vec<(InstructionSet, Self)> {
        let all = [
            (InstructionSet::Portable, PORTABLE),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx2, AVX2),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx512, AVX512),
        ];
        all.into_iter().filter(|(set, _)| set.is_available()).collect()
    }

    /// Widens whole rows of a matrix to `f32`.
    pub(crate) fn widen(&self, format: WeightFormat, rows: &[u8], out: &mut [f32]) {
        unsafe { (self.widen)(format, rows, out) }
    }

    /// Products of consecutive matrix rows of `columns` elements with `inputs`, `[inputs][columns]`, at most [`MOST_INPUTS`] of
    /// them. `out` is `[rows][inputs]`.
    pub(crate) fn products(
        &self,
        format: WeightFormat,
        rows: &[u8],
        inputs: &[f32],
        columns: usize,
        out: &mut [f32],
    ) {
        assert!((1..=MOST_INPUTS).contains(&(inputs.len() / columns)), "{} inputs", inputs.len() / columns);
        unsafe { (self.products)(format, rows, inputs, columns, out) }
    }

    /// `out = row / sqrt(mean(row^2) + epsilon) * weight`
    pub(crate) fn rms_norm(&self, row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        unsafe { (self.rms_norm)(row, weight, epsilon, out) }
    }

    /// The same, in place.
    pub(crate) fn rms_norm_in_place(&self, row: &mut [f32], weight: &[f32], epsilon: f32) {
        unsafe { (self.rms_norm_in_place)(row, weight, epsilon) }
    }

    /// `gate = activation(gate) * up`
    pub(crate) fn gate(&self, activation: Activation, gate: &mut [f32], up: &[f32]) {
        unsafe { (self.gate)(activation, gate, up) }
    }

    /// Rotates the first elements of a row, elements `i` and `i + pairs` by angle `i`.
    pub(crate) fn rotate_halves(&self, row: &mut [f32], cosines: &[f32], sines: &[f32]) {
        unsafe { (self.rotate_halves)(row, cosines, sines) }
    }

    /// The same for elements `2 i` and `2 i + 1`.
    pub(crate) fn rotate_neighbours(&self, row: &mut [f32], cosines: &[f32], sines: &[f32]) {
        unsafe { (self.rotate_neighbours)(row, cosines, sines) }
    }
}

#[cfg(test)]
mod tests;
