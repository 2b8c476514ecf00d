// Probabilities of a stage, without row maxima in the common case.
//
//   p = 2^(score * scale - base[row]);  sum[row] += p
//   where a lane's p leave the range, or are no numbers at all, the warp computes the stage's
//   scores anew and raises: base = maximum so far, less TOP_BITS
//
// Sums add p before it is rounded for the product. A row's one dominant key has a p that rounding
// changes by up to 2^-9 (bf16), unless the base is its own, and so has the row's output. Adding
// rounded p instead, measured on an H200, puts the same error on what lies behind an attention sink,
// and takes 8 to 12 % longer.
//
// Softmax is the same whatever the base. Maxima cost 354 cycles of 2,600 a stage (head_dim 128)
// and 202 of 2,000 (64) on an H200; the check is a vote. Rows start without a base: until each row
// of a warp has seen a key, every stage takes the maxima.
//
// Range. bf16 has the exponents of f32, so p may grow to 2^40. f16 ends at 65504, its normal
// numbers at 2^-14, the others at 2^-24. With p <= 1, a key that is 17 (of e) below an attention
// sink would be zero, and with it the mean over a hundred thousand such keys; a million keys that
// share a thousandth of the sink's mass are 2^-30 of it each. So the maximum is placed at 2^15:
// normal down to 2^-29 of it, and with nine bits at 2^-30. Rows that see their first keys in a masked stage see few: with f16 the maxima end behind the
// first stage that is not masked, so that they are not raised soon after.
#pragma once
#include "mask.cuh"

template <class T>
struct Range90;
template <>
struct Range90<Bf16> {
  static constexpr float TOP_BITS = 0.f, LIMIT = 1099511627776.f;
  static constexpr bool ENDS_NEAR_THE_TOP = false;  // what has to be checked: each p, or their sum
  static constexpr bool WAITS_FOR_PLAIN_STAGE = false;
};
template <>
struct Range90<F16> {
  static constexpr float TOP_BITS = 15.f, LIMIT = 60000.f;
  static constexpr bool ENDS_NEAR_THE_TOP = true;
  static constexpr bool WAITS_FOR_PLAIN_STAGE = true;
};

// score -> softcap * tanh(score * softmax scale / softcap), times log2(e).
struct Softcap90 {
  float inner, outer;
  DEVICE Softcap90(float softcap, float scale_log2)
      : inner(2.f * scale_log2 / softcap), outer(softcap * 1.44269504f) {}
  // tanh(y) = 1 - 2 / (e^2y + 1): tanh.approx is off by 2^-11, which 50 turns into 0.02
  DEVICE float operator()(float score) const {
    return outer - 2.f * outer * reciprocal_fast(exp2_fast(score * inner) + 1.f);
  }
};

// Rows l / 4 and l / 4 + 8 of the warp's 16. Sums are the lane's own until the end.
template <class T>
struct Softmax {
  using Range = Range90<T>;
  float scale;
  float maximum[2], base[2], sum[2];  // base = maximum * scale - TOP_BITS; 0 where there is no maximum
  bool has_maxima;                    // every row of the warp has seen a key

  DEVICE void start() {
#pragma unroll
    for (int h = 0; h < 2; ++h) maximum[h] = minus_infinity(), base[h] = 0.f, sum[h] = 0.f;
    has_maxima = false;
  }

  // Scores become probabilities, with the lane's sums of both rows; returns its largest, where the
  // check needs it.
  template <int N>
  DEVICE float exponentials(float (&scores)[N / 2], float (&sums)[2]) const {
    float part[4] = {0.f, 0.f, 0.f, 0.f}, top[4] = {0.f, 0.f, 0.f, 0.f};
#pragma unroll
    for (int i = 0; i < N / 2; ++i) {
      scores[i] = exp2_fast(fmaf(scores[i], scale, -base[i / 2 % 2]));
      part[i % 4] += scores[i];
      if (Range::ENDS_NEAR_THE_TOP) top[i % 4] = fmaxf(top[i % 4], scores[i]);
    }
    sums[0] = part[0] + part[1], sums[1] = part[2] + part[3];
    return fmaxf(fmaxf(top[0], top[1]), fmaxf(top[2], top[3]));
  }
  DEVICE bool out_of_range(const float (&sums)[2], float largest) const {
    if (Range::ENDS_NEAR_THE_TOP) return any_lane(!(largest <= Range::LIMIT && sums[0] + sums[1] >= 0.f));
    return any_lane(!(sums[0] <= Range::LIMIT && sums[1] <= Range::LIMIT));
  }

