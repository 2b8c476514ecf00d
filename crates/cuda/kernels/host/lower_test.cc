// The lowering's code, compiled for the host, against the definition of what each query sees:
// random heads of every kind over random geometries. Every key that a row sees is listed once and
// no other; stages are in the order and with the marks that the attention kernels rely on; pairs
// and room are what they should be.
#include <algorithm>
#include <cstdio>
#include <random>
#include <set>

#include "crowd.h"
#include "lower_host.h"

namespace {

typedef std::mt19937_64 Random;
int below(Random& random, int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); }

struct Case {
  Geometry geometry;
  HeadParams params{};
  std::vector<uint32_t> selected;
};

// The definition, word for word: lines and blocks rounded out as KeyLayout does.
bool sees(const Case& c, int block, int i, int j) {
  const Geometry& g = c.geometry;
  const int start = g.offset() + block * 64, end = std::min(start + 64, g.keys);
  if (j > i || (g.window != INT32_MAX && i - j >= g.window)) return false;
  if (c.params.kind == HEAD_DENSE || end - g.offset() > c.params.dense_from) return true;
  if (c.params.kind == HEAD_BLOCKS) {
    const uint32_t* row = c.selected.data() + c.params.rows_at + block * c.params.row_places;
    return std::find(row, row + c.params.row_places, static_cast<uint32_t>(j / 64)) != row + c.params.row_places;
  }
  for (int n = 0; n < c.params.column_count; ++n)
    if ((c.params.kind == HEAD_SHAPE ? n : static_cast<int>(c.selected[c.params.columns_at + n])) == j) return true;
  for (int n = 0; n < c.params.diagonal_count; ++n) {
    const int64_t d = c.params.kind == HEAD_SHAPE ? n : c.selected[c.params.diagonals_at + n];
    const int64_t first = std::max<int64_t>(0, start - d), last = end - d;
    if (first < last && j >= first / 16 * 16 && j < (last + 15) / 16 * 16) return true;
  }
  return false;
}

// What a list says: for each key whether a half is shown it, once.
struct Shown {
  std::vector<uint8_t> keys[2];
  std::vector<uint8_t> compared;  // keys whose positions are compared with the rows'
  const char* problem = nullptr;
};

Shown read_tile(const Tile& tile, const uint32_t* list, const Geometry& g) {
  Shown shown;
  const size_t room = static_cast<size_t>(g.keys) + 64;
  for (auto& keys : shown.keys) keys.assign(room, 0);
  shown.compared.assign(room, 0);
  auto show = [&](int key, int half, bool masked) {
    if (key >= static_cast<int>(room)) {
      shown.problem = "a key beyond the keys";
      return;
    }
    if (shown.keys[half][key]) shown.problem = "a key twice";
    shown.keys[half][key] = 1;
    if (masked) shown.compared[key] |= 1 << half;
  };
  auto entry = [&](uint32_t word, int halves, bool& masked) {
    const int first = static_cast<int>(word & ENTRY_GRANULE_MASK) * GRANULE, granules = word >> ENTRY_LENGTH_SHIFT & 7;
    masked = word & ENTRY_MASKED;
    if (granules < 1 || granules > 4 || (granules < 4 && !masked)) shown.problem = "an entry of a wrong length";
    if ((word & (ENTRY_HIDDEN_0 | ENTRY_HIDDEN_1)) && !masked) shown.problem = "a hidden entry that is not masked";
    if (first >= g.keys && (word & (ENTRY_HIDDEN_0 | ENTRY_HIDDEN_1)) != (ENTRY_HIDDEN_0 | ENTRY_HIDDEN_1))
      shown.problem = "an entry beyond the keys";
    for (int half = 0; half < 2; ++half)
      if ((halves >> half & 1) && !(word & (half ? ENTRY_HIDDEN_1 : ENTRY_HIDDEN_0)))
        for (int key = first; key < first + granules * GRANULE; ++key) show(key, half, masked);
  };
  const uint32_t* at = list + tile.entries;
  bool was_plain = false;
  for (int stage = 0; stage < tile.full_stages; ++stage, at += 2) {
    bool a, b;
    entry(at[0], 3, a), entry(at[1], 3, b);
    if ((a || b) && was_plain) shown.problem = "a masked full stage after a plain one";
    was_plain = !(a || b);
  }
  for (uint32_t key = tile.run_first * GRANULE; key < tile.run_first * GRANULE + tile.run_stages * STAGE_KEYS; ++key)
    for (int half = 0; half < 2; ++half) show(static_cast<int>(key), half, false);
  for (int stage = 0; stage < tile.half_stages; ++stage, at += 2) {
    bool masked;
    entry(at[0], 1, masked), entry(at[1], 2, masked);
  }
  for (int i = 0; i < tile.column_stages * STAGE_KEYS; ++i) {
    const uint32_t word = list[tile.columns + i];
    const bool masked = i >= tile.plain_column_stages * STAGE_KEYS;
    if (word == COLUMN_NONE && !masked) shown.problem = "an empty place among plain columns";
    if (word == COLUMN_NONE) continue;
    if ((word >> 30) && !masked) shown.problem = "a hidden column that is not masked";
    for (int half = 0; half < 2; ++half)
      if (!(word >> (30 + half) & 1)) show(static_cast<int>(word & COLUMN_KEY_MASK), half, masked);
  }
  return shown;
}

