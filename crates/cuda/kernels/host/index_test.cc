// The index kernels, emulated, against plain code: votes against a float64 softmax, means and
// scores of blocks against float64 sums, selection against a sort, lowering against the lone
// worker's, faults against a search.
#define EMULATE
#include "emulation.h"

#include "../finite.cu"
#include "../lower.cu"
#define shared_memory pooled_shared_memory
#include "../pooled.cu"
#undef shared_memory
#include "../top.cu"
#include "../votes.cu"
#include "../votes/chunks.h"
#include "lower_host.h"

#include <numeric>
#include <random>

namespace {

std::mt19937_64 random_bits(7);
int below(int n) { return static_cast<int>(random_bits() % static_cast<uint64_t>(n)); }
float normal() {
  static std::normal_distribution<float> distribution;
  return distribution(random_bits);
}
int passed = 0, failed = 0;
void expect(bool right, const char* what) {
  (right ? passed : failed)++;
  if (!right) std::printf("wrong: %s\n", what);
}

// A tensor with gaps between heads and tokens, which hold NaN.
struct Numbers {
  int tokens, heads, dim, gap;
  std::vector<uint16_t> words;
  Numbers(int tokens, int heads, int dim, float size)
      : tokens(tokens), heads(heads), dim(dim), gap(8), words(size_t(tokens) * heads * (dim + 8) + 64, 0x7fff) {
    for (int t = 0; t < tokens; ++t)
      for (int h = 0; h < heads; ++h)
        for (int i = 0; i < dim; ++i) words[at(t, h) + i] = bf16_of(normal() * size);
  }
  size_t at(int token, int head) const { return (size_t(token) * heads + head) * (dim + gap); }
  float operator()(int token, int head, int i) const { return emulation::number(words[at(token, head) + i], false); }
  Tensor tensor() const { return {words.data(), int64_t(heads) * (dim + gap) * 2, (dim + gap) * 2}; }
};

double relative_error(const std::vector<double>& expected, const float* found) {
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    error += (expected[i] - found[i]) * (expected[i] - found[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(error / size);
}

void test_votes(int queries, int keys, int votes, int dim, int window, float softcap) {
  const int heads = 4, group = 2;
  const Numbers q(queries, heads, dim, 1.5f), k(keys, heads / group, dim, 1.f);
  const std::vector<int32_t> slots{1, 2};
  const int64_t stride = (keys + 3) / 4 * 4;
  std::vector<SoftmaxPart> statistics(2 * size_t(votes_chunks(keys)) * 64), joined(2 * 64);
  std::vector<float> columns(2 * stride, NAN), diagonals(2 * stride, NAN);
  const float scale = 1.f / std::sqrt(float(dim));
  VotesArguments arguments{};
  arguments.q = q.tensor(), arguments.k = k.tensor();
  arguments.heads = slots.data(), arguments.statistics = statistics.data(), arguments.joined = joined.data();
  arguments.columns = columns.data(), arguments.diagonals = diagonals.data(), arguments.score_stride = stride;
  arguments.slots = 2, arguments.group = group, arguments.head_dim = dim;
  arguments.queries = queries, arguments.keys = keys, arguments.votes = votes, arguments.window = window;
  arguments.chunk_tiles = votes_chunk_tiles(keys), arguments.chunks = votes_chunks(keys);
  arguments.scale_log2 = scale * 1.44269504f, arguments.softcap = softcap;
  const emulation::Index grid{2, uint32_t(arguments.chunks), 1};
  emulation::launch(grid, 128,
                    [&] { dim <= 64 ? votes_statistics_bf16_64(arguments) : votes_statistics_bf16_128(arguments); });
  emulation::launch({2, 1, 1}, 1024, [&] { votes_join(arguments); });
  emulation::launch(grid, 128, [&] { dim <= 64 ? votes_sums_bf16_64(arguments) : votes_sums_bf16_128(arguments); });
  for (int slot = 0; slot < 2; ++slot) {
    std::vector<double> c(keys, 0), d(keys, 0), row(keys);
    for (int r = 0; r < votes; ++r) {
      const int i = keys - votes + r, head = slots[slot];
      double sum = 0;
      for (int j = 0; j <= i; ++j) {
        row[j] = 0;
        for (int x = 0; x < dim; ++x) row[j] += double(q(queries - votes + r, head, x)) * k(j, head / group, x);
        row[j] *= scale;
        if (softcap != 0) row[j] = softcap * std::tanh(row[j] / softcap);
        row[j] = i - j < window ? std::exp(row[j]) : 0;
        sum += row[j];
      }
      for (int j = 0; j <= i; ++j) c[j] += row[j] / sum, d[i - j] += row[j] / sum;
    }
    expect(relative_error(c, columns.data() + slot * stride) < 2e-5, "columns of votes");
    expect(relative_error(d, diagonals.data() + slot * stride) < 2e-5, "diagonals of votes");
  }
}

// As pattern::top::best.
std::vector<uint32_t> best(const float* scores, int n, int kept_first, int kept_end, int count) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](uint32_t i) {
    return int(i) >= kept_first && int(i) < kept_end ? 2 : std::isnan(scores[i]) ? 0 : 1;
  };
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return rank(a) != rank(b) ? rank(a) > rank(b) : rank(a) == 1 && scores[a] > scores[b];
  });
  order.resize(std::min(n, count));
  std::sort(order.begin(), order.end());
  return order;
}
// Few different values, so that many are equal, or all different; some NaN and infinities.
void fill_scores(float* scores, size_t n) {
  const int kind = below(4);
  for (size_t i = 0; i < n; ++i) {
    scores[i] = kind == 0 ? float(below(5)) - 2 : kind == 1 ? 0.25f : normal();
    if (kind == 3 && below(20) == 0) scores[i] = below(2) ? NAN : below(2) ? INFINITY : -INFINITY;
  }
}

