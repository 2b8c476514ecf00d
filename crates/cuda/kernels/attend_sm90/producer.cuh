// The copying warpgroup: queries once a tile, keys and values stage by stage, as slots become free.
//
//   for each tile:
//     warp 0:           full and run stages, by the copy engine
//     all four warps:   stages of columns
//     warp 0:           half stages
//
// Values are copied one stage behind keys: they are needed later. Queries come behind the first two
// stages of keys, whose slots become free earlier.
#pragma once
#include "copy.cuh"
#include "mask.cuh"
#include "tile.cuh"

// Named barriers. Warps that have nothing to copy wait at them: those that poll a barrier in shared
// memory took a quarter of all issue slots.
constexpr int BARRIER_COLUMNS = 1, BARRIER_TILE = 2;  // and 3

template <int D, bool GENERAL>
struct Producer {
  using S = Shape90<D>;
  static constexpr uint32_t STAGES = S::STAGES;

  uint32_t shared;
  const AttendSm90& arguments;
  int warp, lane;
  uint32_t stage;  // of keys: all so far; its slot is the rest of a division by STAGES
  int tile, head;  // of queries that are not copied yet; tile < 0: there are none
  int queries_parity;

  DEVICE Producer(uint32_t shared, const AttendSm90& arguments, int warp, int lane)
      : shared(shared), arguments(arguments), warp(warp), lane(lane), stage(0), tile(-1), head(0), queries_parity(0) {}

  DEVICE static int parity_of(uint32_t stage) { return static_cast<int>(stage / STAGES & 1); }
  // Waits until the slot of a stage is free, in a ring whose barriers start at `free`.
  DEVICE void wait_for_slot(int free, uint32_t stage) const {
    barrier_wait(shared + free + 8 * (stage % STAGES), parity_of(stage) ^ 1);
  }

  DEVICE void copy_queries() {
    if (tile < 0) return;
    barrier_wait(shared + S::QUERIES_FREE, queries_parity);
    if (lane == 0) {
      const uint32_t barrier = shared + S::QUERIES_FULL;
      barrier_arrive_and_expect(barrier, S::MATRIX_BYTES);
#pragma unroll
      for (int i = 0; i < S::PANELS * 2; ++i)
        copy_box(shared + S::QUERIES + i / 2 * S::PANEL_BYTES + i % 2 * S::HALF_PANEL_BYTES, &arguments.q,
                 barrier, i / 2 * 64, tile * TILE_ROWS + i % 2 * HALF_ROWS, head);
    }
    tile = -1;
  }

  DEVICE void copy_entries(const Source& source, int ring, int full, uint32_t stage, uint32_t first,
                           uint32_t second) const {
    const uint32_t slot = shared + ring + stage % STAGES * S::MATRIX_BYTES,
                   barrier = shared + full + 8 * (stage % STAGES);
    if (GENERAL)
      copy_span_by_granules<D>(arguments.common, source, slot, barrier, first, second, lane);
    else
      copy_span<D>(source, slot, barrier, first, second, lane);
  }

  // Warp 0: `listed` stages of two entries each, then `runs` stages of consecutive keys from
  // granule `run_first` on. `halves`: the first entry is for half 0 and the second for half 1.
  DEVICE void spans(const uint32_t* list, int listed, uint32_t run_first, int runs, bool halves,
                    const Source& keys, const Source& values) {
    constexpr uint32_t WHOLE = 4u << ENTRY_LENGTH_SHIFT;
    const int count = listed + runs;
    // Words of 16 stages at once, the next 16 asked for ahead.
    uint32_t words = 0, next_words = lane < 2 * listed ? load_word(list + lane) : 0;
    uint32_t first_before = 0, second_before = 0;
    for (int i = 0; i <= count; ++i) {
      uint32_t first = 0, second = 0;
      if (i < count) {
        if (i < listed) {
          if ((i & 15) == 0) {
            words = next_words;
            const int at = 2 * i + 32 + lane;
            next_words = at < 2 * listed ? load_word(list + at) : 0;
          }
          first = shuffle(words, 2 * i & 31), second = shuffle(words, (2 * i + 1) & 31);
        } else {
          first = WHOLE | (run_first + static_cast<uint32_t>(i - listed) * (STAGE_KEYS / GRANULE));
          second = first + HALF_ROWS / GRANULE;
        }
        wait_for_slot(S::KEYS_FREE, stage);
        const bool first_masked = needs_mask(first), second_masked = needs_mask(second);
        const bool masked = first_masked || second_masked;
        const uint32_t slot = stage % STAGES;
        if (masked) write_positions(shared + S::POSITIONS + slot * S::POSITION_BYTES, first, second, lane);
        if (lane == 0) {
          store_shared(shared + S::FLAGS + 8 * slot, halves ? first_masked : masked);
          store_shared(shared + S::FLAGS + 8 * slot + 4, halves ? second_masked : masked);
        }
        warp_sync();
        copy_entries(keys, S::KEYS, S::KEYS_FULL, stage, first, second);
        ++stage;
      }
      if (i == 1) copy_queries();
      if (i > 0) {
        const uint32_t before = stage - (i < count ? 2 : 1);
        wait_for_slot(S::VALUES_FREE, before);
        copy_entries(values, S::VALUES, S::VALUES_FULL, before, first_before, second_before);
      }
      first_before = first, second_before = second;
    }
  }

