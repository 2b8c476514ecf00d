// One query per head over a long cache: what host and kernels share, and the plan of pieces.
// Compiles as C++ for the device and for the host.
//
//   decode_<type>_d<head_dim>   grid (kv_heads * head_blocks, pieces, sequences),
//                               DECODE_THREADS threads,
//                               decode_shared_bytes(head_dim) of dynamic shared memory
//   decode_join_<type>          grid (heads, sequences), DECODE_JOIN_THREADS threads,
//                               DECODE_JOIN_SHARED_BYTES of dynamic shared memory
//
// The keys that a sequence sees, first..count, are cut into pieces at first + piece_keys * i. How
// many pieces there are follows from the shapes alone (`plan_decode`), so results do not depend on
// the GPU's load, nor on its size. A piece leaves its sums in the workspace; `decode_join` adds
// them in order.
#pragma once
#include <stdint.h>
#include "../interface.h"

constexpr int DECODE_THREADS = 128, DECODE_JOIN_THREADS = 256, DECODE_JOIN_SHARED_BYTES = 4096 + 1024 + 64;
constexpr int DECODE_HEADS = 16;  // query heads that one block serves: rows of a product
constexpr int DECODE_STEP = 64;   // keys of a block's step: 16 of each warp
// Blocks wanted: four times what an H200 holds at once (132 multiprocessors, 2 blocks), so that the
// last round is short. More pieces cost more in `decode_join`: 8 + 4 * head_dim bytes for each
// piece and head.
constexpr int DECODE_BLOCKS = 1024;
constexpr int DECODE_PIECE_MIN = 256;  // four steps: shorter pieces only fill the pipeline

struct DecodeArguments {
  Tensor q;     // [sequences, heads, head_dim]; token_stride is from sequence to sequence
  Tensor k, v;  // of the first sequence; with pages, of page 0
  int64_t k_sequence_stride, v_sequence_stride;        // bytes; not used with pages
  void* output;                                        // [sequences, heads, head_dim]
  int64_t output_sequence_stride, output_head_stride;  // bytes
  float* workspace;                                    // decode_workspace_bytes
  const int32_t* key_counts;             // keys of each sequence, up to `keys`; null: `keys`
  const int32_t* pages;                  // [sequences, pages_of_sequence]; null: strided
  int64_t pages_of_sequence;             // words from one sequence's table to the next
  int64_t k_page_stride, v_page_stride;  // bytes from page to page
  const float* sinks;                    // one logit per query head; null: none
  int32_t page_tokens;                   // a power of two, 16 or more
  int32_t sequences, heads, group, head_dim;  // group: query heads per kv head
  int32_t keys;                               // the largest count
  int32_t window;              // the query, the last of the keys, sees so many; INT32_MAX: all
  int32_t pieces, piece_keys;  // from `plan_decode`
  float scale_log2;            // softmax scale times log2(e)
  float softcap;               // as in AttendArguments; 0: none
  int32_t output_f32;  // 1: the output is f32, strides in its bytes
};
static_assert(sizeof(DecodeArguments) == 216, "the host writes the same bytes");

struct DecodePlan {
  int32_t pieces, piece_keys;
};

// A window may start between two multiples of 16, where pieces start; hence the 15:
//
//   head_blocks = ceil(group / 16)
//   visible     = keys if keys <= window, else window + 15
//   wanted      = ceil(DECODE_BLOCKS / (sequences * kv_heads * head_blocks))
//   piece_keys  = max(DECODE_PIECE_MIN, ceil(visible / wanted) rounded up to 64)
//   pieces      = ceil(visible / piece_keys)
#ifdef __CUDACC__
#define DECODE_ANYWHERE __host__ __device__
#else
#define DECODE_ANYWHERE
#endif
DECODE_ANYWHERE inline int32_t decode_head_blocks(int32_t group) {
  return (group + DECODE_HEADS - 1) / DECODE_HEADS;
}
DECODE_ANYWHERE inline DecodePlan plan_decode(int32_t sequences, int32_t heads, int32_t group, int32_t keys,
                                              int32_t window) {
  const int64_t visible = keys <= window ? keys : static_cast<int64_t>(window) + 15;
  const int64_t lines = static_cast<int64_t>(sequences) * (heads / group) * decode_head_blocks(group);
  const int64_t wanted = (DECODE_BLOCKS + lines - 1) / lines;
  const int64_t even = (visible + wanted - 1) / wanted;
  int64_t piece_keys = (even + DECODE_STEP - 1) / DECODE_STEP * DECODE_STEP;
  if (piece_keys < DECODE_PIECE_MIN) piece_keys = DECODE_PIECE_MIN;
  return {static_cast<int32_t>((visible + piece_keys - 1) / piece_keys), static_cast<int32_t>(piece_keys)};
}
// Workspace: for each sequence and head, `pieces` times head_dim sums, then for the same the pairs
// (base, sum), all f32.
DECODE_ANYWHERE inline int64_t decode_workspace_bytes(int32_t sequences, int32_t heads, int32_t head_dim,
                                                      int32_t pieces) {
  return static_cast<int64_t>(sequences) * heads * pieces * (head_dim + 2) * 4;
}

// Keys that the query of a sequence of `count` keys sees: from here to `count`.
DECODE_ANYWHERE inline int32_t decode_first(int32_t count, int32_t window) {
  return count > window ? count - window : 0;
}
struct KeyRange {
  int32_t start, stop;  // copied from `start`, a multiple of 16; seen from max(start, first)
};
DECODE_ANYWHERE inline KeyRange decode_piece(int32_t count, int32_t window, int32_t piece_keys,
                                             int32_t piece) {
  const int64_t start = static_cast<int64_t>(decode_first(count, window) & ~15) +
                        static_cast<int64_t>(piece) * piece_keys,
                stop = start + piece_keys;
  return {static_cast<int32_t>(start < count ? start : count),
          static_cast<int32_t>(stop < count ? stop : count)};
}

// Shared memory: each of four warps has a ring of its own, `decode_stages` times 16 keys and 16
// values. All stages but one are under way while a warp computes; on an H200 (head_dim 128: 96 KB,
// two blocks) 128 KB a multiprocessor, where bandwidth times latency asks for 40.
DECODE_ANYWHERE constexpr int decode_stages(int head_dim) {
  return head_dim <= 80 ? 4 : head_dim <= 128 ? 3 : 2;
}
DECODE_ANYWHERE constexpr int decode_row_bytes(int head_dim) {
  return head_dim * 2 + (head_dim % 64 ? 16 : 0);
}
DECODE_ANYWHERE constexpr int decode_shared_bytes(int head_dim) {
  return 4 * decode_stages(head_dim) * 2 * 16 * decode_row_bytes(head_dim);
}