void test_top_lines(int keys, int columns, int diagonals) {
  const int64_t stride = (keys + 3) / 4 * 4;
  std::vector<float> scores(2 * stride, NAN);
  fill_scores(scores.data(), 2 * stride);
  HeadParams head{};
  head.kind = HEAD_LINES, head.column_count = std::min(columns, keys), head.diagonal_count = std::min(diagonals, keys);
  head.columns_at = 3, head.diagonals_at = 3 + head.column_count;
  const int32_t slot_head = 0, parts = (keys + LINE_PART - 1) / LINE_PART;
  std::vector<uint32_t> selected(3 + head.column_count + head.diagonal_count, 77), histograms(2 * DIGITS * BINS, 0),
      counts(4 * parts);
  TopLinesArguments arguments{scores.data(),
                              scores.data() + stride,
                              &head,
                              &slot_head,
                              selected.data(),
                              histograms.data(),
                              counts.data(),
                              stride,
                              keys,
                              parts,
                              30,
                              100};
  const emulation::Index grid{uint32_t(parts), 2, 1};
  for (int pass = 0; pass < DIGITS; ++pass)
    emulation::launch(grid, LINE_THREADS, [&] { top_lines_digits(arguments, pass); });
  emulation::launch(grid, LINE_THREADS, [&] { top_lines_count(arguments); });
  emulation::launch(grid, LINE_THREADS, [&] { top_lines_write(arguments); });
  const auto c = best(scores.data(), keys, 0, 30, head.column_count),
             d = best(scores.data() + stride, keys, 0, 100, head.diagonal_count);
  expect(std::equal(c.begin(), c.end(), selected.begin() + 3), "best columns");
  expect(std::equal(d.begin(), d.end(), selected.begin() + head.diagonals_at), "best diagonals");
}

