// Selection among the columns, and among the diagonals, of each head that votes. One problem is
// many values (one for each key), so that several blocks share it, each a part of the values.
//
//   for each of three digits, from the highest (top_lines_digits):
//     histogram of the digit over the values whose digits before are the threshold's
//   how many of each part lie above the threshold, or are equal to it (top_lines_count)
//   those above it, and the first of those equal to it, in order of index (top_lines_write)
//
// A block finds the digits of earlier launches by itself: their histograms are small.
#pragma once
#include "block.cuh"

constexpr int LINE_THREADS = 512, LINE_PART = 8192;

struct LineProblem {
  const uint32_t* values;
  uint32_t* histograms;   // [3][BINS]
  uint32_t* part_counts;  // [parts][2]
  uint32_t* chosen;
  int kept, count;
  int first, end;  // values of this block's part

  static __device__ __forceinline__ LineProblem of(const TopLinesArguments& arguments) {
    const int problem = blockIdx.y, slot = problem / 2, part = blockIdx.x;
    const bool is_diagonal = problem % 2;
    const HeadParams& head = arguments.heads[arguments.slot_heads[slot]];
    LineProblem result;
    result.values = reinterpret_cast<const uint32_t*>((is_diagonal ? arguments.diagonals : arguments.columns) +
                                                      slot * arguments.score_stride);
    result.histograms = arguments.histograms + size_t(problem) * DIGITS * BINS;
    result.part_counts = arguments.part_counts + size_t(problem) * arguments.parts * 2;
    result.chosen = arguments.selected + (is_diagonal ? head.diagonals_at : head.columns_at);
    result.kept = is_diagonal ? arguments.kept_diagonals : arguments.kept_columns;
    result.count = is_diagonal ? head.diagonal_count : head.column_count;
    result.first = part * LINE_PART;
    result.end = smaller(result.first + LINE_PART, arguments.keys);
    return result;
  }
  // Strengths of four values from a multiple of four on.
  __device__ __forceinline__ uint4 strengths(int at) const {
    const uint4 bits = at < end ? *reinterpret_cast<const uint4*>(values + at) : uint4{};
    return {strength(bits.x, at), strength(bits.y, at + 1), strength(bits.z, at + 2), strength(bits.w, at + 3)};
  }
  __device__ __forceinline__ uint32_t strength(uint32_t bits, int at) const {
    return at < end ? strength_of(bits, at < kept) : STRENGTH_ABSENT;
  }
};

struct LineShared {
  Histogram histogram;
  SumScratch scratch;
  Threshold threshold;
  Sums before;
};

// The threshold after `passes` digits.
static __device__ __forceinline__ Threshold threshold_of(const LineProblem& problem, int passes, LineShared& shared) {
  Threshold threshold{0, static_cast<uint32_t>(problem.count)};
  for (int pass = 0; pass < passes; ++pass) {
    for (int bin = threadIdx.x; bin < BINS; bin += LINE_THREADS)
      shared.histogram.counts[Histogram::place(bin)] = problem.histograms[pass * BINS + bin];
    __syncthreads();
    threshold = next_digit_of_block(shared.histogram, threshold, pass, shared.threshold);
  }
  return threshold;
}

static __device__ __forceinline__ void line_digits(const LineProblem& problem, int pass, LineShared& shared) {
  const uint32_t threshold = threshold_of(problem, pass, shared).strength;
  shared.histogram.clear();
  __syncthreads();
  for (int at = problem.first + threadIdx.x * 4; at < problem.end; at += LINE_THREADS * 4) {
    const uint4 x = problem.strengths(at);
    for (uint32_t strength : {x.x, x.y, x.z, x.w})
      if (strength != STRENGTH_ABSENT && is_open(strength, threshold, pass))
        shared.histogram.add(digit_of(strength, pass));
  }
  __syncthreads();
  for (int bin = threadIdx.x; bin < BINS; bin += LINE_THREADS) {
    const uint32_t count = shared.histogram.counts[Histogram::place(bin)];
    if (count) atomicAdd(problem.histograms + pass * BINS + bin, count);
  }
}

static __device__ __forceinline__ Sums compare(uint4 x, uint32_t threshold) {
  Sums sums{0, 0};
  for (uint32_t strength : {x.x, x.y, x.z, x.w}) {
    sums.above += strength > threshold;
    sums.equal += strength == threshold;
  }
  return sums;
}

static __device__ __forceinline__ void line_count(const LineProblem& problem, LineShared& shared) {
  const uint32_t threshold = threshold_of(problem, DIGITS, shared).strength;
  Sums mine{0, 0}, total;
  for (int at = problem.first + threadIdx.x * 4; at < problem.end; at += LINE_THREADS * 4) {
    const Sums here = compare(problem.strengths(at), threshold);
    mine.above += here.above;
    mine.equal += here.equal;
  }
  sums_before(mine, shared.scratch, total);
  if (threadIdx.x == 0) {
    problem.part_counts[2 * blockIdx.x] = total.above;
    problem.part_counts[2 * blockIdx.x + 1] = total.equal;
  }
}

static __device__ __forceinline__ void line_write(const LineProblem& problem, LineShared& shared) {
  const Threshold threshold = threshold_of(problem, DIGITS, shared);
  Sums mine{0, 0}, done, total;
  for (int part = threadIdx.x; part < static_cast<int>(blockIdx.x); part += LINE_THREADS) {
    mine.above += problem.part_counts[2 * part];
    mine.equal += problem.part_counts[2 * part + 1];
  }
  sums_before(mine, shared.scratch, done);
  for (int base = problem.first; base < problem.end; base += LINE_THREADS * 4) {
    const int at = base + threadIdx.x * 4;
    const uint4 x = problem.strengths(at);
    const Sums here = compare(x, threshold.strength);
    if (!__syncthreads_or(here.above | here.equal)) continue;
    Sums before = sums_before(here, shared.scratch, total);
    before.above += done.above;
    before.equal += done.equal;
    done.above += total.above;
    done.equal += total.equal;
    int index = at;
    for (uint32_t strength : {x.x, x.y, x.z, x.w}) {
      const bool is_above = strength > threshold.strength, is_equal = strength == threshold.strength;
      if (is_above || (is_equal && before.equal < threshold.wanted))
        problem.chosen[place_of_chosen(before.above, before.equal, threshold.wanted)] = index;
      before.above += is_above;
      before.equal += is_equal;
      ++index;
    }
  }
}
