// Products of a warpgroup (wgmma, sm_90a): 64 rows, f32 sums in registers, operands of 16 bits.
//
//   multiply_shared<T, N>     sum[64 x N]  = (accumulate ? sum : 0) + a[64 x 16] * b[N x 16]^T
//   multiply_registers<T, N>  sum[64 x N] += a[64 x 16] * b[16 x N]
//
// They run on their own between `products_begin` and `products_wait`. Thread t of the warpgroup
// holds, for each 8 columns, columns t % 4 * 2 and the next of row t / 32 * 16 + t % 32 / 4 and of
// the row 8 below: sum[column / 8 * 4 + row / 8 % 2 * 2 + column % 2].
#pragma once

#define SUMS_4(i) "+f"(sum[i]), "+f"(sum[i + 1]), "+f"(sum[i + 2]), "+f"(sum[i + 3])
#define SUMS_8(i) SUMS_4(i), SUMS_4(i + 4)
#define SUMS_16(i) SUMS_8(i), SUMS_8(i + 8)
#define SUMS_32 SUMS_16(0), SUMS_16(16)
#define SUMS_40 SUMS_32, SUMS_8(32)
#define SUMS_48 SUMS_32, SUMS_16(32)
#define SUMS_64 SUMS_32, SUMS_16(32), SUMS_16(48)

#define NAMES_32                                                                   \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21," \
  "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define NAMES_40 NAMES_32 ",%32,%33,%34,%35,%36,%37,%38,%39"
#define NAMES_48 NAMES_40 ",%40,%41,%42,%43,%44,%45,%46,%47"
#define NAMES_64 NAMES_48 ",%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"

template <class T, int N>
DEVICE void multiply_shared(float (&sum)[N / 2], uint64_t a, uint64_t b, bool accumulate);
template <class T, int N>
DEVICE void multiply_registers(float (&sum)[N / 2], const uint32_t* a, uint64_t b);

// Both operands by descriptors, the innermost dimension along the sum.
#define MULTIPLY_SHARED(T, TYPE, N, COUNT, A, B, ACCUMULATE)                                               \
  template <>                                                                                              \
  DEVICE void multiply_shared<T, N>(float (&sum)[COUNT], uint64_t a, uint64_t b, bool accumulate) {        \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " ACCUMULATE ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N \
                 "k16.f32." TYPE "." TYPE " {" NAMES_##COUNT "}, " A ", " B ", p, 1, 1, 0, 0;\n}\n"        \
                 : SUMS_##COUNT                                                                            \
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));                                     \
  }
MULTIPLY_SHARED(Bf16, "bf16", 64, 32, "%32", "%33", "%34")
MULTIPLY_SHARED(Bf16, "bf16", 128, 64, "%64", "%65", "%66")
MULTIPLY_SHARED(F16, "f16", 64, 32, "%32", "%33", "%34")
MULTIPLY_SHARED(F16, "f16", 128, 64, "%64", "%65", "%66")

// `a` from registers; `b` by a descriptor, its innermost dimension along the columns.
#define MULTIPLY_REGISTERS(T, TYPE, N, COUNT, A, B)                                                    \
  template <>                                                                                          \
  DEVICE void multiply_registers<T, N>(float (&sum)[COUNT], const uint32_t* a, uint64_t b) {           \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\nwgmma.mma_async.sync.aligned.m64n" #N        \
                 "k16.f32." TYPE "." TYPE " {" NAMES_##COUNT "}, {" A "}, " B ", p, 1, 1, 1;\n}\n"     \
                 : SUMS_##COUNT                                                                        \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                \
  }
#define MULTIPLY_REGISTERS_ALL(T, TYPE)                                    \
  MULTIPLY_REGISTERS(T, TYPE, 64, 32, "%32,%33,%34,%35", "%36")            \
  MULTIPLY_REGISTERS(T, TYPE, 80, 40, "%40,%41,%42,%43", "%44")            \
  MULTIPLY_REGISTERS(T, TYPE, 96, 48, "%48,%49,%50,%51", "%52")            \
  MULTIPLY_REGISTERS(T, TYPE, 128, 64, "%64,%65,%66,%67", "%68")
MULTIPLY_REGISTERS_ALL(Bf16, "bf16")
MULTIPLY_REGISTERS_ALL(F16, "f16")

#undef MULTIPLY_SHARED
#undef MULTIPLY_REGISTERS
#undef MULTIPLY_REGISTERS_ALL