void test_top_rows(int queries, int keys, int window, int top_k, int variant) {
  const Geometry geometry{queries, keys, window};
  const int key_blocks = (keys + 63) / 64, rows = std::min(geometry.query_blocks(), 3),
            first_row = geometry.query_blocks() - rows;
  const int64_t stride = (key_blocks + 3) / 4 * 4;
  std::vector<float> scores(rows * stride);
  fill_scores(scores.data(), scores.size());
  HeadParams head{};
  head.kind = HEAD_BLOCKS, head.top_k = top_k, head.row_places = std::max(top_k, 2);
  const int32_t slot_head = 0;
  std::vector<uint32_t> selected(size_t(geometry.query_blocks()) * head.row_places, 77);
  TopRowsArguments arguments{scores.data(), &head, &slot_head, selected.data(), stride, queries, keys, window,
                             first_row,     rows,  0};
  emulation::launch({uint32_t(rows), 1, 1}, ROW_THREADS, [&] {
    variant == 0 ? top_rows_2k(arguments) : variant == 1 ? top_rows_16k(arguments) : top_rows_any(arguments);
  });
  for (int row = 0; row < rows; ++row) {
    const Candidates candidates = candidates_of(geometry, first_row + row, top_k);
    auto expected = best(scores.data() + row * stride + candidates.first, candidates.count(),
                         candidates.own_first - candidates.first, candidates.count(), candidates.wanted);
    for (uint32_t& block : expected) block += candidates.first;
    expected.resize(head.row_places, NO_BLOCK);
    expect(std::equal(expected.begin(), expected.end(), selected.begin() + size_t(first_row + row) * head.row_places),
           "best blocks");
  }
}

void test_pooled(int queries, int keys, int dim) {
  const int heads = 4, group = 2, kv_heads = 2;
  const Numbers q(queries, heads, dim, 1.5f), k(keys, kv_heads, dim, 1.f);
  const std::vector<int32_t> slots{0, 3};
  const Geometry geometry{queries, keys, INT32_MAX};
  const int query_blocks = geometry.query_blocks(), key_blocks = (keys + 63) / 64, first_row = query_blocks / 3,
            rows = query_blocks - first_row;
  const int64_t stride = (key_blocks + 3) / 4 * 4;
  std::vector<uint16_t> pooled_queries(size_t(4) * query_blocks * dim),
      pooled_keys(size_t(2 * kv_heads) * key_blocks * dim);
  std::vector<float> scores(2 * rows * stride, NAN);
  PooledArguments arguments{};
  arguments.q = q.tensor(), arguments.k = k.tensor(), arguments.heads = slots.data();
  arguments.pooled_queries = pooled_queries.data(), arguments.pooled_keys = pooled_keys.data(),
  arguments.scores = scores.data(), arguments.score_stride = stride;
  arguments.slots = 2, arguments.group = group, arguments.kv_heads = kv_heads, arguments.head_dim = dim;
  arguments.queries = queries, arguments.keys = keys, arguments.first_row = first_row, arguments.rows = rows,
  arguments.scale = 1.f / std::sqrt(float(dim));
  const int at_once = 256 / (dim / 8);
  emulation::launch({uint32_t((key_blocks + at_once - 1) / at_once), 2u + kv_heads, 1}, 256,
                    [&] { pooled_means_bf16(arguments); });
  emulation::launch({uint32_t((rows + 63) / 64), 2, uint32_t((key_blocks + 1023) / 1024)}, 128,
                    [&] { dim <= 64 ? pooled_scores_64(arguments) : pooled_scores_128(arguments); });
  for (int slot = 0; slot < 2; ++slot)
    for (int row = 0; row < rows; ++row) {
      const int block = first_row + row, end = candidates_of(geometry, block, 1).end, head = slots[slot];
      std::vector<double> expected(end, 0.0), mean(dim, 0.0);
      const int q_rows = std::min(64, queries - block * 64);
      for (int t = 0; t < q_rows; ++t)
        for (int i = 0; i < dim; ++i) mean[i] += double(q(block * 64 + t, head, i)) / q_rows;
      for (int b = 0; b < end; ++b) {
        const int k_rows = std::min(64, keys - b * 64);
        for (int t = 0; t < k_rows; ++t)
          for (int i = 0; i < dim; ++i)
            expected[b] += mean[i] * k(b * 64 + t, head / group, i) / k_rows * arguments.scale;
      }
      expect(relative_error(expected, scores.data() + (size_t(slot) * rows + row) * stride) < 5e-5, "scores of blocks");
    }
}

