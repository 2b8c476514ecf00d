// Single columns of a tile: those that some half sees and that lie in none of its spans.
//
//   for each column: which halves see it; none: dropped
//     64 columns in a row from a multiple of 64, plain for every row and outside all spans: one
//       entry instead (an
//     A-shape's first keys), since keys side by side load faster than single ones
//     plain:  every row of both halves sees it
//     masked: hidden from a half, or from some rows
#pragma once
#include "half.cuh"

constexpr int PIECE_KEYS = HALF_ROWS;  // keys of an entry

struct ColumnPlace {
  bool solid;  // the first column of 64 that become an entry
  bool plain, masked;
  uint32_t word;  // of the list
};

// Whether a half sees a column that is not in its spans, for at least one row.
ANY_SIDE bool sees_column(const Half& half, int column) {
  const bool visible = column >= half.rows.first_visible && column < half.rows.end;
  return visible && !(half.spans(column / (GRANULE * 32)) >> column / GRANULE % 32 & 1);
}

ANY_SIDE bool is_plain(const TileRows& tile, int first, int last, int window) {
  const int last_row = larger(tile.halves[0].rows.end, tile.halves[1].rows.end) - 1;
  return last <= tile.halves[0].rows.start && last_row - first < window;
}

// Whether column number `i` is one of 64 in a row, from a multiple of 64, that can be an entry.
ANY_SIDE bool is_solid(const Head& head, const TileRows& tile, int i, int column) {
  constexpr int RUN = PIECE_KEYS;
  const int first = column / RUN * RUN, at = i - (column - first);
  if (at < 0 || at + RUN > head.columns() || head.column(at) != first || head.column(at + RUN - 1) != first + RUN - 1)
    return false;
  if (!is_plain(tile, first, first + RUN - 1, head.geometry.window)) return false;
  const int word = first / (GRANULE * 32);
  return ((tile.halves[0].spans(word) | tile.halves[1].spans(word)) >> first / GRANULE % 32 & 15) == 0;
}

ANY_SIDE ColumnPlace place_of_column(const Head& head, const TileRows& tile, int i) {
  ColumnPlace place{};
  const int column = head.column(i);
  if (is_solid(head, tile, i, column)) {
    place.solid = column % PIECE_KEYS == 0;
    place.word = static_cast<uint32_t>(column / GRANULE) | (PIECE_KEYS / GRANULE) << ENTRY_LENGTH_SHIFT;
    return place;
  }
  const bool first = sees_column(tile.halves[0], column), second = sees_column(tile.halves[1], column);
  place.plain = first && second && is_plain(tile, column, column, head.geometry.window);
  place.masked = (first || second) && !place.plain;
  place.word = static_cast<uint32_t>(column) | (first ? 0 : COLUMN_HIDDEN_0) | (second ? 0 : COLUMN_HIDDEN_1);
  return place;
}

// Calls `visit(place, i)` by all members at once, for the columns up to the tile's last query.
template <class Group, class Visit>
ANY_SIDE void visit_columns(const Group& group, const Head& head, const TileRows& tile, Visit visit) {
  const int end = larger(tile.halves[0].rows.end, tile.halves[1].rows.end);
  for (int base = 0; base < head.columns() && head.column(base) < end; base += Group::SIZE) {
    const int i = base + group.rank();
    ColumnPlace place{};
    if (i < head.columns()) place = place_of_column(head, tile, i);
    visit(place, i);
  }
}
