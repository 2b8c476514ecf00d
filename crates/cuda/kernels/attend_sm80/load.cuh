// Copies from global into shared memory: queries once a tile, keys and values of one step at a
// time.
//
//   fetch(step)            reads the words that say which keys the step holds, a phase ahead of use
//   copy_keys / _values    starts the copies of the step whose words were fetched
//
// Eight threads copy a row, 128 bytes at a time; a thread works on the same few rows of each slot.
#pragma once
#include "shared.cuh"
#include "walk.cuh"

// A row of keys or values: pages, if there are any, are looked up when the copy is started.
template <bool GENERAL>
DEVICE const char* row_of(const AttendArguments& arguments, const char* head, int64_t token_stride,
                          int64_t page_stride, int key) {
  // 32 bits of stride, one wide multiplication: tokens lie less than 4 GB apart
  if (!GENERAL || arguments.pages == nullptr)
    return head + static_cast<uint64_t>(static_cast<uint32_t>(key)) * static_cast<uint32_t>(token_stride);
  const int shift = highest_bit(static_cast<uint32_t>(arguments.page_tokens));
  const int64_t page = static_cast<int32_t>(load_word(arguments.pages + (key >> shift)));
  const int in_page = key & (arguments.page_tokens - 1);
  return head + page * page_stride +
         static_cast<uint64_t>(static_cast<uint32_t>(in_page)) * static_cast<uint32_t>(token_stride);
}

// What the loop over a tile's steps reads again and again, in 64 bytes of shared memory: at
// head_dim 128 there are no registers to keep it in.
struct TileConstants {
  uint32_t at;
  DEVICE void write(const Tile& tile, const Walk& walk, const char* keys, const char* values) const {
    const uint64_t k = reinterpret_cast<uint64_t>(keys), v = reinterpret_cast<uint64_t>(values);
    store_shared(at, static_cast<uint32_t>(k)), store_shared(at + 4, static_cast<uint32_t>(k >> 32));
    store_shared(at + 8, static_cast<uint32_t>(v)), store_shared(at + 12, static_cast<uint32_t>(v >> 32));
    store_shared(at + 16, walk.entries), store_shared(at + 20, walk.columns);
    store_shared(at + 24, static_cast<uint32_t>(walk.run_granule)),
        store_shared(at + 28, static_cast<uint32_t>(walk.entry_end));
    store_shared(at + 32, static_cast<uint32_t>(walk.run_end)),
        store_shared(at + 36, static_cast<uint32_t>(walk.plain_end));
    store_shared(at + 40, static_cast<uint32_t>(walk.column_end)),
        store_shared(at + 44, static_cast<uint32_t>(walk.end));
    store_shared(at + 48, static_cast<uint32_t>(tile.head)),
        store_shared(at + 52, static_cast<uint32_t>(tile.tile));
  }
  DEVICE const char* keys() const { return pointer(load_shared8(at)); }
  DEVICE const char* values() const { return pointer(load_shared8(at + 8)); }
  DEVICE Walk walk() const {
    const uint4 x = load_shared16(at + 16), y = load_shared16(at + 32);
    return {x.x,
            x.y,
            static_cast<int>(x.z),
            static_cast<int>(x.w),
            static_cast<int>(y.x),
            static_cast<int>(y.y),
            static_cast<int>(y.z),
            static_cast<int>(y.w)};
  }
  DEVICE int end() const { return static_cast<int>(load_shared(at + 44)); }
  DEVICE int head() const { return static_cast<int>(load_shared(at + 48)); }
  DEVICE int tile() const { return static_cast<int>(load_shared(at + 52)); }
  DEVICE static const char* pointer(uint2 x) {
    return reinterpret_cast<const char*>(static_cast<uint64_t>(x.y) << 32 | x.x);
  }
};

template <int D, bool GENERAL>
struct Loader {
  using S = Shape80<D>;
  static constexpr int ROWS = S::THREADS / 8,
                       PASSES = S::STEP_KEYS / ROWS;  // rows of a pass, rows of a thread

  uint32_t words[PASSES];  // columns in this thread's rows, or the entries of those rows' halves

  // `to` and `from` at this thread's first piece.
  DEVICE static void copy_row(uint32_t to, const char* from, int piece) {
#pragma unroll
    for (int c = 0; c < S::PIECES; c += 8)
      if (c + 8 <= S::PIECES || piece + c < S::PIECES) copy16(to + c * 16, from + c * 16);
  }

  // Rows behind the last query repeat it; they are not written.
  DEVICE static void copy_queries(const AttendArguments& arguments, uint32_t matrix, int head, int first) {
    const int thread = thread_index(), row = thread / 8, piece = thread % 8;
    const char* data =
        static_cast<const char*>(arguments.q.data) + head * arguments.q.head_stride + piece * 16;
    const uint32_t to = piece_address<D>(matrix, row, piece);
#pragma unroll
    for (int i = 0; i < 128 / ROWS; ++i) {
      const int query = min(first + row + i * ROWS, arguments.queries - 1);
      copy_row(to + i * ROWS * S::ROW_BYTES,
               data + static_cast<uint64_t>(static_cast<uint32_t>(query)) *
                          static_cast<uint32_t>(arguments.q.token_stride),
               piece);
    }
  }

  DEVICE void fetch(const Walk& walk, const uint32_t* list, int step) {
    if (step >= walk.end) return;
    const uint32_t kind = step_kind(walk, step);
    if (kind == STEP_COLUMNS) {
      const uint32_t* column = column_words(walk, list, step) + thread_index() / 8;
#pragma unroll
      for (int i = 0; i < PASSES; ++i) words[i] = load_word(column + i * ROWS);
    } else {
      const uint32_t first = entry_word(walk, list, step, 0);
      const uint32_t second = kind == STEP_ENTRY ? first : entry_word(walk, list, step, 1);
#pragma unroll
      for (int i = 0; i < PASSES; ++i) words[i] = 2 * i < PASSES ? first : second;
    }
  }
  // The fetched entry, for the warp's half; of a step of columns what stands for it.
  DEVICE uint32_t entry(const Walk& walk, int step) const {
    if (step_kind(walk, step) == STEP_COLUMNS) return entry_of_columns(walk, step);
    return half_of<D>(thread_index()) ? words[PASSES - 1] : words[0];
  }

  // Starts the copies of one matrix of the fetched step; `head`: the kv head's first key or value.
  DEVICE void copy(const AttendArguments& arguments, const Walk& walk, int step, uint32_t slot,
                   const char* head, int64_t token_stride, int64_t page_stride) const {
    const uint32_t kind = step_kind(walk, step);
    const int thread = thread_index(), row = thread / 8, piece = thread % 8;
    const uint32_t to = piece_address<D>(slot, row, piece);
    head += piece * 16;
#pragma unroll
    for (int i = 0; i < PASSES; ++i) {
      const int key = slot_key(kind, words[i], row + i * ROWS, arguments.keys);
      copy_row(to + i * ROWS * S::ROW_BYTES, row_of<GENERAL>(arguments, head, token_stride, page_stride, key),
               piece);
    }
  }
  DEVICE void copy_keys(const AttendArguments& arguments, const Walk& walk, int step, uint32_t slot,
                        const char* head) const {
    copy(arguments, walk, step, slot, head, arguments.k.token_stride, arguments.k_page_stride);
  }
  DEVICE void copy_values(const AttendArguments& arguments, const Walk& walk, int step, uint32_t slot,
                          const char* head) const {
    copy(arguments, walk, step, slot, head, arguments.v.token_stride, arguments.v_page_stride);
  }
};