void test_lower(int queries, int keys, int window) {
  const Geometry geometry{queries, keys, window};
  std::vector<uint32_t> selected;
  std::vector<HeadParams> heads;
  for (int h = 0; h < 6; ++h) {
    HeadParams head{};
    head.kind = h == 5 ? HEAD_LINES : h % 4, head.dense_from = h == 2 ? queries - 70 : INT32_MAX,
    head.flags = h == 5 ? HEAD_CROSSOVER : 0;
    if (head.kind == HEAD_LINES) {
      head.columns_at = selected.size();
      for (int i = 0; i < keys; i += 1 + below(20)) selected.push_back(i);
      head.column_count = selected.size() - head.columns_at, head.diagonals_at = selected.size();
      for (int i = 0; i < keys; i += i < 300 ? 1 : 1 + below(h == 5 ? 20 : 400)) selected.push_back(i);
      head.diagonal_count = selected.size() - head.diagonals_at;
    } else if (head.kind == HEAD_SHAPE) {
      head.column_count = std::min(keys, 200), head.diagonal_count = std::min(keys, 600);
    } else if (head.kind == HEAD_BLOCKS) {
      head.row_places = 6, head.rows_at = selected.size();
      for (int block = 0; block < geometry.query_blocks(); ++block) {
        const BlockRows rows = BlockRows::of(geometry, block);
        std::vector<uint32_t> row{uint32_t(rows.start / 64), uint32_t((rows.end - 1) / 64)};
        for (int i = 0; i < 4; ++i) row.push_back(below((rows.end + 63) / 64));
        std::sort(row.begin(), row.end());
        row.erase(std::unique(row.begin(), row.end()), row.end());
        row.resize(6, NO_BLOCK);
        selected.insert(selected.end(), row.begin(), row.end());
      }
    }
    heads.push_back(head);
  }
  uint32_t room = 0;
  for (HeadParams& head : heads)
    head.list_at = room, head.list_room = list_room(head, geometry), room += (head.list_room + 3) / 4 * 4;
  const int count = heads.size(), tiles = geometry.tiles();
  std::vector<uint32_t> bitmaps(size_t(count) * 2 * bitmap_words(keys), 0xdeadbeef), list(room, 0xdeadbeef);
  std::vector<HeadSums> sums(count);
  std::vector<TileCounts> counts(count * tiles);
  std::vector<Tile> out(count * tiles);
  std::vector<HeadOutcome> outcomes(count);
  LowerArguments arguments{heads.data(),   selected.data(),
                           bitmaps.data(), sums.data(),
                           counts.data(),  out.data(),
                           list.data(),    outcomes.data(),
                           count,          3,
                           queries,        keys,
                           window,         0,
                           1000.0,         123};
  const uint32_t grid = (count * tiles + 7) / 8;
  emulation::launch({uint32_t(count), 1, 1}, 1024, [&] { lower_mark(arguments); });
  emulation::launch({grid, 1, 1}, 256, [&] { lower_count(arguments); });
  emulation::launch({grid, 1, 1}, 256, [&] { lower_fill(arguments); });
  bool right = true;
  std::vector<int> seen(count * tiles, 0);
  for (const Tile& tile : out) {
    ++seen[tile.head * tiles + tile.tile];
    const LoweredHead lone = lower_on_host(heads[tile.head], selected.data(), geometry, 1000.0, 123);
    const Tile& expected = lone.tiles[tile.tile];
    const uint32_t words = expected.columns - expected.entries + expected.column_stages * STAGE_KEYS;
    right &= tile.columns - tile.entries == expected.columns - expected.entries &&
             tile.full_stages == expected.full_stages && tile.half_stages == expected.half_stages &&
             tile.column_stages == expected.column_stages && tile.plain_column_stages == expected.plain_column_stages &&
             tile.run_first == expected.run_first && tile.run_stages == expected.run_stages;
    right &= std::equal(list.begin() + tile.entries, list.begin() + tile.entries + words,
                        lone.list.begin() + expected.entries);
    right &= tile.entries >= heads[tile.head].list_at &&
             tile.entries + words <= heads[tile.head].list_at + heads[tile.head].list_room;
    right &= outcomes[tile.head].pairs == lone.outcome.pairs && outcomes[tile.head].reason == lone.outcome.reason;
  }
  expect(right, "lowering by warps");
  expect(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }), "each tile once");
  expect(outcomes[5].reason == DENSE_BY_CROSSOVER && outcomes[5].pairs == 123 && outcomes[1].reason == RUNS_SPARSE,
         "outcomes of heads");
}

