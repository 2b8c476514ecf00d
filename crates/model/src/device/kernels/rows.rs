//! What happens to a row of `f32` between two matrix products: norms, gated activations, rotations.

use crate::decoder::config::Activation;

/// 1.5 * 2^23: adding it rounds to a whole number, which the lowest bits of the sum then hold.
pub(super) const ROUND: f32 = 12_582_912.0;

/// How `a * b + c` is computed in safe loops: fused where the instruction set has it, since the
/// function behind `f32::mul_add` is slow where it has not.
pub(super) trait MulAdd {
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// One rounding.
pub(super) struct Fused;
/// Two roundings.
pub(super) struct Separate;

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

/// `out = row * factor * weight`: the end of a norm.
#[inline(always)]
pub(super) fn scale(row: &[f32], weight: &[f32], factor: f32, out: &mut [f32]) {
    for ((out, x), w) in out.iter_mut().zip(row).zip(weight) {
        *out = x * factor * w;
    }
}

/// The same, in place.
#[inline(always)]
pub(super) fn scale_in_place(row: &mut [f32], weight: &[f32], factor: f32) {
    for (x, w) in row.iter_mut().zip(weight) {
        *x = *x * factor * w;
    }
}

/// `gate = activation(gate) * up`
#[inline(always)]
pub(super) fn gate<M: MulAdd>(activation: Activation, gate: &mut [f32], up: &[f32]) {
    match activation {
        Activation::Silu => {
            for (x, up) in gate.iter_mut().zip(up) {
                *x = *x * sigmoid::<M>(*x) * up;
            }
        }
        // 0.5 x (1 + tanh(y)) is x * sigmoid(2 y)
        Activation::GeluTanh => {
            let factor = 2.0 * (2.0 / std::f32::consts::PI).sqrt();
            for (x, up) in gate.iter_mut().zip(up) {
                let y = factor * M::mul_add(0.044_715 * *x * *x, *x, *x);
                *x = *x * sigmoid::<M>(y) * up;
            }
        }
    }
}

#[inline(always)]
fn sigmoid<M: MulAdd>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<M>(-x))
}

/// The exponential function, within 2 units in the last place, without branches. Saturates beyond
/// ±87.
#[inline(always)]
fn exp<M: MulAdd>(x: f32) -> f32 {
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, so that r is exact
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = M::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = M::mul_add(n, -LN2_LOW, M::mul_add(n, -LN2_HIGH, x));
    // Cephes' polynomial for exp on this interval
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = M::mul_add(p, r, c);
    }
    let p = M::mul_add(p, r * r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    p * power
}

/// Rotates pairs of elements `i` and `i + pairs` (`NEIGHBOURS` false) or `2 i` and `2 i + 1`.
#[inline(always)]
pub(super) fn rotate<const NEIGHBOURS: bool>(row: &mut [f32], cosines: &[f32], sines: &[f32]) {
    let pairs = cosines.len();
    if NEIGHBOURS {
        for ((pair, cos), sin) in row.chunks_exact_mut(2).zip(cosines).zip(sines) {
            (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[1] * cos + pair[0] * sin);
        }
    } else {
        let (first, second) = row[..2 * pairs].split_at_mut(pairs);
        for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        }
    }
}
