// Instructions that every GPU since sm_80 has, one function each, under names that say what they
// do: copies into shared memory that run on their own, tiles of 8 x 8 from shared memory, products
// of 16 x 16 x 8 on the tensor cores. `emulation80.h` holds the same functions for a CPU.
#pragma once
#ifdef EMULATE_SM80
#include "emulation80.h"
#else
#include <stdint.h>
#define ANYWHERE __host__ __device__ __forceinline__
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__
#define GRID_CONSTANT const __grid_constant__

// Element types; both kinds of tensor hold 16-bit words.
struct Bf16 {};
struct F16 {};

// Each call reads it anew. What follows from it (lane addresses, mostly) would otherwise be moved
// to the front of the kernel and kept in registers that the sums need.
DEVICE int thread_index() {
  int x;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(x));
  __builtin_assume(x >= 0);
  return x;
}
DEVICE uint32_t block_x() { return blockIdx.x; }
DEVICE uint32_t block_y() { return blockIdx.y; }
DEVICE uint32_t block_z() { return blockIdx.z; }
DEVICE void block_sync() { __syncthreads(); }
DEVICE void warp_sync() { __syncwarp(); }

// Address of the launch's dynamic shared memory. All instances use all of it through such
// addresses.
DEVICE uint32_t shared_base() {
  extern __shared__ __align__(1024) unsigned char shared_memory[];
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared_memory));
}

// Sixteen bytes, not through L1. They are there after `commit_copies` and `wait_copies`, for other
// threads after a barrier besides.
DEVICE void copy16(uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most `PENDING` of the thread's newest groups are under way.
template <int PENDING>
DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

DEVICE void store_shared(uint32_t to, uint32_t word) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(to), "r"(word) : "memory");
}
DEVICE uint32_t load_shared(uint32_t from) {
  uint32_t word;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(word) : "r"(from) : "memory");
  return word;
}
DEVICE uint2 load_shared8(uint32_t from) {
  uint2 x;
  asm volatile("ld.shared.v2.b32 {%0,%1}, [%2];" : "=r"(x.x), "=r"(x.y) : "r"(from) : "memory");
  return x;
}
DEVICE uint4 load_shared16(uint32_t from) {
  uint4 x;
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
               : "r"(from)
               : "memory");
  return x;
}
DEVICE uint32_t load_word(const void* from) { return __ldg(static_cast<const unsigned int*>(from)); }
DEVICE float load_float(const float* from) { return __ldg(from); }

// Four matrices of 8 x 8 words of 16 bits; lane l names row l % 8 of matrix l / 8.
DEVICE void load_matrices(uint32_t (&words)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(row)
               : "memory");
}
DEVICE void load_matrices_transposed(uint32_t (&words)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(row)
               : "memory");
}

// sum[16 x 8] += a[16 x 16] * b[16 x 8]. Lane l holds of `sum` rows l / 4 and l / 4 + 8, columns
// l % 4 * 2 and the next one.
template <class T>
DEVICE void multiply(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <>
DEVICE void multiply<Bf16>(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
DEVICE void multiply<F16>(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Two values as words of 16 bits, `low` in the lower half.
template <class T>
DEVICE uint32_t pack(float low, float high);
template <>
DEVICE uint32_t pack<Bf16>(float low, float high) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
template <>
DEVICE uint32_t pack<F16>(float low, float high) {
  uint32_t word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

DEVICE float exp2_fast(float x) {
  float y;
  asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float reciprocal_fast(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float as_float(uint32_t x) { return __uint_as_float(x); }
DEVICE uint32_t as_word(float x) { return __float_as_uint(x); }
DEVICE float minus_infinity() { return __int_as_float(0xff800000); }
DEVICE float shuffle_xor(float x, int lanes) { return __shfl_xor_sync(0xffffffff, x, lanes); }
DEVICE uint32_t shuffle(uint32_t x, int lane) { return __shfl_sync(0xffffffff, x, lane); }
DEVICE bool any_lane(bool x) { return __any_sync(0xffffffff, x); }
DEVICE uint32_t fetch_and_add(uint32_t* counter) { return atomicAdd(counter, 1u); }
DEVICE int highest_bit(uint32_t x) { return 31 - __clz(x); }
#endif
