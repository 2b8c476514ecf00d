// One step of 64 keys (32 for each half), in two phases that the ring of slots serves alike:
//
//   phase of keys:    wait for this step's keys; start the copy of the next step's keys
//                     scores = queries * keys^T; softcap; mask; probabilities of chunk 0
//   phase of values:  wait for this step's values; start the copy of the next step's values
//                     for each chunk of 16 keys: output += probabilities * values,
//                                                meanwhile the probabilities of the next chunk
//
// A phase begins with the only barrier it needs: behind it the slot of the phase before is free,
// and takes what is needed two phases later.
#pragma once
#include "load.cuh"
#include "mask.cuh"
#include "products.cuh"

template <class T, int D, bool GENERAL>
struct TileWork {
  using S = Shape80<D>;
  static constexpr int TILES = S::ROW_TILES;

  const AttendArguments& arguments;
  TileConstants constants;
  Loader<D, GENERAL> loader;  // of the next step
  uint32_t slots;             // the ring
  uint32_t queries;
  uint32_t entry;  // of the present step, for the warp's half
  float scale;
  float output[TILES][D / 8][4];
  Rows<TILES> rows;
  float scores[TILES][8][4];
  Chunk<TILES> chunk;

  DEVICE TileWork(const AttendArguments& arguments, const SharedLayout<D>& shared)
      : arguments(arguments), constants{shared.constants}, slots(shared.slots), queries(shared.queries) {
    scale = GENERAL && arguments.softcap > 0.f ? 1.f : arguments.scale_log2;
  }

  // Queries, and keys and values of the first step. A tile without steps copies nothing, so that no
  // copy is under way when `store` uses the memory of the queries.
  DEVICE void start(const SharedLayout<D>& shared, const Tile& tile) {
    const Walk walk = walk_of(tile);
    const int kv_head = tile.head / arguments.group;
    const char* keys = static_cast<const char*>(arguments.k.data) + kv_head * arguments.k.head_stride;
    const char* values = static_cast<const char*>(arguments.v.data) + kv_head * arguments.v.head_stride;
    if (thread_index() == 0) constants.write(tile, walk, keys, values);
    if (walk.end == 0) return;
    loader.copy_queries(arguments, shared.queries, tile.head, tile.tile * TILE_ROWS);
    loader.fetch(walk, arguments.list, 0);
    loader.copy_keys(arguments, walk, 0, slots, keys);
    commit_copies();
    loader.copy_values(arguments, walk, 0, slots + S::SLOT_BYTES, values);
    commit_copies();
    entry = loader.entry(walk, 0);
    loader.fetch(walk, arguments.list, 1);
  }

  DEVICE void begin_phase() {
    wait_copies<1>();
    block_sync();
  }
  // Phase 2 * step is that of the keys. A division by 3 each time, because a counter would take a
  // register.
  DEVICE uint32_t slot_of(int phase) const {
    return slots + static_cast<uint32_t>(phase) % 3 * S::SLOT_BYTES;
  }

