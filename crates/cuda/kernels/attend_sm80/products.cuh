// The two products of a step, on fragments that ldmatrix reads from shared memory.
//
//   scores[rows x N keys] = queries[rows x D] * keys[N x D]^T
//   output[rows x D] += probabilities[rows x 16 keys] * values[16 x D]
#pragma once
#include "shared.cuh"
#include "softmax.cuh"

// `queries`, `keys`: this lane's addresses (`lane_of_...`).
template <class T, int D, int N, int TILES>
DEVICE void score(float (&scores)[TILES][8][4], uint32_t queries, uint32_t keys) {
#pragma unroll
  for (int a = 0; a < TILES; ++a)
#pragma unroll
    for (int b = 0; b < N / 8; ++b)
#pragma unroll
      for (int j = 0; j < 4; ++j) scores[a][b][j] = 0.f;
#pragma unroll
  for (int k = 0; k < D / 16; ++k) {
    uint32_t a[TILES][4];
#pragma unroll
    for (int t = 0; t < TILES; ++t)
      load_matrices(a[t], move_right<D>(queries, k) + t * 16 * Shape80<D>::ROW_BYTES);
#pragma unroll
    for (int n = 0; n < N / 16; ++n) {
      uint32_t b[4];
      load_matrices(b, move_right<D>(keys, k) + n * 16 * Shape80<D>::ROW_BYTES);
#pragma unroll
      for (int t = 0; t < TILES; ++t) {
        multiply<T>(scores[t][2 * n], a[t], b[0], b[1]);
        multiply<T>(scores[t][2 * n + 1], a[t], b[2], b[3]);
      }
    }
  }
}

// Adds chunk `c` of the step to the output, and meanwhile makes the probabilities of the next
// chunk: its exponentials lie between the products, so that one warp keeps both units busy.
template <class T, int D, bool NEXT, int TILES>
DEVICE void add_values(float (&output)[TILES][D / 8][4], const Chunk<TILES>& chunk, int c, uint32_t values,
                       Chunk<TILES>& next, const float (&scores)[TILES][8][4], float scale,
                       const Rows<TILES>& rows) {
  constexpr int BLOCKS = D / 16, UNITS = 4 * TILES;
#pragma unroll
  for (int n = 0; n < BLOCKS; ++n) {
    uint32_t b[4];
    load_matrices_transposed(b, move_right<D>(values, n) + c * 16 * Shape80<D>::ROW_BYTES);
#pragma unroll
    for (int t = 0; t < TILES; ++t) {
      multiply<T>(output[t][2 * n], chunk.p[t], b[0], b[1]);
      multiply<T>(output[t][2 * n + 1], chunk.p[t], b[2], b[3]);
    }
    if (NEXT) {
#pragma unroll
      for (int unit = n * UNITS / BLOCKS; unit < (n + 1) * UNITS / BLOCKS; ++unit)
        exponentials<T>(next, unit, scores, 2 * (c + 1), scale, rows.base);
    }
  }
}
