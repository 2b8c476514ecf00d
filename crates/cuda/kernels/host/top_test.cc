// The selection's integer code, compiled for the host, against a sort: ties, NaN, infinities, both
// zeros, kept ranges; and a digit found by several members together against the lone one's.
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

#include "crowd.h"
#include "lower_host.cc"

namespace {
std::mt19937_64 random_bits(5);
int below(int n) { return static_cast<int>(random_bits() % static_cast<uint64_t>(n)); }

std::vector<uint32_t> sorted_best(const std::vector<float>& scores, int kept_first, int kept_end, int count) {
  // As f32::total_cmp has it: minus zero before zero.
  const auto order_of = [&](uint32_t i) -> int64_t {
    if (static_cast<int>(i) >= kept_first && static_cast<int>(i) < kept_end) return INT64_MAX;
    if (std::isnan(scores[i])) return INT64_MIN;
    int32_t bits;
    std::memcpy(&bits, &scores[i], sizeof bits);
    return bits < 0 ? bits ^ 0x7fffffff : bits;
  };
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return order_of(a) > order_of(b); });
  order.resize(std::min<size_t>(count, order.size()));
  std::sort(order.begin(), order.end());
  return order;
}
}  // namespace

int main() {
  int passed = 0, failed = 0;
  for (int n = 0; n < 3000; ++n) {
    std::vector<float> scores(1 + below(400));
    const int kind = below(4);
    for (float& x : scores) {
      x = kind == 0   ? static_cast<float>(below(5) - 2)
          : kind == 1 ? 0.f
                      : std::ldexp(static_cast<float>(below(1 << 20) - (1 << 19)), -below(60));
      const float special[] = {NAN, -NAN, INFINITY, -INFINITY, -0.f, 0.f};
      if (kind == 3 && below(4) == 0) x = special[below(6)];
    }
    const int kept_first = below(2) ? 0 : below(static_cast<int>(scores.size())), kept_end = kept_first + below(40),
              count = below(450);
    std::vector<uint32_t> found(scores.size());
    found.resize(minference_best(scores.data(), scores.size(), kept_first, kept_end, count, found.data()));
    const bool right = found == sorted_best(scores, kept_first, kept_end, count);
    (right ? passed : failed)++;
    if (!right) std::printf("case %d: %zu scores, %d wanted: another selection\n", n, scores.size(), count);
  }
  for (int n = 0; n < 50; ++n) {
    std::vector<uint32_t> histogram(BINS);
    for (uint32_t& count : histogram) count = below(3) ? 0 : below(100);
    histogram[below(BINS)] += 1;
    const uint32_t total = std::accumulate(histogram.begin(), histogram.end(), 0u);
    const Threshold start{0x80000000, 1 + static_cast<uint32_t>(below(total))};
    const auto count = [&](int bin) { return histogram[bin]; };
    const Threshold lone = next_digit(Alone{}, start, 1, count);
    bool right = true;
    CrowdScheduler<32> scheduler;
    scheduler.run([&](int rank) {
      const Threshold found = next_digit(Crowd<32>{&scheduler, rank}, start, 1, count);
      right &= found.strength == lone.strength && found.wanted == lone.wanted;
    });
    (right ? passed : failed)++;
    if (!right) std::printf("histogram %d: a crowd finds another digit\n", n);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
