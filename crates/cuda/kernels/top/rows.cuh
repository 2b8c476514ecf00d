// Selection of the best key blocks of one query block, by one block of threads.
//
//   few wanted, of a row that fits in registers:
//     each thread's own maximum, of its values; bound = a value that at least `wanted` of the
//       maxima reach
//     candidates = values that reach the bound: hardly more than wanted, and none of the best is
//       missing
//     rank of each candidate among them; the best, put in order of index
//   otherwise: three digits by histograms, then those above the threshold in order of index; the
//     row is read four times
//
// Of 256 maxima the 100th best lies near the 127th best value of a random row, whatever its length:
// the bound costs one pass over the row, where a histogram of all values would cost a shared memory
// operation for each of them.
#pragma once
#include "block.cuh"
#include "candidates.cuh"

constexpr int ROW_THREADS = 256, FEW_WANTED = 160, MOST_CANDIDATES = 1024;

struct RowProblem {
  const uint32_t* scores;  // of all key blocks
  uint32_t* chosen;
  Candidates candidates;
  int places;

  static __device__ __forceinline__ RowProblem of(const TopRowsArguments& arguments) {
    const int slot = blockIdx.y, row = arguments.first_row + blockIdx.x;
    const HeadParams& head = arguments.heads[arguments.slot_heads[slot]];
    RowProblem result;
    result.scores = reinterpret_cast<const uint32_t*>(arguments.scores) +
                    (size_t(slot) * arguments.rows + blockIdx.x) * arguments.score_stride;
    result.places = head.row_places;
    result.chosen = arguments.selected + head.rows_at + size_t(row) * head.row_places;
    result.candidates = candidates_of({arguments.queries, arguments.keys, arguments.window}, row, head.top_k);
    return result;
  }
  __device__ __forceinline__ uint32_t strength(uint32_t bits, int at) const {
    return at >= candidates.first && at < candidates.end ? strength_of(bits, at >= candidates.own_first)
                                                         : STRENGTH_ABSENT;
  }
  __device__ __forceinline__ uint4 strengths(int at) const {
    const uint4 bits = at < candidates.end ? *reinterpret_cast<const uint4*>(scores + at) : uint4{};
    return {strength(bits.x, at), strength(bits.y, at + 1), strength(bits.z, at + 2), strength(bits.w, at + 3)};
  }
};

struct RowShared {
  union {
    Histogram histogram;
    unsigned long long candidates[MOST_CANDIDATES];  // strength, then the lower index
  };
  uint32_t best[FEW_WANTED];
  SumScratch scratch;
  Threshold threshold;
  uint32_t candidate_count;
};

// Any row and any number of blocks.
inline __device__ __noinline__ void choose_by_digits(const RowProblem& problem, RowShared& shared) {
  const int first = problem.candidates.first / 4 * 4, end = problem.candidates.end;
  Threshold threshold{0, static_cast<uint32_t>(problem.candidates.wanted)};
  for (int pass = 0; pass < DIGITS; ++pass) {
    shared.histogram.clear();
    __syncthreads();
    for (int at = first + threadIdx.x * 4; at < end; at += ROW_THREADS * 4) {
      const uint4 x = problem.strengths(at);
      for (uint32_t strength : {x.x, x.y, x.z, x.w})
        if (strength != STRENGTH_ABSENT && is_open(strength, threshold.strength, pass))
          shared.histogram.add(digit_of(strength, pass));
    }
    __syncthreads();
    threshold = next_digit_of_block(shared.histogram, threshold, pass, shared.threshold);
  }
  Sums done{0, 0}, total;
  for (int base = first; base < end; base += ROW_THREADS * 4) {
    int index = base + threadIdx.x * 4;
    const uint4 x = problem.strengths(index);
    Sums here{0, 0};
    for (uint32_t strength : {x.x, x.y, x.z, x.w}) {
      here.above += strength > threshold.strength;
      here.equal += strength == threshold.strength;
    }
    Sums before = sums_before(here, shared.scratch, total);
    before.above += done.above;
    before.equal += done.equal;
    done.above += total.above;
    done.equal += total.equal;
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

// A few of a row of up to FOURS * 4 * 256 key blocks; false where too many values reach the bound.
template <int FOURS>
static __device__ __forceinline__ bool choose_few(const RowProblem& problem, RowShared& shared) {
  const int first = problem.candidates.first / 4 * 4 + threadIdx.x * 4, wanted = problem.candidates.wanted;
  uint4 values[FOURS];
  uint32_t maximum = 0;
#pragma unroll
  for (int i = 0; i < FOURS; ++i) {
    values[i] = problem.strengths(first + i * ROW_THREADS * 4);
    maximum = max(max(maximum, max(values[i].x, values[i].y)), max(values[i].z, values[i].w));
  }
  // The upper half of the bits is bound enough.
  uint32_t bound = 0;
  for (int bit = 31; bit >= 16; --bit) {
    const uint32_t tried = bound | 1u << bit;
    if (__syncthreads_count(maximum >= tried) >= wanted) bound = tried;
  }
  bound = max(bound, STRENGTH_ABSENT + 1);
  if (threadIdx.x == 0) shared.candidate_count = 0;
  __syncthreads();
  if (maximum >= bound) {
#pragma unroll
    for (int i = 0; i < FOURS; ++i) {
      int index = first + i * ROW_THREADS * 4;
      for (uint32_t strength : {values[i].x, values[i].y, values[i].z, values[i].w}) {
        if (strength >= bound) {
          const uint32_t place = atomicAdd(&shared.candidate_count, 1u);
          if (place < MOST_CANDIDATES)
            shared.candidates[place] = uint64_t(strength) << 32 | ~static_cast<uint32_t>(index);
        }
        ++index;
      }
    }
  }
  __syncthreads();
  const int count = shared.candidate_count;
  if (count > MOST_CANDIDATES) return false;
  for (int mine = threadIdx.x; mine < count; mine += ROW_THREADS) {
    const unsigned long long candidate = shared.candidates[mine];
    int rank = 0;
    for (int i = 0; i < count; ++i) rank += shared.candidates[i] > candidate;
    if (rank < wanted) shared.best[rank] = ~static_cast<uint32_t>(candidate);
  }
  __syncthreads();
  for (int mine = threadIdx.x; mine < wanted; mine += ROW_THREADS) {
    const uint32_t block = shared.best[mine];
    int place = 0;
    for (int i = 0; i < wanted; ++i) place += shared.best[i] < block;
    problem.chosen[place] = block;
  }
  return true;
}

// FOURS = 0: whatever the length.
// Not static, nor what else keeps a name in the binary: the compiler makes such names of the path of
// the file, and the binary must not depend on that.
template <int FOURS>
__device__ __forceinline__ void choose_row(const TopRowsArguments& arguments) {
  __shared__ RowShared shared;
  const RowProblem problem = RowProblem::of(arguments);
  const int wanted = problem.candidates.wanted;
  for (int place = wanted + threadIdx.x; place < problem.places; place += ROW_THREADS) problem.chosen[place] = NO_BLOCK;
  if (wanted == problem.candidates.count()) {
    for (int place = threadIdx.x; place < wanted; place += ROW_THREADS)
      problem.chosen[place] = problem.candidates.first + place;
    return;
  }
  if constexpr (FOURS > 0) {
    if (wanted <= FEW_WANTED && choose_few<FOURS>(problem, shared)) return;
    __syncthreads();
  }
  choose_by_digits(problem, shared);
}
