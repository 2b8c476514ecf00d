// attend_sm80_<type>_d<head_dim>[_general]: attention over tile lists with the instructions of
// sm_80; what it computes stands in `attend_sm80/attend.cuh`, threads and shared memory in
// `shape.h` there. `general` has softcap and pages. Grid: as many blocks as fit the GPU at once,
// one dimension.
#include "attend_sm80/attend.cuh"

#define ATTEND(TYPE, D, GENERAL, NAME)                                            \
  KERNEL void __launch_bounds__(Shape80<D>::THREADS, Shape80<D>::blocks(GENERAL)) \
      NAME(GRID_CONSTANT AttendArguments arguments) {                             \
    attend<TYPE, D, GENERAL>(arguments);                                          \
  }
#define ATTEND_HEAD_DIM(D)                               \
  ATTEND(Bf16, D, false, attend_sm80_bf16_d##D)          \
  ATTEND(Bf16, D, true, attend_sm80_bf16_d##D##_general) \
  ATTEND(F16, D, false, attend_sm80_f16_d##D)            \
  ATTEND(F16, D, true, attend_sm80_f16_d##D##_general)

ATTEND_HEAD_DIM(64)
ATTEND_HEAD_DIM(80)
ATTEND_HEAD_DIM(96)
ATTEND_HEAD_DIM(128)
ATTEND_HEAD_DIM(192)
ATTEND_HEAD_DIM(256)
