// The online estimate of vertical-slash heads, for all heads of a layer: softmax of the last
// queries (64 at most) over all keys, summed along columns and along diagonals.
//
//   votes_statistics  for each head, chunk of keys: maximum and sum of every voting query
//                     (votes/statistics.cuh)
//   votes_join        for each head: those of its chunks joined, in a fixed order
//   votes_sums        for each head, chunk of keys: probabilities once more, and their sums
//                     (votes/sums.cuh)
//
// Scores are computed twice, since keeping them would take 256 bytes a key and head. Nothing is
// added atomically.
#include "votes/sums.cuh"

SHARED_MEMORY(shared_memory);

// statistics, sums: grid (slots, chunks); block 128; dynamic shared memory: tiles of keys (64 * DIM
// * 2 bytes, times 4, 3, 2 for DIM 64, 128, 256), for sums 18432 bytes besides. DIM: head_dim or
// the next of 64, 128, 256.
#define VOTES(T, DIM, NAME)                                                               \
  extern "C" __global__ void __launch_bounds__(THREADS)                                   \
      votes_statistics_##NAME##_##DIM(const __grid_constant__ VotesArguments arguments) { \
    chunk_statistics<T, DIM>(arguments, shared_memory);                                   \
  }                                                                                       \
  extern "C" __global__ void __launch_bounds__(THREADS)                                   \
      votes_sums_##NAME##_##DIM(const __grid_constant__ VotesArguments arguments) {       \
    chunk_sums<T, DIM>(arguments, shared_memory);                                         \
  }
VOTES(Bf16, 64, bf16)
VOTES(Bf16, 128, bf16)
VOTES(Bf16, 256, bf16)
VOTES(F16, 64, f16)
VOTES(F16, 128, f16)
VOTES(F16, 256, f16)

// grid: slots; block: 1024
extern "C" __global__ void __launch_bounds__(1024) votes_join(const __grid_constant__ VotesArguments arguments) {
  join_chunks(arguments);
}
