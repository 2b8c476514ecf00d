// Keys and values from global into shared memory: spans by the copy engine, single keys by
// cp.async.
//
//   copy_span     two entries of up to 64 keys each into the 128 rows of a slot; one warp
//   copy_columns  32 single keys into 32 rows of a slot; each of four warps
#pragma once
#include "../arch/sm90.cuh"
#include "arguments.h"
#include "shape.h"

// Arrivals at the barrier of a slot that becomes full: one with the announced bytes and the others
// at once for a span; those of four warps for columns. So consumers need not know what a stage is.
constexpr int FULL_ARRIVALS = 129;

// Where keys or values come from.
struct Source {
  const void* map;
  const char* head;  // first row of the kv head
  int64_t page_stride;
  uint32_t token_stride;  // tokens of a head lie less than 4 GB apart
  int kv_head;

  DEVICE Source(const TensorMap& map, const Tensor& tensor, int64_t page_stride, int kv_head)
      : map(&map),
        head(static_cast<const char*>(tensor.data) + kv_head * tensor.head_stride),
        page_stride(page_stride),
        token_stride(static_cast<uint32_t>(tensor.token_stride)),
        kv_head(kv_head) {}
};

DEVICE int first_key(uint32_t entry) { return static_cast<int>(entry & ENTRY_GRANULE_MASK) * GRANULE; }

// An entry is copied whole, 64 keys, however many it holds: those behind are masked.
template <int D>
DEVICE void copy_span(const Source& source, uint32_t slot, uint32_t barrier, uint32_t first,
                      uint32_t second, int lane) {
  using S = Shape90<D>;
  if (lane != 0) return;
  barrier_arrive(barrier, FULL_ARRIVALS - 1);
  barrier_arrive_and_expect(barrier, S::MATRIX_BYTES);
#pragma unroll
  for (int panel = 0; panel < S::PANELS; ++panel) {
    const uint32_t to = slot + panel * S::PANEL_BYTES;
    copy_box(to, source.map, barrier, panel * 64, first_key(first), source.kv_head);
    copy_box(to + S::HALF_PANEL_BYTES, source.map, barrier, panel * 64, first_key(second), source.kv_head);
  }
}

// The same in boxes of one granule, which never reach over the end of a page. A granule behind the
// last key becomes zeros: its box lies outside of the tensor.
//
// A page that the keys fill only in part may hold anything behind them, and 0 * NaN is NaN. The
// granule where the keys end is copied row by row instead, with zeros behind them.
template <int D>
DEVICE void copy_span_by_granules(const AttendArguments& arguments, const Source& source, uint32_t slot,
                                  uint32_t barrier, uint32_t first, uint32_t second, int lane) {
  using S = Shape90<D>;
  constexpr int GRANULES = STAGE_KEYS / GRANULE, PIECES = D / 8, BOX_BYTES = GRANULE * 128;
  const bool paged = arguments.pages != nullptr;
  // Lanes 0..8 look up one granule each.
  const int key = first_key(lane & 4 ? second : first) + (lane & 3) * GRANULE;
  int token = key, page = 0;
  if (paged && lane < GRANULES) {
    const int shift = highest_bit(static_cast<uint32_t>(arguments.page_tokens));
    token = key < arguments.keys ? key & (arguments.page_tokens - 1) : arguments.page_tokens;
    if (key < arguments.keys) page = static_cast<int>(load_word(arguments.pages + (key >> shift)));
  }
  const bool ends = paged && lane < GRANULES && key < arguments.keys && key + GRANULE > arguments.keys;
  uint32_t boxes = 0;  // a bit for each granule that the copy engine brings
#pragma unroll 1
  for (int i = 0; i < GRANULES; ++i) {
    if (!shuffle(ends, i)) {
      boxes |= 1u << i;
      continue;
    }
    const int held = arguments.keys - static_cast<int>(shuffle(static_cast<uint32_t>(key), i));
    const int first_token = static_cast<int>(shuffle(static_cast<uint32_t>(token), i));
    const int64_t of_page = static_cast<int32_t>(shuffle(static_cast<uint32_t>(page), i));
    const char* from = source.head + of_page * source.page_stride;
#pragma unroll 1
    for (int n = lane; n < GRANULE * PIECES; n += 32) {
      const int row = n / PIECES, piece = n % PIECES;
      copy16_or_zeros(swizzled_piece(slot, S::PANEL_BYTES, i * GRANULE + row, piece),
                      from + static_cast<uint64_t>(first_token + row) * source.token_stride + piece * 16,
                      row < held);
    }
  }
  if (boxes != (1u << GRANULES) - 1) {
    commit_copies();
    wait_copies<0>();
    fence_async_proxy();
    warp_sync();
  }
  if (lane == 0) {
    barrier_arrive(barrier, FULL_ARRIVALS - 1);
    barrier_arrive_and_expect(barrier, count_bits(boxes) * S::PANELS * BOX_BYTES);
  }
#pragma unroll 1
  for (int i = 0; i < GRANULES; ++i) {
    const int y = static_cast<int>(shuffle(static_cast<uint32_t>(token), i)),
              w = static_cast<int>(shuffle(static_cast<uint32_t>(page), i));
    if (lane != 0 || !(boxes >> i & 1)) continue;
#pragma unroll
    for (int panel = 0; panel < S::PANELS; ++panel) {
      const uint32_t to = slot + panel * S::PANEL_BYTES + i * BOX_BYTES;
      if (paged)
        copy_box(to, source.map, barrier, panel * 64, y, source.kv_head, w);
      else
        copy_box(to, source.map, barrier, panel * 64, y, source.kv_head);
    }
  }
}

