// Writes the list of one tile, whose counts are known.
//
//   full stages:  masked entries of both halves; an entry of one half that makes them even, or an
//                 empty place; with a single half stage also its two entries, since a change of
//                 kind costs more than the stage saves; then the plain entries, and columns that
//                 became entries
//   half stages:  entries of each half, masked ones first, empty places where the other half has
//                 more
//   columns:      plain ones, masked ones, empty places up to a whole stage
#pragma once
#include "count.cuh"

constexpr uint32_t ENTRY_NONE = PIECE << ENTRY_LENGTH_SHIFT | ENTRY_HIDDEN_0 | ENTRY_HIDDEN_1 | ENTRY_MASKED;

// Where everything lies within a tile's words.
struct TilePlan {
  uint32_t full_entries, half_stages, column_stages, plain_column_stages;
  uint32_t columns_at, words;  // from the tile's first word
  int filler;                  // the half whose first entry makes the others even; -1: none
  bool odd, merged;            // a place for the filler; entries of a single half stage among the full ones

  ANY_SIDE static TilePlan of(const TileCounts& counts) {
    TilePlan plan;
    const uint32_t both = counts.both_masked + counts.both_plain + counts.solid;
    uint32_t half[2] = {counts.half_masked[0] + counts.half_plain[0], counts.half_masked[1] + counts.half_plain[1]};
    plan.odd = both % 2 != 0;
    plan.filler = -1;
    if (plan.odd && half[0] + half[1] > 0) {
      plan.filler = half[1] >= half[0];
      --half[plan.filler];
    }
    plan.half_stages = half[0] > half[1] ? half[0] : half[1];
    plan.merged = plan.half_stages == 1;
    if (plan.merged) plan.half_stages = 0;
    plan.full_entries = both + plan.odd + 2 * plan.merged;
    const uint32_t columns = counts.plain_columns + counts.masked_columns;
    plan.column_stages = (columns + STAGE_KEYS - 1) / STAGE_KEYS;
    plan.plain_column_stages = counts.plain_columns / STAGE_KEYS;
    // Tiles and their columns start at multiples of 16 bytes.
    plan.columns_at = (plan.full_entries + 2 * plan.half_stages + 3) / 4 * 4;
    plan.words = plan.columns_at + plan.column_stages * STAGE_KEYS;
    return plan;
  }
  // Stages are counted in 16 bits.
  ANY_SIDE bool fits() const { return full_entries / 2 <= 0xffff && half_stages <= 0xffff && column_stages <= 0xffff; }
};

ANY_SIDE uint32_t hidden_from(int half) { return half ? ENTRY_HIDDEN_1 : ENTRY_HIDDEN_0; }

template <class Group>
ANY_SIDE void fill_tile(const Group& group, const Head& head, const TileRows& tile, const TileCounts& counts,
                        const TilePlan& plan, uint32_t* list) {
  const Run run{static_cast<int>(counts.run_first),
                static_cast<int>(counts.run_first + counts.run_stages * (STAGE_KEYS / GRANULE))};
  const uint32_t merged_at = counts.both_masked + plan.odd, plain_at = merged_at + 2 * plan.merged;
  const uint32_t half_stages_at = plan.full_entries, solid_at = plain_at + counts.both_plain;
  // Places that no entry takes.
  if (group.rank() == 0) {
    if (plan.odd && plan.filler < 0) list[counts.both_masked] = ENTRY_NONE;
    for (int half = 0; plan.merged && half < 2; ++half)
      if (counts.half_masked[half] + counts.half_plain[half] == (plan.filler == half))
        list[merged_at + half] = ENTRY_NONE;
  }
  for (int half = 0; half < 2; ++half) {
    const uint32_t entries = counts.half_masked[half] + counts.half_plain[half] - (plan.filler == half);
    for (uint32_t stage = entries + group.rank(); stage < plan.half_stages; stage += Group::SIZE)
      list[half_stages_at + 2 * stage + half] = ENTRY_NONE;
  }
  // How many entries of each class the words before have: [class][masked].
  uint32_t done[ENTRY_CLASSES][2] = {};
  visit_words(group, tile, run, [&](int word, const WordClasses& classes, const int* open) {
    uint64_t total;
    uint64_t before = group.sum_before(count_word(tile, run, word, classes, open), total);
    auto write = [&](int entry_class, int granule, int length, bool masked) {
      const uint32_t place = done[entry_class][masked] + counter(before, entry_class, masked);
      before += 1ull << counter_shift(entry_class, masked);
      const uint32_t entry = static_cast<uint32_t>(granule) | static_cast<uint32_t>(length) << ENTRY_LENGTH_SHIFT |
                             (masked ? ENTRY_MASKED : 0);
      if (entry_class == OF_BOTH) {
        list[masked ? place : plain_at + place] = entry;
        return;
      }
      const uint32_t hidden = entry | hidden_from(1 - entry_class) | ENTRY_MASKED;
      uint32_t stage = masked ? place : counts.half_masked[entry_class] + place;
      if (plan.filler == entry_class && stage-- == 0)
        list[counts.both_masked] = hidden;
      else if (plan.merged)
        list[merged_at + entry_class] = hidden;
      else
        list[half_stages_at + 2 * stage + entry_class] = entry;
    };
    UNROLL
    for (int c = 0; c < ENTRY_CLASSES; ++c) {
      cut_word(tile, run, word, c, classes.bits[c], open[c], write);
      done[c][0] += counter(total, c, false);
      done[c][1] += counter(total, c, true);
    }
  });
  uint32_t solid = 0, plain = 0, masked = 0;
  uint32_t* columns = list + plan.columns_at;
  visit_columns(group, head, tile, [&](const ColumnPlace& place, int) {
    int solids, plains, maskeds;
    const uint32_t solid_place = solid + group.before(place.solid, solids),
                   plain_place = plain + group.before(place.plain, plains),
                   masked_place = masked + group.before(place.masked, maskeds);
    if (place.solid) list[solid_at + solid_place] = place.word;
    if (place.plain) columns[plain_place] = place.word;
    if (place.masked) columns[counts.plain_columns + masked_place] = place.word;
    solid += solids;
    plain += plains;
    masked += maskeds;
  });
  for (uint32_t i = plain + masked + group.rank(); i < plan.column_stages * STAGE_KEYS; i += Group::SIZE)
    columns[i] = COLUMN_NONE;
}
