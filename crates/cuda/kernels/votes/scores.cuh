// Scores of the voting queries of one head against tiles of 64 keys, as exponents of two; keys
// arrive a few tiles ahead.
#pragma once
#include "../index/rows.cuh"

constexpr float NO_MAXIMUM = -1e30f;  // far below any score, and finite, so that differences are

template <int DIM>
constexpr int STAGES_OF = DIM == 64    ? 4
                          : DIM == 128 ? 3
                                       : 2;

// What one block of threads works on: one slot, tiles first..end.
struct VoteWork {
  int slot, head, kv_head;
  int first_row;      // position of the first voting query
  int first_visible;  // first tile with a key that any of them sees
  int tiles;          // of all keys

  static __device__ __forceinline__ VoteWork of(const VotesArguments& arguments) {
    VoteWork work;
    work.slot = blockIdx.x;
    work.head = arguments.heads[work.slot];
    work.kv_head = work.head / arguments.group;
    work.first_row = arguments.keys - arguments.votes;
    work.first_visible = max(0, work.first_row + 1 - arguments.window) / TILE;
    work.tiles = (arguments.keys + TILE - 1) / TILE;
    return work;
  }
};

template <class T, int DIM>
struct VoteScores {
  static constexpr int STAGES = STAGES_OF<DIM>;
  const VotesArguments& arguments;
  const VoteWork& work;
  uint32_t buffers;  // STAGES tiles in shared memory
  RowFragments<DIM> queries;
  int loaded, end;  // the next tile to load, and the last
  int slot_in, slot_out;

  // Reads the queries, and starts to load keys of tiles first..end. All threads.
  __device__ __forceinline__ VoteScores(const VotesArguments& arguments, const VoteWork& work, uint32_t buffers,
                                        int first, int end)
      : arguments(arguments), work(work), buffers(buffers), loaded(first), end(end), slot_in(0), slot_out(0) {
    load_rows<DIM>(buffers, arguments.q, PagedKeys{}, work.head, arguments.queries - arguments.votes, arguments.queries,
                   arguments.head_dim);
    commit_copies();
    wait_copies<0>();
    __syncthreads();
    queries.load(buffers);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < STAGES - 1; ++i) load_next();
  }
  // Exponents of the next tile. All threads; the buffer of the tile before is free for the next
  // load.
  __device__ __forceinline__ void next(WarpProducts& exponents, int tile) {
    wait_copies<STAGES - 2>();
    __syncthreads();
    load_next();
    clear(exponents);
    add_products<T, DIM>(exponents, queries, buffers + slot_out * TILE_BYTES<DIM>);
    slot_out = slot_out + 1 == STAGES ? 0 : slot_out + 1;
    scale(exponents);
    const int first_key = tile * TILE;
    if (first_key + TILE - 1 > work.first_row || work.first_row + TILE - 1 - first_key >= arguments.window)
      mask(exponents, first_key);
  }

 private:
  __device__ __forceinline__ void load_next() {
    if (loaded < end)
      load_rows<DIM>(buffers + slot_in * TILE_BYTES<DIM>, arguments.k, arguments.paged, work.kv_head, loaded * TILE,
                     arguments.keys, arguments.head_dim);
    commit_copies();
    ++loaded;
    slot_in = slot_in + 1 == STAGES ? 0 : slot_in + 1;
  }
  __device__ __forceinline__ void scale(WarpProducts& exponents) {
    const float factor = arguments.scale_log2, cap = arguments.softcap * 1.44269504f;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) exponents[m][n][i] *= factor;
    if (cap == 0.f) return;
    // cap * tanh(x / cap), by tanh(y) = 1 - 2 / (e^2y + 1)
    const float inner = 2.88539008f / cap;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          exponents[m][n][i] = cap - divide_fast(2.f * cap, exp2_fast(exponents[m][n][i] * inner) + 1.f);
  }
  __device__ __forceinline__ void mask(WarpProducts& exponents, int first_key) {
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int distance = work.first_row + row_of(m, i) - first_key - key_of(n, i);
          if (distance < 0 || distance >= arguments.window) exponents[m][n][i] = -INFINITY;
        }
  }
};
