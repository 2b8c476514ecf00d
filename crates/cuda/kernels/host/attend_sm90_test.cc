// Whole kernels of attend_sm90 on the CPU against the oracle.
// g++ -std=c++17 -O2 -DEMULATE_SM80 attend_sm90_test.cc
#include <string>
#include "../attend_sm90/attend.cuh"
#include "oracle.h"

static int cases = 0, failures = 0;

struct Case {
  const char* name;
  int heads = 2, group = 2, queries = 300, keys = 300, window = 0x7fffffff;
  Stages stages{2, 2, 1, 1, 2};
  double query_size = 1, jump = 0;  // jump: keys 64 * i add i % 5 - 2 times it to the scores
  double tail = 0;                  // the first key stands this far above all others, and its value is zero
  double softcap = 0;
  bool sink = false;
  int page_tokens = 0;
  bool output_f32 = false;
};

// [tokens, heads, head_dim] with a gap behind each token, or pages in a random order. What belongs
// to no token is NaN.
template <class T, int D>
struct Matrix {
  std::vector<uint16_t> words;
  std::vector<int32_t> pages;
  int tokens, heads, page_tokens;
  int64_t token, head, page = 0;  // strides in words
  Matrix(int tokens, int heads, int page_tokens, const std::vector<int32_t>& table)
      : pages(table), tokens(tokens), heads(heads), page_tokens(page_tokens) {
    head = D, token = static_cast<int64_t>(heads) * D + 8;
    size_t size = static_cast<size_t>(token) * tokens;
    if (page_tokens) {
      page = token * page_tokens + 16;
      size = static_cast<size_t>(page) * pages.size();
    }
    words.assign(size, 0x7fff);
  }
  uint16_t& at(int t, int h, int c) {
    return words[(page_tokens ? pages[t / page_tokens] * page + t % page_tokens * token : t * token) +
                 h * head + c];
  }
  Tensor view() const { return {words.data(), token * 2, head * 2}; }
  TensorMap map(int rows) const {
    EmulatedMap map{reinterpret_cast<const char*>(words.data()),
                    {D, page_tokens ? page_tokens : tokens, heads, static_cast<int64_t>(pages.size())},
                    {2, token * 2, head * 2, page * 2},
                    page_tokens ? 4 : 3,
                    rows};
    TensorMap result{};
    static_assert(sizeof(map) <= sizeof(result), "an emulated map has room in a real one");
    memcpy(&result, &map, sizeof(map));
    return result;
  }
};

// A tile of some stages of each kind, as lowering makes them: unmarked entries and columns are seen
// by every row. The same keys may come more than once.
static Tile tile_of(std::vector<uint32_t>& list, Stages stages, int head, int number, int queries, int keys,
                    int window, std::mt19937& random) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  const int first = keys - queries + number * TILE_ROWS, last = std::min(first + TILE_ROWS, keys) - 1;
  // Keys that all rows see: from `clear` on, `seen` of them.
  const int clear = window <= last ? (last - window) / GRANULE * GRANULE + GRANULE : 0, seen = first + 1 - clear;
  const auto entry = [&](bool masked) {
    if (!masked && seen >= 64)
      return static_cast<uint32_t>(clear / GRANULE + below((seen - 64) / GRANULE + 1)) | 4u << ENTRY_LENGTH_SHIFT;
    // Most lie around the rows, where the comparison matters; some reach behind the last key.
    const int granules = (keys + GRANULE - 1) / GRANULE;
    const int granule = below(3) ? std::min(first / GRANULE + below(8), granules - 1) : below(granules);
    uint32_t word = static_cast<uint32_t>(granule) | static_cast<uint32_t>(1 + below(4)) << ENTRY_LENGTH_SHIFT;
    if (below(5) == 0) word |= below(2) ? ENTRY_HIDDEN_0 : ENTRY_HIDDEN_1;
    if (below(9) == 0) word |= ENTRY_HIDDEN_0 | ENTRY_HIDDEN_1;
    return word | ENTRY_MASKED;
  };
  Tile tile{};
  tile.head = head, tile.tile = number;
  tile.entries = static_cast<uint32_t>(list.size());
  tile.full_stages = static_cast<uint16_t>(stages.full);
  tile.half_stages = static_cast<uint16_t>(stages.half);
  for (int i = 0; i < 2 * stages.full; ++i) list.push_back(entry(i <= stages.full && below(4)));
  for (int i = 0; i < 2 * stages.half; ++i) list.push_back(entry(below(2)));
  tile.columns = static_cast<uint32_t>(list.size());
  if (seen < 1) stages.masked_columns += stages.plain_columns, stages.plain_columns = 0;
  tile.column_stages = static_cast<uint16_t>(stages.plain_columns + stages.masked_columns);
  tile.plain_column_stages = static_cast<uint16_t>(stages.plain_columns);
  for (int i = 0; i < tile.column_stages * STAGE_KEYS; ++i) {
    if (i < tile.plain_column_stages * STAGE_KEYS) {
      list.push_back(static_cast<uint32_t>(clear + below(seen)));
      continue;
    }
    uint32_t word = static_cast<uint32_t>(below(keys));
    if (below(4) == 0) word |= below(2) ? COLUMN_HIDDEN_0 : COLUMN_HIDDEN_1;
    list.push_back(below(4) ? word : COLUMN_NONE);
  }
  tile.run_stages = static_cast<uint32_t>(std::min(stages.run, std::max(seen, 0) / STAGE_KEYS));
  if (tile.run_stages)
    tile.run_first = static_cast<uint32_t>(
        clear / GRANULE + below((seen - static_cast<int>(tile.run_stages) * STAGE_KEYS) / GRANULE + 1));
  return tile;
}

