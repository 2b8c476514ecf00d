// Who works on one piece of integer work: a warp on the device, a single thread on the host. The
// code is written once over these few operations; members take items in turn, member `rank()` the
// items rank, rank + SIZE, ...
#pragma once
#include "../index_interface.h"

// The lone worker of the host: what lies before it is what was carried.
struct Alone {
  static constexpr int SIZE = 1;
  int rank() const { return 0; }
  bool any(bool x) const { return x; }
  // How many members before this one say yes, and how many do in all.
  int before(bool x, int& total) const {
    total = x;
    return 0;
  }
  uint64_t sum_before(uint64_t x, uint64_t& total) const {
    total = x;
    return 0;
  }
  uint64_t sum(uint64_t x) const { return x; }
  // The value of the nearest member before this one that offers one, or else `carried`, which then
  // becomes the value of the last that does.
  uint32_t nearest_before(bool offers, uint32_t value, uint32_t& carried) const {
    const uint32_t result = carried;
    if (offers) carried = value;
    return result;
  }
  // Value of the first member that offers one; false where there is none.
  bool first(bool offers, int value, int& result) const {
    if (offers) result = value;
    return offers;
  }
  uint32_t broadcast(uint32_t x) const { return x; }
};

#if defined(__CUDACC__) || defined(EMULATE)
struct Warp {
  static constexpr int SIZE = 32;
  static constexpr uint32_t ALL = 0xffffffff;
  __device__ __forceinline__ int rank() const { return threadIdx.x % 32; }
  __device__ __forceinline__ uint32_t lower_members() const { return (1u << rank()) - 1; }
  __device__ __forceinline__ bool any(bool x) const { return __any_sync(ALL, x); }
  __device__ __forceinline__ int before(bool x, int& total) const {
    const uint32_t yes = __ballot_sync(ALL, x);
    total = __popc(yes);
    return __popc(yes & lower_members());
  }
  __device__ __forceinline__ uint64_t sum_before(uint64_t x, uint64_t& total) const {
    uint64_t sum = x;
    UNROLL
    for (int distance = 1; distance < 32; distance *= 2) {
      const uint64_t other = __shfl_up_sync(ALL, sum, distance);
      if (rank() >= distance) sum += other;
    }
    total = __shfl_sync(ALL, sum, 31);
    return sum - x;
  }
  __device__ __forceinline__ uint64_t sum(uint64_t x) const {
    UNROLL
    for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL, x, distance);
    return x;
  }
  __device__ __forceinline__ uint32_t nearest_before(bool offers, uint32_t value, uint32_t& carried) const {
    const uint32_t who = __ballot_sync(ALL, offers), mine = who & lower_members();
    const uint32_t near = __shfl_sync(ALL, value, mine ? 31 - __clz(mine) : 0);
    const uint32_t last = __shfl_sync(ALL, value, who ? 31 - __clz(who) : 0);
    const uint32_t result = mine ? near : carried;
    if (who) carried = last;
    return result;
  }
  __device__ __forceinline__ bool first(bool offers, int value, int& result) const {
    const uint32_t who = __ballot_sync(ALL, offers);
    if (who) result = __shfl_sync(ALL, value, __ffs(who) - 1);
    return who != 0;
  }
  __device__ __forceinline__ uint32_t broadcast(uint32_t x) const { return __shfl_sync(ALL, x, 0); }
};
#endif

// Bits of a word, on both sides.
ANY_SIDE int trailing_zeros(uint32_t x) {  // 32 for zero
#ifdef __CUDA_ARCH__
  return x ? __ffs(static_cast<int>(x)) - 1 : 32;
#else
  return x ? __builtin_ctz(x) : 32;
#endif
}
ANY_SIDE int leading_zeros(uint32_t x) {  // 32 for zero
#ifdef __CUDA_ARCH__
  return __clz(static_cast<int>(x));
#else
  return x ? __builtin_clz(x) : 32;
#endif
}
ANY_SIDE int count_bits(uint32_t x) {
#ifdef __CUDA_ARCH__
  return __popc(x);
#else
  return __builtin_popcount(x);
#endif
}
ANY_SIDE uint32_t low_bits(int count) { return count >= 32 ? 0xffffffff : (1u << count) - 1; }
// The bits of granules first..end in word `word` of 32 granules.
ANY_SIDE uint32_t range_bits(int word, int first, int end) {
  const int a = first - word * 32, b = end - word * 32;
  if (b <= 0 || a >= 32) return 0;
  return low_bits(b) & ~low_bits(a > 0 ? a : 0);
}
ANY_SIDE int smaller(int a, int b) { return a < b ? a : b; }
ANY_SIDE int larger(int a, int b) { return a > b ? a : b; }