// Rows of the keys that the lanes hold: each fetches whole pieces of several rows, so that a warp
// reads 128 bytes of a row at once. `slot` at the warp's first row, a multiple of 8.
//
// What limits it is the issue of instructions, not bytes: the panels that are full share a shuffle
// and an address.
template <int D, bool GENERAL>
DEVICE void copy_columns(const AttendArguments& arguments, const Source& source, uint32_t slot, int key,
                         int lane) {
  using S = Shape90<D>;
  constexpr int FULL_PANELS = D / 64, REST = D % 64 / 8;
  const bool paged = GENERAL && arguments.pages != nullptr;
  uint64_t of_page = 0;
  if (paged) {
    const int shift = highest_bit(static_cast<uint32_t>(arguments.page_tokens));
    const int64_t page = static_cast<int32_t>(load_word(arguments.pages + (key >> shift)));
    of_page = static_cast<uint64_t>(page * source.page_stride);
    key &= arguments.page_tokens - 1;
  }
  const uint32_t low = static_cast<uint32_t>(of_page), high = static_cast<uint32_t>(of_page >> 32);
  const auto row_of = [&](const char* first, int of_lane) {
    const char* row = row_address(first, shuffle(static_cast<uint32_t>(key), of_lane), source.token_stride);
    if (paged) row += static_cast<uint64_t>(shuffle(high, of_lane)) << 32 | shuffle(low, of_lane);
    return row;
  };
  {
    // Four rows at a time; of every second four, the third bit of the swizzle is turned around.
    const int row = lane / 8, piece = lane % 8;
    const char* first_row = source.head + piece * 16;
    const uint32_t even = slot + static_cast<uint32_t>(row * 128 + ((piece ^ row) << 4)), odd = even ^ 64;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const char* from = row_of(first_row, i * 4 + row);
      const uint32_t to = (i % 2 ? odd : even) + i * 512;
#pragma unroll
      for (int panel = 0; panel < FULL_PANELS; ++panel)
        copy16(to + panel * S::PANEL_BYTES, from + panel * 128);
    }
  }
  if (REST > 0) {
    constexpr int PIECES = REST > 0 ? REST : 1, ROWS = 32 / PIECES;
    const int row = lane / PIECES, piece = lane % PIECES;
    const char* first_row = source.head + FULL_PANELS * 128 + piece * 16;
    const uint32_t to =
        slot + FULL_PANELS * S::PANEL_BYTES + static_cast<uint32_t>(row * 128 + ((piece ^ row % 8) << 4));
#pragma unroll
    for (int i = 0; i < 32 / ROWS; ++i) copy16(to + i * ROWS * 128, row_of(first_row, i * ROWS + row));
  }
}
