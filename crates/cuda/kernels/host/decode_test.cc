// The decode kernels on the CPU against double precision, and the plan of pieces.
// g++ -std=c++17 -O2 -DEMULATE_SM80 decode_test.cc
#include "../decode/join.cuh"
#include "../decode/piece.cuh"
#include "oracle.h"

static int cases = 0, failures = 0;

static void check_plan(int sequences, int heads, int group, int keys, int window) {
  const DecodePlan plan = plan_decode(sequences, heads, group, keys, window);
  bool right = plan.pieces >= 1 && plan.piece_keys % DECODE_STEP == 0 && plan.piece_keys >= DECODE_PIECE_MIN;
  for (int count : {1, 15, 16, keys / 3 + 1, keys - 1, keys}) {
    if (count < 1 || count > keys) continue;
    const int first = decode_first(count, window);
    int at = first & ~15;
    for (int i = 0; i < plan.pieces; ++i) {
      const KeyRange piece = decode_piece(count, window, plan.piece_keys, i);
      right = right && piece.start == at && piece.stop >= piece.start && piece.stop <= count;
      at = piece.stop;
    }
    right = right && at == count && count - first == std::min(count, window);
  }
  ++cases, failures += !right;
  if (!right)
    printf("wrong plan: %d sequences, %d / %d heads, %d keys, window %d: %d pieces of %d\n", sequences, heads,
           group, keys, window, plan.pieces, plan.piece_keys);
}

struct Case {
  const char* name;
  int sequences, heads, group, keys, window;
  int page_tokens = 0;
  bool counts = false, sink = false;
  double softcap = 0, query_size = 1;
};

