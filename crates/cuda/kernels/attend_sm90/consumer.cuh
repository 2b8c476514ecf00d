// A multiplying warpgroup: 64 query rows, stage by stage.
//
//   issue scores = queries * keys[stage]^T
//   issue output += probabilities[stage - 1] * values[stage - 1]
//   wait for the scores; mask; probabilities     while the second product runs
//   wait for the output
//
// The order of these four is what the speed hangs on, and the compiler moves the last wait, or the
// exponentials, across blocks of code as it likes; empty asm statements do not hold it. A branch on
// data that needs all the exponentials does: the check of the range, which is hardly ever taken.
// It is a vote, so that the compiler knows it to be the same for all lanes; a branch of each thread
// would take the descriptors out of uniform registers. In the SASS, WARPGROUP.DEPBAR of the output
// has to come behind the last MUFU.EX2.
#pragma once
#include "softmax.cuh"
#include "store.cuh"
#include "tile.cuh"

template <class T, int D, bool GENERAL>
struct Consumer {
  using S = Shape90<D>;

  uint32_t shared;
  const AttendArguments& arguments;
  int half, warp, lane;  // warp of the warpgroup
  int row;               // position of the lane's first query; its second is 8 behind
  int slot, parity;      // of the present stage
  uint64_t queries, keys, values;  // descriptors of slot 0
  Softmax<T> softmax;
  float output[D / 2];

  DEVICE Consumer(uint32_t shared, const AttendArguments& arguments, int half, int warp, int lane)
      : shared(shared), arguments(arguments), half(half), warp(warp), lane(lane), row(0), slot(0), parity(0) {
    queries = descriptor_of_rows(shared + S::QUERIES + half * S::HALF_PANEL_BYTES);
    keys = descriptor_of_rows(shared + S::KEYS);
    values = descriptor_of_columns(shared + S::VALUES, S::PANEL_BYTES);
    softmax.scale = GENERAL && arguments.softcap > 0.f ? 1.f : arguments.scale_log2;
  }

  // Of a stage of halves (N = 64) each warpgroup uses its half; descriptors count 16 bytes.
  template <int N>
  DEVICE uint32_t in_ring(int slot) const {
    return static_cast<uint32_t>(slot * (S::MATRIX_BYTES / 16) + (N == 64 ? half * (S::HALF_PANEL_BYTES / 16) : 0));
  }
  template <int N>
  DEVICE void issue_scores(float (&scores)[N / 2]) const {
    const uint64_t k = keys + in_ring<N>(slot);
#pragma unroll
    for (int step = 0; step < D / 16; ++step) {
      const uint32_t at = (step / 4 * S::PANEL_BYTES + step % 4 * 32) / 16;
      multiply_shared<T, N>(scores, queries + at, k + at, step > 0);
    }
    products_commit();
  }
  template <int N>
  DEVICE void issue_output(const uint32_t (&probabilities)[N / 4], int slot) {
    const uint64_t v = values + in_ring<N>(slot);
#pragma unroll
    for (int step = 0; step < N / 16; ++step)
      multiply_registers<T, D>(output, probabilities + 4 * step, v + step * (16 * 128 / 16));
    products_commit();
  }

  // Once a warp: its lanes are done with something.
  DEVICE void release(int barrier) const {
    warp_sync();
    if (lane == 0) barrier_arrive(shared + barrier);
  }
  DEVICE void advance() {
    if (++slot == S::STAGES) slot = 0, parity ^= 1;
  }

  template <int N>
  DEVICE void shape_scores(float (&scores)[N / 2], bool masked) const {
    if (GENERAL && arguments.softcap > 0.f) {
      const Softcap90 cap(arguments.softcap, arguments.scale_log2);
#pragma unroll
      for (int i = 0; i < N / 2; ++i) scores[i] = cap(scores[i]);
    }
    if (masked)
      hide<N>(scores, shared + S::POSITIONS + slot * S::POSITION_BYTES + (N == 64 ? half * HALF_ROWS * 4 : 0), half,
              row, arguments.window, lane);
  }
  // Scores become probabilities. True: the output must be multiplied with `factors`.
  template <int N>
  DEVICE bool weigh(float (&scores)[N / 2], bool masked, float (&factors)[2]) {
    shape_scores<N>(scores, masked);
    if (!softmax.has_maxima) {
      softmax.template raise<N>(scores, masked, factors);
      return true;
    }
    float sums[2];
    const float largest = softmax.template exponentials<N>(scores, sums);
    if (!softmax.out_of_range(sums, largest)) {
      softmax.sum[0] += sums[0], softmax.sum[1] += sums[1];
      return false;
    }
    compute_scores<T, D, N>(scores, shared + S::QUERIES + (half * 64 + warp * 16) * 128,
                            shared + S::KEYS + slot * S::MATRIX_BYTES + (N == 64 ? half * S::HALF_PANEL_BYTES : 0),
                            lane);
    shape_scores<N>(scores, masked);
    softmax.template raise<N>(scores, masked, factors);
    return true;
  }
  template <int N>
  DEVICE static void round(const float (&scores)[N / 2], uint32_t (&probabilities)[N / 4]) {
#pragma unroll
    for (int i = 0; i < N / 4; ++i) probabilities[i] = pack<T>(scores[2 * i], scores[2 * i + 1]);
  }
  DEVICE void scale_output(const float (&factors)[2]) {
#pragma unroll
    for (int i = 0; i < D / 2; ++i) output[i] *= factors[i / 2 % 2];
  }
  DEVICE bool is_masked() const { return load_shared(shared + S::FLAGS + 8 * slot + 4 * half); }

