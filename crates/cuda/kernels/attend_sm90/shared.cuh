// Shared memory of the Hopper kernels: one tile of queries, rings of stages of keys and of values, the positions of masked
// stages' keys, two descriptions of tiles, barriers.
//
// A stage of 128 rows lies in panels of 64 columns: 128 rows of 128 bytes each, swizzled as the copy engine does.
#pragma once
#include "../arch/sm90.cuh"
#include "arguments.h"

constexpr int WARPS_OF_CONSUMERS = 8;
// Arrivals that fill a stage: one with the bytes that the copy engine brings and 128 at once beside it, or those of the four
// warps that gather columns.
constexpr int FILLING_ARRIVALS = 129;

template <int D_> struct SharedLayout {
  static constexpr int D = D_, PANELS = (D + 63) / 64, STAGES = D == 64 ? 4 : 3;
  static constexpr int PANEL = STAGE_KEYS * 128, STAGE = PANELS * PANEL, HALF_PANEL = PANEL / 2;
  static constexpr int QUERIES = 0, KEYS = STAGE, VALUES = KEYS + STAGES * STAGE;
  static constexpr int POSITIONS = VALUES + STAGES * STAGE, POSITION_BYTES = STAGE_KEYS * 4;
  static constexpr int MASKED = POSITIONS + STAGES * POSITION_BYTES;        // whether a stage needs comparisons
  static constexpr int TILES = MASKED + 16, TILE_BYTES = sizeof(Tile);      // two descriptions
  static constexpr int BARRIERS = TILES + 2 * TILE_BYTES;
  static constexpr int KEYS_FULL = BARRIERS, KEYS_EMPTY = KEYS_FULL + 8 * STAGES, VALUES_FULL = KEYS_EMPTY + 8 * STAGES,
                       VALUES_EMPTY = VALUES_FULL + 8 * STAGES, QUERIES_FULL = VALUES_EMPTY + 8 * STAGES,
                       QUERIES_EMPTY = QUERIES_FULL + 8, TILE_FULL = QUERIES_EMPTY + 8, TILE_EMPTY = TILE_FULL + 16,
                       BYTES = TILE_EMPTY + 16;
};
static_assert(SharedLayout<128>::BYTES <= 232448 && SharedLayout<64>::BYTES <= 232448, "what a block can have");

// Named barriers: the gathering warps before columns, and the producer's warps for each of two tiles.
constexpr int GATHER_BARRIER = 1, TILE_BARRIER = 2;

template <class L> DEVICE void init_barriers(uint32_t base) {
  for (int i = 0; i < L::STAGES; ++i) {
    barrier_init(base + L::KEYS_FULL + 8 * i, FILLING_ARRIVALS);
    barrier_init(base + L::VALUES_FULL + 8 * i, FILLING_ARRIVALS);
    barrier_init(base + L::KEYS_EMPTY + 8 * i, WARPS_OF_CONSUMERS);
    barrier_init(base + L::VALUES_EMPTY + 8 * i, WARPS_OF_CONSUMERS);
  }
  barrier_init(base + L::QUERIES_FULL, 1);
  barrier_init(base + L::QUERIES_EMPTY, WARPS_OF_CONSUMERS);
  for (int i = 0; i < 2; ++i) {
    barrier_init(base + L::TILE_FULL + 8 * i, 1);
    barrier_init(base + L::TILE_EMPTY + 8 * i, WARPS_OF_CONSUMERS + 3);  // and three warps of the producer
  }
  barrier_init_done();
}

// Where the 16-byte piece `piece` of a row lies in a swizzled stage.
template <class L> DEVICE uint32_t piece_at(uint32_t stage, int row, int piece) {
  return stage + (piece >> 3) * L::PANEL + row * 128 + (((piece & 7) ^ (row & 7)) << 4);
}

// A tile's description in shared memory; each word is read when it is asked for.
struct TileWords {
  uint32_t at;
  template <class L> static DEVICE TileWords of(uint32_t base, int which) { return {base + L::TILES + which * L::TILE_BYTES}; }
  DEVICE uint32_t entries() const { return load_shared(at); }
  DEVICE uint32_t columns() const { return load_shared(at + 4); }
  DEVICE uint32_t span_stages() const { return load_shared(at + 8); }      // full, and half from bit 16 on
  DEVICE uint32_t column_stages() const { return load_shared(at + 12); }   // all, and plain from bit 16 on
  DEVICE uint32_t run_first() const { return load_shared(at + 16); }
  DEVICE int run_stages() const { return static_cast<int>(load_shared(at + 20)); }
  DEVICE int head() const { return static_cast<int>(load_shared(at + 24)); }
  DEVICE int tile() const { return static_cast<int>(load_shared(at + 28)); }
};
