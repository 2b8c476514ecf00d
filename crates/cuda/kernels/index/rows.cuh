// 64 rows of 16-bit elements in shared memory, and the products of 64 rows with 64 others by four
// warps.
//
// A row has DIM elements, those from head_dim on are zero. Pieces of 16 bytes of row r lie at place
// (piece ^ r % 8), so that the eight rows of a tile of 8 x 8 lie in different banks. Each warp has
// 32 x 32 of the products.
#pragma once
#include "primitives.cuh"

constexpr int TILE = 64, WARPS = 4, THREADS = 32 * WARPS, WARP_ROWS = 32, WARP_KEYS = 32;

template <int DIM>
constexpr int TILE_BYTES = TILE * DIM * 2;
template <int DIM>
DEVICE uint32_t piece_address(uint32_t tile, int row, int piece) {
  return tile + row * DIM * 2 + (piece ^ (row & 7)) * 16;
}

// Starts the copies of rows first..first + 64 of a head; rows outside 0..count are zero.
template <int DIM>
DEVICE void load_rows(uint32_t tile, const Tensor& tensor, const PagedKeys& paged, int head, int first, int count,
                      int head_dim) {
  constexpr int PIECES = DIM / 8, ROWS_AT_ONCE = THREADS / PIECES;
  const int piece = threadIdx.x % PIECES;
  const bool has_piece = piece * 8 < head_dim;
#pragma unroll
  for (int i = 0; i < TILE / ROWS_AT_ONCE; ++i) {
    const int row = threadIdx.x / PIECES + i * ROWS_AT_ONCE, token = first + row;
    const bool is_there = has_piece && token >= 0 && token < count;
    const unsigned char* from = is_there ? row_address(tensor, paged, head, token) + piece * 16
                                         : static_cast<const unsigned char*>(tensor.data);
    copy16_or_zero(piece_address<DIM>(tile, row, piece), from, is_there);
  }
}

// The warp's 32 rows of a tile, in registers.
template <int DIM>
struct RowFragments {
  uint32_t values[2][DIM / 16][4];
  __device__ __forceinline__ void load(uint32_t tile) {
    const int lane = threadIdx.x % 32, first = threadIdx.x / 32 % 2 * WARP_ROWS;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int k = 0; k < DIM / 16; ++k)
        load_tiles(values[m][k], piece_address<DIM>(tile, first + m * 16 + lane % 16, k * 2 + lane / 16));
  }
};

// Products of the warp's rows with its 32 keys of a tile: element i of [m][n] belongs to row m * 16
// + lane / 4 + i / 2 * 8 and key n * 8 + lane % 4 * 2 + i % 2 of the warp's.
typedef float WarpProducts[2][4][4];

template <class T, int DIM>
DEVICE void add_products(WarpProducts& products, const RowFragments<DIM>& rows, uint32_t tile) {
  const int lane = threadIdx.x % 32, first = threadIdx.x / 64 * WARP_KEYS;
  const int row = first + lane / 16 * 8 + lane % 8, half = lane / 8 % 2;
#pragma unroll
  for (int k = 0; k < DIM / 16; ++k)
#pragma unroll
    for (int n = 0; n < 4; n += 2) {
      uint32_t keys[4];
      load_tiles(keys, piece_address<DIM>(tile, row + n * 8, k * 2 + half));
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        multiply(T{}, products[m][n], rows.values[m][k], keys[0], keys[1]);
        multiply(T{}, products[m][n + 1], rows.values[m][k], keys[2], keys[3]);
      }
    }
}
DEVICE void clear(WarpProducts& products) {
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) products[m][n][i] = 0.f;
}
// Row and key, within the tile, of an element.
DEVICE int row_of(int m, int i) { return threadIdx.x / 32 % 2 * WARP_ROWS + m * 16 + threadIdx.x % 32 / 4 + i / 2 * 8; }
DEVICE int key_of(int n, int i) { return threadIdx.x / 64 * WARP_KEYS + n * 8 + threadIdx.x % 4 * 2 + i % 2; }
