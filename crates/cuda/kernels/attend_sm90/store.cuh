// output / (sum + sink), as it leaves the registers.
//
// A lane holds two columns of each eight, 4 bytes of 16. Stored like that, each instruction of a
// warp touches eight rows for 16 bytes each: a tile would take 4,000 cycles of the load and store
// unit. So four lanes exchange what they hold of four times eight columns, and each stores 16 bytes
// of its own, 64 in a row.
#pragma once
#include "softmax.cuh"

// words[i] of lane l of four: columns 2 * l of block i. Becomes all of block l.
DEVICE void transpose_among_four(uint32_t (&words)[4], int lane) {
  const auto exchange = [](uint32_t& low, uint32_t& high, bool is_high, int distance) {
    const uint32_t received = as_word(shuffle_xor(as_float(is_high ? low : high), distance));
    if (is_high)
      low = received;
    else
      high = received;
  };
  exchange(words[0], words[1], lane & 1, 1);
  exchange(words[2], words[3], lane & 1, 1);
  exchange(words[0], words[2], lane & 2, 2);
  exchange(words[1], words[3], lane & 2, 2);
}

// `query`: the lane's first; its second is 8 behind.
template <class T, int D>
DEVICE void store_output(const AttendArguments& arguments, const Softmax<T>& softmax, const float (&output)[D / 2],
                         int head, int query, int lane) {
  constexpr int BLOCKS = D / 8;
  const float* sink = arguments.sinks == nullptr ? nullptr : arguments.sinks + head;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const float weight = softmax.weight(h, sink);
    const int64_t token = query + 8 * h;
    const bool there = token < arguments.queries;
    char* to = static_cast<char*>(arguments.output) + head * arguments.output_head_stride +
               token * arguments.output_token_stride;
    if (arguments.output_f32) {
      if (!there) continue;
#pragma unroll
      for (int b = 0; b < BLOCKS; ++b)
        store_global8(to + b * 32 + lane % 4 * 8, output[4 * b + 2 * h] * weight, output[4 * b + 2 * h + 1] * weight);
      continue;
    }
#pragma unroll
    for (int b = 0; b < BLOCKS; b += 4) {
      uint32_t words[4] = {0, 0, 0, 0};
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (b + i < BLOCKS)
          words[i] = pack<T>(output[4 * (b + i) + 2 * h] * weight, output[4 * (b + i) + 2 * h + 1] * weight);
      transpose_among_four(words, lane);
      if (there && b + lane % 4 < BLOCKS) store_global16(to + (b + lane % 4) * 16, words);
    }
  }
}