  // What the lane's rows see of the step, as bits: of tile a of rows, bit 16 * h + 2 * b + j for
  // row 8 * h and key 8 * b + j from the lane's first. Made before the scores, which leave no
  // registers for it.
  template <int N>
  DEVICE void compare(int step, uint32_t (&seen)[TILES]) const {
    const Walk walk = constants.walk();
    const uint32_t kind = step_kind(walk, step);
    const int thread = thread_index(), lane = thread % 32, half = half_of<D>(thread);
    const int first_row = arguments.offset + constants.tile() * TILE_ROWS + warp_row_of<D>(thread) + lane / 4;
    const bool marked = entry & ENTRY_MASKED;
#pragma unroll
    for (int a = 0; a < TILES; ++a)
      seen[a] = marked ? 0 : bits_of_short_entry(entry, first_in_entry(kind)) * 0x10001;
    if (!marked) return;
#pragma unroll 4
    for (int bit = 0; bit < N / 4; ++bit) {
      const int n = bit / 2 * 8 + lane % 4 * 2 + bit % 2;
      const int key = kind == STEP_COLUMNS
                          ? key_of_column(load_word(column_words(walk, arguments.list, step) + n), half)
                          : key_of_entry(entry, first_in_entry(kind) + n);
#pragma unroll
      for (int a = 0; a < TILES; ++a)
#pragma unroll
        for (int h = 0; h < 2; ++h)
          seen[a] |= static_cast<uint32_t>(sees(first_row + a * 16 + h * 8, key, arguments.window))
                     << (bit + 16 * h);
    }
  }
  template <int N>
  DEVICE void hide(const uint32_t (&seen)[TILES]) {
#pragma unroll
    for (int a = 0; a < TILES; ++a)
#pragma unroll
      for (int b = 0; b < N / 8; ++b)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          if (!(seen[a] >> (j / 2 * 16 + b * 2 + j % 2) & 1)) scores[a][b][j] = minus_infinity();
  }

  template <int N>
  DEVICE void cap() {
    const Softcap cap(arguments.softcap, arguments.scale_log2);
#pragma unroll
    for (int a = 0; a < TILES; ++a)
#pragma unroll
      for (int b = 0; b < N / 8; ++b)
#pragma unroll
        for (int j = 0; j < 4; ++j) scores[a][b][j] = cap(scores[a][b][j]);
  }

  // Where the rows that the warp works on start in a slot.
  template <int N>
  DEVICE static uint32_t slot_rows(int thread) {
    return N == 32 ? static_cast<uint32_t>(half_of<D>(thread) * 32 * S::ROW_BYTES) : 0;
  }

  // A vote, so that the compiler takes the branch for what it is: the same for all lanes. Asked
  // again in each phase, because the answer would take a register between them.
  DEVICE bool works() const { return any_lane(!is_hidden(entry, half_of<D>(thread_index()))); }

  // N: keys that a warp works on. Always 64 but in steps of halves.
  template <int N>
  DEVICE void step(int step) {
    begin_phase();
    if (step + 1 < constants.end())
      loader.copy_keys(arguments, constants.walk(), step + 1, slot_of(2 * step + 2), constants.keys());
    commit_copies();
    if (works()) {
      const bool masked = any_lane(needs_comparison(entry));
      uint32_t seen[TILES];
      if (masked) compare<N>(step, seen);
      const int thread = thread_index(), lane = thread % 32;
      score<T, D, N>(scores, queries + warp_row_of<D>(thread) * S::ROW_BYTES + lane_of_queries<D>(lane),
                     slot_of(2 * step) + slot_rows<N>(thread) + lane_of_keys<D>(lane));
      if (GENERAL && arguments.softcap > 0.f) cap<N>();
      if (masked) hide<N>(seen);
#pragma unroll
      for (int unit = 0; unit < 4 * TILES; ++unit) exponentials<T>(chunk, unit, scores, 0, scale, rows.base);
      settle<T>(chunk, scores, 0, scale, rows, output);
    }

    begin_phase();
    if (works()) {
      const int thread = thread_index();
      const uint32_t values = slot_of(2 * step + 1) + slot_rows<N>(thread) + lane_of_values<D>(thread % 32);
      // half of the chunks, copies, the other half: by then there are registers for addresses
      add_chunks<0, N / 32, N / 16>(values);
      next_values(step + 1);
      add_chunks<N / 32, N / 16, N / 16>(values);
    } else {
      next_values(step + 1);
    }
  }

  // Starts the copy of the next step's values; then that step's entry is known, and the words of
  // the one behind it are asked for.
  DEVICE void next_values(int next) {
    const Walk walk = constants.walk();
    if (next < walk.end) {
      loader.copy_values(arguments, walk, next, slot_of(2 * next + 1), constants.values());
      entry = loader.entry(walk, next);
      loader.fetch(walk, arguments.list, next + 1);
    }
    commit_copies();
  }

