// decode_<type>_d<head_dim> and decode_join_<type>: one query per head over a long cache, cut into
// pieces along the keys. What is computed stands in `decode/piece.cuh` and `decode/join.cuh`;
// grids, shared memory and the number of pieces in `decode/arguments.h`.
#include "decode/join.cuh"
#include "decode/piece.cuh"

// Registers for what shared memory holds: two blocks, one at head_dim 256.
#define DECODE(TYPE, NAME, D)                                         \
  KERNEL void __launch_bounds__(DECODE_THREADS, D < 256 ? 2 : 1)      \
      decode_##NAME##_d##D(GRID_CONSTANT DecodeArguments arguments) { \
    decode<TYPE, D>(arguments);                                       \
  }
#define DECODE_TYPE(TYPE, NAME)                                                                            \
  DECODE(TYPE, NAME, 64)                                                                                   \
  DECODE(TYPE, NAME, 80) DECODE(TYPE, NAME, 96) DECODE(TYPE, NAME, 128) DECODE(TYPE, NAME, 192)            \
      DECODE(TYPE, NAME, 256) KERNEL void                                                                  \
      __launch_bounds__(DECODE_JOIN_THREADS) decode_join_##NAME(GRID_CONSTANT DecodeArguments arguments) { \
    decode_join<TYPE>(arguments);                                                                          \
  }
DECODE_TYPE(Bf16, bf16)
DECODE_TYPE(F16, f16)
