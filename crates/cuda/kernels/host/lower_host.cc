// The integer code of the kernels as a library with C names, for comparison with the product's own
// lowering and selection.
#include <algorithm>
#include <cstring>

#include "../top/strength.cuh"
#include "lower_host.h"

extern "C" {

// Lowers one head. `selected` holds what `params` points to. Returns the words of the list, or -1
// where `tiles` or `list` are too short for them.
int64_t minference_lower_head(const HeadParams* params, const uint32_t* selected, int32_t queries, int32_t keys,
                              int32_t window, double most_pairs, uint64_t causal_pairs, Tile* tiles, int64_t tile_room,
                              uint32_t* list, int64_t list_length, HeadOutcome* outcome) {
  const LoweredHead head = lower_on_host(*params, selected, {queries, keys, window}, most_pairs, causal_pairs);
  if (static_cast<int64_t>(head.tiles.size()) > tile_room || static_cast<int64_t>(head.list.size()) > list_length)
    return -1;
  std::copy(head.tiles.begin(), head.tiles.end(), tiles);
  std::copy(head.list.begin(), head.list.end(), list);
  *outcome = head.outcome;
  return static_cast<int64_t>(head.list.size());
}

// Words that the head's list may need: its room on the device.
int64_t minference_list_room(const HeadParams* params, int32_t queries, int32_t keys, int32_t window) {
  return list_room(*params, {queries, keys, window});
}

// The `count` best of `length` scores, ascending, those in kept_first..kept_end before all others.
// Returns how many.
int64_t minference_best(const float* scores, int64_t length, int64_t kept_first, int64_t kept_end, int64_t count,
                        uint32_t* chosen) {
  std::vector<uint32_t> strengths(length);
  for (int64_t i = 0; i < length; ++i) {
    uint32_t bits;
    std::memcpy(&bits, scores + i, sizeof bits);
    strengths[i] = strength_of(bits, i >= kept_first && i < kept_end);
  }
  count = std::min(count, length);
  if (count == 0) return 0;
  Threshold threshold{0, static_cast<uint32_t>(count)};
  for (int pass = 0; pass < DIGITS; ++pass) {
    std::vector<uint32_t> histogram(BINS, 0);
    for (uint32_t strength : strengths)
      if (is_open(strength, threshold.strength, pass)) ++histogram[digit_of(strength, pass)];
    threshold = next_digit(Alone{}, threshold, pass, [&](int bin) { return histogram[bin]; });
  }
  uint32_t above = 0, equal = 0;
  for (int64_t i = 0; i < length; ++i) {
    const bool is_above = strengths[i] > threshold.strength, is_equal = strengths[i] == threshold.strength;
    if (is_above || (is_equal && equal < threshold.wanted))
      chosen[place_of_chosen(above, equal, threshold.wanted)] = static_cast<uint32_t>(i);
    above += is_above;
    equal += is_equal;
  }
  return count;
}

}  // extern "C"