  // Probabilities under the maxima that there are with these scores. `factors`: what all that was
  // added up before must be multiplied with; the sums are already. `masked`: of the stage.
  template <int N>
  DEVICE void raise(float (&scores)[N / 2], bool masked, float (&factors)[2]) {
    // Eight chains, because one is as long as its latency.
    float top[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) top[i] = fmaxf(scores[i], scores[i + 8]);
#pragma unroll
    for (int i = 16; i < N / 2; ++i) top[i % 8] = fmaxf(top[i % 8], scores[i]);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float x = fmaxf(fmaxf(top[2 * h], top[2 * h + 1]), fmaxf(top[2 * h + 4], top[2 * h + 5]));
      x = fmaxf(x, maximum[h]);
      x = fmaxf(x, shuffle_xor(x, 1));
      x = fmaxf(x, shuffle_xor(x, 2));
      base[h] = x == minus_infinity() ? 0.f : fmaf(x, scale, -Range::TOP_BITS);
      factors[h] = exp2_fast(fmaf(maximum[h], scale, -Range::TOP_BITS) - base[h]);
      maximum[h] = x;
    }
    has_maxima = !(any_lane(maximum[0] == minus_infinity() || maximum[1] == minus_infinity()) ||
                   (Range::WAITS_FOR_PLAIN_STAGE && masked));
    float sums[2];
    exponentials<N>(scores, sums);
#pragma unroll
    for (int h = 0; h < 2; ++h) sum[h] = fmaf(sum[h], factors[h], sums[h]);
  }

  // The sum of a row over its four lanes, inverted; a sink takes part in it as a key without a
  // value does. 0 for a row that saw no key.
  DEVICE float weight(int h, const float* sink) const {
    float total = sum[h];
    total += shuffle_xor(total, 1);
    total += shuffle_xor(total, 2);
    float factor = 1.f;
    if (sink != nullptr && maximum[h] != minus_infinity()) {
      const float rise = fmaf(load_float(sink), 1.44269504f, -base[h]), top = fmaxf(rise, 0.f);
      factor = exp2_fast(-top);
      total = total * factor + exp2_fast(rise - top);
    }
    return total == 0.f ? 0.f : factor / total;
  }
};

// The warp's scores once more, by `mma.sync`, for stages whose first probabilities did not hold.
template <class T, int D, int N>
DEVICE void compute_scores(float (&scores)[N / 2], uint32_t queries, uint32_t keys, int lane) {
  using S = Shape90<D>;
#pragma unroll
  for (int i = 0; i < N / 2; ++i) scores[i] = 0.f;
#pragma unroll 1
  for (int k = 0; k < D / 16; ++k) {
    uint32_t a[4];
    load_matrices(a, swizzled_piece(queries, S::PANEL_BYTES, lane % 16, k * 2 + lane / 16));
#pragma unroll
    for (int b = 0; b < N / 16; ++b) {
      uint32_t x[4];
      load_matrices(x, swizzled_piece(keys, S::PANEL_BYTES, b * 16 + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
      float(&low)[4] = *reinterpret_cast<float(*)[4]>(scores + 8 * b);
      float(&high)[4] = *reinterpret_cast<float(*)[4]>(scores + 8 * b + 4);
      multiply<T>(low, a, x[0], x[1]);
      multiply<T>(high, a, x[2], x[3]);
    }
  }
}
