// Attention in double precision over lists of keys, written from `interface.h` alone, and random
// lists.
#pragma once
#include <math.h>
#include <algorithm>
#include <random>
#include <vector>
#include "../interface.h"

// The keys that a row of a tile sees, in the order of the list.
inline std::vector<int> keys_of_row(const Tile& tile, const uint32_t* list, int row, int offset, int window) {
  std::vector<int> keys;
  const int half = row / HALF_ROWS;
  const int64_t position = static_cast<int64_t>(offset) + static_cast<int64_t>(tile.tile) * TILE_ROWS + row;
  const auto add = [&](int64_t key, bool masked) {
    if (!masked || (key <= position && position - key < window)) keys.push_back(static_cast<int>(key));
  };
  const auto add_entry = [&](uint32_t word) {
    if (word & (half ? ENTRY_HIDDEN_1 : ENTRY_HIDDEN_0)) return;
    const int held = static_cast<int>(word >> ENTRY_LENGTH_SHIFT & 7) * GRANULE;
    for (int n = 0; n < held; ++n)
      add(static_cast<int64_t>(word & ENTRY_GRANULE_MASK) * GRANULE + n, word & ENTRY_MASKED);
  };
  const uint32_t* entries = list + tile.entries;
  for (int i = 0; i < 2 * tile.full_stages; ++i) add_entry(entries[i]);
  for (int64_t n = 0; n < static_cast<int64_t>(tile.run_stages) * STAGE_KEYS; ++n)
    add(static_cast<int64_t>(tile.run_first) * GRANULE + n, false);
  for (int i = 0; i < tile.column_stages * STAGE_KEYS; ++i) {
    const uint32_t word = list[tile.columns + i];
    if (word != COLUMN_NONE && !(word & (half ? COLUMN_HIDDEN_1 : COLUMN_HIDDEN_0)))
      add(word & COLUMN_KEY_MASK, i / STAGE_KEYS >= tile.plain_column_stages);
  }
  for (int i = 0; i < tile.half_stages; ++i) add_entry(entries[2 * tile.full_stages + 2 * i + half]);
  return keys;
}

// A tile of some stages of each kind. Entries and columns that are not marked lie within the keys;
// marked ones may reach behind them, and places without a key are strewn in.
struct Stages {
  int full, run, plain_columns, masked_columns, half;
};
inline Tile random_tile(std::vector<uint32_t>& list, Stages stages, int head, int number, int keys,
                        int offset, std::mt19937& random) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  const auto entry = [&](bool masked) {
    const uint32_t length = below(3) ? 4 : 1 + static_cast<uint32_t>(below(4));
    const int last = masked ? (keys - 1) / GRANULE : keys / GRANULE - static_cast<int>(length);
    uint32_t word = static_cast<uint32_t>(below(last + 1)) | length << ENTRY_LENGTH_SHIFT;
    if (masked) {
      // most around the rows, where the comparison matters
      if (below(2))
        word = (word & ~ENTRY_GRANULE_MASK) |
               static_cast<uint32_t>(
                   std::min((keys - 1) / GRANULE, (offset + number * TILE_ROWS) / GRANULE + below(8)));
      word |= ENTRY_MASKED;
    }
    if (below(5) == 0) word |= below(2) ? ENTRY_HIDDEN_0 : ENTRY_HIDDEN_1;
    return word;
  };
  Tile tile{};
  tile.head = head, tile.tile = number;
  tile.entries = static_cast<uint32_t>(list.size());
  tile.full_stages = static_cast<uint16_t>(stages.full),
  tile.half_stages = static_cast<uint16_t>(stages.half);
  const int masked_full = stages.full ? below(stages.full + 1) : 0;
  for (int i = 0; i < 2 * stages.full; ++i) list.push_back(entry(i < 2 * masked_full));
  for (int i = 0; i < 2 * stages.half; ++i) list.push_back(entry(below(2)));
  tile.columns = static_cast<uint32_t>(list.size());
  tile.column_stages = static_cast<uint16_t>(stages.plain_columns + stages.masked_columns),
  tile.plain_column_stages = static_cast<uint16_t>(stages.plain_columns);
  for (int i = 0; i < tile.column_stages * STAGE_KEYS; ++i) {
    uint32_t word = static_cast<uint32_t>(below(keys));
    if (i / STAGE_KEYS >= stages.plain_columns) {
      if (below(4) == 0) word |= below(2) ? COLUMN_HIDDEN_0 : COLUMN_HIDDEN_1;
      if (below(4) == 0) word = COLUMN_NONE;
    }
    list.push_back(word);
  }
  tile.run_stages = static_cast<uint32_t>(std::min(stages.run, keys / STAGE_KEYS));
  if (tile.run_stages)
    tile.run_first =
        static_cast<uint32_t>(below((keys - static_cast<int>(tile.run_stages) * STAGE_KEYS) / GRANULE + 1));
  return tile;
}

// One row: softmax over `keys` with an optional sink, values summed. `query`, `key(j)`, `value(j)`
// give numbers.
template <class Query, class Key, class Value>
std::vector<double> attend_row(int head_dim, const std::vector<int>& keys, double scale, double softcap,
                               const float* sink, Query query, Key key, Value value) {
  std::vector<double> output(head_dim, 0.), scores;
  double top = sink ? *sink : -INFINITY, sum = 0;
  for (int j : keys) {
    double x = 0;
    for (int c = 0; c < head_dim; ++c) x += query(c) * key(j, c);
    x *= scale;
    if (softcap > 0) x = softcap * tanh(x / softcap);
    scores.push_back(x);
    top = std::max(top, x);
  }
  if (keys.empty()) return output;
  if (sink) sum += exp(*sink - top);
  for (size_t i = 0; i < keys.size(); ++i) {
    const double p = exp(scores[i] - top);
    sum += p;
    for (int c = 0; c < head_dim; ++c) output[c] += p * value(keys[i], c);
  }
  for (double& x : output) x /= sum;
  return output;
}
