#!/usr/bin/env bash
# Whether the demo model's answers stay right, and how much sooner the first token comes: needles, RULER, the generated part of InfiniteBench, the
# perplexity of a text, and the time to the first token, as one page. A quarter of an hour on two quiet cores, twice that on busy ones; it
# goes on where it was stopped.
#
#   benchmarks/accuracy-demo.sh [RESULTS_FOLDER [TEXT]]
#
# The text is predicted; without one it is this project's own source.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -p minference-cli
minference="${CARGO_TARGET_DIR:-target}/release/minference"
results="${1:-results/demo}"
mkdir -p "$results"
text="${2:-$results/source.txt}"
if [ $# -lt 2 ]; then
  find crates -name '*.rs' | LC_ALL=C sort | xargs cat >"$text"
fi
compare="--model demo --methods dense,minference"

"$minference" eval needle $compare,a-shape,static --needles 1 --lengths 4K,7K --rounds 2 --output "$results/needle"
"$minference" eval ruler $compare --tasks niah_single_1,niah_multikey_1,vt,fwe --lengths 4K --samples 5 --output "$results/ruler"
"$minference" eval infinite-bench $compare --tasks passkey,number_string --lengths 4K --samples 5 --output "$results/infinite-bench"
"$minference" eval perplexity $compare,vertical-slash,a-shape --text "$text" --lengths 4K,7K --output "$results/perplexity"
"$minference" bench prefill --model demo --definition benchmarks/definitions/prefill-demo.json --output "$results/latency"
"$minference" report "$results" --output "$results/report.html" --figures "$results/figures"
