// Keys of a chunk, in tiles of 64: by the number of keys alone, since the order in which sums are
// added follows from it.
#pragma once
#include "../index_interface.h"

ANY_SIDE int votes_chunk_tiles(int keys) { return keys <= 65536 ? 8 : 32; }
ANY_SIDE int votes_chunks(int keys) {
  const int chunk_keys = votes_chunk_tiles(keys) * 64;
  return (keys + chunk_keys - 1) / chunk_keys;
}