  template <int FIRST, int STOP, int CHUNKS>
  DEVICE void add_chunks(uint32_t values) {
#pragma unroll
    for (int c = FIRST; c < STOP; ++c) {
      if (c + 1 < CHUNKS) {
        Chunk<TILES> next;
        add_values<T, D, true>(output, chunk, c, values, next, scores, scale, rows);
        settle<T>(next, scores, 2 * (c + 1), scale, rows, output);
        chunk = next;
      } else {
        add_values<T, D, false>(output, chunk, c, values, chunk, scores, scale, rows);
      }
    }
  }

  DEVICE void run() {
#pragma unroll
    for (int a = 0; a < TILES; ++a)
#pragma unroll
      for (int c = 0; c < D / 8; ++c)
#pragma unroll
        for (int j = 0; j < 4; ++j) output[a][c][j] = 0.f;
    int at = 0;
    for (; at < constants.walk().column_end; ++at) step<64>(at);
    for (; at < constants.end(); ++at) step<32>(at);
  }

  // A thread's elements of one row as they are, in f32: for hosts that round once, to a type of their
  // own.
  DEVICE void store_wide(int head, int64_t query, const float (&sums)[D / 8][4], int h, float factor, int lane) {
    if (query >= arguments.queries) return;
    char* to = static_cast<char*>(arguments.output) + head * arguments.output_head_stride +
               query * arguments.output_token_stride + lane % 4 * 8;
#pragma unroll
    for (int c = 0; c < D / 8; ++c)
      *reinterpret_cast<float2*>(to + c * 32) = {sums[c][2 * h] * factor, sums[c][2 * h + 1] * factor};
  }

  // output / sum, through the shared memory of the warp's own queries, so that whole pieces of 16
  // bytes are written. A row without keys gives zeros, with a sink or without.
  DEVICE void store() {
    const int thread = thread_index(), lane = thread % 32, warp_row = warp_row_of<D>(thread),
              head = constants.head(), tile = constants.tile();
    warp_sync();
#pragma unroll
    for (int a = 0; a < TILES; ++a)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float sum = rows.sum[a][h], base = rows.base[a][h], factor = 1.f;
        sum += shuffle_xor(sum, 1);
        sum += shuffle_xor(sum, 2);
        if (arguments.sinks != nullptr && base != minus_infinity()) {
          const float sink = load_float(arguments.sinks + head) * 1.44269504f, top = fmaxf(sink - base, 0.f);
          factor = exp2_fast(-top);
          sum = sum * factor + exp2_fast(sink - base - top);
        }
        factor = sum == 0.f ? 0.f : factor / sum;
        const int row = warp_row + lane / 4 + a * 16 + h * 8;
        if (arguments.output_f32) {
          store_wide(head, static_cast<int64_t>(tile) * TILE_ROWS + row, output[a], h, factor, lane);
          continue;
        }
#pragma unroll
        for (int c = 0; c < D / 8; ++c)
          store_shared(piece_address<D>(queries, row, c) + lane % 4 * 4,
                       pack<T>(output[a][c][2 * h] * factor, output[a][c][2 * h + 1] * factor));
      }
    if (arguments.output_f32) return;
    warp_sync();
    char* data = static_cast<char*>(arguments.output) + head * arguments.output_head_stride;
#pragma unroll 4
    for (int i = lane; i < S::WARP_ROWS * S::PIECES; i += 32) {
      const int row = warp_row + i / S::PIECES, piece = i % S::PIECES;
      const int64_t query = static_cast<int64_t>(tile) * TILE_ROWS + row;
      if (query < arguments.queries)
        *reinterpret_cast<uint4*>(data + query * arguments.output_token_stride + piece * 16) =
            load_shared16(piece_address<D>(queries, row, piece));
    }
  }
};
