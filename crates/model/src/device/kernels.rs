//! Loops over rows and blocks, compiled once per instruction set and chosen at run time. Their
//! vectors are those of the attention kernels ([`minference_attention::cpu::simd`]): compilers turn
//! simple loops into vector code, but not reliably those of quantised blocks, whose parts are
//! unpacked, widened and multiplied in registers.
//!
//! | module | what it holds |
//! |---|---|
//! | `blocks`, `k_blocks`, `iq4_blocks` | blocks of stored elements, widened to vectors |
//! | `product` | products of stored matrix rows with a few input rows: decoding |
//! | `batch` | the same, of rows that have nothing to do with each other: decoding several sessions |
//! | `tile` | products of widened matrix rows with many input rows: prefill |
//! | `tile_int8`, `byte_dot` | the same in 8 bits; its arithmetic |
//! | `rows` | norms, gated activations, rotations: safe code that the compiler vectorises |

mod batch;
mod blocks;
mod byte_dot;
mod iq4_blocks;
mod k_blocks;
mod product;
mod rows;
mod tile;
mod tile_int8;

pub(crate) use product::MOST_INPUTS;
pub(crate) use tile::{BLOCK_COLUMNS, BLOCK_ROWS, OutBlock};
pub(crate) use tile_int8::{GROUP, QuantisedBlock, QuantisedRows};

use crate::decoder::config::Activation;
use crate::device::weight_format::WeightFormat;
use byte_dot::Baseline;
#[cfg(target_arch = "x86_64")]
use byte_dot::Vnni;
use minference_attention::InstructionSet;
#[cfg(target_arch = "x86_64")]
use minference_attention::cpu::simd::{Avx2, Avx512};
use minference_attention::cpu::simd::{Portable, Simd};
use rows::{Fused, Separate};

/// Calls a generic function with the block of a format.
macro_rules! with_block {
    ($format:expr, $function:ident :: <$simd:ty> $arguments:tt) => {
        match $format {
            WeightFormat::F32 => product::$function::<blocks::F32, $simd> $arguments,
            WeightFormat::F16 => product::$function::<blocks::F16, $simd> $arguments,
            WeightFormat::Bf16 => product::$function::<blocks::Bf16, $simd> $arguments,
            WeightFormat::Q4_0 => product::$function::<blocks::Q4_0, $simd> $arguments,
            WeightFormat::Q4_1 => product::$function::<blocks::Q4_1, $simd> $arguments,
            WeightFormat::Q5_0 => product::$function::<blocks::Q5_0, $simd> $arguments,
            WeightFormat::Q5_1 => product::$function::<blocks::Q5_1, $simd> $arguments,
            WeightFormat::Q8_0 => product::$function::<blocks::Q8_0, $simd> $arguments,
            WeightFormat::Q2K => product::$function::<k_blocks::Q2K, $simd> $arguments,
            WeightFormat::Q3K => product::$function::<k_blocks::Q3K, $simd> $arguments,
            WeightFormat::Q4K => product::$function::<k_blocks::Q4K, $simd> $arguments,
            WeightFormat::Q5K => product::$function::<k_blocks::Q5K, $simd> $arguments,
            WeightFormat::Q6K => product::$function::<k_blocks::Q6K, $simd> $arguments,
            WeightFormat::Iq4Nl => product::$function::<iq4_blocks::Iq4Nl, $simd> $arguments,
            WeightFormat::Iq4Xs => product::$function::<iq4_blocks::Iq4Xs, $simd> $arguments,
        }
    };
}