template <class T, int D, bool GENERAL>
void run(const Case& c) {
  std::mt19937 random(11 + cases);
  std::normal_distribution<double> normal;
  const int kv_heads = c.heads / c.group, offset = c.keys - c.queries;
  std::vector<int32_t> table;
  if (c.page_tokens) {
    for (int i = 0; i < (c.keys + c.page_tokens - 1) / c.page_tokens; ++i) table.push_back(i);
    std::shuffle(table.begin(), table.end(), random);
  }
  Matrix<T, D> q(c.queries, c.heads, 0, {}), k(c.keys, kv_heads, c.page_tokens, table),
      v(c.keys, kv_heads, c.page_tokens, table), o(c.queries + 1, c.heads, 0, {});
  for (int h = 0; h < c.heads; ++h)
    for (int t = 0; t < c.queries; ++t)
      for (int i = 0; i < D; ++i)
        q.at(t, h, i) = narrow<T>(static_cast<float>(c.jump || c.tail ? (i ? 0.1 * normal(random) : sqrt(D))
                                                                      : c.query_size * normal(random)));
  for (int h = 0; h < kv_heads; ++h)
    for (int t = 0; t < c.keys; ++t)
      for (int i = 0; i < D; ++i) {
        double x = normal(random);
        if (i == 0 && c.jump) x = c.jump * (t / 64 % 5 - 2);
        if (i == 0 && c.tail) x = t == 0 ? c.tail : 0;
        k.at(t, h, i) = narrow<T>(static_cast<float>(x));
        v.at(t, h, i) = narrow<T>(
            static_cast<float>(c.tail ? (t == 0 ? 0. : 1. + 0.1 * normal(random)) : normal(random)));
      }
  std::vector<float> sinks(c.heads), wide_output(o.words.size(), NAN);
  for (float& x : sinks) x = static_cast<float>(2 * normal(random));

  std::vector<Tile> tiles;
  std::vector<uint32_t> list(3, 0);
  for (int t = (c.queries + 127) / 128 - 1; t >= 0; --t)
    for (int h = 0; h < c.heads; ++h) {
      Stages stages = c.stages;
      if (t == 1 && h == 1) stages = {0, 0, 0, 0, 0};
      Tile tile = tile_of(list, stages, h, t, c.queries, c.keys, c.window, random);
      if (c.tail) {  // all keys, the sink with them
        tile.full_stages = tile.half_stages = tile.column_stages = tile.plain_column_stages = 0;
        tile.run_first = 0, tile.run_stages = static_cast<uint32_t>(c.keys / STAGE_KEYS);
      }
      tiles.push_back(tile);
    }
  uint32_t counter = 0;
  AttendSm90 arguments{};
  arguments.q = q.map(64), arguments.k = k.map(GENERAL ? 16 : 64), arguments.v = v.map(GENERAL ? 16 : 64);
  AttendArguments& a = arguments.common;
  a.q = q.view(), a.k = k.view(), a.v = v.view();
  a.output = o.words.data(), a.output_token_stride = o.token * 2, a.output_head_stride = o.head * 2;
  if (c.output_f32)
    a.output = wide_output.data(), a.output_token_stride = o.token * 4, a.output_head_stride = o.head * 4;
  a.output_f32 = c.output_f32;
  a.tiles = tiles.data(), a.list = list.data(), a.counter = &counter;
  a.tile_count = static_cast<int32_t>(tiles.size());
  a.queries = c.queries, a.keys = c.keys, a.offset = offset, a.window = c.window, a.group = c.group;
  const double scale = 1 / sqrt(static_cast<double>(D));
  a.scale_log2 = static_cast<float>(scale * 1.4426950408889634);
  a.softcap = static_cast<float>(c.softcap);
  a.sinks = c.sink ? sinks.data() : nullptr;
  a.pages = c.page_tokens ? table.data() : nullptr;
  a.k_page_stride = k.page * 2, a.v_page_stride = v.page * 2, a.page_tokens = c.page_tokens;
  emulation::launch(2, 1, 1, THREADS_SM90, Shape90<D>::SHARED_BYTES,
                    [&] { attend_sm90<T, D, GENERAL>(arguments); });

  const auto result = [&](int t, int h, int i) -> double {
    return c.output_f32 ? wide_output[&o.at(t, h, i) - o.words.data()] : widen<T>(o.at(t, h, i));
  };
  double error = 0, size = 0;
  bool untouched = true;
  for (const Tile& tile : tiles)
    for (int row = 0; row < TILE_ROWS && tile.tile * TILE_ROWS + row < c.queries; ++row) {
      const int t = tile.tile * TILE_ROWS + row, h = tile.head, kv = h / c.group;
      const std::vector<double> right = attend_row(
          D, keys_of_row(tile, list.data(), row, offset, c.window), scale, c.softcap,
          c.sink ? &sinks[h] : nullptr, [&](int i) { return static_cast<double>(widen<T>(q.at(t, h, i))); },
          [&](int j, int i) { return static_cast<double>(widen<T>(k.at(j, kv, i))); },
          [&](int j, int i) { return static_cast<double>(widen<T>(v.at(j, kv, i))); });
      for (int i = 0; i < D; ++i) {
        const double x = result(t, h, i);
        error += (x - right[i]) * (x - right[i]), size += right[i] * right[i];
      }
    }
  for (int h = 0; h < c.heads; ++h)
    for (int i = 0; i < D; ++i) untouched = untouched && result(c.queries, h, i) != result(c.queries, h, i);
  const bool bf16 = std::is_same<T, Bf16>::value;
  const double relative = sqrt(error / size);
  const bool right = relative < (bf16 ? 4e-3 : 6e-4) && untouched;
  ++cases, failures += !right;
  printf("%-12s %s d%-3d %s  error %.1e%s%s\n", c.name, bf16 ? "bf16" : "f16 ", D,
         GENERAL ? "general" : "plain  ", relative, untouched ? "" : "  wrote behind the queries",
         right ? "" : "  WRONG");
  fflush(stdout);
}

