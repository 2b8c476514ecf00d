// attend_sm90_<type>_d<head_dim>[_general]: attention over tile lists with the instructions of
// Hopper; what it computes stands in `attend_sm90/attend.cuh`, threads and shared memory in
// `shape.h` there. `general` has softcap and pages, and tensor maps with boxes of 16 tokens for
// keys and values. Grid: the number of multiprocessors, one dimension.
// targets: sm_90a
#include "attend_sm90/attend.cuh"

#define ATTEND(TYPE, D, GENERAL, NAME)                                                      \
  KERNEL void __launch_bounds__(THREADS_SM90, 1) NAME(GRID_CONSTANT AttendSm90 arguments) { \
    attend_sm90<TYPE, D, GENERAL>(arguments);                                               \
  }
#define ATTEND_HEAD_DIM(D)                               \
  ATTEND(Bf16, D, false, attend_sm90_bf16_d##D)          \
  ATTEND(Bf16, D, true, attend_sm90_bf16_d##D##_general) \
  ATTEND(F16, D, false, attend_sm90_f16_d##D)            \
  ATTEND(F16, D, true, attend_sm90_f16_d##D##_general)

ATTEND_HEAD_DIM(64)
ATTEND_HEAD_DIM(80)
ATTEND_HEAD_DIM(96)
ATTEND_HEAD_DIM(128)
