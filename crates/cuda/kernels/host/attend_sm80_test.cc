// Whole kernels of attend_sm80 on the CPU against the oracle.
// g++ -std=c++17 -O2 -DEMULATE_SM80 attend_sm80_test.cc
#include <string>
#include "../attend_sm80/attend.cuh"
#include "oracle.h"

static int cases = 0, failures = 0;

struct Case {
  const char* name;
  int heads = 2, group = 2, queries = 300, keys = 300, window = 0x7fffffff;
  Stages stages{2, 1, 1, 1, 2};
  double query_size = 1, jump = 0;  // jump: keys 64 * i add i % 5 - 2 times it to the scores
  double softcap = 0;
  bool sink = false;
  int page_tokens = 0;
  double tail = 0;  // the first key stands this far above all others, and its value is zero
};

// [tokens, heads, head_dim] with a gap behind each token, or pages in a random order.
template <class T, int D>
struct Matrix {
  std::vector<uint16_t> words;
  std::vector<int32_t> pages;
  int64_t token, head, page = 0;  // strides in words
  int page_tokens;
  Matrix(int tokens, int heads, int page_tokens, const std::vector<int32_t>* table)
      : page_tokens(page_tokens) {
    head = D, token = static_cast<int64_t>(heads) * D + 8;
    size_t size = static_cast<size_t>(token) * tokens;
    if (page_tokens) {
      pages = *table;
      page = token * page_tokens + 16;
      size = static_cast<size_t>(page) * (pages.size() + 1);
    }
    words.assign(size, 0x7fff);
  }
  uint16_t& at(int t, int h, int c) {
    return words[(page_tokens ? pages[t / page_tokens] * page + t % page_tokens * token : t * token) +
                 h * head + c];
  }
  Tensor view() const { return {words.data(), token * 2, head * 2}; }
};

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
  Matrix<T, D> q(c.queries, c.heads, 0, nullptr), k(c.keys, kv_heads, c.page_tokens, &table),
      v(c.keys, kv_heads, c.page_tokens, &table), o(c.queries + 1, c.heads, 0, nullptr);
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
  std::vector<float> sinks(c.heads);
  for (float& x : sinks) x = static_cast<float>(2 * normal(random));

  std::vector<Tile> tiles;
  std::vector<uint32_t> list;
  for (int t = (c.queries + 127) / 128 - 1; t >= 0; --t)
    for (int h = 0; h < c.heads; ++h) {
      Stages stages = c.stages;
      if (t == 1 && h == 1) stages = {0, 0, 0, 0, 0};
      Tile tile = random_tile(list, stages, h, t, c.keys, offset, random);
      if (c.tail) {  // all keys, the sink with them
        tile.full_stages = tile.half_stages = tile.column_stages = tile.plain_column_stages = 0;
        tile.run_first = 0, tile.run_stages = static_cast<uint32_t>(c.keys / STAGE_KEYS);
      }
      tiles.push_back(tile);
    }
  tiles.push_back(Tile{});
  tiles.back().head = -1;
  uint32_t counter = 0;
  AttendArguments a{};
  a.q = q.view(), a.k = k.view(), a.v = v.view();
  a.output = o.words.data(), a.output_token_stride = o.token * 2, a.output_head_stride = o.head * 2;
  a.tiles = tiles.data(), a.list = list.data(), a.counter = &counter,
  a.tile_count = static_cast<int32_t>(tiles.size());
  a.queries = c.queries, a.keys = c.keys, a.offset = offset, a.window = c.window, a.group = c.group;
  const double scale = 1 / sqrt(static_cast<double>(D));
  a.scale_log2 = static_cast<float>(scale * 1.4426950408889634);
  a.softcap = static_cast<float>(c.softcap);
  a.sinks = c.sink ? sinks.data() : nullptr;
  a.pages = c.page_tokens ? table.data() : nullptr;
  a.k_page_stride = k.page * 2, a.v_page_stride = v.page * 2, a.page_tokens = c.page_tokens;
  emulation::launch(2, 1, 1, Shape80<D>::THREADS, Shape80<D>::SHARED_BYTES,
                    [&] { attend<T, D, GENERAL>(a); });

  double error = 0, size = 0;
  bool untouched = true;
  for (const Tile& tile : tiles)
    for (int row = 0; row < TILE_ROWS && tile.head >= 0 && tile.tile * TILE_ROWS + row < c.queries; ++row) {
      const int t = tile.tile * TILE_ROWS + row, h = tile.head, kv = h / c.group;
      const std::vector<double> right = attend_row(
          D, keys_of_row(tile, list.data(), row, offset, c.window), scale, c.softcap,
          c.sink ? &sinks[h] : nullptr, [&](int i) { return static_cast<double>(widen<T>(q.at(t, h, i))); },
          [&](int j, int i) { return static_cast<double>(widen<T>(k.at(j, kv, i))); },
          [&](int j, int i) { return static_cast<double>(widen<T>(v.at(j, kv, i))); });
      for (int i = 0; i < D; ++i) {
        const double x = widen<T>(o.at(t, h, i));
        error += (x - right[i]) * (x - right[i]), size += right[i] * right[i];
      }
    }
  for (int h = 0; h < c.heads; ++h)
    for (int i = 0; i < D; ++i) untouched = untouched && o.at(c.queries, h, i) == 0x7fff;
  const bool bf16 = std::is_same<T, Bf16>::value;
  const double relative = sqrt(error / size);
  const bool right = relative < (bf16 ? 4e-3 : 6e-4) && untouched;
  ++cases, failures += !right;
  printf("%-16s %s d%-3d %s  error %.1e%s%s\n", c.name, bf16 ? "bf16" : "f16 ", D,
         GENERAL ? "general" : "plain  ", relative, untouched ? "" : "  wrote behind the queries",
         right ? "" : "  WRONG");
  fflush(stdout);
}

