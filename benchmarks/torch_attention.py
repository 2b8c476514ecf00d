"""Times PyTorch's dense causal attention on the CPU, and minference's on the same shape, in turn: the peer of attention.md.

Usage: python torch_attention.py path/to/minference [tokens] [head_dim] [dtype] [rounds]
Needs torch. Prints GFLOP/s, counted as 4 * head_dim * tokens^2 / 2 for one head, and the ratio of the medians.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

import torch

program = sys.argv[1]
tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 16384
head_dim = int(sys.argv[3]) if len(sys.argv) > 3 else 64
dtype = sys.argv[4] if len(sys.argv) > 4 else "f32"
rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 7

torch.set_num_threads(2)
torch_type = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
q, k, v = (torch.randn(1, 1, tokens, head_dim).to(torch_type) for _ in range(3))
operations = 4 * head_dim * tokens**2 / 2


def torch_seconds():
    start = time.perf_counter()
    torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return time.perf_counter() - start


def minference_row():
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [program, "bench", "attention", "--methods", "dense", "--heads", "1", "--kv-heads", "1",
                   "--threads", "2", "--repeats", "2", "--structure", "noise", "--dtype", dtype,
                   "--tokens", str(tokens), "--head-dim", str(head_dim), "--json", file.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.load(open(file.name))[0]


torch_seconds()
peer, ours, shares = [], [], []
for _ in range(rounds):
    peer.append(statistics.median(torch_seconds() for _ in range(3)))
    row = minference_row()
    ours.append(row["seconds"])
    shares.append(row["gflops"] / row["peak_gflops"])
peer, ours = statistics.median(peer), statistics.median(ours)
print(f"{tokens} tokens, head_dim {head_dim}, {dtype}, 2 threads, medians of {rounds} rounds")
print(f"  torch {torch.__version__}: {operations / peer / 1e9:.0f} GFLOP/s")
print(f"  minference ({row['instruction_set']}, {row['arithmetic']}): {operations / ours / 1e9:.0f} GFLOP/s, "
      f"{100 * statistics.median(shares):.0f} % of the measured peak")
print(f"  ratio {peer / ours:.2f}")
