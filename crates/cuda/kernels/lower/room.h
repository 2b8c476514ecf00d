// Words of the list that a head can need, known before anything is estimated. The host gives each
// head as many, or fewer where memory is short but never fewer than `dense_room`: a head whose
// lists turn out longer than its room runs dense, so that nothing can overflow.
//
// Lines: let h be the granules of the first half's spans, in R stretches; the second half's are the
// same, four granules on (blocks lie 64 keys apart). Of each stretch at most one piece of four
// granules belongs to the first half alone, one to the second alone, and at most two stretches to
// both: both <= |h| / 4 + 1.5 R, halves <= R each. A half stage takes two words: words <= |h| / 4 +
// 3.5 R. With D diagonals, R <= D and |h| <= 5 D; of G granules, R <= G / 5 + 1 and |h| <= G: words
// <= min(4.75 D, 0.95 G + 4). Clipping at key 0, at the window and at the last query adds a few.
// Tiles of a dense and a sparse half, and a last block with fewer queries, share no such likeness:
// 2 G; a head has one of each at most.
#pragma once
#include "geometry.cuh"

constexpr int64_t TILE_SLACK = 24;  // clipped pieces, places that make numbers even, alignment

ANY_SIDE int64_t visible_granules(const Geometry& geometry) {
  const int64_t keys = geometry.keys, seen = int64_t(geometry.window) + TILE_ROWS;
  return (seen < keys ? seen : keys) / GRANULE + 2;
}
// A dense head: the run needs no words.
ANY_SIDE int64_t dense_room(const Geometry& geometry) { return geometry.tiles() * TILE_SLACK; }

ANY_SIDE int64_t list_room(const HeadParams& head, const Geometry& geometry) {
  if (head.kind == HEAD_DENSE) return dense_room(geometry);
  const int64_t granules = visible_granules(geometry);
  int64_t tile = TILE_SLACK, columns = 0;
  if (head.kind == HEAD_BLOCKS) {
    tile += 2 * int64_t(head.row_places);
  } else {
    columns = (head.column_count + STAGE_KEYS - 1) / STAGE_KEYS * int64_t(STAGE_KEYS) + head.column_count / HALF_ROWS;
    const int64_t diagonals = 5 * int64_t(head.diagonal_count);
    // The stretch of an A-shape ends at the query: all but a few of its granules are the run's.
    if (head.kind == HEAD_LINES) tile += diagonals < granules ? diagonals : granules;
  }
  return geometry.tiles() * (tile + columns) + 2 * (2 * granules + TILE_SLACK);
}
