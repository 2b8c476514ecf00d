// The run of a tile: the longest part, ending at the last plain granule, that every row of both
// halves sees whole, in stages of 128 keys. Lines always hold the nearest hundred diagonals,
// A-shapes the nearest keys, and dense tiles everything, so the run before the tile's own queries
// is the long one, and its keys need no words in the list.
#pragma once
#include "half.cuh"

struct Run {
  int first, end;  // granules, a multiple of a stage's
  ANY_SIDE int stages() const { return (end - first) / (STAGE_KEYS / GRANULE); }
};

template <class Group>
ANY_SIDE Run find_run(const Group& group, const TileRows& tile) {
  constexpr int STAGE_GRANULES = STAGE_KEYS / GRANULE;
  const int first = tile.plain_first(), end = tile.plain_end();
  Run run{end, end};
  if (end - first < STAGE_GRANULES) return run;
  int start = first;  // where the part starts
  if (!(tile.halves[0].sees_all() && tile.halves[1].sees_all())) {
    // The last granule before `end` that is missing, word by word from above.
    for (int top = (end - 1) / 32; top >= first / 32; top -= Group::SIZE) {
      const int word = top - group.rank();
      uint32_t missing = 0;
      if (word >= first / 32)
        missing = range_bits(word, first, end) & ~(tile.halves[0].spans(word) & tile.halves[1].spans(word));
      int granule = 0;
      if (group.first(missing != 0, word * 32 + 31 - leading_zeros(missing), granule)) {
        start = granule + 1;
        break;
      }
    }
  }
  run.first = end - (end - start) / STAGE_GRANULES * STAGE_GRANULES;
  return run;
}
