// Which granules of 16 keys lie in the spans of one block of queries, 32 granules to a word.
//   dense    all that can be visible
//   lines    the head's bitmap of diagonals, shifted to the block's first query
//   blocks   four granules for each key block of the block's row
#pragma once
#include "geometry.cuh"

struct Half {
  BlockRows rows;
  int kind;
  const uint32_t* words;  // lines: bitmap; blocks: row
  int shift;              // lines: bit of the bitmap that stands for granule 0 of the keys
  int places;             // blocks: places of the row

  ANY_SIDE bool sees_all() const { return kind == HEAD_DENSE; }

  ANY_SIDE uint32_t spans(int word) const {
    const uint32_t visible = range_bits(word, rows.first_granule, rows.end_granule);
    if (!visible || kind == HEAD_DENSE) return visible;
    return visible & (kind == HEAD_BLOCKS ? block_bits(word) : diagonal_bits(word));
  }

 private:
  ANY_SIDE uint32_t diagonal_bits(int word) const {
    const int bit = word * 32 + shift, at = bit / 32, by = bit % 32;
    return by ? words[at] >> by | words[at + 1] << (32 - by) : words[at];
  }
  ANY_SIDE uint32_t block_bits(int word) const {
    constexpr int GRANULES = BLOCK_ROWS / GRANULE, BLOCKS = 32 / GRANULES;
    const uint32_t first = static_cast<uint32_t>(word) * BLOCKS;
    int low = 0, high = places;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (words[middle] < first)
        low = middle + 1;
      else
        high = middle;
    }
    uint32_t bits = 0;
    for (; low < places && words[low] - first < BLOCKS; ++low)
      bits |= low_bits(GRANULES) << (words[low] - first) * GRANULES;
    return bits;
  }
};

// One head over one geometry, with what was selected for it.
struct Head {
  HeadParams params;
  const uint32_t* selected;
  const uint32_t* bitmaps;  // of full blocks, then of a last block with fewer queries
  Geometry geometry;

  ANY_SIDE bool is_lines() const { return params.kind == HEAD_LINES || params.kind == HEAD_SHAPE; }
  ANY_SIDE int columns() const { return is_lines() ? params.column_count : 0; }
  ANY_SIDE int column(int i) const {
    return params.kind == HEAD_SHAPE ? i : static_cast<int>(selected[params.columns_at + i]);
  }
  ANY_SIDE Half half(int block) const {
    Half half{};
    half.rows = BlockRows::of(geometry, block);
    // One dense query makes its block dense.
    half.kind = half.rows.end - geometry.offset() > params.dense_from ? int(HEAD_DENSE) : params.kind;
    if (half.kind == HEAD_BLOCKS) {
      half.words = selected + params.rows_at + int64_t(block) * params.row_places;
      half.places = params.row_places;
    } else if (half.kind != HEAD_DENSE) {
      half.words = bitmaps + (half.rows.rows() < BLOCK_ROWS ? bitmap_words(geometry.keys) : 0);
      half.shift = bitmap_origin(geometry.keys) - half.rows.start / GRANULE;
    }
    return half;
  }
};

// Both halves of a tile. Where the second has no queries it sees what the first does, so that
// nothing is hidden from it.
struct TileRows {
  Half halves[2];
  int second_rows;  // queries of the second half

  ANY_SIDE static TileRows of(const Head& head, int tile) {
    TileRows rows;
    const bool has_second = 2 * tile + 1 < head.geometry.query_blocks();
    rows.halves[0] = head.half(2 * tile);
    rows.halves[1] = has_second ? head.half(2 * tile + 1) : rows.halves[0];
    rows.second_rows = has_second ? rows.halves[1].rows.rows() : 0;
    return rows;
  }
  ANY_SIDE int first_granule() const { return smaller(halves[0].rows.first_granule, halves[1].rows.first_granule); }
  ANY_SIDE int end_granule() const { return larger(halves[0].rows.end_granule, halves[1].rows.end_granule); }
  // Granules whose keys every row of both halves sees.
  ANY_SIDE int plain_first() const { return larger(halves[0].rows.plain_first, halves[1].rows.plain_first); }
  ANY_SIDE int plain_end() const { return smaller(halves[0].rows.plain_end, halves[1].rows.plain_end); }
};
