// Runs kernels on a CPU: each thread of a block is a fiber, blocks come one after the other.
// Barriers and what a warp does together wait for all that take part. Slow, and blind to races and
// to timing, but the code is the kernels' own. Include it before the kernel's source, with EMULATE
// defined.
#pragma once
#include <stdint.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static
#define SHARED_MEMORY(name) static unsigned char* const name = emulation::shared_bytes

using std::max;
using std::min;
struct uint4 {
  uint32_t x, y, z, w;
};
struct float2 {
  float x, y;
};

namespace emulation {

struct Index {
  uint32_t x = 0, y = 0, z = 0;
};
struct Slot {
  uint64_t words[3];
};
struct Thread {
  ucontext_t context;
  std::vector<char> stack;
  int block_turns = 0, warp_turns = 0;
  bool done = false;
};

alignas(128) inline unsigned char shared_bytes[256 * 1024];
inline Index block_index, block_size;
inline std::vector<Thread> threads;
inline int running = 0;
inline ucontext_t scheduler;
inline const std::function<void()>* work = nullptr;
inline std::vector<Slot> slots[2];
inline std::vector<int> votes[2];

inline void pause() { swapcontext(&threads[running].context, &scheduler); }

inline void wait_for(int first, int end, int Thread::* turns) {
  const int mine = ++(threads[running].*turns);
  const auto behind = [&] {
    for (int i = first; i < end; ++i)
      if (!threads[i].done && threads[i].*turns < mine) return true;
    return false;
  };
  do pause();
  while (behind());
}
// All lanes' values, of the running thread's warp.
inline const Slot* exchange(Slot value) {
  Thread& thread = threads[running];
  const int first = running / 32 * 32, end = std::min(first + 32, static_cast<int>(threads.size()));
  std::vector<Slot>& turn = slots[thread.warp_turns % 2];
  turn[running] = value;
  wait_for(first, end, &Thread::warp_turns);
  return turn.data() + first;
}
inline int lane() { return running % 32; }

// What all threads of the block say.
inline const std::vector<int>& block_votes(int value) {
  Thread& thread = threads[running];
  std::vector<int>& turn = votes[thread.block_turns % 2];
  turn[running] = value;
  wait_for(0, static_cast<int>(threads.size()), &Thread::block_turns);
  return turn;
}

inline void enter() {
  (*work)();
  threads[running].done = true;
}

// Runs `kernel` for every block of a grid.
inline void launch(Index grid, uint32_t block, const std::function<void()>& kernel) {
  work = &kernel;
  block_size = {block, 1, 1};
  threads.resize(block);
  for (int i = 0; i < 2; ++i) slots[i].assign(block, Slot{}), votes[i].assign(block, 0);
  for (block_index.z = 0; block_index.z < grid.z; ++block_index.z)
    for (block_index.y = 0; block_index.y < grid.y; ++block_index.y)
      for (block_index.x = 0; block_index.x < grid.x; ++block_index.x) {
        for (Thread& thread : threads) {
          thread.stack.resize(64 * 1024);
          thread.done = false;
          thread.block_turns = thread.warp_turns = 0;
          getcontext(&thread.context);
          thread.context.uc_stack.ss_sp = thread.stack.data();
          thread.context.uc_stack.ss_size = thread.stack.size();
          thread.context.uc_link = &scheduler;
          makecontext(&thread.context, enter, 0);
        }
        // Poison: kernels must write what they read.
        std::memset(shared_bytes, 0xff, sizeof shared_bytes);
        for (bool all_done = false; !all_done;) {
          all_done = true;
          for (running = 0; running < static_cast<int>(block); ++running)
            if (!threads[running].done) {
              all_done = false;
              swapcontext(&scheduler, &threads[running].context);
            }
        }
      }
}

inline float number(uint16_t bits, bool is_f16) {
  float x;
  if (!is_f16) {
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    std::memcpy(&x, &word, 4);
    return x;
  }
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  x = exponent ? std::ldexp(1024.f + fraction, exponent - 25) : std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) x = fraction ? NAN : INFINITY;
  return bits >> 15 ? -x : x;
}

}  // namespace emulation

struct ThreadIndex {
  struct X {
    operator uint32_t() const { return emulation::running; }
  } x;
};
inline ThreadIndex threadIdx;
#define blockIdx emulation::block_index
#define blockDim emulation::block_size

