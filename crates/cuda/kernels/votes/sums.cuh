// Second pass over the keys: probabilities of one tile after the other, summed along columns and
// diagonals.
//
//   for each tile t of 64 keys: probabilities [64 queries][64 keys] into shared memory
//     64 threads:  columns[key]  = sum over queries
//     64 threads:  thread j sums the elements with (query - key) % 64 = j, one in each row:
//                  upper[j] of distance j,  lower[j] of distance j - 64
//                  diagonals[first query - 64 t + j] = lower[j] of the tile before + upper[j]
//
// Each diagonal has parts in two tiles at most, added in the order of the tiles. A chunk computes
// the tile before its first once more for the lower part, so that chunks need nothing of each
// other.
#pragma once
#include "statistics.cuh"

constexpr int PROBABILITY_STRIDE = 72;  // floats of a row: eight banks on, so that a warp's stores meet no bank twice
constexpr int PROBABILITY_BYTES = TILE * PROBABILITY_STRIDE * 4;

template <class T, int DIM>
DEVICE void store_probabilities(float* probabilities, const WarpProducts& exponents, const SoftmaxPart (&rows)[2][2]) {
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const SoftmaxPart row = rows[m][h];
        const float2 pair{exp2_fast(exponents[m][n][2 * h] - row.maximum) * row.sum,
                          exp2_fast(exponents[m][n][2 * h + 1] - row.maximum) * row.sum};
        *reinterpret_cast<float2*>(probabilities + row_of(m, 2 * h) * PROBABILITY_STRIDE + key_of(n, 2 * h)) = pair;
      }
}

DEVICE float sum_of_column(const float* probabilities, int column) {
  float sums[4] = {0.f, 0.f, 0.f, 0.f};
#pragma unroll
  for (int row = 0; row < TILE; ++row) sums[row % 4] += probabilities[row * PROBABILITY_STRIDE + column];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}
DEVICE void sum_diagonals(const float* probabilities, int j, float& upper, float& lower) {
  float sum = 0.f;
  lower = 0.f;
#pragma unroll
  for (int row = 0; row < TILE; ++row) {
    if (row == j) {
      lower = sum;
      sum = 0.f;
    }
    sum += probabilities[row * PROBABILITY_STRIDE + ((row - j) & (TILE - 1))];
  }
  upper = sum;
}

template <class T, int DIM>
DEVICE void chunk_sums(const VotesArguments& arguments, unsigned char* memory) {
  const VoteWork work = VoteWork::of(arguments);
  const int chunk = blockIdx.y, first = chunk * arguments.chunk_tiles,
            end = min(first + arguments.chunk_tiles, work.tiles);
  float* columns = arguments.columns + work.slot * arguments.score_stride;
  float* diagonals = arguments.diagonals + work.slot * arguments.score_stride;
  float* probabilities = reinterpret_cast<float*>(memory + STAGES_OF<DIM> * TILE_BYTES<DIM>);
  const bool has_column = threadIdx.x < TILE;
  const int j = threadIdx.x % TILE;
  SoftmaxPart rows[2][2];
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int h = 0; h < 2; ++h) rows[m][h] = arguments.joined[work.slot * TILE + row_of(m, 2 * h)];
  auto store = [&](int tile, float sum) {
    const int at = has_column ? tile * TILE + j : work.first_row - tile * TILE + j;
    if (at >= 0 && at < arguments.keys) (has_column ? columns : diagonals)[at] = sum;
  };
  // Tiles that no voting query sees.
  for (int tile = first; tile < min(end, work.first_visible); ++tile) store(tile, 0.f);
  const int start = max(first - 1, work.first_visible);
  VoteScores<T, DIM> scores(arguments, work, shared_address(memory), start, end);
  WarpProducts exponents;
  float carried = 0.f;  // lower part of the tile before
  for (int tile = start; tile < end; ++tile) {
    scores.next(exponents, tile);
    store_probabilities<T, DIM>(probabilities, exponents, rows);
    __syncthreads();
    if (has_column) {
      const float sum = sum_of_column(probabilities, j);
      if (tile >= first) store(tile, sum);
    } else {
      float upper, lower;
      sum_diagonals(probabilities, j, upper, lower);
      if (tile >= first) store(tile, carried + upper);
      carried = lower;
    }
  }
  // Distances that only the last tile has a part of.
  if (end == work.tiles && !has_column) store(end, carried);
  wait_copies<0>();
}
