// The tile that a block works on: the first copying warp takes the next one from the counter and
// leaves its description in shared memory, two of them by turns, for all warps.
#pragma once
#include "../arch/sm90.cuh"
#include "arguments.h"
#include "shape.h"

static_assert(sizeof(Tile) == Shape90<64>::TILE_BYTES, "a tile is written by eight lanes, four bytes each");

// The whole warp.
DEVICE void take_tile(const AttendArguments& arguments, uint32_t to, int lane) {
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
  const uint4 a = load_shared16(from), b = load_shared16(from + 16);
  tile.entries = a.x, tile.columns = a.y;
  tile.full_stages = static_cast<uint16_t>(a.z), tile.half_stages = static_cast<uint16_t>(a.z >> 16);
  tile.column_stages = static_cast<uint16_t>(a.w);
  tile.plain_column_stages = static_cast<uint16_t>(a.w >> 16);
  tile.run_first = b.x, tile.run_stages = b.y;
  tile.head = static_cast<int32_t>(b.z), tile.tile = static_cast<int32_t>(b.w);
  return tile;
}
