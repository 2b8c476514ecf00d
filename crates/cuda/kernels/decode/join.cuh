// Adds the pieces of one head of one sequence, in an order that depends on nothing but their
// number:
//
//   top = maximum of the pieces' bases and the sink's logit
//   output = sum of 2^(base - top) * piece's output
//            / (sum of 2^(base - top) * piece's sum + 2^(sink - top))
//
// Threads work in groups of head_dim / 4, four columns a thread. Group g adds pieces g, g + groups,
// ...; then the groups are added one after the other.
#pragma once
#include "../arch/sm80.cuh"
#include "arguments.h"

template <class T>
DEVICE void decode_join(const DecodeArguments& arguments) {
  const int head = static_cast<int>(block_x()), sequence = static_cast<int>(block_y()),
            thread = thread_index(), lane = thread % 32;
  const int head_dim = arguments.head_dim, columns = head_dim / 4, groups = DECODE_JOIN_THREADS / columns;
  const int64_t line = (static_cast<int64_t>(sequence) * arguments.heads + head) * arguments.pieces;
  const float* outputs = arguments.workspace + line * head_dim;
  const float* pairs =
      arguments.workspace +
      static_cast<int64_t>(arguments.sequences) * arguments.heads * arguments.pieces * head_dim + line * 2;
  const uint32_t shared = shared_base(), group_outputs = shared, group_sums = shared + 4096,
                 tops = shared + 4096 + 1024;

  float top = minus_infinity();
  for (int i = thread; i < arguments.pieces; i += DECODE_JOIN_THREADS) top = fmaxf(top, pairs[2 * i]);
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) top = fmaxf(top, shuffle_xor(top, lanes));
  if (lane == 0) store_shared(tops + thread / 32 * 4, as_word(top));
  block_sync();
#pragma unroll
  for (int w = 0; w < DECODE_JOIN_THREADS / 32; ++w) top = fmaxf(top, as_float(load_shared(tops + w * 4)));
  const bool none = top == minus_infinity();  // no key, so zeros, with a sink or without
  const float sink =
      arguments.sinks != nullptr ? load_float(arguments.sinks + head) * 1.44269504f : minus_infinity();
  top = none ? 0.f : fmaxf(top, sink);

  const int group = thread / columns, column = thread % columns;
  float x[4] = {0.f, 0.f, 0.f, 0.f}, sum = 0.f;
  if (group < groups) {
#pragma unroll 4
    for (int i = group; i < arguments.pieces; i += groups) {
      const float factor = exp2_fast(pairs[2 * i] - top);
      const float4 y =
          *reinterpret_cast<const float4*>(outputs + static_cast<int64_t>(i) * head_dim + column * 4);
      x[0] += factor * y.x, x[1] += factor * y.y, x[2] += factor * y.z, x[3] += factor * y.w;
      sum += factor * pairs[2 * i + 1];
    }
#pragma unroll
    for (int j = 0; j < 4; ++j)
      store_shared(group_outputs + (group * head_dim + column * 4 + j) * 4, as_word(x[j]));
    if (column == 0) store_shared(group_sums + group * 4, as_word(sum));
  }
  block_sync();
  if (thread >= columns) return;
  sum = sink == minus_infinity() ? 0.f : exp2_fast(sink - top);
  x[0] = x[1] = x[2] = x[3] = 0.f;
  for (int g = 0; g < groups; ++g) {
    sum += as_float(load_shared(group_sums + g * 4));
#pragma unroll
    for (int j = 0; j < 4; ++j)
      x[j] += as_float(load_shared(group_outputs + (g * head_dim + thread * 4 + j) * 4));
  }
  const float factor = none ? 0.f : 1.f / sum;
  char* to = static_cast<char*>(arguments.output) + sequence * arguments.output_sequence_stride +
             head * arguments.output_head_stride;
  if (arguments.output_f32) {
    *reinterpret_cast<float4*>(to + thread * 16) = {x[0] * factor, x[1] * factor, x[2] * factor, x[3] * factor};
    return;
  }
  *reinterpret_cast<uint2*>(to + thread * 8) = {pack<T>(x[0] * factor, x[1] * factor),
                                   pack<T>(x[2] * factor, x[3] * factor)};
}