template <class T, int D>
void run(const Case& c) {
  std::mt19937 random(5 + cases);
  std::normal_distribution<double> normal;
  const int kv_heads = c.heads / c.group,
            table = c.page_tokens ? (c.keys + c.page_tokens - 1) / c.page_tokens + 1 : 0;
  const int64_t token = static_cast<int64_t>(kv_heads) * D + 8,
                block = c.page_tokens ? token * c.page_tokens + 24 : token * c.keys;
  std::vector<int32_t> pages(static_cast<size_t>(table) * c.sequences), counts(c.sequences, c.keys);
  for (size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<int32_t>(i);
  std::shuffle(pages.begin(), pages.end(), random);
  if (c.counts)
    for (int s = 1; s < c.sequences; ++s)
      counts[s] = s == 1 ? 1 : s == 2 ? 0 : 1 + static_cast<int>(random() % static_cast<uint32_t>(c.keys));
  // places that hold no key are NaN: reading them must not matter, because they are not read
  std::vector<uint16_t> q(static_cast<size_t>(c.sequences) * c.heads * D),
      k(static_cast<size_t>(block) * (c.page_tokens ? pages.size() : c.sequences), 0x7fff), v(k),
      o(q.size(), 0x7fff);
  const auto at = [&](int s, int t, int h) {
    return static_cast<size_t>(
        (c.page_tokens
             ? pages[static_cast<size_t>(s) * table + t / c.page_tokens] * block + t % c.page_tokens * token
             : s * block + t * token) +
        static_cast<int64_t>(h) * D);
  };
  for (auto& x : q) x = narrow<T>(static_cast<float>(c.query_size * normal(random)));
  for (int s = 0; s < c.sequences; ++s)
    for (int t = 0; t < counts[s]; ++t)
      for (int h = 0; h < kv_heads; ++h)
        for (int i = 0; i < D; ++i) {
          k[at(s, t, h) + i] = narrow<T>(static_cast<float>(normal(random)));
          v[at(s, t, h) + i] = narrow<T>(static_cast<float>(normal(random)));
        }
  std::vector<float> sinks(c.heads);
  for (float& x : sinks) x = static_cast<float>(2 * normal(random));
  const DecodePlan plan = plan_decode(c.sequences, c.heads, c.group, c.keys, c.window);
  std::vector<float> workspace(
      static_cast<size_t>(decode_workspace_bytes(c.sequences, c.heads, D, plan.pieces)) / 4, NAN);
  DecodeArguments a{};
  a.q = {q.data(), static_cast<int64_t>(c.heads) * D * 2, D * 2};
  a.k = {k.data(), token * 2, D * 2}, a.v = {v.data(), token * 2, D * 2};
  a.k_sequence_stride = a.v_sequence_stride = block * 2;
  a.output = o.data(), a.output_sequence_stride = static_cast<int64_t>(c.heads) * D * 2,
  a.output_head_stride = D * 2;
  a.workspace = workspace.data();
  a.key_counts = c.counts ? counts.data() : nullptr;
  a.pages = c.page_tokens ? pages.data() : nullptr, a.pages_of_sequence = table;
  a.k_page_stride = a.v_page_stride = block * 2, a.page_tokens = c.page_tokens;
  a.sinks = c.sink ? sinks.data() : nullptr;
  a.sequences = c.sequences, a.heads = c.heads, a.group = c.group, a.head_dim = D, a.keys = c.keys,
  a.window = c.window;
  a.pieces = plan.pieces, a.piece_keys = plan.piece_keys;
  const double scale = 1 / sqrt(static_cast<double>(D));
  a.scale_log2 = static_cast<float>(scale * 1.4426950408889634), a.softcap = static_cast<float>(c.softcap);
  emulation::launch(static_cast<uint32_t>(kv_heads * decode_head_blocks(c.group)),
                    static_cast<uint32_t>(plan.pieces), static_cast<uint32_t>(c.sequences), DECODE_THREADS,
                    static_cast<size_t>(decode_shared_bytes(D)), [&] { decode<T, D>(a); });
  emulation::launch(static_cast<uint32_t>(c.heads), static_cast<uint32_t>(c.sequences), 1,
                    DECODE_JOIN_THREADS, DECODE_JOIN_SHARED_BYTES, [&] { decode_join<T>(a); });

  double error = 0, size = 0;
  for (int s = 0; s < c.sequences; ++s)
    for (int h = 0; h < c.heads; ++h) {
      std::vector<int> keys;
      for (int t = std::max(0, counts[s] - c.window); t < counts[s]; ++t) keys.push_back(t);
      const size_t row = (static_cast<size_t>(s) * c.heads + h) * D;
      const std::vector<double> right = attend_row(
          D, keys, scale, c.softcap, c.sink ? &sinks[h] : nullptr,
          [&](int i) { return static_cast<double>(widen<T>(q[row + i])); },
          [&](int t, int i) { return static_cast<double>(widen<T>(k[at(s, t, h / c.group) + i])); },
          [&](int t, int i) { return static_cast<double>(widen<T>(v[at(s, t, h / c.group) + i])); });
      for (int i = 0; i < D; ++i) {
        const double x = widen<T>(o[row + i]);
        error += (x - right[i]) * (x - right[i]), size += right[i] * right[i];
      }
    }
  const bool bf16 = std::is_same<T, Bf16>::value;
  const double relative = sqrt(error / size);
  const bool right = relative < (bf16 ? 4e-3 : 6e-4);
  ++cases, failures += !right;
  printf("%-14s %s d%-3d %3d pieces of %4d  error %.1e%s\n", c.name, bf16 ? "bf16" : "f16 ", D, plan.pieces,
         plan.piece_keys, relative, right ? "" : "  WRONG");
  fflush(stdout);
}

template <int D>
void battery() {
  run<Bf16, D>({"grouped", 1, 8, 4, 700, 0x7fffffff, 0, false, true});
  run<F16, D>({"paged", 4, 6, 3, 333, 200, 16, true, true, 20., 2});
}

int main() {
  std::mt19937 random(9);
  for (int i = 0; i < 3000; ++i) {
    const int group = 1 + static_cast<int>(random() % 20),
              keys = 1 + static_cast<int>(random() % (i % 2 ? 3000 : 1 << 20));
    check_plan(1 + static_cast<int>(random() % 70), group * (1 + static_cast<int>(random() % 9)), group, keys,
               i % 3 ? 0x7fffffff : 1 + static_cast<int>(random() % static_cast<uint32_t>(keys)));
  }
  check_plan(1, 32, 4, 1 << 30, 0x7fffffff);
  battery<64>(), battery<80>(), battery<96>(), battery<128>(), battery<192>(), battery<256>();
  run<Bf16, 64>({"one head", 2, 1, 1, 1000, 0x7fffffff, 0, true});
  run<Bf16, 64>({"large group", 1, 20, 20, 300, 0x7fffffff, 32});
  run<F16, 128>({"steep", 1, 4, 2, 600, 0x7fffffff, 0, false, false, 0, 12});
  run<Bf16, 128>({"one key", 1, 2, 2, 1, 0x7fffffff, 0, false, true});
  run<Bf16, 80>({"small window", 1, 2, 1, 900, 7, 64, false, true});
  printf("decode: %d cases, %d failed\n", cases, failures);
  return failures != 0;
}
