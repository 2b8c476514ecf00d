// What one tile needs, before anything is written: entries and columns by kind, and its canonical
// pairs.
#pragma once
#include "columns.cuh"
#include "entries.cuh"
#include "pairs.cuh"

// Pairs of the granules of a word: plain ones are whole, the others are counted one by one.
ANY_SIDE uint64_t pairs_of_word(const BlockRows& rows, int word, uint32_t granules, int window) {
  const uint32_t plain = granules & range_bits(word, rows.plain_first, rows.plain_end);
  uint64_t pairs = uint64_t(count_bits(plain)) * GRANULE * rows.rows();
  for (uint32_t rest = granules & ~plain; rest; rest &= rest - 1)
    pairs += pairs_of_granule(rows, word * 32 + trailing_zeros(rest), window);
  return pairs;
}

// Six counters of ten bits: masked and plain entries of each class. The words of a warp hold 512
// entries of a class at most.
constexpr int COUNTER_BITS = 10;
ANY_SIDE int counter_shift(int entry_class, bool masked) { return (2 * entry_class + masked) * COUNTER_BITS; }
ANY_SIDE uint32_t counter(uint64_t counters, int entry_class, bool masked) {
  return static_cast<uint32_t>(counters >> counter_shift(entry_class, masked)) & ((1u << COUNTER_BITS) - 1);
}

// Entries that start in one word.
ANY_SIDE uint64_t count_word(const TileRows& tile, const Run& run, int word, const WordClasses& classes,
                             const int* open) {
  uint64_t counters = 0;
  auto add = [&](int entry_class, int, int, bool masked) { counters += 1ull << counter_shift(entry_class, masked); };
  UNROLL
  for (int c = 0; c < ENTRY_CLASSES; ++c) cut_word(tile, run, word, c, classes.bits[c], open[c], add);
  return counters;
}

// Counts one tile; `pairs` is the whole group's.
template <class Group>
ANY_SIDE TileCounts count_tile(const Group& group, const Head& head, const TileRows& tile, uint64_t& pairs) {
  const Run run = find_run(group, tile);
  const BlockRows &first = tile.halves[0].rows, &second = tile.halves[1].rows;
  const int window = head.geometry.window;
  uint64_t mine = 0;
  TileCounts counts{};
  visit_words(group, tile, run, [&](int word, const WordClasses& classes, const int* open) {
    mine += pairs_of_word(first, word, classes.bits[OF_FIRST] | classes.bits[OF_BOTH], window);
    if (tile.second_rows) mine += pairs_of_word(second, word, classes.bits[OF_SECOND] | classes.bits[OF_BOTH], window);
    const uint64_t counters = group.sum(count_word(tile, run, word, classes, open));
    counts.both_masked += counter(counters, OF_BOTH, true);
    counts.both_plain += counter(counters, OF_BOTH, false);
    UNROLL
    for (int half = 0; half < 2; ++half) {
      counts.half_masked[half] += counter(counters, half, true);
      counts.half_plain[half] += counter(counters, half, false);
    }
  });
  visit_columns(group, head, tile, [&](const ColumnPlace& place, int i) {
    int solid, plain, masked;
    group.before(place.solid, solid);
    group.before(place.plain, plain);
    group.before(place.masked, masked);
    counts.solid += solid;
    counts.plain_columns += plain;
    counts.masked_columns += masked;
    if (place.solid) mine += uint64_t(PIECE_KEYS) * (first.rows() + tile.second_rows);
    if (!place.plain && !place.masked) return;
    const int column = head.column(i);
    if (!(place.word & COLUMN_HIDDEN_0)) mine += pairs_of_column(first, column, window);
    if (!(place.word & COLUMN_HIDDEN_1) && tile.second_rows) mine += pairs_of_column(second, column, window);
  });
  counts.run_first = run.first;
  counts.run_stages = run.stages();
  pairs = group.sum(mine) + uint64_t(run.stages()) * STAGE_KEYS * (first.rows() + tile.second_rows);
  return counts;
}
