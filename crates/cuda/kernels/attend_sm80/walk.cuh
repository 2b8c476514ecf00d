// The walk over one tile's keys, in steps of 64: integers only, the same on host and device.
//
//   for each step: kind   entries  one entry, both halves (full stages; run stages become such)
//                         columns  64 single keys
//                         halves   32 keys of half 0's entry and 32 of half 1's
//
// A half stage becomes two steps, each with 32 keys of either entry, so that all warps work in each
// and the ring of copies never cares: 64 keys arrive, whatever they are.
#pragma once
#include "../arch/sm80.cuh"
#include "../interface.h"

constexpr uint32_t ENTRY_FULL = 4u << ENTRY_LENGTH_SHIFT;  // 64 keys, not hidden, not masked

struct Walk {
  uint32_t entries, columns;                           // words of the list
  int run_granule;                                     // granule of step `entry_end`
  int entry_end, run_end, plain_end, column_end, end;  // steps where each kind ends
};

ANYWHERE Walk walk_of(const Tile& tile) {
  Walk walk;
  walk.entries = tile.entries;
  walk.columns = tile.columns;
  walk.run_granule = static_cast<int>(tile.run_first);
  walk.entry_end = 2 * tile.full_stages;
  walk.run_end = walk.entry_end + 2 * static_cast<int>(tile.run_stages);
  walk.plain_end = walk.run_end + 2 * tile.plain_column_stages;
  walk.column_end = walk.run_end + 2 * tile.column_stages;
  walk.end = walk.column_end + 2 * tile.half_stages;
  return walk;
}

// What kind of step it is.
constexpr uint32_t STEP_ENTRY = 0, STEP_COLUMNS = 1, STEP_HALVES = 2,
                   STEP_HALVES_SECOND = 3;  // second: keys 32..64 of either entry

ANYWHERE uint32_t step_kind(const Walk& walk, int step) {
  if (step < walk.run_end) return STEP_ENTRY;
  if (step < walk.column_end) return STEP_COLUMNS;
  return STEP_HALVES + static_cast<uint32_t>((step - walk.column_end) & 1);
}
// First of the 64 words of a step of columns.
ANYWHERE const uint32_t* column_words(const Walk& walk, const uint32_t* list, int step) {
  return list + walk.columns + static_cast<uint32_t>(step - walk.run_end) * 64;
}
// Word of the entry that half `half` uses; not for a step of columns.
ANYWHERE uint32_t entry_word(const Walk& walk, const uint32_t* list, int step, int half) {
  if (step < walk.entry_end) return load_word(list + walk.entries + step);
  if (step < walk.run_end)
    return ENTRY_FULL | static_cast<uint32_t>(walk.run_granule + (step - walk.entry_end) * 4);
  return load_word(list + walk.entries + walk.entry_end + ((step - walk.column_end) & ~1) + half);
}
// What stands for the entry in a step of columns: seen by both halves, compared where the columns
// are.
ANYWHERE uint32_t entry_of_columns(const Walk& walk, int step) {
  return step < walk.plain_end ? ENTRY_FULL : ENTRY_FULL | ENTRY_MASKED;
}
// Where the 32 keys of a step of halves start within their entry.
ANYWHERE int first_in_entry(uint32_t kind) { return kind == STEP_HALVES_SECOND ? 32 : 0; }

// The key in row `row` of the step's slot; `word` is the column, or the entry of half `row / 32`. A
// place without a key holds some key that exists: it is read and takes no part.
ANYWHERE int slot_key(uint32_t kind, uint32_t word, int row, int keys) {
  int key;
  if (kind == STEP_COLUMNS) {
    key = word == COLUMN_NONE ? 0 : static_cast<int>(word & COLUMN_KEY_MASK);
  } else {
    const int in_entry = kind == STEP_ENTRY ? row : first_in_entry(kind) + (row & 31);
    key = static_cast<int>(word & ENTRY_GRANULE_MASK) * GRANULE + in_entry;
  }
  return key < keys ? key : keys - 1;
}
