// What Hopper has beyond older GPUs, as thin wrappers of PTX: barriers in shared memory that count bytes, the copy engine
// (TMA), products of a whole warpgroup (wgmma), and registers that move between warps. Addresses of shared memory are
// 32-bit numbers throughout.
#pragma once
#include <cuda.h>
#include <stdint.h>

#define DEVICE __device__ __forceinline__

extern __shared__ __align__(1024) unsigned char dynamic_shared[];

DEVICE uint32_t shared_base() { return static_cast<uint32_t>(__cvta_generic_to_shared(dynamic_shared)); }
DEVICE void store_shared(uint32_t at, uint32_t value) { asm volatile("st.shared.u32 [%0], %1;" ::"r"(at), "r"(value) : "memory"); }
DEVICE uint32_t load_shared(uint32_t at) {
  uint32_t value;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(value) : "r"(at) : "memory");
  return value;
}
DEVICE uint2 load_shared_pair(uint32_t at) {
  uint2 value;
  asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(value.x), "=r"(value.y) : "r"(at) : "memory");
  return value;
}

// Barriers. A barrier's parity tells no more than one phase: a warp that falls a whole round behind misreads it.
DEVICE void barrier_init(uint32_t barrier, int count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory"); }
DEVICE void barrier_init_done() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
DEVICE void barrier_arrive(uint32_t barrier) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory"); }
DEVICE void barrier_arrive(uint32_t barrier, int count) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
DEVICE void barrier_expect(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
DEVICE void barrier_wait(uint32_t barrier, int parity) {
  uint32_t done;
  do {
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done)
                 : "r"(barrier), "r"(parity)
                 : "memory");
  } while (!done);
}
// Barriers of the block by number, for some of its warps.
DEVICE void group_sync(int number, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory"); }
DEVICE void group_arrive(int number, int threads) { asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory"); }

// Copies.
DEVICE void copy_box(uint32_t to, const CUtensorMap* map, uint32_t barrier, int column, int row, int head) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(to),
               "l"(map), "r"(barrier), "r"(column), "r"(row), "r"(head)
               : "memory");
}
DEVICE void copy_piece(uint32_t to, const void* from) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory"); }
DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int LEFT> DEVICE void copy_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory"); }
// What this thread wrote becomes visible to the tensor cores' reads of shared memory.
DEVICE void fence_writes() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Products of a warpgroup.
struct Bf16 {};
struct F16 {};
DEVICE void wgmma_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int LEFT> DEVICE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory"); }
// d (+)= a * b for 64 rows: N keys of scores, N columns of values.
template <class T, int N> DEVICE void wgmma_scores(float (&d)[N / 2], uint64_t a, uint64_t b, int add);
template <class T, int N> DEVICE void wgmma_values(float (&d)[N / 2], const uint32_t* a, uint64_t b);
#include "wgmma.inc"

// Descriptions of tiles in shared memory with the 128-byte swizzle: rows of 64 elements, eight of them 1,024 bytes.
DEVICE uint64_t describe(uint32_t at, uint32_t leading_bytes) {
  return static_cast<uint64_t>((at & 0x3ffff) >> 4) | static_cast<uint64_t>(leading_bytes >> 4) << 16 | 64ull << 32 | 1ull << 62;
}
// The depth of the product is contiguous (its step of 16 is 32 bytes further), or its width (panels of 64 columns lie
// `panel` bytes apart, its step of 16 rows is 2,048 bytes further).
DEVICE uint64_t describe_depth(uint32_t at) { return describe(at, 16); }
DEVICE uint64_t describe_width(uint32_t at, uint32_t panel) { return describe(at, panel); }

// Keeps the compiler from moving uses of registers across this point.
template <int N> DEVICE void pin(float (&registers)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(registers[i])::"memory");
}
// A branch that is never taken. What follows stays behind the computation of its condition, which must be the same for the
// whole warp (a vote), so that the compiler knows it to be uniform.
DEVICE void stay_behind(bool never) {
  if (never) asm volatile("trap;");
}

// Products of one warp, for the rare scores that are computed twice.
DEVICE void load_matrices(uint32_t (&r)[4], uint32_t at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}
template <class T> DEVICE void multiply(float* d, const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <> DEVICE void multiply<Bf16>(float* d, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <> DEVICE void multiply<F16>(float* d, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <int COUNT> DEVICE void give_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT)); }
template <int COUNT> DEVICE void take_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT)); }

DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
template <class T> DEVICE uint32_t pack(float low, float high);
template <> DEVICE uint32_t pack<Bf16>(float low, float high) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
template <> DEVICE uint32_t pack<F16>(float low, float high) {
  uint32_t r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(~0u, value, mask); }
DEVICE uint32_t shuffle(uint32_t value, int lane) { return __shfl_sync(~0u, value, lane); }
DEVICE bool any_of_warp(bool condition) { return __any_sync(~0u, condition); }
