// The producing warpgroup: takes tiles, and brings queries, keys and values into shared memory.
//
//   for each tile, from a counter:
//     warp 0: for each full and run stage: two boxes of 64 keys each by the copy engine; values one stage behind the keys,
//             since they are needed later; the tile's queries behind its first keys
//     all four warps: for each column stage: 128 rows of keys and values, 16 bytes a thread and copy
//     warp 0: for each half stage: the two halves' boxes
//
// No warpgroup of consumers ever skips a stage: all of them see the same sequence, so that parities stay right.
#pragma once
#include "shared.cuh"

// Position of key j of an entry, in the form of a column's word.
DEVICE uint32_t position_of(uint32_t entry, int j) {
  const int length = static_cast<int>((entry >> ENTRY_LENGTH_SHIFT) & 7) * GRANULE;
  return j < length ? ((entry & ENTRY_GRANULE_MASK) * GRANULE + j) | ((entry >> 29) & 3) << 30 : COLUMN_NONE;
}

template <class L> struct Producer {
  uint32_t base;
  const AttendSm90& arguments;
  int stage = 0;            // stages so far, of all tiles
  int waiting_tile = -1;    // whose queries are not loaded yet
  int waiting_head = 0, queries_parity = 0;

  DEVICE int slot() const { return stage % L::STAGES; }
  DEVICE int phase() const { return (stage / L::STAGES) & 1; }

  DEVICE void load_queries(int lane) {
    if (waiting_tile < 0) return;
    barrier_wait(base + L::QUERIES_EMPTY, queries_parity);
    if (lane == 0) {
      barrier_expect(base + L::QUERIES_FULL, L::STAGE);
#pragma unroll
      for (int i = 0; i < L::PANELS * 2; ++i)
        copy_box(base + L::QUERIES + (i >> 1) * L::PANEL + (i & 1) * L::HALF_PANEL, &arguments.q, base + L::QUERIES_FULL,
                 (i >> 1) * 64, waiting_tile * TILE_ROWS + (i & 1) * HALF_ROWS, waiting_head);
    }
    waiting_tile = -1;
  }

  DEVICE void load_boxes(const CUtensorMap* map, uint32_t to, uint32_t barrier, uint32_t first, uint32_t second, int head) {
    const int row0 = (first & ENTRY_GRANULE_MASK) * GRANULE, row1 = (second & ENTRY_GRANULE_MASK) * GRANULE;
    barrier_arrive(barrier, FILLING_ARRIVALS - 1);
    barrier_expect(barrier, L::STAGE);
#pragma unroll
    for (int panel = 0; panel < L::PANELS; ++panel) {
      copy_box(to + panel * L::PANEL, map, barrier, panel * 64, row0, head);
      copy_box(to + panel * L::PANEL + L::HALF_PANEL, map, barrier, panel * 64, row1, head);
    }
  }

  // `listed` stages of entries and then `run` stages without; warp 0 alone.
  DEVICE void load_spans(const uint32_t* list, int listed, int run, uint32_t run_first, int head, int lane) {
    const int stages = listed + run;
    // Sixteen stages' entries at once, and the next sixteen's on their way.
    uint32_t current = 0, next = lane < 2 * listed ? list[lane] : 0, before0 = 0, before1 = 0;
    for (int s = 0; s <= stages; ++s) {
      uint32_t entry0 = 0, entry1 = 0;
      if (s < stages) {
        if ((s & 15) == 0) {
          current = next;
          const int at = 2 * s + 32 + lane;
          next = at < 2 * listed ? list[at] : 0;
        }
        entry0 = shuffle(current, (2 * s) & 31);
        entry1 = shuffle(current, (2 * s + 1) & 31);
        if (s >= listed) {
          entry0 = (run_first + STAGE_KEYS / GRANULE * (s - listed)) | (HALF_ROWS / GRANULE) << ENTRY_LENGTH_SHIFT;
          entry1 = entry0 + HALF_ROWS / GRANULE;
        }
        barrier_wait(base + L::KEYS_EMPTY + 8 * slot(), phase() ^ 1);
        const uint32_t masked = (entry0 | entry1) >> 31;
        if (masked) {
          const uint32_t positions = base + L::POSITIONS + slot() * L::POSITION_BYTES;
          for (int j = lane; j < HALF_ROWS; j += 32) {
            store_shared(positions + j * 4, position_of(entry0, j));
            store_shared(positions + 4 * HALF_ROWS + j * 4, position_of(entry1, j));
          }
          __syncwarp();
        }
        if (lane == 0) {
          store_shared(base + L::MASKED + 4 * slot(), masked);
          load_boxes(&arguments.k, base + L::KEYS + slot() * L::STAGE, base + L::KEYS_FULL + 8 * slot(), entry0, entry1, head);
        }
        ++stage;
      }
      if (s == 1) load_queries(lane);
      if (s > 0) {
        const int of_values = stage - 1 - (s < stages), slot = of_values % L::STAGES, phase = (of_values / L::STAGES) & 1;
        barrier_wait(base + L::VALUES_EMPTY + 8 * slot, phase ^ 1);
        if (lane == 0)
          load_boxes(&arguments.v, base + L::VALUES + slot * L::STAGE, base + L::VALUES_FULL + 8 * slot, before0, before1, head);
      }
      before0 = entry0;
      before1 = entry1;
    }
  }

  // 32 rows of this warp, one key number each.
  DEVICE void gather(uint32_t to, const unsigned char* from, int64_t row_bytes, uint32_t key, int warp, int lane) {
    constexpr int PIECES = L::D / 8;
    const uint32_t offset = key * static_cast<uint32_t>(row_bytes / 16);
    if constexpr (32 % PIECES == 0) {
      // The lanes of one instruction hold whole rows, and a lane always the same piece of them.
      constexpr int ROWS = 32 / PIECES;
      const int piece = lane % PIECES, row = lane / PIECES;
      const unsigned char* source = from + piece * 16;
      const uint32_t target = to + (piece >> 3) * L::PANEL + (warp * 32 + row) * 128;
#pragma unroll
      for (int i = 0; i < 32 / ROWS; ++i) {
        const uint32_t at = shuffle(offset, i * ROWS + row);
        copy_piece(target + i * ROWS * 128 + (((piece & 7) ^ ((i * ROWS + row) & 7)) << 4), source + static_cast<uint64_t>(at) * 16);
      }
    } else {
#pragma unroll 4
      for (int i = 0; i < PIECES; ++i) {
        const int row = (i * 32 + lane) / PIECES, piece = (i * 32 + lane) % PIECES;
        const uint32_t at = shuffle(offset, row);
        copy_piece(piece_at<L>(to, warp * 32 + row, piece), from + static_cast<uint64_t>(at) * 16 + piece * 16);
      }
    }
  }
  // The writers wait for their copies and make them visible: consumers need not know how a stage came.
  template <int LEFT> DEVICE void arrive_gathered(uint32_t barrier, int warp, int lane) {
    copy_wait<LEFT>();
    fence_writes();
    __syncwarp();
    if (lane == 0) barrier_arrive(barrier, warp == 0 ? FILLING_ARRIVALS - 96 : 32);
  }

  DEVICE void load_columns(const uint32_t* list, int stages, int plain, int head, int warp, int lane) {
    const Tensor &k = arguments.a.k, &v = arguments.a.v;
    const unsigned char* keys = static_cast<const unsigned char*>(k.data) + head * k.head_stride;
    const unsigned char* values = static_cast<const unsigned char*>(v.data) + head * v.head_stride;
    uint32_t next = list[warp * 32 + lane];
    for (int s = 0; s < stages; ++s, ++stage) {
      const uint32_t position = next;
      // A place without a key reads key 0, which its position hides.
      const uint32_t key = position == COLUMN_NONE ? 0 : position & COLUMN_KEY_MASK;
      if (s + 1 < stages) next = list[(s + 1) * STAGE_KEYS + warp * 32 + lane];
      barrier_wait(base + L::KEYS_EMPTY + 8 * slot(), phase() ^ 1);
      gather(base + L::KEYS + slot() * L::STAGE, keys, k.token_stride, key, warp, lane);
      if (s >= plain) store_shared(base + L::POSITIONS + slot() * L::POSITION_BYTES + (warp * 32 + lane) * 4, position);
      if (warp == 0 && lane == 0) store_shared(base + L::MASKED + 4 * slot(), s >= plain);
      copy_commit();
      barrier_wait(base + L::VALUES_EMPTY + 8 * slot(), phase() ^ 1);
      gather(base + L::VALUES + slot() * L::STAGE, values, v.token_stride, key, warp, lane);
      copy_commit();
      arrive_gathered<1>(base + L::KEYS_FULL + 8 * slot(), warp, lane);
      arrive_gathered<0>(base + L::VALUES_FULL + 8 * slot(), warp, lane);
    }
  }

  // Warp 0 takes the next tile; the others sleep at a barrier, since a warp that polls takes issue slots from consumers.
  DEVICE void take_tile(int which, int round, int warp, int lane) {
    if (warp != 0) {
      group_sync(TILE_BARRIER + which, 128);
      return;
    }
    barrier_wait(base + L::TILE_EMPTY + 8 * which, (round & 1) ^ 1);
    uint32_t number = 0;
    if (lane == 0) number = atomicAdd(arguments.a.counter, 1);
    number = shuffle(number, 0);
    if (lane < 8) {
      const bool is_there = number < static_cast<uint32_t>(arguments.a.tile_count);
      const uint32_t* words = reinterpret_cast<const uint32_t*>(arguments.a.tiles + (is_there ? number : 0));
      store_shared(base + L::TILES + which * L::TILE_BYTES + 4 * lane, is_there ? words[lane] : 0xffffffff);
    }
    __syncwarp();
    if (lane == 0) barrier_arrive(base + L::TILE_FULL + 8 * which);
    group_arrive(TILE_BARRIER + which, 128);
  }

  DEVICE void run(int warp, int lane) {
    for (int t = 0;; ++t) {
      take_tile(t & 1, t >> 1, warp, lane);
      const TileWords words = TileWords::of<L>(base, t & 1);
      const uint32_t entries = words.entries(), columns = words.columns(), spans = words.span_stages(),
                     gathered = words.column_stages(), run_first = words.run_first();
      const int run_stages = words.run_stages(), head = words.head(), tile = words.tile();
      if (warp != 0) {
        __syncwarp();
        if (lane == 0) barrier_arrive(base + L::TILE_EMPTY + 8 * (t & 1));
      }
      if (head < 0) break;
      const int full = spans & 0xffff, half = spans >> 16, kv_head = head / arguments.a.group;
      if (warp == 0) {
        waiting_tile = tile;
        waiting_head = head;
        queries_parity = (t & 1) ^ 1;
        if (full + run_stages == 0) load_queries(lane);
        load_spans(arguments.a.list + entries, full, run_stages, run_first, kv_head, lane);
      } else {
        stage += full + run_stages;
      }
      if (gathered & 0xffff) {
        // Warps 1 to 3 may look at the stages' barriers only from here on.
        group_sync(GATHER_BARRIER, 128);
        load_columns(arguments.a.list + columns, gathered & 0xffff, gathered >> 16, kv_head, warp, lane);
      }
      if (warp == 0) load_spans(arguments.a.list + entries + 2 * full, half, 0, 0, kv_head, lane);
      else stage += half;
    }
  }
};
