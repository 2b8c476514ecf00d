//! Probabilities of 16 bits, whose range or precision is far less than attention's.
//!
//! An `f16` has its full precision between 2^-14 and 2^16. Behind an attention sink, a key that
//! holds 99.9 % of a row's mass, each of a hundred thousand others has 2^-27 of it: relative to the
//! maximum they are zeros, and the row loses what it says (the sink's own value is mostly next to
//! nothing). A `bf16` has the range, but rounds the sink itself by up to 0.2 %, and with it what
//! the row is divided by. So the reference of a row, what its exponents are relative to, is not its
//! maximum here. It follows the many small probabilities, and moves by whole powers of two, which
//! costs no rounding:
//!
//! - it **starts** near the least of the maxima of a few small groups of keys: some of them hold no
//!   sink;
//! - a **peak**, a probability far above that, is taken out of the tile and added to the row's
//!   `f32` sums and output, which bear it and don't round it: one key's values times the block's
//!   probabilities. Only few keys of a tile are treated so: sinks are the same for all queries;
//! - where many keys are large (a diagonal is another key for each query), or many tiles have such
//!   keys, the reference **rises** until they fit;
//! - where all of a chunk are so small that they lost bits, it **falls**, unless the row holds so
//!   much beside its peaks already that what is lost does not count.
//!
//! The usual tile costs a few comparisons more than one of `f32`. Words of probabilities hold two
//! keys here.

mod peaks;
mod references;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

pub(super) use references::{fit_tile, set_first_reference};

/// What a type of probabilities asks of the reference of a row. Powers of two are relative to the
/// reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NarrowRange {
    /// Where the probabilities lie that a reference is made from: those of ordinary keys.
    pub(crate) start: f32,
    /// A probability of this or more is a peak; as the bits of the type, which compare like the
    /// (positive) numbers.
    pub(crate) peak_bits: u32,
    /// The power of two that the largest chunk of a tile sums to after the reference rose.
    pub(crate) after_rise: f32,
    /// What a chunk of keys must stay below: more than five peaks, so that a chunk that exceeds it
    /// because of few keys has a peak.
    pub(crate) chunk_limit: f32,
    /// The least sum of a chunk of keys whose probabilities have their precision; 0 where all have.
    pub(crate) chunk_floor: f32,
    /// Where a row sums to this or more without its peaks, what lies below the floor does not
    /// count: many keys of it are rounded to a part in a thousand or, far below, up as often as
    /// down.
    pub(crate) enough_bulk: f32,
    /// Where it sums to this or more with its peaks, neither: a million keys below the floor are
    /// less than 1e-3 of what a sink of 99.99 % leaves.
    pub(crate) enough: f32,
}

impl NarrowRange {
    /// Half of an ulp of `f16` is less than 1e-3 of 2^-15, the probability that the floor means for
    /// each of 16 keys. Eight chunks below the limit, times values below 32, stay in range. Between
    /// them a reference starts where it has most room both ways.
    pub(crate) const FLOAT16: Self = Self {
        start: -12.0,
        peak_bits: 0x5000,
        after_rise: -4.0,
        chunk_limit: 192.0,
        chunk_floor: 1.0 / 2048.0,
        enough_bulk: 1.0 / 64.0,
        enough: (1u32 << 20) as f32,
    };
    /// `bf16` has the exponents of `f32`, hence no floor. Sinks must be peaks here, so that they
    /// are not rounded.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const BFLOAT16: Self = Self {
        start: -2.0,
        peak_bits: 0x4200,
        after_rise: -20.0,
        chunk_limit: 192.0,
        chunk_floor: 0.0,
        enough_bulk: 0.0,
        enough: 0.0,
    };
}
