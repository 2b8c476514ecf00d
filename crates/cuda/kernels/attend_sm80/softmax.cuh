// Probabilities of 16 keys at a time, without row maxima in the common case.
//
//   p = 2^(score * scale - base[row]);  sum[row] += p
//   if a lane's p leave the range or are no numbers: raise(): base = the maximum so far, less
//   TOP_BITS; what was summed before is scaled; p anew from the scores, which are still there
//
// Softmax is the same whatever the base. A maximum per step would cost 64 comparisons, 4 shuffles
// and the scaling of all sums (128 products at head_dim 128) beside 256 tensor instructions; the
// check costs a vote. A row that has seen no key has base -infinity, which makes p infinite or NaN
// and leads to raise() by itself; so do scores that jump by hundreds.
//
// Range. bf16 has the exponents of f32: p may grow to 2^40. f16 ends at 65504, its normal numbers
// at 2^-14, the others at 2^-24. With p <= 1 a key that is 17 (of e) below an attention sink would
// be zero, and the mean over a hundred thousand such keys with it; a million keys that share a
// thousandth of the sink's mass are 2^-30 of it each. So the maximum is placed at 2^15: normal down
// to 2^-29 of it, and with nine bits at 2^-30. What rises beyond 65504 is infinite once it is
// rounded, and that is what the check looks for.
#pragma once
#include "../arch/sm80.cuh"

template <class T>
struct Range;
template <>
struct Range<Bf16> {
  static constexpr float TOP_BITS = 0.f, LIMIT = 1099511627776.f;
};
template <>
struct Range<F16> {
  static constexpr float TOP_BITS = 15.f;
};

// Of the rows l / 4 and l / 4 + 8 of each tile of 16 rows. Sums are the lane's own until the end.
template <int TILES>
struct Rows {
  float base[TILES][2], sum[TILES][2];
  DEVICE Rows() {
#pragma unroll
    for (int a = 0; a < TILES; ++a)
#pragma unroll
      for (int h = 0; h < 2; ++h) base[a][h] = minus_infinity(), sum[a][h] = 0.f;
  }
};

// Probabilities of one chunk: operands of `multiply`, and their sums in f32.
template <int TILES>
struct Chunk {
  uint32_t p[TILES][4];
  float sum[TILES][2];
};

// One of the 4 * TILES units that a chunk consists of: two neighbouring keys of a row.
template <class T, int TILES, int N>
DEVICE void exponentials(Chunk<TILES>& chunk, int unit, const float (&scores)[TILES][N][4], int first,
                         float scale, const float (&base)[TILES][2]) {
  const int a = unit / 4, t = unit / 2 % 2, h = unit % 2;
  const float x = exp2_fast(fmaf(scores[a][first + t][2 * h], scale, -base[a][h]));
  const float y = exp2_fast(fmaf(scores[a][first + t][2 * h + 1], scale, -base[a][h]));
  chunk.p[a][2 * t + h] = pack<T>(x, y);
  chunk.sum[a][h] = t == 0 ? x + y : chunk.sum[a][h] + (x + y);
}

DEVICE bool out_of_range(Bf16, const float sums, uint32_t) { return any_lane(!(sums <= Range<Bf16>::LIMIT)); }
DEVICE bool out_of_range(F16, float, const uint32_t signs) { return any_lane(signs & 0x80008000); }

template <class T, int TILES>
DEVICE bool out_of_range(const Chunk<TILES>& chunk) {
  float total = chunk.sum[0][0] + chunk.sum[0][1];
  if (TILES == 2) total += chunk.sum[TILES - 1][0] + chunk.sum[TILES - 1][1];
  // An exponent of all ones carries into the sign, which no other p has.
  uint32_t signs = 0;
#pragma unroll
  for (int a = 0; a < TILES; ++a)
#pragma unroll
    for (int i = 0; i < 4; ++i) signs |= chunk.p[a][i] + 0x04000400;
  return out_of_range(T{}, total, signs);
}

template <class T, int TILES, int N, int COLUMNS>
DEVICE void raise(Chunk<TILES>& chunk, const float (&scores)[TILES][N][4], int first, float scale,
                  Rows<TILES>& rows, float (&output)[TILES][COLUMNS][4]) {
  float base[TILES][2];
#pragma unroll
  for (int a = 0; a < TILES; ++a)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float top = fmaxf(fmaxf(scores[a][first][2 * h], scores[a][first][2 * h + 1]),
                        fmaxf(scores[a][first + 1][2 * h], scores[a][first + 1][2 * h + 1]));
      top = fmaxf(top, shuffle_xor(top, 1));
      top = fmaxf(top, shuffle_xor(top, 2));
      const float before = rows.base[a][h], after = fmaxf(before, fmaf(top, scale, -Range<T>::TOP_BITS));
      const bool unseen = after == minus_infinity();
      const float factor = unseen ? 1.f : exp2_fast(before - after);
      rows.base[a][h] = after;
      rows.sum[a][h] *= factor;
      base[a][h] = unseen ? 0.f : after;
#pragma unroll
      for (int c = 0; c < COLUMNS; ++c) output[a][c][2 * h] *= factor, output[a][c][2 * h + 1] *= factor;
    }
#pragma unroll
  for (int unit = 0; unit < 4 * TILES; ++unit) exponentials<T>(chunk, unit, scores, first, scale, base);
}

// Checks a chunk, puts it right where it is out of range, and adds it to the rows' sums.
template <class T, int TILES, int N, int COLUMNS>
DEVICE void settle(Chunk<TILES>& chunk, const float (&scores)[TILES][N][4], int first, float scale,
                   Rows<TILES>& rows, float (&output)[TILES][COLUMNS][4]) {
  if (__builtin_expect(out_of_range<T>(chunk), 0)) raise<T>(chunk, scores, first, scale, rows, output);
#pragma unroll
  for (int a = 0; a < TILES; ++a)
#pragma unroll
    for (int h = 0; h < 2; ++h) rows.sum[a][h] += chunk.sum[a][h];
}

// score -> softcap * tanh(score * softmax scale / softcap), times log2(e).
struct Softcap {
  float inner, outer;
  DEVICE Softcap(float softcap, float scale_log2)
      : inner(2.f * scale_log2 / softcap), outer(softcap * 1.44269504f) {}
  // tanh(y) = 1 - 2 / (e^2y + 1): tanh.approx is off by 2^-11, which 50 turns into 0.02
  DEVICE float operator()(float score) const {
    return outer - 2.f * outer * reciprocal_fast(exp2_fast(score * inner) + 1.f);
  }
};
