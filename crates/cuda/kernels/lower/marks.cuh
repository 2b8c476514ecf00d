// Diagonals of a head as a bitmap of granules relative to the granule of a block's first query.
// Blocks lie 64 queries apart, a multiple of the granule, so one bitmap serves all full blocks; a
// last block with fewer queries has its own.
//   diagonal d of a block of `rows` queries that starts at `start` covers the keys start - d ..
//     start - d + rows,
//   rounded out to granules; relative to the first query's granule, with phase = start % 16:
//   floor((phase - d) / 16) .. ceil((phase - d + rows) / 16)
#pragma once
#include "geometry.cuh"

// Bits of the bitmap that a diagonal sets: first..end, cut to the bits that exist.
ANY_SIDE void diagonal_bits(int64_t diagonal, int rows, int phase, int origin, int& first, int& end) {
  // Before the bitmap's origin there are only granules before key 0; the sum keeps the division
  // positive.
  const int64_t from = int64_t(origin) * GRANULE + phase - diagonal;
  if (from + rows <= 0) {
    first = end = 0;
    return;
  }
  end = static_cast<int>((from + rows + GRANULE - 1) / GRANULE);
  first = from < 0 ? 0 : static_cast<int>(from / GRANULE);
}
