// The Hopper kernels' only parameter. The maps describe q, k and v as (head_dim, token, head), in boxes of 64 elements x 64
// tokens with the 128-byte swizzle; what lies beyond a tensor's end is read as zero.
#pragma once
#include <cuda.h>
#include "../interface.h"

struct AttendSm90 {
  CUtensorMap q, k, v;
  AttendArguments a;
};
