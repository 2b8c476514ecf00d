// What a launch of one head_dim needs, for the host and the kernel: threads, shared memory, blocks
// that share a multiprocessor. Plain C++.
//
// head_dim up to 128: 4 warps of 32 rows. Each tile of keys that ldmatrix reads serves two
// products, which halves the traffic of shared memory: with 16 rows a warp it would be the limit (D
// = 128, a step of 64 keys: 8 warps * 64 ldmatrix * 4 clocks = 2048 clocks beside 1024 of the
// tensor cores). head_dim 192 and 256: 32 rows of sums do not fit 255 registers, so 8 warps of 16
// rows.
#pragma once
#include <stdint.h>

template <int HEAD_DIM>
struct Shape80 {
  static_assert(HEAD_DIM % 16 == 0 && HEAD_DIM >= 64 && HEAD_DIM <= 256, "head_dim");
  static constexpr int ROW_TILES = HEAD_DIM <= 128 ? 2 : 1;  // tiles of 16 query rows of a warp
  static constexpr int WARP_ROWS = 16 * ROW_TILES;
  static constexpr int WARPS = 128 / WARP_ROWS, THREADS = 32 * WARPS;
  // Blocks that share a multiprocessor, so registers: 3 leave 168 each, 2 leave 255.
  static constexpr int blocks(bool general) {
    return HEAD_DIM == 64 && !general ? 3 : HEAD_DIM <= 128 ? 2 : 1;
  }

  static constexpr int PIECES = HEAD_DIM / 8;           // pieces of 16 bytes in a row
  static constexpr bool SWIZZLED = HEAD_DIM % 64 == 0;  // else rows are padded
  static constexpr int ROW_BYTES = HEAD_DIM * 2 + (SWIZZLED ? 0 : 16);

  // Queries, then a ring of three slots that take keys and values in turn. Two blocks of D = 128
  // (2 * 81 KB) still fit the 164 KB of an A100, one fits the 100 KB of sm_86 and sm_89.
  static constexpr int STEP_KEYS = 64, SLOTS = 3;
  static constexpr int SLOT_BYTES = STEP_KEYS * ROW_BYTES;
  static constexpr int QUERY_BYTES = 128 * ROW_BYTES;
  static constexpr int TILE_BYTES = 32 + 64;  // the next tile; what a tile's loop reads again
  static constexpr int SHARED_BYTES = QUERY_BYTES + SLOTS * SLOT_BYTES + TILE_BYTES;
};
