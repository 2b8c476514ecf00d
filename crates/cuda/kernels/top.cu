// Selection of the best, as the CPU's `best`: kept ones first, NaN last, ties to the lower index,
// the result ascending.
//
//   top_lines_*  columns and diagonals of every head that votes (top/lines.cuh)
//   top_rows_*   key blocks of every query block of a slab of rows (top/rows.cuh)
//
// Strengths are integers that order as the scores do (top/strength.cuh); what is counted, and so
// what is chosen, does not depend on the order in which threads count.
#include "top/lines.cuh"
#include "top/rows.cuh"

// grid: (parts of 8192 keys, 2 * slots); block: 512. Passes 0, 1, 2 in order; `histograms` zeroed
// before the first.
extern "C" __global__ void __launch_bounds__(LINE_THREADS)
    top_lines_digits(const __grid_constant__ TopLinesArguments arguments, int pass) {
  __shared__ LineShared shared;
  line_digits(LineProblem::of(arguments), pass, shared);
}
// grid and block: the same
extern "C" __global__ void __launch_bounds__(LINE_THREADS)
    top_lines_count(const __grid_constant__ TopLinesArguments arguments) {
  __shared__ LineShared shared;
  line_count(LineProblem::of(arguments), shared);
}
// grid and block: the same
extern "C" __global__ void __launch_bounds__(LINE_THREADS)
    top_lines_write(const __grid_constant__ TopLinesArguments arguments) {
  __shared__ LineShared shared;
  line_write(LineProblem::of(arguments), shared);
}

// grid: (rows of the slab, slots); block: 256. For up to 2048 key blocks, up to 16384, any number.
extern "C" __global__ void __launch_bounds__(ROW_THREADS)
    top_rows_2k(const __grid_constant__ TopRowsArguments arguments) {
  choose_row<2>(arguments);
}
extern "C" __global__ void __launch_bounds__(ROW_THREADS)
    top_rows_16k(const __grid_constant__ TopRowsArguments arguments) {
  choose_row<16>(arguments);
}
extern "C" __global__ void __launch_bounds__(ROW_THREADS)
    top_rows_any(const __grid_constant__ TopRowsArguments arguments) {
  choose_row<0>(arguments);
}
