// One tile of one head, from its counts to its list: what the kernels and the host's test call.
#pragma once
#include "fill.cuh"

// A head that runs dense needs nothing of what was selected for it.
ANY_SIDE Head as_dense(Head head) {
  head.params.kind = HEAD_DENSE;
  return head;
}

// Whether and why a head runs dense, now that its pairs and words are known.
ANY_SIDE HeadReason reason_of(const HeadParams& params, const HeadSums& sums, double most_pairs) {
  if (params.kind == HEAD_DENSE) return DENSE_BY_PATTERN;
  if ((params.flags & HEAD_CROSSOVER) && static_cast<double>(sums.pairs) > most_pairs) return DENSE_BY_CROSSOVER;
  return sums.words > params.list_room ? DENSE_BY_ROOM : RUNS_SPARSE;
}

// Words that a tile adds to its head's; more than any room where its stages cannot be counted in 16
// bits.
constexpr unsigned long long TOO_MANY_WORDS = 1ull << 40;
ANY_SIDE unsigned long long words_of(const TilePlan& plan) { return plan.fits() ? plan.words : TOO_MANY_WORDS; }

ANY_SIDE Tile describe_tile(const TileCounts& counts, const TilePlan& plan, uint32_t at, int head, int tile) {
  Tile result;
  result.entries = at;
  result.columns = at + plan.columns_at;
  result.full_stages = static_cast<uint16_t>(plan.full_entries / 2);
  result.half_stages = static_cast<uint16_t>(plan.half_stages);
  result.column_stages = static_cast<uint16_t>(plan.column_stages);
  result.plain_column_stages = static_cast<uint16_t>(plan.plain_column_stages);
  result.run_first = counts.run_first;
  result.run_stages = counts.run_stages;
  result.head = head;
  result.tile = tile;
  return result;
}
