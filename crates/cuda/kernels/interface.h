// What the host and the kernels agree on: plain structures, the same bytes in Rust (`src/launch/arguments.rs`).
// Compiles as C++ for the device and for the host.
#pragma once
#include <stdint.h>

// Queries come in tiles of 128 rows: two halves of 64, each one block of the product's KeyLayout. A tile's keys are
// listed in stages of 128 keys, in this order:
//   full    `full_stages` of two entries each; both halves see (unless hidden) all 128 keys; masked stages first
//   run     `run_stages` without entries: 128 consecutive keys each from granule `run_first` on, seen whole by every row
//   columns `column_stages` of 128 single keys; those from `plain_column_stages` on take the masked path
//   half    `half_stages` of two entries: the first for rows 0..64, the second for rows 64..128, 64 keys each
// An entry: granule of 16 keys where it starts (bits 0..26), granules it holds (bits 26..29, 1 to 4),
// hidden from half 0 (bit 29), hidden from half 1 (bit 30), masked (bit 31).
// A column: key (bits 0..30), hidden from half 0 (bit 30), hidden from half 1 (bit 31); ~0 is a place that holds no key.
// Masked keys are compared with the row: key <= row, and row - key < window. What is not marked as masked needs no comparison.
constexpr uint32_t ENTRY_GRANULE_MASK = 0x03ffffff, ENTRY_LENGTH_SHIFT = 26, ENTRY_HIDDEN_0 = 1u << 29, ENTRY_HIDDEN_1 = 1u << 30, ENTRY_MASKED = 1u << 31;
constexpr uint32_t COLUMN_KEY_MASK = 0x3fffffff, COLUMN_HIDDEN_0 = 1u << 30, COLUMN_HIDDEN_1 = 1u << 31, COLUMN_NONE = 0xffffffff;
constexpr int TILE_ROWS = 128, HALF_ROWS = 64, STAGE_KEYS = 128, GRANULE = 16;

// 32 bytes. `entries` and `columns` count words of the list from its start.
struct Tile {
  uint32_t entries, columns;
  uint16_t full_stages, half_stages, column_stages, plain_column_stages;
  uint32_t run_first, run_stages;
  int32_t head, tile;  // query head; number of the tile of 128 queries. head < 0: nothing more
};

// A tensor [tokens, heads, head_dim], or pages of one; elements of a head lie side by side. Strides in bytes, multiples of 16.
struct Tensor {
  const void* data;
  int64_t token_stride, head_stride;
};

// What one launch of attention needs beside the tensors; the same for every architecture.
struct AttendArguments {
  Tensor q, k, v;
  void* output;
  int64_t output_token_stride, output_head_stride;  // bytes
  const Tile* tiles;
  const uint32_t* list;
  uint32_t* counter;       // zeroed before the launch: the next tile
  int32_t tile_count;
  int32_t queries, keys;   // the queries are the last of the keys
  int32_t offset;          // position of the first query: keys - queries
  int32_t window;          // a query sees the keys nearer than this; INT32_MAX: all before it
  int32_t group;           // query heads per key-value head
  float scale_log2;        // softmax scale times log2(e)
  float softcap;           // scores become softcap * tanh(score / softcap) after the scale; 0: they stay
  const float* sinks;      // one logit per query head that takes part in the sum without a value; null: none
  const int32_t* pages;    // page of each `page_tokens` keys in order; null: keys and values are strided, not paged
  int64_t k_page_stride, v_page_stride;  // bytes from page to page
  int32_t page_tokens;     // a power of two, 16 or more
  int32_t output_f32;      // 1: the output is f32, strides in its bytes; 0: it has the type of the queries
};