  // The first stage: there is no output to wait for. `last`: the queries are not needed afterwards.
  template <int N>
  DEVICE void first_stage(uint32_t (&probabilities)[N / 4], bool last) {
    float scores[N / 2], factors[2];
    barrier_wait(shared + S::KEYS_FULL + 8 * slot, parity);
    const bool masked = is_masked();
    products_begin();
    issue_scores<N>(scores);
    products_wait<0>();
    pin(scores);
    if (weigh<N>(scores, masked, factors)) scale_output(factors);
    release(S::KEYS_FREE + 8 * slot);
    if (last) release(S::QUERIES_FREE);
    round<N>(scores, probabilities);
  }
  // A stage of N keys behind one of M keys, whose probabilities become its own.
  template <int N, int M>
  DEVICE void next_stage(const uint32_t (&before)[M / 4], uint32_t (&probabilities)[N / 4], bool last) {
    float scores[N / 2], factors[2];
    const int value_slot = slot, value_parity = parity;
    advance();
    barrier_wait(shared + S::KEYS_FULL + 8 * slot, parity);
    const bool masked = is_masked();
    products_begin();
    issue_scores<N>(scores);
    barrier_wait(shared + S::VALUES_FULL + 8 * value_slot, value_parity);
    issue_output<M>(before, value_slot);
    products_wait<1>();
    pin(scores);
    const bool raised = weigh<N>(scores, masked, factors);
    release(S::KEYS_FREE + 8 * slot);
    if (last) release(S::QUERIES_FREE);
    products_wait<0>();
    pin(output);
    release(S::VALUES_FREE + 8 * value_slot);
    if (raised) scale_output(factors);
    round<N>(scores, probabilities);
  }
  // What is left behind the last stage.
  template <int N>
  DEVICE void last_output(const uint32_t (&probabilities)[N / 4]) {
    barrier_wait(shared + S::VALUES_FULL + 8 * slot, parity);
    products_begin();
    issue_output<N>(probabilities, slot);
    products_wait<0>();
    pin(output);
    release(S::VALUES_FREE + 8 * slot);
    advance();
  }
  // Stages of 128 keys for both halves, then stages of 64 for each.
  DEVICE void stages(int wide, int halves) {
    uint32_t narrow[64 / 4];
    if (wide > 0) {
      uint32_t probabilities[128 / 4];
      first_stage<128>(probabilities, wide + halves == 1);
      for (int i = 1; i < wide; ++i)
        next_stage<128, 128>(probabilities, probabilities, halves == 0 && i == wide - 1);
      if (halves == 0) return last_output<128>(probabilities);
      next_stage<64, 128>(probabilities, narrow, halves == 1);
    } else {
      if (halves == 0) return release(S::QUERIES_FREE);
      first_stage<64>(narrow, halves == 1);
    }
    for (int i = 1; i < halves; ++i) next_stage<64, 64>(narrow, narrow, i == halves - 1);
    last_output<64>(narrow);
  }

  DEVICE void run() {
    for (int number = 0;; ++number) {
      const int which = number & 1;
      barrier_wait(shared + S::TILE_FULL + 8 * which, number >> 1 & 1);
      const Tile tile = read_tile(shared + S::TILES + which * S::TILE_BYTES);
      release(S::TILE_FREE + 8 * which);
      if (tile.head < 0) return;
      const int wide = tile.full_stages + static_cast<int>(tile.run_stages) + tile.column_stages,
                query = tile.tile * TILE_ROWS + half * HALF_ROWS + warp * 16 + lane / 4;
      row = arguments.offset + query;
      softmax.start();
#pragma unroll
      for (int i = 0; i < D / 2; ++i) output[i] = 0.f;
      barrier_wait(shared + S::QUERIES_FULL, which);
      stages(wide, tile.half_stages);
      store_output<T, D>(arguments, softmax, output, tile.head, query, lane);
    }
  }
};
