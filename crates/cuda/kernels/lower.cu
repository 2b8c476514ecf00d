// Lowering: what all heads of a layer attend to, as tiles and lists for the attention kernels, in
// three launches.
//
//   lower_mark   for each head: its diagonals as a bitmap of granules relative to a block's first
//                query; sums start at 0
//   lower_count  for each head and tile: entries and columns by kind, and the canonical pairs; both
//                summed over the head
//   lower_fill   for each head: pairs over the crossover, or lists over its room: it runs dense
//                for each of its tiles: takes words of the head's room, writes the list there, and
//                  the tile
//
// Everything is integers: counts and pairs do not depend on the order in which warps add them.
// Where in its head's room a tile's words lie does, and nothing else: no result depends on it.
#include "lower/marks.cuh"
#include "lower/tile.cuh"

constexpr int MARK_THREADS = 1024, TILE_THREADS = 256;

static __device__ __forceinline__ Geometry geometry_of(const LowerArguments& arguments) {
  return {arguments.queries, arguments.keys, arguments.window};
}
static __device__ __forceinline__ Head head_of(const LowerArguments& arguments, int head) {
  return {arguments.heads[head], arguments.selected,
          arguments.bitmaps + size_t(head) * 2 * bitmap_words(arguments.keys), geometry_of(arguments)};
}

// Sets bits first..end, which may span several words.
static __device__ __forceinline__ void set_bits(uint32_t* bitmap, int first, int end) {
  for (int word = first / 32; word * 32 < end; ++word) atomicOr(bitmap + word, range_bits(word, first, end));
}

// grid: heads; block: 1024
extern "C" __global__ void __launch_bounds__(MARK_THREADS)
    lower_mark(const __grid_constant__ LowerArguments arguments) {
  const int head = blockIdx.x, words = bitmap_words(arguments.keys), origin = bitmap_origin(arguments.keys);
  const HeadParams params = arguments.heads[head];
  const Geometry geometry = geometry_of(arguments);
  if (threadIdx.x == 0) arguments.sums[head] = HeadSums{};
  if (params.kind != HEAD_LINES && params.kind != HEAD_SHAPE) return;
  const int phase = geometry.offset() % GRANULE, last_rows = geometry.last_rows();
  for (int which = 0; which < (last_rows < BLOCK_ROWS ? 2 : 1); ++which) {
    uint32_t* bitmap = arguments.bitmaps + (size_t(head) * 2 + which) * words;
    const int rows = which ? last_rows : BLOCK_ROWS;
    int first, end, unused;
    if (params.kind == HEAD_SHAPE) {
      // Neighbouring diagonals touch: together they are one stretch, from the farthest to the
      // nearest.
      diagonal_bits(params.diagonal_count - 1, rows, phase, origin, first, unused);
      diagonal_bits(0, rows, phase, origin, unused, end);
      for (int word = threadIdx.x; word < words; word += MARK_THREADS) bitmap[word] = range_bits(word, first, end);
      continue;
    }
    for (int word = threadIdx.x; word < words; word += MARK_THREADS) bitmap[word] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < params.diagonal_count; i += MARK_THREADS) {
      diagonal_bits(arguments.selected[params.diagonals_at + i], rows, phase, origin, first, end);
      set_bits(bitmap, first, end);
    }
  }
}

// Head and tile of a warp; false where there is none.
static __device__ __forceinline__ bool tile_of_warp(const LowerArguments& arguments, int& place, int& head, int& tile) {
  const int tiles = geometry_of(arguments).tiles();
  place = blockIdx.x * (TILE_THREADS / 32) + threadIdx.x / 32;
  if (place >= tiles * arguments.head_count) return false;
  tile_of_place(place, tiles, arguments.group, head, tile);
  return true;
}

// grid: one warp for each tile of each head; block: 256
extern "C" __global__ void __launch_bounds__(TILE_THREADS)
    lower_count(const __grid_constant__ LowerArguments arguments) {
  int place, head_index, tile_index;
  if (!tile_of_warp(arguments, place, head_index, tile_index)) return;
  const Head head = head_of(arguments, head_index);
  if (head.params.kind == HEAD_DENSE) return;
  uint64_t pairs;
  const TileCounts counts = count_tile(Warp{}, head, TileRows::of(head, tile_index), pairs);
  if (Warp{}.rank() != 0) return;
  arguments.counts[place] = counts;
  atomicAdd(&arguments.sums[head_index].pairs, pairs);
  atomicAdd(&arguments.sums[head_index].words, words_of(TilePlan::of(counts)));
}

// grid: one warp for each tile of each head; block: 256
extern "C" __global__ void __launch_bounds__(TILE_THREADS)
    lower_fill(const __grid_constant__ LowerArguments arguments) {
  int place, head_index, tile_index;
  if (!tile_of_warp(arguments, place, head_index, tile_index)) return;
  Head head = head_of(arguments, head_index);
  HeadSums* sums = arguments.sums + head_index;
  HeadSums known;
  known.pairs = sums->pairs;
  known.words = sums->words;
  const HeadReason reason = reason_of(head.params, known, arguments.most_pairs);
  if (tile_index == 0 && Warp{}.rank() == 0)
    arguments.outcomes[head_index] = {reason == RUNS_SPARSE ? known.pairs : arguments.causal_pairs, reason, 0};
  if (reason != RUNS_SPARSE) head = as_dense(head);
  const TileRows rows = TileRows::of(head, tile_index);
  uint64_t pairs;
  const TileCounts counts = reason == RUNS_SPARSE ? arguments.counts[place] : count_tile(Warp{}, head, rows, pairs);
  const TilePlan plan = TilePlan::of(counts);
  uint32_t at = 0;
  if (Warp{}.rank() == 0) at = head.params.list_at + atomicAdd(&sums->used, plan.words);
  at = Warp{}.broadcast(at);
  fill_tile(Warp{}, head, rows, counts, plan, arguments.list + at);
  if (Warp{}.rank() == 0) arguments.tiles[place] = describe_tile(counts, plan, at, head_index, tile_index);
}
