// Lowering on the host, by the very code of the kernels: each tile by a lone worker.
#pragma once
#include <vector>

#include "../lower/marks.cuh"
#include "../lower/room.h"
#include "../lower/tile.cuh"

struct LoweredHead {
  std::vector<Tile> tiles;
  std::vector<uint32_t> list;
  HeadOutcome outcome{};
  uint64_t words = 0;
};

inline std::vector<uint32_t> mark_on_host(const HeadParams& params, const uint32_t* selected,
                                          const Geometry& geometry) {
  const int words = bitmap_words(geometry.keys), origin = bitmap_origin(geometry.keys),
            phase = geometry.offset() % GRANULE;
  std::vector<uint32_t> bitmaps(2 * static_cast<size_t>(words), 0);
  for (int which = 0; which < 2; ++which) {
    const int rows = which ? geometry.last_rows() : BLOCK_ROWS;
    for (int i = 0; i < params.diagonal_count; ++i) {
      int first, end;
      diagonal_bits(params.kind == HEAD_SHAPE ? i : selected[params.diagonals_at + i], rows, phase, origin, first, end);
      for (int word = first / 32; word * 32 < end; ++word)
        bitmaps[static_cast<size_t>(which) * words + word] |= range_bits(word, first, end);
    }
  }
  return bitmaps;
}

inline LoweredHead lower_on_host(const HeadParams& params, const uint32_t* selected, const Geometry& geometry,
                                 double most_pairs, uint64_t causal_pairs) {
  LoweredHead result;
  std::vector<uint32_t> bitmaps;
  if (params.kind == HEAD_LINES || params.kind == HEAD_SHAPE) bitmaps = mark_on_host(params, selected, geometry);
  Head head{params, selected, bitmaps.data(), geometry};
  HeadSums sums{};
  for (int tile = 0; tile < geometry.tiles(); ++tile) {
    uint64_t pairs;
    const TileCounts counts = count_tile(Alone{}, head, TileRows::of(head, tile), pairs);
    sums.pairs += pairs;
    sums.words += words_of(TilePlan::of(counts));
  }
  result.words = sums.words;
  const HeadReason reason = reason_of(params, sums, most_pairs);
  result.outcome = {reason == RUNS_SPARSE ? sums.pairs : causal_pairs, reason, 0};
  if (reason != RUNS_SPARSE) head = as_dense(head);
  for (int tile = 0; tile < geometry.tiles(); ++tile) {
    const TileRows rows = TileRows::of(head, tile);
    uint64_t pairs;
    const TileCounts counts = count_tile(Alone{}, head, rows, pairs);
    const TilePlan plan = TilePlan::of(counts);
    const uint32_t at = static_cast<uint32_t>(result.list.size());
    result.list.resize(at + plan.words, 0xdeadbeef);
    fill_tile(Alone{}, head, rows, counts, plan, result.list.data() + at);
    result.tiles.push_back(describe_tile(counts, plan, at, 0, tile));
  }
  return result;
}
