// Means of blocks of 64 rows: sums in f32, in the order of the rows, as the CPU adds them. A mean
// is kept as two bf16: its rounded value and what rounding left, together exact to 2^-17.
#pragma once
#include "../index/primitives.cuh"

constexpr int MEAN_THREADS = 256;

// Each thread has eight elements of one block's mean. grid: (groups of blocks, slots + kv_heads)
template <class T>
DEVICE void pooled_means(const PooledArguments& arguments) {
  const bool is_query = blockIdx.y < static_cast<uint32_t>(arguments.slots);
  const int which = is_query ? blockIdx.y : blockIdx.y - arguments.slots;
  const int head = is_query ? arguments.heads[which] : which, tokens = is_query ? arguments.queries : arguments.keys;
  const Tensor tensor = is_query ? arguments.q : arguments.k;
  const PagedKeys paged = is_query ? PagedKeys{} : arguments.paged;
  const int pieces = arguments.head_dim / 8, at_once = MEAN_THREADS / pieces,
            blocks = (tokens + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const int block = blockIdx.x * at_once + threadIdx.x / pieces, piece = threadIdx.x % pieces;
  if (static_cast<int>(threadIdx.x) >= at_once * pieces || block >= blocks) return;
  const int first = block * BLOCK_ROWS, rows = min(BLOCK_ROWS, tokens - first);
  float sums[8] = {};
  auto add = [&](uint4 x) {
    const uint32_t words[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 pair = numbers_of(T{}, words[i]);
      sums[2 * i] += pair.x;
      sums[2 * i + 1] += pair.y;
    }
  };
  auto read = [&](int row) {
    return *reinterpret_cast<const uint4*>(row_address(tensor, paged, head, first + row) + piece * 16);
  };
  constexpr int AHEAD = 8;  // loads under way at once
  int row = 0;
  for (; row + AHEAD <= rows; row += AHEAD) {
    uint4 loaded[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) loaded[i] = read(row + i);
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) add(loaded[i]);
  }
  for (; row < rows; ++row) add(read(row));
  const float factor = 1.f / rows;
  uint32_t high[4], low[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float a = sums[2 * i] * factor, b = sums[2 * i + 1] * factor;
    high[i] = pack_bf16(a, b);
    const float2 rounded = numbers_of(Bf16{}, high[i]);
    low[i] = pack_bf16(a - rounded.x, b - rounded.y);
  }
  uint16_t* out = (is_query ? arguments.pooled_queries : arguments.pooled_keys) +
                  (size_t(which) * 2 * blocks + block) * arguments.head_dim + piece * 8;
  *reinterpret_cast<uint4*>(out) = {high[0], high[1], high[2], high[3]};
  *reinterpret_cast<uint4*>(out + size_t(blocks) * arguments.head_dim) = {low[0], low[1], low[2], low[3]};
}
