// First pass over the keys: maximum and sum of every voting query over one chunk of tiles; and how
// chunks are joined.
#pragma once
#include "scores.cuh"

DEVICE SoftmaxPart join(SoftmaxPart a, SoftmaxPart b) {
  const float maximum = fmaxf(a.maximum, b.maximum);
  return {maximum, a.sum * exp2_fast(a.maximum - maximum) + b.sum * exp2_fast(b.maximum - maximum)};
}
DEVICE SoftmaxPart join_with_lane(SoftmaxPart part, int lane_distance) {
  const SoftmaxPart other{__shfl_xor_sync(0xffffffff, part.maximum, lane_distance),
                          __shfl_xor_sync(0xffffffff, part.sum, lane_distance)};
  return join(part, other);
}

// Each thread keeps maxima and sums of the keys that it has; they are joined once, at the end.
template <class T, int DIM>
DEVICE void chunk_statistics(const VotesArguments& arguments, unsigned char* memory) {
  const VoteWork work = VoteWork::of(arguments);
  const int chunk = blockIdx.y, first = max(chunk * arguments.chunk_tiles, work.first_visible),
            end = min((chunk + 1) * arguments.chunk_tiles, work.tiles);
  SoftmaxPart parts[2][2];  // [m][row or row + 8]
#pragma unroll
  for (int m = 0; m < 2; ++m) parts[m][0] = parts[m][1] = {NO_MAXIMUM, 0.f};
  VoteScores<T, DIM> scores(arguments, work, shared_address(memory), first, end);
  WarpProducts exponents;
  for (int tile = first; tile < end; ++tile) {
    scores.next(exponents, tile);
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        SoftmaxPart& part = parts[m][h];
        float maximum = part.maximum;
#pragma unroll
        for (int n = 0; n < 4; ++n) maximum = fmaxf(maximum, fmaxf(exponents[m][n][2 * h], exponents[m][n][2 * h + 1]));
        float sum = part.sum * exp2_fast(part.maximum - maximum);
#pragma unroll
        for (int n = 0; n < 4; ++n)
          sum += exp2_fast(exponents[m][n][2 * h] - maximum) + exp2_fast(exponents[m][n][2 * h + 1] - maximum);
        part = {maximum, sum};
      }
  }
  // The four threads of a row, then the two warps that have other keys of it.
  wait_copies<0>();
  __syncthreads();
  SoftmaxPart* of_second_keys = reinterpret_cast<SoftmaxPart*>(memory);
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      parts[m][h] = join_with_lane(join_with_lane(parts[m][h], 1), 2);
      if (threadIdx.x >= 64 && threadIdx.x % 4 == 0) of_second_keys[row_of(m, 2 * h)] = parts[m][h];
    }
  __syncthreads();
  SoftmaxPart* out = arguments.statistics + (size_t(work.slot) * arguments.chunks + chunk) * TILE;
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int h = 0; h < 2; ++h)
      if (threadIdx.x < 64 && threadIdx.x % 4 == 0)
        out[row_of(m, 2 * h)] = join(parts[m][h], of_second_keys[row_of(m, 2 * h)]);
}

// One warp a row: lanes join chunks lane, lane + 32, ... in order, then each other in a fixed
// order.
DEVICE void join_chunks(const VotesArguments& arguments) {
  const int slot = blockIdx.x, lane = threadIdx.x % 32;
  for (int row = threadIdx.x / 32; row < TILE; row += blockDim.x / 32) {
    SoftmaxPart part{NO_MAXIMUM, 0.f};
    const SoftmaxPart* parts = arguments.statistics + size_t(slot) * arguments.chunks * TILE + row;
    for (int chunk = lane; chunk < arguments.chunks; chunk += 32) part = join(part, parts[size_t(chunk) * TILE]);
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) part = join_with_lane(part, distance);
    // Rows that do not vote count nothing.
    if (lane == 0) arguments.joined[slot * TILE + row] = {part.maximum, row < arguments.votes ? 1.f / part.sum : 0.f};
  }
}