inline void __syncthreads() { emulation::block_votes(0); }
inline int __syncthreads_count(int x) {
  int count = 0;
  for (int vote : emulation::block_votes(x != 0)) count += vote;
  return count;
}
inline int __syncthreads_or(int x) { return __syncthreads_count(x) != 0; }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __clz(uint32_t x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(uint32_t x) { return x ? __builtin_ctz(x) + 1 : 0; }
template <class T>
T lane_value(T x, int lane) {
  emulation::Slot slot{};
  std::memcpy(&slot, &x, sizeof x);
  const emulation::Slot* all = emulation::exchange(slot);
  T result;
  std::memcpy(&result, all + lane, sizeof result);
  return result;
}
template <class T>
T __shfl_sync(uint32_t, T x, int lane) {
  return lane_value(x, lane);
}
template <class T>
T __shfl_xor_sync(uint32_t, T x, int distance) {
  return lane_value(x, emulation::lane() ^ distance);
}
template <class T>
T __shfl_up_sync(uint32_t, T x, int distance) {
  return lane_value(x, std::max(emulation::lane() - distance, 0));
}
inline uint32_t __ballot_sync(uint32_t, bool x) {
  const emulation::Slot* all = emulation::exchange({{x, 0, 0}});
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= static_cast<uint32_t>(all[i].words[0]) << i;
  return bits;
}
inline bool __any_sync(uint32_t mask, bool x) { return __ballot_sync(mask, x) != 0; }
template <class T, class U>
T atomicAdd(T* at, U x) {
  const T old = *at;
  *at += static_cast<T>(x);
  return old;
}
template <class T, class U>
T atomicOr(T* at, U x) {
  const T old = *at;
  *at |= static_cast<T>(x);
  return old;
}
template <class T, class U>
T atomicMin(T* at, U x) {
  const T old = *at;
  *at = std::min<T>(old, x);
  return old;
}

// The operations of index/primitives.cuh.
struct Bf16;
struct F16;
inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const unsigned char*>(p) - emulation::shared_bytes);
}
inline void copy16_or_zero(uint32_t to, const void* from, bool is_there) {
  if (is_there)
    std::memcpy(emulation::shared_bytes + to, from, 16);
  else
    std::memset(emulation::shared_bytes + to, 0, 16);
}
inline void commit_copies() {}
template <int PENDING>
void wait_copies() {}
inline void load_tiles(uint32_t (&r)[4], uint32_t from) {
  const emulation::Slot* all = emulation::exchange({{from, 0, 0}});
  const int lane = emulation::lane();
  for (int i = 0; i < 4; ++i)
    std::memcpy(&r[i], emulation::shared_bytes + all[8 * i + lane / 4].words[0] + lane % 4 * 4, 4);
}
inline void multiply_elements(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, bool is_f16) {
  emulation::Slot mine;
  mine.words[0] = a[0] | static_cast<uint64_t>(a[1]) << 32;
  mine.words[1] = a[2] | static_cast<uint64_t>(a[3]) << 32;
  mine.words[2] = b0 | static_cast<uint64_t>(b1) << 32;
  const emulation::Slot* all = emulation::exchange(mine);
  const int lane = emulation::lane();
  // Word `which` (0 to 3: a, 4 and 5: b) of a lane, its low or high element.
  const auto element = [&](int of, int which, int high) {
    const uint32_t word = static_cast<uint32_t>(all[of].words[which / 2] >> which % 2 * 32);
    return emulation::number(static_cast<uint16_t>(word >> 16 * high), is_f16);
  };
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4, column = lane % 4 * 2 + i % 2;
    float sum = 0.f;
    for (int k = 0; k < 16; ++k)
      sum += element(row * 4 + k % 8 / 2, k / 8 * 2 + i / 2, k % 2) * element(column * 4 + k % 8 / 2, 4 + k / 8, k % 2);
    sums[i] += sum;
  }
}
inline void multiply(const Bf16&, float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiply_elements(sums, a, b0, b1, false);
}
inline void multiply(const F16&, float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiply_elements(sums, a, b0, b1, true);
}
inline float exp2_fast(float x) { return std::exp2(x); }
inline float divide_fast(float a, float b) { return a / b; }
inline float2 numbers_of(const Bf16&, uint32_t word) {
  return {emulation::number(word & 0xffff, false), emulation::number(word >> 16, false)};
}
inline float2 numbers_of(const F16&, uint32_t word) {
  return {emulation::number(word & 0xffff, true), emulation::number(word >> 16, true)};
}
inline uint16_t bf16_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline uint32_t pack_bf16(float low, float high) { return bf16_of(low) | static_cast<uint32_t>(bf16_of(high)) << 16; }
