// Attention over lists of keys, for GPUs from sm_80 on:
//
//   for each tile of 128 queries of one head, taken from a counter:
//     for each step of 64 keys that the tile's list names (which rows see which: `interface.h`):
//       output += 2^(softcap(queries * keys^T) * scale - base) * values
//     write output / (sum + sink)
//
// Blocks stay until the tiles are used up. A block asks for its next tile while the first copies of
// the present one are under way, and keeps the answer in shared memory.
//
// What a warp issues for a step of 64 keys at head_dim 128 (32 rows, no masks; nvcc 13.0, sm_90a):
//   256 HMMA (m16n8k16), 80 LDSM, 64 MUFU, 64 FFMA, 64 FADD, 32 F2FP, 16 LDGSTS, about 860 in all
//   255 registers: 128 sums, 64 scores, 16 probabilities of two chunks, 8 bases and sums of rows,
//   the rest fragments and addresses; no spills in any instance. `TileConstants` and
//   `thread_index` are for that: what a step can read again costs no register between steps.
// Two blocks of four warps share a multiprocessor, so two warps a scheduler: while one waits at its
// barrier or for scores, the other multiplies. Within a warp the exponentials of a chunk stand
// between the products of the chunk before (`add_values`); in the SASS they alternate, two MUFU for
// each four HMMA. One slot of keys and one of values are always under way, a whole step ahead.
#pragma once
#include "step.cuh"

static_assert(sizeof(Tile) == 32, "a tile is read by eight lanes, four bytes each");

// The whole warp: takes the next tile and leaves its description at `to`.
DEVICE void take_tile(const AttendArguments& arguments, uint32_t to) {
  const int lane = thread_index() % 32;
  uint32_t id = 0;
  if (lane == 0) id = fetch_and_add(arguments.counter);
  id = shuffle(id, 0);
  if (lane < 8) {
    const uint32_t* words = reinterpret_cast<const uint32_t*>(arguments.tiles);
    store_shared(to + lane * 4, id < static_cast<uint32_t>(arguments.tile_count)
                                    ? load_word(words + static_cast<uint64_t>(id) * 8 + lane)
                                    : 0xffffffffu);
  }
}
DEVICE Tile read_tile(uint32_t from) {
  Tile tile;
  tile.entries = load_shared(from);
  tile.columns = load_shared(from + 4);
  const uint32_t stages = load_shared(from + 8), columns = load_shared(from + 12);
  tile.full_stages = static_cast<uint16_t>(stages), tile.half_stages = static_cast<uint16_t>(stages >> 16);
  tile.column_stages = static_cast<uint16_t>(columns),
  tile.plain_column_stages = static_cast<uint16_t>(columns >> 16);
  tile.run_first = load_shared(from + 16);
  tile.run_stages = load_shared(from + 20);
  tile.head = static_cast<int32_t>(load_shared(from + 24));
  tile.tile = static_cast<int32_t>(load_shared(from + 28));
  return tile;
}

template <class T, int D, bool GENERAL>
DEVICE void attend(const AttendArguments& arguments) {
  const SharedLayout<D> shared(shared_base());
  if (thread_index() < 32) take_tile(arguments, shared.next_tile);
  for (;;) {
    block_sync();  // the description is there, and the tile before has left shared memory
    const Tile tile = read_tile(shared.next_tile);
    if (tile.head < 0) return;
    TileWork<T, D, GENERAL> work(arguments, shared);
    work.start(shared, tile);
    block_sync();  // all have read it
    if (thread_index() < 32) take_tile(arguments, shared.next_tile);
    work.run();
    work.store();
  }
}
