// Threads and shared memory of a launch for one head_dim, for the host and the kernel. Plain C++.
//
// 384 threads: a warpgroup that copies and two that multiply, 64 query rows each. One block on each
// multiprocessor stays until the tiles are used up.
//
// Shared memory: queries, then a ring of STAGES slots of 128 keys and one of 128 values. All three
// are matrices of 128 rows in panels of 64 columns: a row of a panel is 128 bytes, and its pieces
// of 16 bytes lie at (piece ^ row % 8), as the copy engine and wgmma have it. A head_dim of 80 or
// 96 leaves the second panel partly unused: the copy engine fills it up with zeros, nothing reads it.
#pragma once
#include "../interface.h"

constexpr int WARPGROUP = 128, THREADS_SM90 = 3 * WARPGROUP;
// Registers of a copying and of a multiplying thread. The pool is what the launch allocates, 168
// for each of 384 threads: 64 and 224 would be more, and hang.
constexpr int REGISTERS_OF_COPIES = 56, REGISTERS_OF_PRODUCTS = 224;

template <int D>
struct Shape90 {
  static_assert(D % 16 == 0 && D >= 64 && D <= 128, "head_dim");
  static constexpr int HEAD_DIM = D;
  static constexpr int STAGES = D == 64 ? 4 : 3;
  static constexpr int PANELS = (D + 63) / 64;
  static constexpr int PANEL_BYTES = TILE_ROWS * 128, HALF_PANEL_BYTES = PANEL_BYTES / 2;
  static constexpr int MATRIX_BYTES = PANELS * PANEL_BYTES;

  // Positions: which key lies in which row of a slot, as a column's word; of masked stages only.
  // Flags: for each slot and half, whether its stage is masked.
  static constexpr int QUERIES = 0;
  static constexpr int KEYS = QUERIES + MATRIX_BYTES;
  static constexpr int VALUES = KEYS + STAGES * MATRIX_BYTES;
  static constexpr int POSITIONS = VALUES + STAGES * MATRIX_BYTES;
  static constexpr int POSITION_BYTES = STAGE_KEYS * 4;
  // Tiles: descriptions of the present one and the next.
  static constexpr int TILES = POSITIONS + STAGES * POSITION_BYTES;
  static constexpr int TILE_BYTES = 32;
  static constexpr int FLAGS = TILES + 2 * TILE_BYTES;

  // Barriers: 8 bytes each.
  static constexpr int KEYS_FULL = FLAGS + 8 * STAGES;
  static constexpr int KEYS_FREE = KEYS_FULL + 8 * STAGES;
  static constexpr int VALUES_FULL = KEYS_FREE + 8 * STAGES;
  static constexpr int VALUES_FREE = VALUES_FULL + 8 * STAGES;
  static constexpr int QUERIES_FULL = VALUES_FREE + 8 * STAGES;
  static constexpr int QUERIES_FREE = QUERIES_FULL + 8;
  static constexpr int TILE_FULL = QUERIES_FREE + 8;
  static constexpr int TILE_FREE = TILE_FULL + 16;
  static constexpr int SHARED_BYTES = TILE_FREE + 16;
  static_assert(SHARED_BYTES <= 227 * 1024, "more than a block can have");
};