const char* check(const Case& c, const LoweredHead& lowered, bool dense) {
  const Geometry& g = c.geometry;
  Case meant = c;
  if (dense) meant.params.kind = HEAD_DENSE;
  uint64_t pairs = 0;
  for (const Tile& tile : lowered.tiles) {
    const Shown shown = read_tile(tile, lowered.list.data(), g);
    if (shown.problem) return shown.problem;
    if (tile.entries % 4 || tile.columns % 4) return "words that are not aligned";
    for (int half = 0; half < 2; ++half) {
      const int block = tile.tile * 2 + half, start = g.offset() + block * 64, end = std::min(start + 64, g.keys);
      for (int i = start; i < end; ++i)
        for (int j = 0; j < g.keys; ++j) {
          bool is_shown = shown.keys[half][j];
          if (is_shown && (shown.compared[j] >> half & 1))
            is_shown = j <= i && (g.window == INT32_MAX || i - j < g.window);
          const bool wanted = sees(meant, block, i, j);
          pairs += wanted;
          if (is_shown != wanted) return wanted ? "a key that is missing" : "a key that must not be seen";
        }
    }
  }
  return pairs == lowered.outcome.pairs ? nullptr : "other pairs";
}

Case random_case(Random& random) {
  Case c;
  // Words of 32 granules hold 512 keys: the longest cases have several for each member of a small
  // crowd.
  const int size = random() % 8 ? 300 : 3000;
  const int queries = 1 + below(random, size), offset = random() % 3 ? below(random, size) : 0;
  c.geometry = {queries, queries + offset, random() % 3 ? INT32_MAX : 1 + below(random, queries + offset + 20)};
  const Geometry& g = c.geometry;
  c.params.kind = static_cast<int32_t>(random() % 4);
  c.params.dense_from = random() % 2 ? INT32_MAX : below(random, queries + 1);
  if (c.params.kind == HEAD_SHAPE) {
    c.params.column_count = below(random, std::min(g.keys, 300) + 1);
    c.params.diagonal_count = 1 + below(random, g.keys);
  } else if (c.params.kind == HEAD_LINES) {
    std::set<uint32_t> columns, diagonals{0};
    for (int bands = below(random, 4); bands-- > 0;) {
      const int at = below(random, g.keys), width = below(random, 300);
      for (int i = at; i < std::min(at + width, g.keys); ++i) (random() % 2 ? columns : diagonals).insert(i);
      for (int i = at; random() % 2 && i < std::min(at + width, g.keys); ++i) columns.insert(i);
    }
    for (int i = below(random, 60); i > 0; --i) columns.insert(below(random, g.keys));
    for (int i = below(random, random() % 2 ? 6 : 60); i > 0; --i) diagonals.insert(below(random, g.keys + 100));
    c.params.column_count = static_cast<int32_t>(columns.size());
    c.params.diagonal_count = static_cast<int32_t>(diagonals.size());
    c.params.diagonals_at = c.params.column_count;
    c.selected.assign(columns.begin(), columns.end());
    c.selected.insert(c.selected.end(), diagonals.begin(), diagonals.end());
  } else if (c.params.kind == HEAD_BLOCKS) {
    c.params.row_places = 2 + below(random, 10);
    for (int block = 0; block < g.query_blocks(); ++block) {
      const int start = g.offset() + block * 64, end = std::min(start + 64, g.keys);
      std::set<uint32_t> row{static_cast<uint32_t>(start / 64), static_cast<uint32_t>((end - 1) / 64)};
      for (int i = below(random, c.params.row_places); i > 0 && static_cast<int>(row.size()) < c.params.row_places; --i)
        row.insert(below(random, (end + 63) / 64));
      std::vector<uint32_t> places(row.begin(), row.end());
      places.resize(c.params.row_places, NO_BLOCK);
      c.selected.insert(c.selected.end(), places.begin(), places.end());
    }
  }
  return c;
}

