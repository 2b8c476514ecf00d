// One warp's part of the softmax: 16 rows of scores become probabilities, without maxima in the common case.
//
//   while a row of the warp has seen no key: maxima of the stage, and the base of a row from its own
//   afterwards: p = 2^(score * scale - base) with the base as it is; sums grow
//   where a stage's sum leaves the type's range: the scores once more, the base from their maxima, sums and outputs rescaled
//
// A base may be far below the maximum as long as no probability overflows: bf16 has the exponents of f32, and a sum may grow
// to 2^40. f16 has not: there the base lies 11 powers of two below the maximum, so that what is 2^-25 of it is still a normal
// number (what lies behind an attention sink is the sum of many such), and a thread's part of a stage may sum up to 2^15, so
// that none of its probabilities exceeds 65,504.
#pragma once
#include "shared.cuh"

template <class T> struct Range;
template <> struct Range<Bf16> {
  static constexpr float BELOW_MAXIMUM = 0.f, LIMIT = 1.1e12f;
  // Whether a thread's sum, or its part in this stage, has left the range.
  static DEVICE bool leaves(float sum, float part) { return !(sum < LIMIT); }
};
template <> struct Range<F16> {
  static constexpr float BELOW_MAXIMUM = 11.f, LIMIT = 32768.f;
  static DEVICE bool leaves(float sum, float part) { return !(part < LIMIT); }
};

// Two rows of a thread: `row` and eight below it. Of N keys a thread has N / 2 scores: pairs of keys, of the two rows in turn.
template <class T> struct RowSoftmax {
  float scale;
  float maximum[2], sum[2], base[2];  // base: what is taken from scaled scores
  bool settled;                       // every row of the warp has a maximum

  DEVICE void start() {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      maximum[h] = -INFINITY;
      sum[h] = 0.f;
      base[h] = 0.f;
    }
    settled = false;
  }

  // Raises the maxima and bases to those of `scores`; `factor` is what earlier outputs must be multiplied with.
  template <int COUNT> DEVICE void raise(const float (&scores)[COUNT], float (&factor)[2]) {
    float part[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) part[i] = fmaxf(scores[i], scores[i + 8]);
#pragma unroll
    for (int i = 16; i < COUNT; i += 8)
#pragma unroll
      for (int j = 0; j < 8; ++j) part[j] = fmaxf(part[j], scores[i + j]);
    float most[2] = {fmaxf(fmaxf(fmaxf(part[0], part[1]), fmaxf(part[4], part[5])), maximum[0]),
                     fmaxf(fmaxf(fmaxf(part[2], part[3]), fmaxf(part[6], part[7])), maximum[1])};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      most[h] = fmaxf(most[h], shuffle_xor(most[h], 1));
      most[h] = fmaxf(most[h], shuffle_xor(most[h], 2));
      const float top = most[h] == -INFINITY ? 0.f : most[h] * scale;
      factor[h] = exp2_fast(maximum[h] * scale - top);
      base[h] = top - Range<T>::BELOW_MAXIMUM;
      maximum[h] = most[h];
      sum[h] *= factor[h];
    }
    settled = !any_of_warp(maximum[0] == -INFINITY || maximum[1] == -INFINITY);
  }

  // Scores become probabilities; returns the thread's largest sum and part of this stage, by way of `part`.
  template <int COUNT> DEVICE void exponentials(float (&scores)[COUNT], float (&part)[2]) {
    float t[4] = {0.f, 0.f, 0.f, 0.f};
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
      scores[i] = exp2_fast(fmaf(scores[i], scale, -base[(i >> 1) & 1]));
      t[i & 3] += scores[i];
    }
    part[0] = t[0] + t[1];
    part[1] = t[2] + t[3];
    sum[0] += part[0];
    sum[1] += part[1];
  }

  // `again` computes the scores anew. Returns whether earlier outputs must be multiplied with `factor`.
  template <int COUNT, class Again> DEVICE bool run(float (&scores)[COUNT], float (&factor)[2], const Again& again) {
    float part[2];
    if (!settled) {
      raise(scores, factor);
      exponentials(scores, part);
      return true;
    }
    const float sum0 = sum[0], sum1 = sum[1];
    exponentials(scores, part);
    // The vote also keeps the wait for P.V, which follows, behind all exponentials.
    if (!any_of_warp(Range<T>::leaves(sum[0], part[0]) || Range<T>::leaves(sum[1], part[1]))) return false;
    sum[0] = sum0;
    sum[1] = sum1;
    again(scores);
    raise(scores, factor);
    exponentials(scores, part);
    return true;
  }

  // One over the sums of whole rows, with the sink's part.
  DEVICE void finish(const float* sink, float (&factor)[2]) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      sum[h] += shuffle_xor(sum[h], 1);
      sum[h] += shuffle_xor(sum[h], 2);
      if (sink) sum[h] += exp2f(*sink * 1.44269504f - base[h]);
      factor[h] = sum[h] > 0.f ? 1.f / sum[h] : 0.f;
    }
  }
};
