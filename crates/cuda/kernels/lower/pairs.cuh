// Canonical cost: pairs of a query and a key that it sees, counted exactly.
//   queries i in start..end see, of the keys first..end, those with j <= i and i - j < window
#pragma once
#include "geometry.cuh"

// Sum of min(m, most) over 0 <= m < n.
ANY_SIDE int64_t clamped_sum(int64_t n, int64_t most) {
  if (n <= 0) return 0;
  return n <= most ? n * (n - 1) / 2 : most * (most - 1) / 2 + (n - most) * most;
}
// Over the rows: how many of the keys 0..keys lie `distance` or more before the row.
ANY_SIDE int64_t keys_behind(const BlockRows& rows, int64_t keys, int64_t distance) {
  return clamped_sum(rows.end + 1 - distance, keys) - clamped_sum(rows.start + 1 - distance, keys);
}
ANY_SIDE uint64_t pairs_of_granule(const BlockRows& rows, int granule, int window) {
  const int64_t first = int64_t(granule) * GRANULE, end = first + GRANULE;
  const int64_t causal = keys_behind(rows, end, 0) - keys_behind(rows, first, 0);
  if (window == INT32_MAX) return causal;
  return causal - (keys_behind(rows, end, window) - keys_behind(rows, first, window));
}
ANY_SIDE uint64_t pairs_of_column(const BlockRows& rows, int column, int window) {
  const int64_t beyond = int64_t(column) + window;
  const int64_t end = beyond < rows.end ? beyond : rows.end, first = larger(rows.start, column);
  return end > first ? end - first : 0;
}
