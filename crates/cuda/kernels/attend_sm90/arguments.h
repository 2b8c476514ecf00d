// What a launch of attend_sm90 takes, by value. Plain C++.
#pragma once
#include "../interface.h"

// A CUtensorMap: how the copy engine finds the boxes of a tensor, with 64 columns a box and the
// 128-byte swizzle. Opaque, but for the emulation.
struct alignas(128) TensorMap {
  uint64_t words[16];
};

// q: (head_dim, token, head), boxes of 64 tokens. k, v: the same; for the `general` kernels boxes
// of 16 tokens, and (head_dim, token of the page, head, page) where there are pages.
struct AttendSm90 {
  TensorMap q, k, v;
  AttendArguments common;
};
static_assert(sizeof(AttendSm90) == 640, "three maps, the rest, and what alignment adds");
