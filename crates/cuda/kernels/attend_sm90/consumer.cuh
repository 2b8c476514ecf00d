// A consuming warpgroup: 64 query rows of a tile, and all of its stages.
//
//   for each stage: scores of its keys are issued, then the values' product of the stage before
//                   when the scores are there: mask, probabilities
//                   when that product is done: outputs rescaled if the base rose, probabilities packed for the next product
//   at the end: outputs / sums
#pragma once
#include "softmax.cuh"

template <class T, class L> struct Consumer {
  uint32_t base;
  const AttendArguments& arguments;
  int half, warp, lane;
  RowSoftmax<T> rows;
  float output[L::D / 2];
  int row;                  // position of the thread's first row; the second is eight further
  int slot = 0, phase = 0;  // of the current stage
  uint64_t queries, keys, values;

  DEVICE Consumer(uint32_t base, const AttendArguments& arguments, int half, int warp, int lane)
      : base(base), arguments(arguments), half(half), warp(warp), lane(lane) {
    rows.scale = arguments.scale_log2;
    queries = describe_depth(base + L::QUERIES + half * L::HALF_PANEL);
    keys = describe_depth(base + L::KEYS);
    values = describe_width(base + L::VALUES, L::PANEL);
  }

  // Addresses in descriptions count 16 bytes. Of a half stage this warpgroup uses its own 64 keys.
  template <int N> DEVICE uint32_t stage_offset(int slot) const { return slot * (L::STAGE / 16) + (N == HALF_ROWS ? half * (L::HALF_PANEL / 16) : 0); }
  template <int N> DEVICE void issue_scores(float (&scores)[N / 2]) {
    const uint64_t k = keys + stage_offset<N>(slot);
#pragma unroll
    for (int step = 0; step < L::D / 16; ++step) {
      const int at = ((step >> 2) * L::PANEL + (step & 3) * 32) / 16;
      wgmma_scores<T, N>(scores, queries + at, k + at, step > 0);
    }
    wgmma_commit();
  }
  template <int N> DEVICE void issue_values(const uint32_t (&probabilities)[N / 4], int slot) {
    const uint64_t v = values + stage_offset<N>(slot);
#pragma unroll
    for (int step = 0; step < N / 16; ++step) wgmma_values<T, L::D>(output, probabilities + 4 * step, v + step * 128);
    wgmma_commit();
  }
  DEVICE void advance() {
    if (++slot == L::STAGES) {
      slot = 0;
      phase ^= 1;
    }
  }
  DEVICE void release(uint32_t barrier) {
    __syncwarp();
    if (lane == 0) barrier_arrive(base + barrier);
  }

  template <int N> DEVICE void mask(float (&scores)[N / 2]) {
    const uint32_t positions = base + L::POSITIONS + slot * L::POSITION_BYTES + (N == HALF_ROWS ? half * HALF_ROWS * 4 : 0) + (lane & 3) * 8;
#pragma unroll
    for (int b = 0; b < N / 8; ++b) {
      const uint2 words = load_shared_pair(positions + b * 32);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint32_t word = i ? words.y : words.x;
        // Distance from the key back to the first row; a hidden key is in the future of all.
        const int distance = (word >> (30 + half)) & 1 ? INT32_MIN : row - static_cast<int>(word & COLUMN_KEY_MASK);
        if (distance < 0 || distance >= arguments.window) scores[4 * b + i] = -INFINITY;
        if (distance < -8 || distance >= arguments.window - 8) scores[4 * b + 2 + i] = -INFINITY;
      }
    }
  }

  // Scores once more, by this warp alone: the registers of the first product hold probabilities now.
  template <int N> DEVICE void score_again(float (&scores)[N / 2]) {
#pragma unroll
    for (int i = 0; i < N / 2; ++i) scores[i] = 0.f;
    const uint32_t q = base + L::QUERIES, k = base + L::KEYS + slot * L::STAGE + (N == HALF_ROWS ? half * L::HALF_PANEL : 0);
#pragma unroll 1
    for (int step = 0; step < L::D / 16; ++step) {
      uint32_t a[4];
      load_matrices(a, piece_at<L>(q, half * HALF_ROWS + warp * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
      for (int b = 0; b < N / 16; ++b) {
        uint32_t x[4];
        load_matrices(x, piece_at<L>(k, b * 16 + (lane / 16) * 8 + lane % 8, step * 2 + (lane / 8) % 2));
        multiply<T>(scores + 8 * b, a, x[0], x[1]);
        multiply<T>(scores + 8 * b + 4, a, x[2], x[3]);
      }
    }
  }

  // Masks and makes probabilities of a stage's scores; the stage's keys are free afterwards.
  template <int N> DEVICE bool make_probabilities(float (&scores)[N / 2], uint32_t masked, float (&factor)[2]) {
    if (masked) mask<N>(scores);
    const bool moved = rows.run(scores, factor, [&](float (&again)[N / 2]) {
      score_again<N>(again);
      if (masked) mask<N>(again);
    });
    release(L::KEYS_EMPTY + 8 * slot);
    return moved;
  }
  template <int N> DEVICE void pack_all(const float (&scores)[N / 2], uint32_t (&probabilities)[N / 4]) {
#pragma unroll
    for (int i = 0; i < N / 4; ++i) probabilities[i] = pack<T>(scores[2 * i], scores[2 * i + 1]);
  }
  DEVICE void rescale(const float (&factor)[2]) {
#pragma unroll
    for (int i = 0; i < L::D / 2; ++i) output[i] *= factor[(i >> 1) & 1];
  }
  // The values' product that is still to be done.
  template <int N> DEVICE void finish_values(const uint32_t (&probabilities)[N / 4]) {
    barrier_wait(base + L::VALUES_FULL + 8 * slot, phase);
    wgmma_begin();
    issue_values<N>(probabilities, slot);
    wgmma_wait<0>();
    pin(output);
    release(L::VALUES_EMPTY + 8 * slot);
  }

  // `count` stages of N keys; `last`: the queries are not needed afterwards.
  template <int N> DEVICE void stages(int count, bool last) {
    if (count == 0) return;
    float scores[N / 2], factor[2];
    uint32_t probabilities[N / 4];
    barrier_wait(base + L::KEYS_FULL + 8 * slot, phase);
    uint32_t masked = load_shared(base + L::MASKED + 4 * slot);
    wgmma_begin();
    issue_scores<N>(scores);
    wgmma_wait<0>();
    pin(scores);
    if (make_probabilities<N>(scores, masked, factor)) rescale(factor);
    if (last && count == 1) release(L::QUERIES_EMPTY);
    pack_all<N>(scores, probabilities);
    for (int j = 1; j < count; ++j) {
      const int before = slot, before_phase = phase;
      advance();
      barrier_wait(base + L::KEYS_FULL + 8 * slot, phase);
      masked = load_shared(base + L::MASKED + 4 * slot);
      wgmma_begin();
      issue_scores<N>(scores);
      barrier_wait(base + L::VALUES_FULL + 8 * before, before_phase);
      issue_values<N>(probabilities, before);
      wgmma_wait<1>();
      pin(scores);
      const bool moved = make_probabilities<N>(scores, masked, factor);
      if (last && j == count - 1) release(L::QUERIES_EMPTY);
      wgmma_wait<0>();
      pin(output);
      release(L::VALUES_EMPTY + 8 * before);
      if (moved) rescale(factor);
      pack_all<N>(scores, probabilities);
    }
    finish_values<N>(probabilities);
    advance();
  }

  DEVICE void store(int head, int first) {
    float factor[2];
    rows.finish(arguments.sinks ? arguments.sinks + head : nullptr, factor);
    unsigned char* const of_head = static_cast<unsigned char*>(arguments.output) + head * arguments.output_head_stride;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (first + 8 * h >= arguments.queries) continue;
      unsigned char* const to = of_head + (first + 8 * h) * arguments.output_token_stride;
      if (arguments.output_f32) {
#pragma unroll
        for (int b = 0; b < L::D / 8; ++b)
          *reinterpret_cast<float2*>(to + b * 32 + (lane & 3) * 8) = make_float2(output[4 * b + 2 * h] * factor[h], output[4 * b + 2 * h + 1] * factor[h]);
      } else {
#pragma unroll
        for (int b = 0; b < L::D / 8; ++b)
          *reinterpret_cast<uint32_t*>(to + b * 16 + (lane & 3) * 4) = pack<T>(output[4 * b + 2 * h] * factor[h], output[4 * b + 2 * h + 1] * factor[h]);
      }
    }
  }

  DEVICE void run() {
    for (int t = 0;; ++t) {
      barrier_wait(base + L::TILE_FULL + 8 * (t & 1), (t >> 1) & 1);
      const TileWords words = TileWords::of<L>(base, t & 1);
      const uint32_t spans = words.span_stages();
      const int wide = (spans & 0xffff) + words.run_stages() + (words.column_stages() & 0xffff), halves = spans >> 16;
      const int head = words.head(), tile = words.tile();
      release(L::TILE_EMPTY + 8 * (t & 1));
      if (head < 0) break;
      const int first = tile * TILE_ROWS + half * HALF_ROWS + warp * 16 + (lane >> 2);
      row = arguments.offset + first;
#pragma unroll
      for (int i = 0; i < L::D / 2; ++i) output[i] = 0.f;
      rows.start();
      barrier_wait(base + L::QUERIES_FULL, t & 1);
      if (wide + halves == 0) release(L::QUERIES_EMPTY);
      stages<STAGE_KEYS>(wide, halves == 0);
      stages<HALF_ROWS>(halves, true);
      store(head, first);
    }
  }
};
