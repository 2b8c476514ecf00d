// Which keys of a step a row sees: integers only, the same on host and device.
//
//   key_of_entry(word, n), key_of_column(word, half): position of the key, or NO_KEY
//   sees(row, key, window): key <= row and row - key < window
#pragma once
#include "walk.cuh"

constexpr int NO_KEY = 0x7fffffff;  // behind every row, so that comparing it with the row hides it

// One unsigned comparison: a key behind the row makes a difference of 2^31 and more.
ANYWHERE bool sees(int row, int key, int window) {
  return static_cast<uint32_t>(row) - static_cast<uint32_t>(key) < static_cast<uint32_t>(window);
}

// The same, for a key of an entry: one that is short and not marked hides nothing but what it does
// not hold.
ANYWHERE bool sees(int row, int key, int window, uint32_t entry) {
  return entry & ENTRY_MASKED ? sees(row, key, window) : key != NO_KEY;
}

ANYWHERE bool is_hidden(uint32_t entry, int half) { return entry >> (29 + half) & 1; }
// Whether an entry that the half uses needs comparisons: it is marked, or shorter than 64 keys.
ANYWHERE bool needs_comparison(uint32_t entry) {
  return (entry & (ENTRY_MASKED | 7u << ENTRY_LENGTH_SHIFT)) != ENTRY_FULL;
}
// Key `n` of the entry.
ANYWHERE int key_of_entry(uint32_t entry, int n) {
  const int held = static_cast<int>(entry >> ENTRY_LENGTH_SHIFT & 7) * GRANULE;
  return n < held ? static_cast<int>(entry & ENTRY_GRANULE_MASK) * GRANULE + n : NO_KEY;
}
// What every row sees of an entry that is not marked, from its key `first` on: two bits for each 8
// keys, because a lane looks at two of them.
ANYWHERE uint32_t bits_of_short_entry(uint32_t entry, int first) {
  const int held = static_cast<int>(entry >> ENTRY_LENGTH_SHIFT & 7) * GRANULE - first;
  return held > 0 ? (1u << held / 4) - 1 : 0;
}
// A place that holds no key has all bits set, so it is hidden from both halves.
ANYWHERE int key_of_column(uint32_t column, int half) {
  return column >> (30 + half) & 1 ? NO_KEY : static_cast<int>(column & COLUMN_KEY_MASK);
}
