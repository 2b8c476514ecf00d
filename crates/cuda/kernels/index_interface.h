// What the host and the index kernels agree on: how each head of a layer chooses its keys, and the
// arguments of the kernels that estimate (votes.cu, pooled.cu), select (top.cu), lower (lower.cu)
// and check (finite.cu). Plain structures, the same bytes in Rust. Compiles as C++ for the device
// and for the host.
#pragma once
#include "interface.h"

#ifdef __CUDACC__
#define ANY_SIDE __host__ __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#else
#define ANY_SIDE inline
#define UNROLL
#endif

// What a head's index consists of.
//   dense    every key up to the query
//   lines    columns and diagonals, listed in `selected`, ascending; diagonal 0 is among them
//   shape    columns 0..column_count and diagonals 0..diagonal_count (A-shape, tri-shape), not
//            listed
//   blocks   key blocks of 64 for each block of 64 queries: rows of `row_places` words in
//            `selected`, ascending, the places after the last block hold ~0
enum HeadKind : int32_t { HEAD_DENSE = 0, HEAD_LINES = 1, HEAD_SHAPE = 2, HEAD_BLOCKS = 3 };
constexpr int32_t HEAD_CROSSOVER = 1;  // flag: the head runs dense where its pairs exceed `most_pairs`
constexpr uint32_t NO_BLOCK = 0xffffffff;
constexpr int BLOCK_ROWS = 64;

// 64 bytes.
struct HeadParams {
  int32_t kind, flags;
  int32_t dense_from;                    // query rows of the chunk from this one on are dense; INT32_MAX: none
  int32_t column_count, diagonal_count;  // lines: what is selected, never more than the keys; shape: sink, local
  int32_t row_places, top_k;             // blocks: places of a row, at least top_k and a query block's own one or two
  uint32_t reserved;
  int64_t columns_at, diagonals_at;  // words of `selected`
  int64_t rows_at;                   // blocks: first row
  uint32_t list_at, list_room;       // words of the list that are the head's own
};
static_assert(sizeof(HeadParams) == 64, "the same bytes in Rust");

// A head's sums while its tiles are counted; `lower_mark` starts them.
struct HeadSums {
  unsigned long long pairs, words;
  uint32_t used;  // words of the head's room that tiles have taken
  uint32_t reserved;
};
// What a head runs with: 16 bytes, for the report.
enum HeadReason : uint32_t { RUNS_SPARSE = 0, DENSE_BY_PATTERN = 1, DENSE_BY_CROSSOVER = 2, DENSE_BY_ROOM = 3 };
struct HeadOutcome {
  unsigned long long pairs;  // canonical cost: Lowering::pairs
  uint32_t reason, reserved;
};

// Stages of one tile by kind, between counting and filling.
struct TileCounts {
  uint32_t both_masked, both_plain, half_masked[2], half_plain[2];  // entries
  uint32_t solid;                                                   // entries of 64 chosen columns in a row
  uint32_t plain_columns, masked_columns;
  uint32_t run_first, run_stages;
  uint32_t reserved;
};

struct LowerArguments {
  const HeadParams* heads;
  const uint32_t* selected;
  uint32_t* bitmaps;   // [heads][2][bitmap_words(keys)]
  HeadSums* sums;      // [heads]
  TileCounts* counts;  // [heads][tiles]
  Tile* tiles;         // [heads * tiles], in the order of work
  uint32_t* list;
  HeadOutcome* outcomes;  // [heads]
  int32_t head_count, group;
  int32_t queries, keys;
  int32_t window;  // INT32_MAX: none
  int32_t reserved;
  double most_pairs;  // crossover share times the causal pairs
  unsigned long long causal_pairs;
};

// Keys in pages, as in AttendArguments.
struct PagedKeys {
  const int32_t* pages;  // null: strided
  int64_t page_stride;   // bytes
  int32_t page_shift;    // log2 of the tokens of a page
  int32_t reserved;
};

// Maximum of exponents of two, and the sum relative to it.
struct SoftmaxPart {
  float maximum, sum;
};

// Votes: softmax of the last queries, summed along columns and diagonals. A slot is one head that
// votes.
struct VotesArguments {
  Tensor q, k;
  PagedKeys paged;
  const int32_t* heads;     // query head of each slot
  SoftmaxPart* statistics;  // [slots][chunks][64]: maximum and sum of a chunk of keys
  SoftmaxPart* joined;      // [slots][64]: maximum and one over the sum, of all keys
  float* columns;           // [slots][score_stride]
  float* diagonals;         // [slots][score_stride]
  int64_t score_stride;     // a multiple of 4, at least the keys
  int32_t slots, group, head_dim;
  int32_t queries, keys, votes;
  int32_t window;
  int32_t chunk_tiles, chunks;
  float scale_log2, softcap;
  int32_t reserved;
};

// Block scores: means of blocks of 64 rows, and their scaled products.
struct PooledArguments {
  Tensor q, k;
  PagedKeys paged;
  const int32_t* heads;      // query head of each slot
  uint16_t* pooled_queries;  // [slots][2][query blocks][head_dim]: bf16, rounded means, then what rounding left
  uint16_t* pooled_keys;     // [kv_heads][2][key blocks][head_dim]
  float* scores;             // [slots][rows][score_stride]: rows first_row..first_row + rows of the query blocks
  int64_t score_stride;      // a multiple of 4, at least the key blocks
  int32_t slots, group, kv_heads, head_dim;
  int32_t queries, keys;
  int32_t first_row, rows;
  float scale;
  int32_t reserved;
};

// Selection of the best of each line: the columns and the diagonals of each slot are one problem
// each.
struct TopLinesArguments {
  const float* columns;
  const float* diagonals;
  const HeadParams* heads;
  const int32_t* slot_heads;
  uint32_t* selected;
  uint32_t* histograms;   // [slots][2][3][2048], zeroed before
  uint32_t* part_counts;  // [slots][2][parts][2]: above the threshold, equal to it
  int64_t score_stride;
  int32_t keys, parts;
  int32_t kept_columns, kept_diagonals;
};

// Selection of the best key blocks of each query block.
struct TopRowsArguments {
  const float* scores;
  const HeadParams* heads;
  const int32_t* slot_heads;
  uint32_t* selected;
  int64_t score_stride;
  int32_t queries, keys, window;
  int32_t first_row, rows;
  int32_t reserved;
};

// Faults: the smallest of (tensor << 62 | token << 20 | head) whose row holds NaN or infinity; ~0:
// none. Tensor 0 is q, 1 k, 2 v; heads are below 2^20, tokens below 2^31.
struct FiniteArguments {
  Tensor tensors[3];
  PagedKeys paged[3];
  int32_t tokens[3], heads[3];
  int32_t head_dim, is_f16;
  unsigned long long* fault;
};
constexpr unsigned long long NO_FAULT = ~0ull;
constexpr int FAULT_TENSOR_SHIFT = 62, FAULT_TOKEN_SHIFT = 20;
