// Which scores of a masked stage count: integers.
//
//   row of a slot -> its key, as a column's word (position, hidden from half 0, hidden from half 1)
//   score -> -infinity, if the key is hidden from the half, behind the row, or out of its window
//
// The copying warps write the words of masked stages, whatever kind they are, beside the keys.
#pragma once
#include "../arch/sm90.cuh"
#include "shape.h"

// Whether an entry's keys must be compared with the rows.
DEVICE bool needs_mask(uint32_t entry) {
  constexpr uint32_t LENGTH = 7u << ENTRY_LENGTH_SHIFT, WHOLE = 4u << ENTRY_LENGTH_SHIFT;
  return (entry & (LENGTH | ENTRY_HIDDEN_0 | ENTRY_HIDDEN_1 | ENTRY_MASKED)) != WHOLE;
}
// The word of key `n` of an entry: hidden bits 29, 30 become 30, 31.
DEVICE uint32_t column_of_entry(uint32_t entry, int n) {
  const int held = static_cast<int>(entry >> ENTRY_LENGTH_SHIFT & 7) * GRANULE;
  const uint32_t key = (entry & ENTRY_GRANULE_MASK) * GRANULE + static_cast<uint32_t>(n);
  return n < held ? key | (entry << 1 & (COLUMN_HIDDEN_0 | COLUMN_HIDDEN_1)) : COLUMN_NONE;
}
// One warp: the words of both entries.
DEVICE void write_positions(uint32_t positions, uint32_t first, uint32_t second, int lane) {
#pragma unroll
  for (int n = lane; n < HALF_ROWS; n += 32) {
    store_shared(positions + n * 4, column_of_entry(first, n));
    store_shared(positions + (HALF_ROWS + n) * 4, column_of_entry(second, n));
  }
}

// `positions` at the first key that the half works on; `row` is the position of the lane's first
// query, the other one is 8 behind it. One comparison tells both: a key behind the row makes a
// difference of 2^31 and more.
template <int N>
DEVICE void hide(float (&scores)[N / 2], uint32_t positions, int half, int row, int window, int lane) {
  const uint32_t hidden = COLUMN_HIDDEN_0 << half, near = static_cast<uint32_t>(window);
#pragma unroll
  for (int b = 0; b < N / 8; ++b) {
    const uint2 words = load_shared8(positions + b * 32 + lane % 4 * 8);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const uint32_t word = j ? words.y : words.x;
      const uint32_t distance = static_cast<uint32_t>(row) - (word & COLUMN_KEY_MASK);
      if ((word & hidden) || distance >= near) scores[4 * b + j] = minus_infinity();
      if ((word & hidden) || distance + 8 >= near) scores[4 * b + 2 + j] = minus_infinity();
    }
  }
}
