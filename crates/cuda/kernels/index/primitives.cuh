// Instructions of sm_80 and up that the estimates use: copies into shared memory that run on their
// own, tiles of 8 x 8, products of 16 x 16 x 8 on the tensor cores.
#pragma once
#include <stdint.h>

#include "../index_interface.h"

#define DEVICE static __device__ __forceinline__

// Element types; both are 16-bit words.
struct Bf16 {};
struct F16 {};

#ifndef EMULATE  // host/emulation.h has these operations for a CPU
// The launch's dynamic shared memory.
#define SHARED_MEMORY(name) extern __shared__ __align__(128) unsigned char name[]

DEVICE uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// Sixteen bytes into shared memory, or as many zeros.
DEVICE void copy16_or_zero(uint32_t to, const void* from, bool is_there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(is_there ? 16 : 0) : "memory");
}
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most `PENDING` of the thread's newest groups are under way.
template <int PENDING>
DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

DEVICE void load_tiles(uint32_t (&r)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}

// sums[16 x 8] += a[16 x 16] b[16 x 8]
DEVICE void multiply(Bf16, float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
DEVICE void multiply(F16, float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float divide_fast(float a, float b) { return __fdividef(a, b); }

// The two elements of a word, as numbers.
DEVICE float2 numbers_of(Bf16, uint32_t word) {
  return {__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000)};
}
DEVICE float2 numbers_of(F16, uint32_t word) {
  float2 x;
  asm("{.reg .f16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
      : "=f"(x.x), "=f"(x.y)
      : "r"(word));
  return x;
}
// Two numbers as bf16, rounded to the nearest.
DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

#endif

// Where a row of one head starts; rows may lie in pages.
DEVICE const unsigned char* row_address(const Tensor& tensor, const PagedKeys& paged, int head, int token) {
  const unsigned char* data = static_cast<const unsigned char*>(tensor.data) + head * tensor.head_stride;
  if (!paged.pages) return data + token * tensor.token_stride;
  const int page = paged.pages[token >> paged.page_shift], within = token & ((1 << paged.page_shift) - 1);
  return data + page * paged.page_stride + within * tensor.token_stride;
}
