// Products of means, 64 query blocks by 64 key blocks at a time, on the tensor cores:
//   score = scale * (high q . high k + high q . low k + low q . high k)
// which is f32's product up to 2^-16 of its terms; a single product of bf16 means would move many a
// rank.
#pragma once
#include "../index/rows.cuh"
#include "../top/candidates.cuh"

constexpr int SCORE_TILES = 16;  // tiles of 64 key blocks that one block of threads takes

// The warp's products of 32 query blocks and 32 key blocks; `queries` and `keys` hold the high
// parts, the low parts lie right behind.
template <int DIM>
DEVICE void add_split_products(WarpProducts& products, uint32_t queries, uint32_t keys) {
  const int lane = threadIdx.x % 32, first_row = threadIdx.x / 32 % 2 * WARP_ROWS + lane % 16, row_half = lane / 16;
  const int first_key = threadIdx.x / 64 * WARP_KEYS + lane / 16 * 8 + lane % 8, key_half = lane / 8 % 2;
#pragma unroll 2
  for (int k = 0; k < DIM / 16; ++k) {
    uint32_t rows[2][2][4], columns[2][2][4];  // [high or low][m or pair of n]
#pragma unroll
    for (int part = 0; part < 2; ++part)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        load_tiles(rows[part][i],
                   piece_address<DIM>(queries + part * TILE_BYTES<DIM>, first_row + i * 16, k * 2 + row_half));
        load_tiles(columns[part][i],
                   piece_address<DIM>(keys + part * TILE_BYTES<DIM>, first_key + i * 16, k * 2 + key_half));
      }
#pragma unroll
    for (int product = 0; product < 3; ++product) {
      const int row_part = product == 2, key_part = product == 1;
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int n = 0; n < 4; ++n)
          multiply(Bf16{}, products[m][n], rows[row_part][m], columns[key_part][n / 2][n % 2 * 2],
                   columns[key_part][n / 2][n % 2 * 2 + 1]);
    }
  }
}

// High and low parts of 64 rows of means.
template <int DIM>
DEVICE void load_means(uint32_t tile, const uint16_t* means, int first, int blocks, int head_dim) {
  const Tensor high{means, head_dim * 2, 0}, low{means + size_t(blocks) * head_dim, head_dim * 2, 0};
  load_rows<DIM>(tile, high, PagedKeys{}, 0, first, blocks, head_dim);
  load_rows<DIM>(tile + TILE_BYTES<DIM>, low, PagedKeys{}, 0, first, blocks, head_dim);
}

// grid: (tiles of rows, slots, groups of SCORE_TILES tiles of key blocks)
template <int DIM>
DEVICE void pooled_scores(const PooledArguments& arguments, unsigned char* memory) {
  const int first_row = arguments.first_row + blockIdx.x * TILE, slot = blockIdx.y;
  const Geometry geometry{arguments.queries, arguments.keys, INT32_MAX};
  const int query_blocks = geometry.query_blocks(), key_blocks = (arguments.keys + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const int end_row = min(min(first_row + TILE, arguments.first_row + arguments.rows), query_blocks);
  const int seen = (candidates_of(geometry, end_row - 1, 1).end + TILE - 1) / TILE;  // tiles of key blocks
  const int first = blockIdx.z * SCORE_TILES, end = min(first + SCORE_TILES, seen);
  if (first >= end) return;
  const int kv_head = arguments.heads[slot] / arguments.group;
  const uint16_t* key_means = arguments.pooled_keys + size_t(kv_head) * 2 * key_blocks * arguments.head_dim;
  const uint32_t queries = shared_address(memory), keys = queries + 2 * TILE_BYTES<DIM>;
  load_means<DIM>(queries, arguments.pooled_queries + size_t(slot) * 2 * query_blocks * arguments.head_dim, first_row,
                  query_blocks, arguments.head_dim);
  load_means<DIM>(keys, key_means, first * TILE, key_blocks, arguments.head_dim);
  commit_copies();
  float* scores =
      arguments.scores + (size_t(slot) * arguments.rows + (first_row - arguments.first_row)) * arguments.score_stride;
  for (int tile = first; tile < end; ++tile) {
    const uint32_t buffer = keys + (tile - first) % 2 * 2 * TILE_BYTES<DIM>,
                   other = keys + (tile + 1 - first) % 2 * 2 * TILE_BYTES<DIM>;
    wait_copies<0>();
    __syncthreads();
    if (tile + 1 < end) load_means<DIM>(other, key_means, (tile + 1) * TILE, key_blocks, arguments.head_dim);
    commit_copies();
    WarpProducts products;
    clear(products);
    add_split_products<DIM>(products, queries, buffer);
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const int row = row_of(m, 2 * h), key = tile * TILE + key_of(n, 2 * h);
          if (first_row + row < end_row && key < arguments.score_stride)
            *reinterpret_cast<float2*>(scores + row * arguments.score_stride + key) = {
                products[m][n][2 * h] * arguments.scale, products[m][n][2 * h + 1] * arguments.scale};
        }
  }
}
