// attend_sm90_<type>_d<head_dim>: attention over tile lists on Hopper.
//
//   for each tile of 128 queries of one head, taken from a counter (a block stays until the tiles are used up):
//     one warpgroup brings queries, keys and values into shared memory                (attend_sm90/producer.cuh)
//     two warpgroups of 64 rows each multiply, and make probabilities between products (attend_sm90/consumer.cuh)
//
// Which rows see which keys: `interface.h`. Grid: multiprocessors; block: 384 threads; dynamic shared memory:
// SharedLayout<D>::BYTES. Softcap and pages are not known here: those calls take the kernels for older GPUs.
// build: sm_90a
#include "attend_sm90/consumer.cuh"
#include "attend_sm90/producer.cuh"

template <class T, int D> DEVICE void attend(const AttendSm90& arguments) {
  typedef SharedLayout<D> L;
  const uint32_t base = shared_base();
  const int warp = static_cast<int>(shuffle(threadIdx.x / 32, 0)), lane = threadIdx.x % 32;
  if (threadIdx.x == 0) init_barriers<L>(base);
  __syncthreads();
  // Of the registers that were allotted at the launch (168 for each of 384 threads), the producers give theirs.
  if (warp < 4) {
    give_registers<56>();
    Producer<L> producer{base, arguments};
    producer.run(warp, lane);
  } else {
    take_registers<224>();
    Consumer<T, L> consumer(base, arguments.a, warp / 4 - 1, warp % 4, lane);
    consumer.run();
  }
}

#define ATTEND(TYPE, D, NAME) \
  extern "C" __global__ void __launch_bounds__(384, 1) NAME(const __grid_constant__ AttendSm90 arguments) { attend<TYPE, D>(arguments); }
#define ATTEND_HEAD_DIM(D)                 \
  ATTEND(Bf16, D, attend_sm90_bf16_d##D)   \
  ATTEND(F16, D, attend_sm90_f16_d##D)

ATTEND_HEAD_DIM(64)
ATTEND_HEAD_DIM(80)
ATTEND_HEAD_DIM(96)
ATTEND_HEAD_DIM(128)