template <class T, int D>
void battery() {
  run<T, D, false>({"mixed"});
  run<T, D, true>({"mixed", 4, 2, 140, 333, 100, {1, 1, 1, 2, 3}, 1.5, 0, 20., true, 16});
}

int main(int count, char** names) {
  const std::string only = count > 1 ? names[1] : "";
  if (only.empty() || only == "battery") {
    battery<Bf16, 64>(), battery<Bf16, 80>(), battery<Bf16, 96>(), battery<Bf16, 128>(), battery<Bf16, 192>(),
        battery<Bf16, 256>();
    battery<F16, 64>(), battery<F16, 80>(), battery<F16, 96>(), battery<F16, 128>(), battery<F16, 192>(),
        battery<F16, 256>();
  }
  run<Bf16, 64, false>({"steep", 2, 1, 260, 700, 0x7fffffff, {3, 2, 1, 1, 3}, 12});
  run<F16, 128, false>({"steep", 2, 1, 260, 700, 0x7fffffff, {3, 2, 1, 1, 3}, 12});
  run<Bf16, 128, false>({"jumps", 2, 1, 130, 900, 0x7fffffff, {6, 3, 1, 1, 6}, 1, 250});
  run<F16, 64, false>({"jumps", 2, 1, 130, 900, 0x7fffffff, {6, 3, 1, 1, 6}, 1, 250});
  run<Bf16, 256, true>({"jumps", 2, 2, 130, 900, 0x7fffffff, {6, 3, 1, 1, 6}, 1, 250, 0, true});
  run<F16, 128, true>({"softcap", 2, 2, 200, 200, 0x7fffffff, {2, 1, 0, 1, 1}, 6, 0, 30.});
  run<Bf16, 64, false>({"sink", 2, 2, 200, 200, 50, {4, 0, 0, 1, 1}, 1, 0, 0, true});
  run<F16, 64, false>({"tail", 1, 1, 128, 4096, 0x7fffffff, {}, 1, 0, 0, false, 0, 14});
  run<Bf16, 64, false>({"tail", 1, 1, 128, 4096, 0x7fffffff, {}, 1, 0, 0, false, 0, 14});
  run<Bf16, 128, true>({"pages of 64", 2, 1, 100, 500, 0x7fffffff, {2, 1, 1, 1, 2}, 1, 0, 0, false, 64});
  run<Bf16, 64, false>({"one query", 2, 2, 1, 77, 0x7fffffff, {1, 0, 0, 1, 1}});
  printf("attend_sm80: %d cases, %d failed\n", cases, failures);
  return failures != 0;
}
