// Checks that q, k and v hold neither NaN nor infinity.
//
//   for each tensor, token, head: an element whose exponent is all ones -> fault = min(fault,
//     tensor, token, head)
//
// The smallest fault is reported: first in order of tensor, then token, then head, whatever thread
// finds it. The host sets the word to ~0 before the first check whose outcome it wants; it stays
// from layer to layer until it is read.
#include "index/primitives.cuh"

constexpr int FINITE_THREADS = 256, FINITE_TOKENS = 64;  // tokens of one block of threads

// Whether one of the two elements has an exponent of all ones: adding one to the exponent carries
// into the sign.
DEVICE bool has_fault(uint32_t word, uint32_t exponents, uint32_t ones) {
  return ((word & exponents) + ones) & 0x80008000;
}

// grid: (ceil(most tokens / 64), 3); block: 256
extern "C" __global__ void __launch_bounds__(FINITE_THREADS)
    finite_inputs(const __grid_constant__ FiniteArguments arguments) {
  const int which = blockIdx.y, heads = arguments.heads[which], pieces = arguments.head_dim / 8;
  const int first = blockIdx.x * FINITE_TOKENS, end = min(first + FINITE_TOKENS, arguments.tokens[which]);
  const Tensor tensor = arguments.tensors[which];
  const PagedKeys paged = arguments.paged[which];
  const uint32_t exponents = arguments.is_f16 ? 0x7c007c00 : 0x7f807f80,
                 ones = arguments.is_f16 ? 0x04000400 : 0x00800080;
  // Threads lie along the pieces of 16 bytes of one token's heads; few of them take several tokens
  // at once.
  const int of_token = heads * pieces, at_once = max(1, FINITE_THREADS / of_token);
  for (int piece = threadIdx.x % min(of_token, FINITE_THREADS); piece < of_token; piece += FINITE_THREADS) {
    const int lane_token = of_token < FINITE_THREADS ? threadIdx.x / of_token : 0, head = piece / pieces;
    if (lane_token >= at_once) break;
    auto check = [&](uint4 x, int token) {
      if (has_fault(x.x, exponents, ones) || has_fault(x.y, exponents, ones) || has_fault(x.z, exponents, ones) ||
          has_fault(x.w, exponents, ones))
        atomicMin(arguments.fault, static_cast<unsigned long long>(which) << FAULT_TENSOR_SHIFT |
                                       static_cast<unsigned long long>(token) << FAULT_TOKEN_SHIFT | head);
    };
    auto read = [&](int token) {
      return *reinterpret_cast<const uint4*>(row_address(tensor, paged, head, token) + piece % pieces * 16);
    };
    constexpr int AHEAD = 4;
    int token = first + lane_token;
    for (; token + (AHEAD - 1) * at_once < end; token += AHEAD * at_once) {
      uint4 loaded[AHEAD];
#pragma unroll
      for (int i = 0; i < AHEAD; ++i) loaded[i] = read(token + i * at_once);
#pragma unroll
      for (int i = 0; i < AHEAD; ++i) check(loaded[i], token + i * at_once);
    }
    for (; token < end; token += at_once) check(read(token), token);
  }
}