  // This warp's 32 rows of a slot are there: writers wait for their copies and make them visible to
  // the products, so that consumers need no fence. `NEWER`: groups of copies that may be under way.
  template <int NEWER>
  DEVICE void columns_arrive(int full, uint32_t stage) const {
    wait_copies<NEWER>();
    fence_async_proxy();
    warp_sync();
    if (lane == 0) barrier_arrive(shared + full + 8 * (stage % STAGES), warp == 0 ? FULL_ARRIVALS - 96 : 32);
  }

  // All four warps: stages of 128 keys; those from `plain` on are masked. Copies are waited for one
  // stage later, behind the next ones: two stages are under way, and the third is worked on.
  DEVICE void columns(const uint32_t* list, int count, int plain, const Source& keys, const Source& values) {
    const uint32_t rows = static_cast<uint32_t>(warp) * 32;
    uint32_t next = load_word(list + rows + lane);
#pragma unroll 1
    for (int i = 0; i < count; ++i, ++stage) {
      const uint32_t slot = stage % STAGES, word = next;
      // A place without a key holds key 0: it is read, and hidden.
      const int key = word == COLUMN_NONE ? 0 : static_cast<int>(word & COLUMN_KEY_MASK);
      if (i + 1 < count) next = load_word(list + (i + 1) * STAGE_KEYS + rows + lane);
      wait_for_slot(S::KEYS_FREE, stage);
      copy_columns<D, GENERAL>(arguments.common, keys, shared + S::KEYS + slot * S::MATRIX_BYTES + rows * 128,
                               key, lane);
      commit_copies();
      if (i >= plain) store_shared(shared + S::POSITIONS + slot * S::POSITION_BYTES + (rows + lane) * 4, word);
      if (warp == 0 && lane < 2) store_shared(shared + S::FLAGS + 8 * slot + 4 * lane, i >= plain);
      if (i > 0) columns_arrive<2>(S::KEYS_FULL, stage - 1);
      wait_for_slot(S::VALUES_FREE, stage);
      copy_columns<D, GENERAL>(arguments.common, values,
                               shared + S::VALUES + slot * S::MATRIX_BYTES + rows * 128, key, lane);
      commit_copies();
      if (i > 0) columns_arrive<2>(S::VALUES_FULL, stage - 1);
    }
    columns_arrive<1>(S::KEYS_FULL, stage - 1);
    columns_arrive<0>(S::VALUES_FULL, stage - 1);
  }

  // The next tile, for all; warps 1 to 3 read it and say so.
  DEVICE Tile next_tile(int number) const {
    const int which = number & 1;
    const uint32_t description = shared + S::TILES + which * S::TILE_BYTES;
    if (warp == 0) {
      barrier_wait(shared + S::TILE_FREE + 8 * which, (number >> 1 & 1) ^ 1);
      take_tile(arguments.common, description, lane);
      warp_sync();
      if (lane == 0) barrier_arrive(shared + S::TILE_FULL + 8 * which);
      named_barrier_arrive(BARRIER_TILE + which, WARPGROUP);
    } else {
      named_barrier_sync(BARRIER_TILE + which, WARPGROUP);
    }
    const Tile tile = read_tile(description);
    if (warp != 0) {
      warp_sync();
      if (lane == 0) barrier_arrive(shared + S::TILE_FREE + 8 * which);
    }
    return tile;
  }

  DEVICE void run() {
    const AttendArguments& common = arguments.common;
    for (int number = 0;; ++number) {
      const Tile work = next_tile(number);
      if (work.head < 0) return;
      const int kv_head = work.head / common.group, runs = static_cast<int>(work.run_stages);
      const Source keys(arguments.k, common.k, common.k_page_stride, kv_head);
      const Source values(arguments.v, common.v, common.v_page_stride, kv_head);
      const uint32_t* entries = common.list + work.entries;
      if (warp == 0) {
        tile = work.tile, head = work.head, queries_parity = (number & 1) ^ 1;
        spans(entries, work.full_stages, work.run_first, runs, false, keys, values);
        if (work.column_stages) copy_queries();
      } else {
        stage += work.full_stages + work.run_stages;
      }
      if (work.column_stages) {
        // Only from here on may warps 1 to 3 look at the slots' barriers: a parity tells a phase from
        // the next one, no more.
        named_barrier_sync(BARRIER_COLUMNS, WARPGROUP);
        columns(common.list + work.columns, work.column_stages, work.plain_column_stages, keys, values);
      }
      if (warp == 0) {
        spans(entries + 2 * work.full_stages, work.half_stages, 0, 0, true, keys, values);
        copy_queries();
      } else {
        stage += work.half_stages;
      }
    }
  }
};
