// What the threads of a block do together: sums of all threads before, a digit found by the first
// warp.
#pragma once
#include "strength.cuh"

// Bins of a histogram in shared memory, with a gap after each 64, since a member of the first warp
// reads 64 in a row.
struct Histogram {
  uint32_t counts[BINS + BINS / 64];
  static __device__ __forceinline__ int place(int bin) { return bin + bin / 64; }
  __device__ __forceinline__ void clear() {
    for (int i = threadIdx.x; i < BINS + BINS / 64; i += blockDim.x) counts[i] = 0;
  }
  __device__ __forceinline__ void add(uint32_t bin) { atomicAdd(counts + place(bin), 1u); }
};

// Finds the next digit of a histogram that is complete; every thread gets the threshold.
static __device__ __forceinline__ Threshold next_digit_of_block(const Histogram& histogram, Threshold threshold,
                                                                int pass, Threshold& shared) {
  if (threadIdx.x < 32) {
    const Threshold found =
        next_digit(Warp{}, threshold, pass, [&](int bin) { return histogram.counts[Histogram::place(bin)]; });
    if (threadIdx.x == 0) shared = found;
  }
  __syncthreads();
  threshold = shared;
  __syncthreads();
  return threshold;
}

// Two sums at once, each below 2^31: of all threads before this one, and of all.
struct Sums {
  uint32_t above, equal;
};
struct SumScratch {
  uint64_t warps[32];
};
static __device__ __forceinline__ Sums sums_before(Sums mine, SumScratch& scratch, Sums& total) {
  const int warp = threadIdx.x / 32, warps = blockDim.x / 32;
  uint64_t of_warp, of_all;
  uint64_t before = Warp{}.sum_before(uint64_t(mine.above) << 32 | mine.equal, of_warp);
  if (threadIdx.x % 32 == 0) scratch.warps[warp] = of_warp;
  __syncthreads();
  const uint64_t other = static_cast<int>(threadIdx.x % 32) < warps ? scratch.warps[threadIdx.x % 32] : 0;
  const uint64_t warps_before = Warp{}.sum_before(other, of_all);
  before += __shfl_sync(Warp::ALL, warps_before, warp);
  total = {static_cast<uint32_t>(of_all >> 32), static_cast<uint32_t>(of_all)};
  __syncthreads();
  return {static_cast<uint32_t>(before >> 32), static_cast<uint32_t>(before)};
}