void test_finite(int tokens, int heads, int kv_heads, int dim) {
  Numbers tensors[3] = {{tokens, heads, dim, 1.f}, {tokens + 9, kv_heads, dim, 1.f}, {tokens + 9, kv_heads, dim, 1.f}};
  unsigned long long fault = NO_FAULT, expected = NO_FAULT;
  FiniteArguments arguments{};
  for (int i = 0; i < 3; ++i)
    arguments.tensors[i] = tensors[i].tensor(), arguments.tokens[i] = tensors[i].tokens,
    arguments.heads[i] = tensors[i].heads;
  arguments.head_dim = dim, arguments.fault = &fault;
  const emulation::Index grid{uint32_t((tokens + 9 + 63) / 64), 3, 1};
  emulation::launch(grid, 256, [&] { finite_inputs(arguments); });
  expect(fault == NO_FAULT, "no fault");
  for (int i = 0; i < 3; ++i) {
    const int which = 1 + below(2), token = below(tensors[which].tokens), head = below(kv_heads);
    tensors[which].words[tensors[which].at(token, head) + below(dim)] = i ? 0x7f80 : 0xffff;
    expected = std::min(expected, static_cast<unsigned long long>(which) << FAULT_TENSOR_SHIFT |
                                      static_cast<unsigned long long>(token) << FAULT_TOKEN_SHIFT | head);
  }
  emulation::launch(grid, 256, [&] { finite_inputs(arguments); });
  expect(fault == expected, "the first fault");
}

}  // namespace

int main() {
  test_votes(300, 300, 64, 64, INT32_MAX, 0.f);
  test_votes(64, 1111, 64, 80, INT32_MAX, 0.f);
  test_votes(50, 777, 16, 128, 200, 0.f);
  test_votes(5, 5, 5, 64, INT32_MAX, 0.f);
  test_votes(64, 700, 64, 64, INT32_MAX, 3.f);
  for (int keys : {1, 40, 500, 8192, 20001}) test_top_lines(keys, 60, 200), test_top_lines(keys, 1000, 6096);
  for (int variant = 0; variant < 3; ++variant)
    for (int top_k : {1, 20, 100, 160, 161, 700}) {
      test_top_rows(200, 90000, INT32_MAX, top_k, variant);
      test_top_rows(300, 70001, 40000, top_k, variant);
    }
  for (int i = 0; i < 10; ++i) test_top_rows(200, 120000, INT32_MAX, 100, i % 2);
  test_pooled(700, 900, 64);
  test_pooled(6000, 6000, 80);
  test_lower(1500, 1500, INT32_MAX);
  test_lower(1400, 40007, INT32_MAX);
  test_lower(900, 2000, 777);
  test_finite(150, 5, 2, 64);
  test_finite(70, 40, 8, 80);
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
