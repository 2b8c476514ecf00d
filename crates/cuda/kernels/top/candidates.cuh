// Key blocks that a query block may attend to at all, and its own among them, as
// pattern::block_sparse has them.
#pragma once
#include "../lower/geometry.cuh"

struct Candidates {
  int first, end;  // key blocks
  int own_first;   // own blocks: own_first..end
  int wanted;      // how many are chosen
  ANY_SIDE int count() const { return end - first; }
};

ANY_SIDE Candidates candidates_of(const Geometry& geometry, int query_block, int top_k) {
  const BlockRows rows = BlockRows::of(geometry, query_block);
  Candidates candidates;
  candidates.first = rows.first_visible / BLOCK_ROWS;
  candidates.own_first = rows.start / BLOCK_ROWS;
  candidates.end = (rows.end - 1) / BLOCK_ROWS + 1;
  candidates.wanted = smaller(candidates.count(), larger(top_k, candidates.end - candidates.own_first));
  return candidates;
}