// Whether several members together count and write what a lone worker does.
template <int MEMBERS>
bool crowd_agrees(const Case& c, const LoweredHead& lone, bool dense) {
  std::vector<uint32_t> bitmaps = mark_on_host(c.params, c.selected.data(), c.geometry);
  Head head{c.params, c.selected.data(), bitmaps.data(), c.geometry};
  if (dense) head = as_dense(head);
  bool same = true;
  uint64_t all_pairs = 0;
  CrowdScheduler<MEMBERS> scheduler;
  for (const Tile& tile : lone.tiles) {
    const uint32_t end = tile.columns + tile.column_stages * STAGE_KEYS;
    std::vector<uint32_t> list(lone.list.size(), 0xdeadbeef);
    scheduler.run([&](int rank) {
      const Crowd<MEMBERS> group{&scheduler, rank};
      const TileRows rows = TileRows::of(head, tile.tile);
      uint64_t pairs;
      const TileCounts counts = count_tile(group, head, rows, pairs);
      const TilePlan plan = TilePlan::of(counts);
      const Tile mine = describe_tile(counts, plan, tile.entries, tile.head, tile.tile);
      same &= std::equal(reinterpret_cast<const char*>(&mine), reinterpret_cast<const char*>(&mine + 1),
                         reinterpret_cast<const char*>(&tile));
      if (rank == 0) all_pairs += pairs;
      fill_tile(group, head, rows, counts, plan, list.data() + tile.entries);
    });
    same &= std::equal(list.begin() + tile.entries, list.begin() + end, lone.list.begin() + tile.entries);
  }
  return same && all_pairs == lone.outcome.pairs;
}

}  // namespace

int main() {
  Random random(22);
  int failed = 0, passed = 0;
  for (int n = 0; n < 300; ++n) {
    Case c = random_case(random);
    const int64_t room = list_room(c.params, c.geometry);
    c.params.list_room = static_cast<uint32_t>(room);
    uint64_t causal = 0;
    for (int i = c.geometry.offset(); i < c.geometry.keys; ++i)
      causal += static_cast<uint64_t>(std::min(i + 1, c.geometry.window));
    // As the pattern says; dense because of the crossover; dense because there is no room.
    for (int way = 0; way < 3; ++way) {
      c.params.flags = way == 1 ? HEAD_CROSSOVER : 0;
      if (way == 2) c.params.list_room = 0;
      const LoweredHead lowered = lower_on_host(c.params, c.selected.data(), c.geometry, 0.0, causal);
      const bool dense = lowered.outcome.reason != RUNS_SPARSE;
      const char* problem = check(c, lowered, dense);
      if (!problem && way == 0 && lowered.words > static_cast<uint64_t>(room)) problem = "more words than its room";
      if (!problem && dense && static_cast<int64_t>(lowered.list.size()) > dense_room(c.geometry))
        problem = "more words than a dense head's room";
      if (!problem && way == 0 && dense != (c.params.kind == HEAD_DENSE)) problem = "dense, or not, for no reason";
      if (!problem && way == 1 && !dense) problem = "not dense over the crossover";
      if (!problem && !(crowd_agrees<2>(c, lowered, dense) && crowd_agrees<32>(c, lowered, dense)))
        problem = "a crowd does otherwise";
      if (problem) {
        ++failed;
        std::printf("case %d, way %d, kind %d: %d queries, %d keys, window %d, dense from %d: %s\n", n, way,
                    c.params.kind, c.geometry.queries, c.geometry.keys, c.geometry.window, c.params.dense_from,
                    problem);
      } else {
        ++passed;
      }
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
