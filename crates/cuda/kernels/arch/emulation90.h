// The functions of sm90.cuh on a CPU, on top of `emulation80.h`.
//
// Products run when they are waited for, on what registers and shared memory hold then: a register
// that is read or written too early, or a slot that is freed too early, shows as a wrong result.
// The copy engine works at once, the earliest that it can. Arrivals that never come end the run.
// What a CPU cannot show: memory orders, the asynchronous proxy, the order of instructions.
#pragma once
#include <map>

namespace emulation {
struct Barrier {
  Meeting phase;  // its rounds are the phases
  int arrivals, pending;
  int64_t bytes = 0;
};
inline std::map<uint32_t, Barrier> barriers;
inline std::map<int, Meeting> named_barriers;
// Of each thread: products of the open group, and groups that were committed.
using Products = std::vector<std::function<void()>>;
inline std::map<int, Products> open_products;
inline std::map<int, std::deque<Products>> product_groups;

inline void fail(const char* what) {
  fprintf(stderr, "thread %d: %s\n", thread, what);
  abort();
}
inline Barrier& barrier_at(uint32_t address) {
  const auto found = barriers.find(address);
  if (found == barriers.end()) fail("no barrier there");
  return found->second;
}
inline void end_phase_if_complete(Barrier& b) {
  if (b.pending < 0) fail("more arrivals than a barrier counts");
  if (b.pending > 0 || b.bytes != 0) return;
  b.pending = b.arrivals;
  ++b.phase.round;
}
}  // namespace emulation

inline void barrier_initialize(uint32_t barrier, int arrivals) {
  emulation::at(barrier, 8);
  emulation::barriers[barrier] = {{}, arrivals, arrivals};
}
inline void fence_barrier_initialization() {}
inline void barrier_arrive(uint32_t barrier, int times) {
  auto& b = emulation::barrier_at(barrier);
  b.pending -= times;
  emulation::end_phase_if_complete(b);
}
inline void barrier_arrive(uint32_t barrier) { barrier_arrive(barrier, 1); }
inline void barrier_arrive_and_expect(uint32_t barrier, int bytes) {
  emulation::barrier_at(barrier).bytes += bytes;
  barrier_arrive(barrier, 1);
}
inline bool barrier_has_passed(uint32_t barrier, int parity) {
  return (emulation::barrier_at(barrier).phase.round & 1) != static_cast<uint64_t>(parity);
}
inline void barrier_wait(uint32_t barrier, int parity) {
  while (!barrier_has_passed(barrier, parity)) emulation::wait(emulation::barrier_at(barrier).phase);
}
inline void named_barrier_sync(int barrier, int threads) {
  emulation::meet(emulation::named_barriers[barrier], threads);
}
inline void named_barrier_arrive(int barrier, int threads) {
  auto& meeting = emulation::named_barriers[barrier];
  if (++meeting.arrived < threads) return;
  meeting.arrived = 0;
  ++meeting.round;
}

// What the emulation keeps in a tensor map: address, then of each dimension its size and its stride
// in bytes, then the number of dimensions and the rows of a box.
struct EmulatedMap {
  const char* data;
  int64_t size[4], stride[4];
  int32_t rank, rows;
};
inline void copy_box(uint32_t to, const EmulatedMap& map, uint32_t barrier, const int (&start)[4]) {
  const uint32_t bytes = static_cast<uint32_t>(map.rows) * 128;
  if (to % 1024) emulation::fail("a box must lie at a multiple of 1024");
  for (int row = 0; row < map.rows; ++row)
    for (int column = 0; column < 64; ++column) {
      const int64_t x[4] = {start[0] + column, start[1] + row, start[2], start[3]};
      uint16_t word = 0;
      bool inside = true;
      const char* from = map.data;
      for (int i = 0; i < map.rank; ++i) {
        inside = inside && x[i] >= 0 && x[i] < map.size[i];
        from += x[i] * map.stride[i];
      }
      if (inside) memcpy(&word, from, 2);
      const uint32_t address = to + static_cast<uint32_t>(row * 128 + column * 2);
      memcpy(emulation::at(address ^ (address >> 7 & 7) << 4, 2), &word, 2);
    }
  auto& b = emulation::barrier_at(barrier);
  b.bytes -= bytes;
  emulation::end_phase_if_complete(b);
}
inline void copy_box(uint32_t to, const void* map, uint32_t barrier, int x, int y, int z, int w) {
  const auto& m = *static_cast<const EmulatedMap*>(map);
  if (m.rank != 4) emulation::fail("a map of 3 dimensions");
  copy_box(to, m, barrier, {x, y, z, w});
}
inline void copy_box(uint32_t to, const void* map, uint32_t barrier, int x, int y, int z) {
  const auto& m = *static_cast<const EmulatedMap*>(map);
  if (m.rank != 3) emulation::fail("a map of 4 dimensions");
  copy_box(to, m, barrier, {x, y, z, 0});
}
inline void copy16_or_zeros(uint32_t to, const void* from, bool there) {
  static const char zeros[16] = {};
  copy16(to, there ? from : zeros);
}
inline void fence_async_proxy() {}

