// Instructions that only Hopper has (sm_90a), one function each: barriers in shared memory that
// count arrivals and bytes, the copy engine (TMA), products of a warpgroup, registers that move
// between warpgroups. What Hopper shares with older GPUs comes from `sm80.cuh`. `emulation90.h`
// holds the same functions for a CPU.
#pragma once
#include "sm80.cuh"
#ifdef EMULATE_SM80
#include "emulation90.h"
#else

// Barriers in shared memory (mbarrier). A phase ends when `arrivals` have come, and the bytes that
// were announced. A wait names the parity of the phase that it waits for, and can tell it from the
// next one only: who skips phases must not look.
DEVICE void barrier_initialize(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
DEVICE void fence_barrier_initialization() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
DEVICE void barrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
DEVICE void barrier_arrive(uint32_t barrier, int times) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(times) : "memory");
}
// One arrival, and bytes that the copy engine will bring.
DEVICE void barrier_arrive_and_expect(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
DEVICE bool barrier_has_passed(uint32_t barrier, int parity) {
  uint32_t passed;
  asm volatile(
      "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
      : "=r"(passed)
      : "r"(barrier), "r"(parity)
      : "memory");
  return passed;
}
DEVICE void barrier_wait(uint32_t barrier, int parity) {
  while (!barrier_has_passed(barrier, parity)) {
  }
}
// Barriers of some of the block's threads, by number; 0 is that of the whole block.
DEVICE void named_barrier_sync(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
DEVICE void named_barrier_arrive(int barrier, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

// A box of a tensor, by the copy engine; its bytes arrive at the barrier. What lies outside of the
// tensor becomes zeros.
DEVICE void copy_box(uint32_t to, const void* map, uint32_t barrier, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], "
      "[%2];" ::"r"(to),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z)
      : "memory");
}
DEVICE void copy_box(uint32_t to, const void* map, uint32_t barrier, int x, int y, int z, int w) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, "
      "%6}], [%2];" ::"r"(to),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w)
      : "memory");
}
// As `copy16`, but zeros where `there` is false; then nothing is read.
DEVICE void copy16_or_zeros(uint32_t to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0)
               : "memory");
}
// Makes what this thread wrote to shared memory visible to the copy engine and to products.
DEVICE void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until at most `PENDING` of the newest committed groups run.
template <int PENDING>
DEVICE void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}
// Keeps the compiler from moving uses of registers across this point.
template <int N>
DEVICE void pin(float (&values)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(values[i])::"memory");
}

// first + row * stride in one instruction. Written out, the compiler takes `first` apart and adds
// its parts for each row anew.
DEVICE const char* row_address(const char* first, uint32_t row, uint32_t stride) {
  const char* address;
  asm("mad.wide.u32 %0, %1, %2, %3;" : "=l"(address) : "r"(row), "r"(stride), "l"(first));
  return address;
}
DEVICE void store_global16(void* to, const uint32_t (&words)[4]) {
  *static_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
}
DEVICE void store_global8(void* to, float x, float y) { *static_cast<float2*>(to) = make_float2(x, y); }
DEVICE int count_bits(uint32_t x) { return __popc(x); }

template <int REGISTERS>
DEVICE void give_registers_back() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
template <int REGISTERS>
DEVICE void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
#include "wgmma.cuh"
#endif

// Descriptors of matrices in shared memory, 128-byte swizzle, panels of 64 columns: rows lie 128
// bytes apart, groups of 8 rows 1024. Bits 0..14 hold the address in units of 16 bytes, so that a
// descriptor plus bytes / 16 is that of a matrix further on.
//
// Columns are summed over (queries, keys): 16 of them are 32 bytes further on.
DEVICE uint64_t descriptor_of_rows(uint32_t address) {
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}
// Rows are summed over (values): 16 of them are 2048 bytes further on, and the panels stand where
// others have the step along the columns.
DEVICE uint64_t descriptor_of_columns(uint32_t address, uint32_t panel_bytes) {
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | static_cast<uint64_t>(panel_bytes >> 4) << 16 |
         64ull << 32 | 1ull << 62;
}
// Where piece `piece` (16 bytes) of a row lies.
DEVICE uint32_t swizzled_piece(uint32_t matrix, uint32_t panel_bytes, int row, int piece) {
  return matrix + static_cast<uint32_t>(piece >> 3) * panel_bytes + static_cast<uint32_t>(row * 128) +
         (static_cast<uint32_t>((piece & 7) ^ (row & 7)) << 4);
}
