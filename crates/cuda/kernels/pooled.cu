// The online estimate of block-sparse heads, for all heads of a layer: scaled products of the means
// of blocks of 64 queries and keys.
//
//   pooled_means   for each head that chooses blocks, block of queries; for each key-value head,
//                  block of keys: the mean
//   pooled_scores  for each head, row of the slab: scores of the key blocks up to the query block's
//                  own
//
// All scores of one head would take a gigabyte at a million keys: rows come in slabs of query
// blocks, and each slab is selected from (top.cu) before the next is computed.
#include "pooled/means.cuh"
#include "pooled/scores.cuh"

SHARED_MEMORY(shared_memory);

// grid: (ceil(larger number of blocks / (256 / (head_dim / 8))), slots + kv_heads); block: 256
extern "C" __global__ void __launch_bounds__(MEAN_THREADS)
    pooled_means_bf16(const __grid_constant__ PooledArguments arguments) {
  pooled_means<Bf16>(arguments);
}
extern "C" __global__ void __launch_bounds__(MEAN_THREADS)
    pooled_means_f16(const __grid_constant__ PooledArguments arguments) {
  pooled_means<F16>(arguments);
}

// grid: (ceil(rows / 64), slots, ceil(key blocks / 1024)); block: 128; dynamic shared memory: 6 *
// 64 * DIM * 2 bytes. DIM: head_dim or the next of 64, 128, 256.
#define POOLED_SCORES(DIM)                                                     \
  extern "C" __global__ void __launch_bounds__(THREADS)                        \
      pooled_scores_##DIM(const __grid_constant__ PooledArguments arguments) { \
    pooled_scores<DIM>(arguments, shared_memory);                              \
  }
POOLED_SCORES(64)
POOLED_SCORES(128)
POOLED_SCORES(256)