type WidenFn = unsafe fn(WeightFormat, &[u8], usize, &mut [f32]);
type ProductsFn = unsafe fn(WeightFormat, &[u8], &[f32], usize, &mut [f32]);
type PackFn = unsafe fn(&[f32], usize, &mut [f32]);
type MultiplyBlockFn = unsafe fn(&[f32], usize, &[f32], &mut [f32]);
type UnpackFn = unsafe fn(&[f32], &mut OutBlock<'_>);
type QuantiseRowsFn = unsafe fn(&[f32], usize, &mut QuantisedRows);
type PackInt8Fn = unsafe fn(&[f32], usize, &mut [u8], &mut [f32]);
type MultiplyBlockInt8Fn = unsafe fn(&QuantisedRows, QuantisedBlock<'_>, &mut [f32]);
type SumOfSquaresFn = unsafe fn(&[f32]) -> f32;
type ScaleFn = unsafe fn(&[f32], &[f32], f32, &mut [f32]);
type ScaleInPlaceFn = unsafe fn(&mut [f32], &[f32], f32);
type GateFn = unsafe fn(Activation, &mut [f32], &[f32]);
type RotateFn = unsafe fn(&mut [f32], &[f32], &[f32]);

/// The loops of one instruction set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    widen: WidenFn,
    products: ProductsFn,
    batch_products: ProductsFn,
    token_lanes: usize,
    pack: PackFn,
    multiply_block: MultiplyBlockFn,
    store: UnpackFn,
    add: UnpackFn,
    quantise_rows: QuantiseRowsFn,
    pack_int8: PackInt8Fn,
    multiply_block_int8: MultiplyBlockInt8Fn,
    sum_of_squares: SumOfSquaresFn,
    scale: ScaleFn,
    scale_in_place: ScaleInPlaceFn,
    gate: GateFn,
    rotate_halves: RotateFn,
    rotate_neighbours: RotateFn,
}

/// Defines a constant table of kernels, compiled for some target features.
macro_rules! kernels {
    ($name:ident: $simd:ty, $mul_add:ty, tile rows: $tile_rows:literal, byte tile rows: $byte_rows:literal $(, features: $features:literal)?) => {
        const $name: Kernels = {
            // SAFETY of all entries: the caller's contract is that the machine has these features.
            $(#[target_feature(enable = $features)])?
            unsafe fn widen(format: WeightFormat, rows: &[u8], columns: usize, out: &mut [f32]) {
                // SAFETY: as above.
                unsafe { with_block!(format, widen::<$simd>(rows, columns, out)) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn products(format: WeightFormat, rows: &[u8], inputs: &[f32], columns: usize, out: &mut [f32]) {
                // SAFETY: as above.
                unsafe { with_block!(format, products::<$simd>(rows, inputs, columns, out)) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn batch_products(format: WeightFormat, rows: &[u8], inputs: &[f32], columns: usize, out: &mut [f32]) {
                // SAFETY: as above.
                unsafe { with_block!(format, batch_products::<$simd>(rows, inputs, columns, out)) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pack(rows: &[f32], columns: usize, packed: &mut [f32]) {
                // SAFETY: as above.
                unsafe { tile::pack::<$simd>(rows, columns, packed) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn multiply_block(widened: &[f32], columns: usize, packed: &[f32], out: &mut [f32]) {
                // SAFETY: as above.
                unsafe { tile::multiply_block::<$simd, $tile_rows>(widened, columns, packed, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn store(products: &[f32], out: &mut OutBlock<'_>) {
                // SAFETY: as above.
                unsafe { tile::unpack::<$simd, false>(products, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn add(products: &[f32], out: &mut OutBlock<'_>) {
                // SAFETY: as above.
                unsafe { tile::unpack::<$simd, true>(products, out) }
            }
            $(#[target_feature(enable = $features)])?
            fn quantise_rows(widened: &[f32], columns: usize, out: &mut QuantisedRows) {
                tile_int8::quantise_rows(widened, columns, out)
            }
            $(#[target_feature(enable = $features)])?
            fn pack_int8(rows: &[f32], columns: usize, quants: &mut [u8], scales: &mut [f32]) {
                tile_int8::pack(rows, columns, 2 * <$simd as Simd>::LANES, quants, scales)
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn multiply_block_int8(rows: &QuantisedRows, inputs: QuantisedBlock<'_>, out: &mut [f32]) {
                // SAFETY: as above.
                unsafe { tile_int8::multiply_block::<$simd, Baseline, $byte_rows>(rows, inputs, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sum_of_squares(row: &[f32]) -> f32 {
                // SAFETY: as above.
                unsafe { product::sum_of_squares::<$simd>(row) }
            }
            $(#[target_feature(enable = $features)])?
            fn scale(row: &[f32], weight: &[f32], factor: f32, out: &mut [f32]) {
                rows::scale(row, weight, factor, out)
            }
            $(#[target_feature(enable = $features)])?
            fn scale_in_place(row: &mut [f32], weight: &[f32], factor: f32) {
                rows::scale_in_place(row, weight, factor)
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
                widen,
                products,
                batch_products,
                token_lanes: 2 * <$simd as Simd>::LANES,
                pack,
                multiply_block,
                store,
                add,
                quantise_rows,
                pack_int8,
                multiply_block_int8,
                sum_of_squares,
                scale,
                scale_in_place,
                gate,
                rotate_halves,
                rotate_neighbours,
            }
        };
    };
}

kernels! { PORTABLE: Portable<8>, Separate, tile rows: 2, byte tile rows: 2 }
#[cfg(target_arch = "x86_64")]
kernels! {
    AVX2: Avx2, Fused, tile rows: 6, byte tile rows: 4,
    features: "avx2,fma,f16c"
}
#[cfg(target_arch = "x86_64")]
kernels! {
    AVX512: Avx512, Fused, tile rows: 12, byte tile rows: 12,
    features: "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
}
/// Those of AVX-512, on machines that multiply bytes in one instruction.
#[cfg(target_arch = "x86_64")]
const AVX512_VNNI: Kernels = {
    // SAFETY: the caller's contract is that the machine has these features.
    #[target_feature(enable = "avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
    unsafe fn multiply_block_int8(rows: &QuantisedRows, inputs: QuantisedBlock<'_>, out: &mut [f32]) {
        // SAFETY: as above.
        unsafe { tile_int8::multiply_block::<Avx512, Vnni, 12>(rows, inputs, out) }
    }
    Kernels { multiply_block_int8, ..AVX512 }
};

// SAFETY of the calls below: a table is handed out by `available` alone, which checks that the
// machine has its instructions; the rest is safe code, or checks lengths.
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
            (InstructionSet::Portable, true, PORTABLE),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx2, true, AVX2),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx512, true, AVX512),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx512, is_x86_feature_detected!("avx512vnni"), AVX512_VNNI),
        ];
        let fitting = all.into_iter().filter(|(set, also, _)| set.is_available() && *also);
        fitting.map(|(set, _, kernels)| (set, kernels)).collect()
    }

    /// Widens consecutive matrix rows of `columns` elements to `f32`; `out` is `[rows][columns]`.
    pub(crate) fn widen(&self, format: WeightFormat, rows: &[u8], columns: usize, out: &mut [f32]) {
        unsafe { (self.widen)(format, rows, columns, out) }
    }

    /// Products of consecutive matrix rows of `columns` elements with `inputs`,
    /// `[inputs][columns]`, at most [`MOST_INPUTS`] of them. `out` is `[rows][inputs]`.
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

    /// As [`products`](Self::products), of any number of inputs; each product is what it would be
    /// for its input alone.
    pub(crate) fn batch_products(
        &self,
        format: WeightFormat,
        rows: &[u8],
        inputs: &[f32],
        columns: usize,
        out: &mut [f32],
    ) {
        assert!(inputs.len() >= columns, "no inputs");
        unsafe { (self.batch_products)(format, rows, inputs, columns, out) }
    }

    /// Tokens of a packed block.
    pub(crate) fn token_lanes(&self) -> usize {
        self.token_lanes
    }

    /// Packs rows, `[tokens][columns]`, at most [`Kernels::token_lanes`] of them, into
    /// `[columns][token_lanes]`; tokens that are missing become 0.
    pub(crate) fn pack(&self, rows: &[f32], columns: usize, packed: &mut [f32]) {
        unsafe { (self.pack)(rows, columns, packed) }
    }

    /// Adds products of [`BLOCK_ROWS`] widened matrix rows, `[rows][columns]`, with the same
    /// columns of a packed block to `out`, `[rows][token_lanes]`.
    pub(crate) fn multiply_block(&self, widened: &[f32], columns: usize, packed: &[f32], out: &mut [f32]) {
        unsafe { (self.multiply_block)(widened, columns, packed, out) }
    }

    /// Stores products of a block, `[at least the rows of out][token_lanes]`, at its place.
    pub(crate) fn store(&self, products: &[f32], out: &mut OutBlock<'_>) {
        unsafe { (self.store)(products, out) }
    }

    /// Adds them to what is there.
    pub(crate) fn add(&self, products: &[f32], out: &mut OutBlock<'_>) {
        unsafe { (self.add)(products, out) }
    }

    /// Rounds widened matrix rows, `[rows][columns]`, to 8 bits.
    pub(crate) fn quantise_rows(&self, widened: &[f32], columns: usize, out: &mut QuantisedRows) {
        unsafe { (self.quantise_rows)(widened, columns, out) }
    }

    /// As [`Kernels::pack`], in 8 bits: into quants `[columns / 4][token_lanes][4]` and scales
    /// `[groups][token_lanes]`, both of whole groups of [`GROUP`] columns.
    pub(crate) fn pack_int8(&self, rows: &[f32], columns: usize, quants: &mut [u8], scales: &mut [f32]) {
        unsafe { (self.pack_int8)(rows, columns, quants, scales) }
    }

    /// As [`Kernels::multiply_block`], in 8 bits.
    pub(crate) fn multiply_block_int8(
        &self,
        rows: &QuantisedRows,
        inputs: QuantisedBlock<'_>,
        out: &mut [f32],
    ) {
        unsafe { (self.multiply_block_int8)(rows, inputs, out) }
    }

    /// `out = row / sqrt(mean(row^2) + epsilon) * weight`
    pub(crate) fn rms_norm(&self, row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        unsafe { (self.scale)(row, weight, self.rms_factor(row, epsilon), out) }
    }

    /// The same, in place.
    pub(crate) fn rms_norm_in_place(&self, row: &mut [f32], weight: &[f32], epsilon: f32) {
        unsafe { (self.scale_in_place)(row, weight, self.rms_factor(row, epsilon)) }
    }

    fn rms_factor(&self, row: &[f32], epsilon: f32) -> f32 {
        1.0 / (unsafe { (self.sum_of_squares)(row) } / row.len() as f32 + epsilon).sqrt()
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
