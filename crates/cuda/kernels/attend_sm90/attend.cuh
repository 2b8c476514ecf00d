// Attention over lists of keys, for Hopper:
//
//   for each tile of 128 queries of one head, taken from a counter:
//     for each stage of 128 keys that the tile's list names (which rows see which: `interface.h`):
//       output += 2^(softcap(queries * keys^T) * scale - base) * values
//     write output / (sum + sink)
//
// One block on each multiprocessor stays until the tiles are used up. One warpgroup copies
// (`producer.cuh`), two multiply (`consumer.cuh`), and barriers in shared memory tell them of full
// and free slots (`shape.h`). No consumer ever skips a stage: a barrier's parity tells one phase
// from the next only.
#pragma once
#include "consumer.cuh"
#include "producer.cuh"

template <int D>
DEVICE void initialize_barriers(uint32_t shared) {
  using S = Shape90<D>;
  constexpr int CONSUMER_WARPS = 8, WAITING_PRODUCER_WARPS = 3;
  for (int i = 0; i < S::STAGES; ++i) {
    barrier_initialize(shared + S::KEYS_FULL + 8 * i, FULL_ARRIVALS);
    barrier_initialize(shared + S::VALUES_FULL + 8 * i, FULL_ARRIVALS);
    barrier_initialize(shared + S::KEYS_FREE + 8 * i, CONSUMER_WARPS);
    barrier_initialize(shared + S::VALUES_FREE + 8 * i, CONSUMER_WARPS);
  }
  barrier_initialize(shared + S::QUERIES_FULL, 1);
  barrier_initialize(shared + S::QUERIES_FREE, CONSUMER_WARPS);
  for (int i = 0; i < 2; ++i) {
    barrier_initialize(shared + S::TILE_FULL + 8 * i, 1);
    barrier_initialize(shared + S::TILE_FREE + 8 * i, CONSUMER_WARPS + WAITING_PRODUCER_WARPS);
  }
  fence_barrier_initialization();
}

template <class T, int D, bool GENERAL>
DEVICE void attend_sm90(const AttendSm90& arguments) {
  const uint32_t shared = shared_base();
  const int thread = thread_index(), lane = thread % 32;
  const int warp = static_cast<int>(shuffle(static_cast<uint32_t>(thread / 32), 0));  // known to be uniform
  if (thread == 0) initialize_barriers<D>(shared);
  block_sync();
  if (warp < 4) {
    give_registers_back<REGISTERS_OF_COPIES>();
    Producer<D, GENERAL>(shared, arguments, warp, lane).run();
  } else {
    take_registers<REGISTERS_OF_PRODUCTS>();
    Consumer<T, D, GENERAL>(shared, arguments.common, warp / 4 - 1, warp % 4, lane).run();
  }
}
