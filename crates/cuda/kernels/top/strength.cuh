// Order of scores for a selection, as pattern::top::best has it: kept ones before all others, NaN
// after all others, equal ones by the lower index.
#pragma once
#include "../index/group.cuh"

constexpr uint32_t STRENGTH_KEPT = 0xffffffff, STRENGTH_NAN = 1, STRENGTH_ABSENT = 0;  // absent: no candidate at all

// Compares as the numbers do; minus infinity has 0x007fffff, so that the values above are free.
ANY_SIDE uint32_t strength_of(uint32_t score_bits, bool is_kept) {
  if (is_kept) return STRENGTH_KEPT;
  if ((score_bits & 0x7fffffff) > 0x7f800000) return STRENGTH_NAN;
  return score_bits >> 31 ? ~score_bits : score_bits | 0x80000000;
}

// Digits of a strength, from the highest: 11, 11 and 10 bits.
constexpr int DIGITS = 3, BINS = 2048;
ANY_SIDE int digit_shift(int pass) { return pass == 0 ? 21 : pass == 1 ? 10 : 0; }
ANY_SIDE uint32_t digit_of(uint32_t strength, int pass) {
  return strength >> digit_shift(pass) & (pass == 2 ? 1023 : 2047);
}
// Whether the digits before `pass` are those of a threshold whose other digits are zero.
ANY_SIDE bool is_open(uint32_t strength, uint32_t threshold, int pass) {
  return pass == 0 || strength >> digit_shift(pass - 1) == threshold >> digit_shift(pass - 1);
}

// A selection so far: the digits found, and how many are to be taken of those that have them.
struct Threshold {
  uint32_t strength;
  uint32_t wanted;
};

// Finds the next digit: the highest at which the strengths with a digit of at least it are as many
// as wanted. `count(bin)` says how many have a digit, of those whose digits before are the
// threshold's. All members of the group get the result.
template <class Group, class Count>
ANY_SIDE Threshold next_digit(const Group& group, const Threshold& threshold, int pass, Count count) {
  constexpr int EACH = BINS / Group::SIZE;
  const int top = BINS - 1 - group.rank() * EACH;
  uint32_t mine = 0;
  for (int i = 0; i < EACH; ++i) mine += count(top - i);
  uint64_t total;
  uint32_t above = static_cast<uint32_t>(group.sum_before(mine, total));
  const bool has_it = above < threshold.wanted && threshold.wanted <= above + mine;
  int bin = top;
  if (has_it)
    for (uint32_t here = count(bin); above + here < threshold.wanted; here = count(bin)) {
      above += here;
      --bin;
    }
  int digit = 0, taken = 0;
  group.first(has_it, bin, digit);
  group.first(has_it, static_cast<int>(above), taken);
  return {threshold.strength | static_cast<uint32_t>(digit) << digit_shift(pass),
          threshold.wanted - static_cast<uint32_t>(taken)};
}

// Place of a chosen candidate in the ascending result, from how many lie before it.
ANY_SIDE uint32_t place_of_chosen(uint32_t above_before, uint32_t equal_before, uint32_t equal_wanted) {
  return above_before + (equal_before < equal_wanted ? equal_before : equal_wanted);
}
