// The integers of attend_sm80 against the oracle: which key lies where in a slot, which row sees
// it, and how often. g++ -std=c++17 -O2 -DEMULATE_SM80 walk_sm80_test.cc
#include <algorithm>
#include "../attend_sm80/mask.cuh"
#include "oracle.h"

static int failures = 0;
static void check(bool right, const char* what, int a, int b) {
  if (!right && ++failures < 20) printf("wrong: %s (%d, %d)\n", what, a, b);
}

static void one(Stages stages, int queries, int keys, int window, std::mt19937& random) {
  const int offset = keys - queries;
  std::vector<uint32_t> list(random() % 5, 0);
  const Tile tile =
      random_tile(list, stages, 0, static_cast<int>(random() % static_cast<uint32_t>((queries + 127) / 128)),
                  keys, offset, random);
  const Walk walk = walk_of(tile);
  for (int row = 0; row < TILE_ROWS && tile.tile * TILE_ROWS + row < queries; ++row) {
    const int half = row / HALF_ROWS, position = offset + tile.tile * TILE_ROWS + row;
    std::vector<int> seen;
    for (int step = 0; step < walk.end; ++step) {
      const uint32_t kind = step_kind(walk, step);
      const bool columns = kind == STEP_COLUMNS, halves = kind >= STEP_HALVES;
      const uint32_t entry =
          columns ? entry_of_columns(walk, step) : entry_word(walk, list.data(), step, half);
      if (is_hidden(entry, half)) continue;
      for (int n = 0; n < (halves ? 32 : 64); ++n) {
        const int slot_row = halves ? half * 32 + n : n;
        const uint32_t word = columns ? column_words(walk, list.data(), step)[slot_row]
                                      : entry_word(walk, list.data(), step, slot_row / 32);
        const int copied = slot_key(kind, word, slot_row, keys);
        check(copied >= 0 && copied < keys, "copied key exists", step, n);
        const int key = columns ? key_of_column(word, half) : key_of_entry(entry, first_in_entry(kind) + n);
        const bool by_bits = !columns && !(entry & ENTRY_MASKED) && needs_comparison(entry);
        check(!by_bits || (bits_of_short_entry(entry, first_in_entry(kind)) >> (n / 8 * 2 + n % 2) & 1) ==
                              (key != NO_KEY),
              "bits of a short entry", step, n);
        if (needs_comparison(entry) && !sees(position, key, window, entry)) continue;
        check(copied == key || !needs_comparison(entry), "the compared key is the copied one", copied, key);
        seen.push_back(copied);
      }
    }
    std::vector<int> right = keys_of_row(tile, list.data(), row, offset, window);
    std::sort(seen.begin(), seen.end());
    std::sort(right.begin(), right.end());
    check(seen == right, "keys of a row", row, static_cast<int>(right.size()));
  }
}

int main() {
  std::mt19937 random(3);
  int cases = 0;
  for (int i = 0; i < 400; ++i) {
    const int keys = 64 + static_cast<int>(random() % 900),
              queries = 1 + static_cast<int>(random() % static_cast<uint32_t>(keys));
    const auto some = [&] { return static_cast<int>(random() % 4); };
    one({some(), some(), some(), some(), some()}, queries, keys,
        i % 3 ? 0x7fffffff : 1 + static_cast<int>(random() % 300), random);
    ++cases;
  }
  check(!sees(0, NO_KEY, 0x7fffffff) && !sees((1 << 30) + 127, NO_KEY, 0x7fffffff), "no key", 0, 0);
  check(sees(5, 5, 1) && !sees(5, 4, 1) && !sees(5, 6, 0x7fffffff) && sees(1 << 30, 0, 0x7fffffff), "window",
        0, 0);
  printf("walk_sm80: %d cases, %d failed\n", cases, failures);
  return failures != 0;
}
