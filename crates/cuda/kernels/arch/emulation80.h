// The functions of sm80.cuh on a CPU, so that whole kernels run under a host compiler, for small
// shapes.
//
// Each CUDA thread is a fiber with a stack of its own. It runs until a warp or the block has to
// meet; the last lane that arrives does the work of all. Which warp goes on is drawn at random, and
// a warp may run far ahead of the others, so that a missing barrier shows as a wrong result sooner
// or later. Copies (cp.async) arrive at `wait_copies` and not before. Shared memory starts as NaN.
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#define ANYWHERE inline
#define DEVICE inline
#define KERNEL
#define GRID_CONSTANT const
#define __launch_bounds__(...)
using std::max;
using std::min;
struct uint2 {
  uint32_t x, y;
};
struct uint4 {
  uint32_t x, y, z, w;
};
struct float2 {
  float x, y;
};
struct float4 {
  float x, y, z, w;
};
struct Bf16 {};
struct F16 {};

inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
template <class T>
float widen(uint16_t word);
template <>
inline float widen<Bf16>(uint16_t word) {
  return float_of(static_cast<uint32_t>(word) << 16);
}
template <>
inline float widen<F16>(uint16_t word) {
  const int exponent = word >> 10 & 31, fraction = word & 1023;
  const float x = exponent == 31  ? (fraction ? NAN : INFINITY)
                  : exponent == 0 ? ldexpf(static_cast<float>(fraction), -24)
                                  : ldexpf(static_cast<float>(1024 + fraction), exponent - 25);
  return word >> 15 ? -x : x;
}
template <class T>
uint16_t narrow(float x);
template <>
inline uint16_t narrow<Bf16>(float x) {
  if (x != x) return 0x7fff;
  const uint32_t bits = bits_of(x);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
template <>
inline uint16_t narrow<F16>(float x) {
  const uint16_t sign = bits_of(x) >> 31 ? 0x8000 : 0;
  const float size = fabsf(x);
  if (x != x) return 0x7fff;
  if (size >= 65520.f) return sign | 0x7c00;
  if (size < ldexpf(1.f, -14)) return sign | static_cast<uint16_t>(nearbyintf(ldexpf(size, 24)));
  int exponent;
  const float fraction = frexpf(size, &exponent);  // in [1/2, 1)
  const int rounded = static_cast<int>(nearbyintf(fraction * 2048.f));
  return sign | static_cast<uint16_t>(((exponent + 13) << 10) + rounded);
}

namespace emulation {
constexpr size_t STACK_BYTES = 512 << 10;
struct Meeting {
  int arrived = 0;
  uint64_t round = 0;
};
struct Warp {
  Meeting meeting;
  void* operands[32];
};
struct Fiber {
  ucontext_t context;  // for its first entry; then `resume`, which costs no system call
  jmp_buf point;
  bool started = false;
  std::unique_ptr<char[]> stack;
  bool done = false;
  const Meeting* waits_for = nullptr;
  uint64_t until = 0;
  std::vector<std::pair<uint32_t, const void*>> open;
  std::deque<std::vector<std::pair<uint32_t, const void*>>> groups;
};
struct Block {
  std::vector<uint8_t> shared;
  std::vector<Warp> warps;
  std::vector<Fiber> fibers;
  Meeting meeting;
};
inline Block* block;
inline int thread;
inline uint32_t block_index[3];
inline jmp_buf scheduler;
inline std::function<void()>* body;
inline uint64_t seed = 1;

inline Fiber& fiber() { return block->fibers[thread]; }
inline Warp& warp() { return block->warps[thread / 32]; }
__attribute__((noinline)) inline void resume(Fiber& f) {
  if (_setjmp(scheduler)) return;
  if (f.started) _longjmp(f.point, 1);
  f.started = true;
  setcontext(&f.context);
}
__attribute__((noinline)) inline void leave() {
  if (!_setjmp(fiber().point)) _longjmp(scheduler, 1);
}
inline void wait(const Meeting& meeting) {
  fiber().waits_for = &meeting;
  fiber().until = meeting.round + 1;
  leave();
  fiber().waits_for = nullptr;
}
inline void meet(Meeting& meeting, int count) {
  if (++meeting.arrived < count) return wait(meeting);
  meeting.arrived = 0;
  ++meeting.round;
}
// All lanes call it with an operand each; the last one runs `work` on all operands.
template <class Operand, class Work>
void together(Operand& operand, Work work) {
  Warp& w = warp();
  w.operands[thread % 32] = &operand;
  if (++w.meeting.arrived < 32) return wait(w.meeting);
  Operand* lanes[32];
  for (int i = 0; i < 32; ++i) lanes[i] = static_cast<Operand*>(w.operands[i]);
  work(lanes);
  w.meeting.arrived = 0;
  ++w.meeting.round;
}
inline void enter() {
  (*body)();
  fiber().done = true;
  leave();
}
inline void run_block(int threads, size_t shared_bytes, std::function<void()> kernel,
                      std::mt19937_64& random) {
  Block b;
  b.shared.assign(shared_bytes, 0xff);
  b.warps.resize(threads / 32);
  b.fibers.resize(threads);
  block = &b;
  body = &kernel;
  for (Fiber& f : b.fibers) {
    f.stack.reset(new char[STACK_BYTES]);
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.get();
    f.context.uc_stack.ss_size = STACK_BYTES;
    f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
  }
  int at = 0;
  for (;;) {
    if (random() % 16 == 0) at = static_cast<int>(random() % b.warps.size());
    bool moved = false, all_done = true;
    for (size_t tries = 0; tries < b.warps.size() && !moved; ++tries) {
      for (int lane = 0; lane < 32; ++lane) {
        Fiber& f = b.fibers[at * 32 + lane];
        all_done = all_done && f.done;
        if (f.done || (f.waits_for && f.waits_for->round < f.until)) continue;
        thread = at * 32 + lane;
        moved = true;
        resume(f);
      }
      if (!moved) at = (at + 1) % static_cast<int>(b.warps.size());
    }
    if (moved) continue;
    if (all_done) return;
    fprintf(stderr, "the block does not go on: threads wait for each other\n");
    abort();
  }
}
template <class Kernel>
void launch(uint32_t x, uint32_t y, uint32_t z, int threads, size_t shared_bytes, Kernel kernel) {
  std::mt19937_64 random(seed++);
  for (uint32_t k = 0; k < z; ++k)
    for (uint32_t j = 0; j < y; ++j)
      for (uint32_t i = 0; i < x; ++i) {
        block_index[0] = i, block_index[1] = j, block_index[2] = k;
        run_block(threads, shared_bytes, kernel, random);
      }
}
inline uint8_t* at(uint32_t address, uint32_t bytes) {
  if (address % bytes || address + bytes > block->shared.size()) {
    fprintf(stderr, "shared memory: %u bytes at %u of %zu\n", bytes, address, block->shared.size());
    abort();
  }
  return &block->shared[address];
}
}  // namespace emulation

inline int thread_index() { return emulation::thread; }
inline uint32_t block_x() { return emulation::block_index[0]; }
inline uint32_t block_y() { return emulation::block_index[1]; }
inline uint32_t block_z() { return emulation::block_index[2]; }
inline void block_sync() {
  emulation::meet(emulation::block->meeting, static_cast<int>(emulation::block->fibers.size()));
}
inline void warp_sync() { emulation::meet(emulation::warp().meeting, 32); }
inline uint32_t shared_base() { return 0; }

inline void copy16(uint32_t to, const void* from) {
  emulation::at(to, 16);
  emulation::fiber().open.emplace_back(to, from);
}
inline void commit_copies() {
  auto& f = emulation::fiber();
  f.groups.push_back(std::move(f.open));
  f.open.clear();
}
template <int PENDING>
void wait_copies() {
  auto& f = emulation::fiber();
  for (; f.groups.size() > PENDING; f.groups.pop_front())
    for (auto& copy : f.groups.front()) memcpy(emulation::at(copy.first, 16), copy.second, 16);
}
inline void store_shared(uint32_t to, uint32_t word) { memcpy(emulation::at(to, 4), &word, 4); }
inline uint32_t load_shared(uint32_t from) {
  uint32_t x;
  memcpy(&x, emulation::at(from, 4), 4);
  return x;
}
inline uint2 load_shared8(uint32_t from) {
  uint2 x;
  memcpy(&x, emulation::at(from, 8), 8);
  return x;
}
inline uint4 load_shared16(uint32_t from) {
  uint4 x;
  memcpy(&x, emulation::at(from, 16), 16);
  return x;
}
inline uint32_t load_word(const void* from) { return *static_cast<const uint32_t*>(from); }
inline float load_float(const float* from) { return *from; }

namespace emulation {
template <bool TRANSPOSED>
void matrices(uint32_t (&words)[4], uint32_t row) {
  struct Operand {
    uint32_t (&words)[4];
    uint32_t row;
  } operand{words, row};
  together(operand, [](Operand** lanes) {
    for (int m = 0; m < 4; ++m)
      for (int lane = 0; lane < 32; ++lane) {
        uint16_t pair[2];
        for (int j = 0; j < 2; ++j) {
          const int r = TRANSPOSED ? lane % 4 * 2 + j : lane / 4,
                    c = TRANSPOSED ? lane / 4 : lane % 4 * 2 + j;
          memcpy(&pair[j], at(lanes[m * 8 + r]->row, 16) + c * 2, 2);
        }
        lanes[lane]->words[m] = pair[0] | static_cast<uint32_t>(pair[1]) << 16;
      }
  });
}
}  // namespace emulation
inline void load_matrices(uint32_t (&words)[4], uint32_t row) { emulation::matrices<false>(words, row); }
inline void load_matrices_transposed(uint32_t (&words)[4], uint32_t row) {
  emulation::matrices<true>(words, row);
}

template <class T>
void multiply(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct Operand {
    float (&sum)[4];
    const uint32_t (&a)[4];
    uint32_t b[2];
  } operand{sum, a, {b0, b1}};
  emulation::together(operand, [](Operand** lanes) {
    static float a[16][16], b[8][16];
    for (int lane = 0; lane < 32; ++lane)
      for (int j = 0; j < 2; ++j) {
        const int shift = 16 * j, k = lane % 4 * 2 + j;
        for (int i = 0; i < 4; ++i)
          a[lane / 4 + i % 2 * 8][k + i / 2 * 8] =
              widen<T>(static_cast<uint16_t>(lanes[lane]->a[i] >> shift));
        for (int i = 0; i < 2; ++i)
          b[lane / 4][k + i * 8] = widen<T>(static_cast<uint16_t>(lanes[lane]->b[i] >> shift));
      }
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        float x = lanes[lane]->sum[i];
        for (int k = 0; k < 16; ++k) x += a[row][k] * b[column][k];
        lanes[lane]->sum[i] = x;
      }
  });
}
template <class T>
uint32_t pack(float low, float high) {
  return narrow<T>(low) | static_cast<uint32_t>(narrow<T>(high)) << 16;
}
inline float exp2_fast(float x) {
  const float y = exp2f(x);
  return y < 1.17549435e-38f ? 0.f : y;
}
inline float reciprocal_fast(float x) { return 1.f / x; }
inline float as_float(uint32_t x) { return float_of(x); }
inline uint32_t as_word(float x) { return bits_of(x); }
inline float minus_infinity() { return -INFINITY; }
inline uint32_t shuffle(uint32_t x, int lane) {
  struct Operand {
    uint32_t x, y;
    int from;
  } operand{x, 0, lane};
  emulation::together(operand, [](Operand** lanes) {
    for (int i = 0; i < 32; ++i) lanes[i]->y = lanes[lanes[i]->from & 31]->x;
  });
  return operand.y;
}
inline float shuffle_xor(float x, int lanes) {
  return float_of(shuffle(bits_of(x), emulation::thread % 32 ^ lanes));
}
inline bool any_lane(bool x) {
  struct Operand {
    bool x, any;
  } operand{x, false};
  emulation::together(operand, [](Operand** lanes) {
    bool any = false;
    for (int i = 0; i < 32; ++i) any = any || lanes[i]->x;
    for (int i = 0; i < 32; ++i) lanes[i]->any = any;
  });
  return operand.any;
}
inline uint32_t fetch_and_add(uint32_t* counter) { return (*counter)++; }
inline int highest_bit(uint32_t x) { return 31 - __builtin_clz(x); }
