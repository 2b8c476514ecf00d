// Where a tile's two halves lie: each is one block of 64 queries of the product's KeyLayout.
#pragma once
#include "../index/group.cuh"

struct Geometry {
  int queries, keys, window;
  ANY_SIDE int offset() const { return keys - queries; }
  ANY_SIDE int query_blocks() const { return (queries + BLOCK_ROWS - 1) / BLOCK_ROWS; }
  ANY_SIDE int tiles() const { return (queries + TILE_ROWS - 1) / TILE_ROWS; }
  // Queries of the last block.
  ANY_SIDE int last_rows() const { return queries - (query_blocks() - 1) * BLOCK_ROWS; }
};

// Words of one bitmap of diagonals, and the bit that stands for a block's first query: granules
// before key 0 of the last block have no bits, those after its last query a few.
ANY_SIDE int bitmap_origin(int keys) { return (keys / GRANULE + 31) / 32 * 32 + 32; }
ANY_SIDE int bitmap_words(int keys) { return bitmap_origin(keys) / 32 + 4; }

// One block of queries: positions start..end (end = start: none), and the granules that it may see
// at all.
struct BlockRows {
  int start, end;
  int first_visible;               // first key within the window of the first query
  int first_granule, end_granule;  // granules that can hold visible keys
  int plain_first, plain_end;      // granules whose keys all rows see: neither causality nor the window hides any

  ANY_SIDE static BlockRows of(const Geometry& geometry, int block) {
    BlockRows rows;
    rows.start = geometry.offset() + block * BLOCK_ROWS;
    rows.end = smaller(rows.start + BLOCK_ROWS, geometry.keys);
    rows.first_visible = larger(0, rows.start + 1 - geometry.window);
    rows.first_granule = rows.first_visible / GRANULE;
    rows.end_granule = (rows.end + GRANULE - 1) / GRANULE;
    rows.plain_first = (larger(0, rows.end - geometry.window) + GRANULE - 1) / GRANULE;
    rows.plain_end = (rows.start + 1) / GRANULE;
    return rows;
  }
  ANY_SIDE int rows() const { return end - start; }
};

// The order of work: the last tiles have the most keys and come first; heads that share a key-value
// head lie side by side, and all tiles of such a group before those of the next, so that its keys
// stay in the cache.
ANY_SIDE int place_of_tile(int head, int tile, int tiles, int group) {
  return ((head / group) * tiles + (tiles - 1 - tile)) * group + head % group;
}
ANY_SIDE void tile_of_place(int place, int tiles, int group, int& head, int& tile) {
  head = place / (tiles * group) * group + place % group;
  tile = tiles - 1 - place / group % tiles;
}
