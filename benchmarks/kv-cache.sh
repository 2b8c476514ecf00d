#!/usr/bin/env bash
# What benchmarks/kv_cache.md says, for one model: how fast answers come after long prompts by what was kept, what compression and chunks cost in agreement,
# 8 and 4 bits in perplexity, and what it costs to go on from a saved context.
#
#   benchmarks/kv-cache.sh MODEL TEXT [RESULTS_FOLDER]
#
# TEXT is a long English text. An hour and a half on two cores with a model of 0.5B parameters (the sum of its parts' times; --rounds makes the
# evaluations longer); evaluations go on where they were stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -p minference-cli
minference="${CARGO_TARGET_DIR:-target}/release/minference"
model="$1"
text="$2"
results="${3:-results/kv-cache}"
mkdir -p "$results"

for dtype in f16 int8 int4; do
  "$minference" bench answer --model "$model" --dtype "$dtype" --lengths 31K,128K --kv full,snapkv,pyramidkv,streaming-llm
  "$minference" eval perplexity --model "$model" --dtype "$dtype" --text "$text" --skip 20000 --lengths 8K --methods dense --output "$results/perplexity-$dtype"
done

methods=dense,minference
for kv in snapkv pyramidkv streaming-llm; do
  methods="$methods,dense+$kv:1K,minference+$kv:1K"
done
"$minference" eval needle --model "$model" --lengths 8K --rounds 2 --methods "$methods" --compress prompt --output "$results/needle-no-look-alikes"
for time in prompt context; do
  "$minference" eval needle --model "$model" --similar 10 --lengths 8K --rounds 2 --methods "$methods" --compress "$time" --output "$results/needle-$time"
done
"$minference" eval needle --model "$model" --similar 10 --lengths 8K --rounds 2 --methods dense,minference,minference+snapkv:1K --session turns --output "$results/needle-turns"

chunks=dense,minference,minference+chunk:2K,minference+chunk:8K
"$minference" eval needle --model "$model" --similar 10 --lengths 16K --rounds 4 --methods "$chunks" --output "$results/needle-chunks"
"$minference" bench prefill --model "$model" --lengths 31K --methods "$chunks" --output "$results/latency-chunks"
"$minference" bench prefill --model "$model" --text "$text" --lengths 16K,128K --context 131072 --rope-scaling yarn --extrapolate-dense-beyond 16K --methods dense,minference,minference+chunk:8K --output "$results/latency-128k"

"$minference" report "$results" --output "$results/report.html" --figures "$results/figures"
