// Where things lie in shared memory, and the addresses that ldmatrix takes.
//
// ldmatrix reads eight rows at the same column at once, 16 bytes of each. They must lie in eight
// different sixteenths of the 128 bytes that memory serves per clock. Rows of 128, 256, 384 or 512
// bytes would all start in the same one, so piece c of row r lies where c ^ (r & 7) would. Other
// rows (160 and 192 bytes) are padded by 16 bytes, which makes their length an odd number of
// pieces.
#pragma once
#include "../arch/sm80.cuh"
#include "shape.h"

// Piece `c` (16 bytes, 8 elements) of row `row` of a matrix at `base`.
template <int D>
ANYWHERE uint32_t piece_address(uint32_t base, int row, int c) {
  const int place = Shape80<D>::SWIZZLED ? c ^ (row & 7) : c;
  return base + static_cast<uint32_t>(row * Shape80<D>::ROW_BYTES + place * 16);
}
// `address` of piece c (0 or 1), moved right by 16 elements `k` times. The exclusive-or touches
// bits 5 and 6 only, which neither the row nor a multiple of 128 bytes reaches.
template <int D>
ANYWHERE uint32_t move_right(uint32_t address, int k) {
  if (!Shape80<D>::SWIZZLED) return address + static_cast<uint32_t>(k * 32);
  return (address ^ static_cast<uint32_t>(k % 4 * 32)) + static_cast<uint32_t>(k / 4 * 128);
}

// First query row of a thread's warp, and the half that it belongs to.
template <int D>
DEVICE int warp_row_of(int thread) {
  return thread / 32 * Shape80<D>::WARP_ROWS;
}
template <int D>
DEVICE int half_of(int thread) {
  return thread / (Shape80<D>::THREADS / 2);
}

template <int D>
struct SharedLayout {
  uint32_t queries, slots, next_tile, constants;
  DEVICE explicit SharedLayout(uint32_t base)
      : queries(base),
        slots(base + Shape80<D>::QUERY_BYTES),
        next_tile(slots + Shape80<D>::SLOTS * Shape80<D>::SLOT_BYTES),
        constants(next_tile + 32) {}
};

// This lane's rows for ldmatrix, from the start of a matrix. Queries and values: rows 0..16, then
// the same rows 8 elements to the right. Keys: rows 0..8 twice (8 elements apart), then rows 8..16.
template <int D>
DEVICE uint32_t lane_of_queries(int lane) {
  return piece_address<D>(0, lane % 16, lane / 16);
}
template <int D>
DEVICE uint32_t lane_of_values(int lane) {
  return piece_address<D>(0, lane % 16, lane / 16);
}
template <int D>
DEVICE uint32_t lane_of_keys(int lane) {
  return piece_address<D>(0, lane / 16 * 8 + lane % 8, lane / 8 % 2);
}