template <class T, int D>
void battery() {
  run<T, D, false>({"mixed"});
  Case all{"all", 4, 2, 140, 333, 100, {1, 1, 1, 2, 3}};
  all.query_size = 1.5, all.softcap = 20, all.sink = true, all.page_tokens = 16;
  run<T, D, true>(all);
}

int main(int count, char** names) {
  const std::string only = count > 1 ? names[1] : "";
  if (only.empty() || only == "battery") {
    battery<Bf16, 64>(), battery<Bf16, 80>(), battery<Bf16, 96>(), battery<Bf16, 128>();
    battery<F16, 64>(), battery<F16, 80>(), battery<F16, 96>(), battery<F16, 128>();
  }
  constexpr int ALL = 0x7fffffff;
  run<Bf16, 64, false>({"steep", 2, 1, 260, 700, ALL, {3, 3, 1, 1, 3}, 12});
  run<F16, 128, false>({"steep", 2, 1, 260, 700, ALL, {3, 3, 1, 1, 3}, 12});
  run<Bf16, 128, false>({"jumps", 2, 1, 130, 900, ALL, {6, 5, 1, 1, 6}, 1, 250});
  run<F16, 64, false>({"jumps", 2, 1, 130, 900, ALL, {6, 5, 1, 1, 6}, 1, 250});
  Case sink{"sink, jumps", 2, 2, 130, 900, ALL, {6, 5, 1, 1, 6}, 1, 250};
  sink.sink = true;
  run<Bf16, 80, true>(sink);
  run<F16, 96, false>(sink);
  Case far{"far sink", 2, 2, 200, 200, 50, {4, 0, 0, 1, 1}};
  far.sink = true;
  run<Bf16, 64, false>(far);
  Case capped{"softcap", 2, 2, 200, 200, ALL, {2, 1, 0, 1, 1}, 6};
  capped.softcap = 30;
  run<F16, 128, true>(capped);
  for (double above : {14., 17.}) {
    run<F16, 64, false>({"tail", 1, 1, 128, 4096, ALL, {}, 1, 0, above});
    run<Bf16, 64, false>({"tail", 1, 1, 128, 4096, ALL, {}, 1, 0, above});
  }
  Case pages{"pages of 64", 2, 1, 100, 500, ALL, {3, 1, 1, 1, 2}};
  pages.page_tokens = 64;
  run<Bf16, 128, true>(pages);
  pages.output_f32 = true;
  run<F16, 80, true>(pages);
  Case wide{"f32 output", 4, 2, 257, 300};
  wide.output_f32 = true;
  run<Bf16, 96, false>(wide);
  run<Bf16, 64, false>({"one query", 2, 2, 1, 77, ALL, {1, 0, 0, 1, 1}});
  run<Bf16, 64, false>({"long", 1, 1, 64, 2100, ALL, {2, 15, 3, 2, 7}});
  run<F16, 64, false>({"halves only", 2, 1, 300, 300, ALL, {0, 0, 0, 0, 3}});
  run<Bf16, 64, false>({"columns only", 2, 1, 300, 300, 120, {0, 0, 2, 1, 0}});
  run<Bf16, 128, false>({"columns only", 2, 1, 256, 900, ALL, {0, 0, 9, 3, 0}});
  run<F16, 96, true>({"columns only", 1, 1, 128, 900, ALL, {1, 0, 9, 3, 1}});
  printf("attend_sm90: %d cases, %d failed\n", cases, failures);
  return failures != 0;
}