inline void products_begin() {}
inline void products_commit() {
  auto& open = emulation::open_products[emulation::thread];
  emulation::product_groups[emulation::thread].push_back(std::move(open));
  open.clear();
}
template <int PENDING>
void products_wait() {
  auto& groups = emulation::product_groups[emulation::thread];
  while (groups.size() > PENDING) {
    const emulation::Products group = std::move(groups.front());
    groups.pop_front();
    for (const auto& product : group) product();
  }
}
template <int N>
void pin(float (&)[N]) {}

namespace emulation {
struct Descriptor {
  uint32_t address, panel_bytes, group_bytes;
  explicit Descriptor(uint64_t bits)
      : address(static_cast<uint32_t>(bits & 0x3fff) << 4),
        panel_bytes(static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4),
        group_bytes(static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4) {
    if (bits >> 62 != 1) fail("a descriptor without the 128-byte swizzle");
  }
  template <class T>
  float read(int row, int column) const {
    const uint32_t a = address + static_cast<uint32_t>(column / 64) * panel_bytes +
                       static_cast<uint32_t>(row / 8) * group_bytes +
                       static_cast<uint32_t>(row % 8 * 128 + column % 64 * 2);
    uint16_t word;
    memcpy(&word, at(a ^ (a >> 7 & 7) << 4, 2), 2);
    return widen<T>(word);
  }
};
// The warp's 16 rows: a[16 x 16], b[16 x N] in the order of the sum, added to each lane's sums.
template <int N, class Operand>
void add_product(Operand** lanes, const float (&a)[16][16], const float (&b)[16][N], bool accumulate) {
  static float sum[16][N];
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < N / 2; ++i)
      sum[lane / 4 + i / 2 % 2 * 8][i / 4 * 8 + lane % 4 * 2 + i % 2] = accumulate ? lanes[lane]->sum[i] : 0.f;
  for (int r = 0; r < 16; ++r)
    for (int k = 0; k < 16; ++k)
      for (int c = 0; c < N; ++c) sum[r][c] += a[r][k] * b[k][c];
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < N / 2; ++i)
      lanes[lane]->sum[i] = sum[lane / 4 + i / 2 % 2 * 8][i / 4 * 8 + lane % 4 * 2 + i % 2];
}
}  // namespace emulation

template <class T, int N>
void multiply_shared(float (&sum)[N / 2], uint64_t a, uint64_t b, bool accumulate) {
  float* sums = sum;
  emulation::open_products[emulation::thread].push_back([=] {
    struct Operand {
      float* sum;
      uint64_t a, b;
    } operand{sums, a, b};
    const int warp = emulation::thread / 32 % 4;
    emulation::together(operand, [=](Operand** lanes) {
      static float left[16][16], right[16][N];
      const emulation::Descriptor rows(lanes[0]->a), columns(lanes[0]->b);
      for (int k = 0; k < 16; ++k) {
        for (int r = 0; r < 16; ++r) left[r][k] = rows.read<T>(warp * 16 + r, k);
        for (int c = 0; c < N; ++c) right[k][c] = columns.read<T>(c, k);
      }
      emulation::add_product<N>(lanes, left, right, accumulate);
    });
  });
}
template <class T, int N>
void multiply_registers(float (&sum)[N / 2], const uint32_t* a, uint64_t b) {
  float* sums = sum;
  emulation::open_products[emulation::thread].push_back([=] {
    struct Operand {
      float* sum;
      const uint32_t* a;
      uint64_t b;
    } operand{sums, a, b};
    emulation::together(operand, [](Operand** lanes) {
      static float left[16][16], right[16][N];
      const emulation::Descriptor values(lanes[0]->b);
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 2; ++j)
            left[lane / 4 + i % 2 * 8][i / 2 * 8 + lane % 4 * 2 + j] =
                widen<T>(static_cast<uint16_t>(lanes[lane]->a[i] >> 16 * j));
      for (int k = 0; k < 16; ++k)
        for (int c = 0; c < N; ++c) right[k][c] = values.read<T>(k, c);
      emulation::add_product<N>(lanes, left, right, true);
    });
  });
}
inline const char* row_address(const char* first, uint32_t row, uint32_t stride) {
  return first + static_cast<uint64_t>(row) * stride;
}
inline void store_global16(void* to, const uint32_t (&words)[4]) {
  if (reinterpret_cast<uintptr_t>(to) % 16) emulation::fail("16 bytes are stored at a multiple of 16");
  memcpy(to, words, 16);
}
inline void store_global8(void* to, float x, float y) {
  memcpy(to, &x, 4);
  memcpy(static_cast<char*>(to) + 4, &y, 4);
}
inline int count_bits(uint32_t x) { return __builtin_popcount(x); }
template <int REGISTERS>
void give_registers_back() {}
template <int REGISTERS>
void take_registers() {}
