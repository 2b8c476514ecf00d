"""Error of plain attention on recorded heads: inputs and probabilities rounded to a type, products and sums in f32.

Usage: python plain_attention_error.py HEADS.safetensors [f16|bf16: type of the inputs] [f16|bf16: type of the implementation]
Prints the root of the mean over sampled rows of squared relative errors, against float64 on the inputs as stored.
"""

import sys

import torch
from safetensors.torch import load_file

types = {"f16": torch.float16, "bf16": torch.bfloat16}
stored = types[sys.argv[2] if len(sys.argv) > 2 else "f16"]
plain = types[sys.argv[3] if len(sys.argv) > 3 else "bf16"]
tensors = {name: tensor.to(stored) for name, tensor in load_file(sys.argv[1]).items()}
q, k, v = tensors["q"], tensors["k"], tensors["v"]
tokens, heads, head_dim = q.shape
group = heads // k.shape[1]
torch.manual_seed(0)
rows = torch.randint(tokens, (64,)).tolist()
squares = []
for number, row in enumerate(rows):
    head = number % heads
    keys, values = k[: row + 1, head // group], v[: row + 1, head // group]
    scores = keys.double() @ q[row, head].double() / head_dim**0.5
    exact = torch.softmax(scores, 0) @ values.double()
    rounded = [tensor.to(plain).float() for tensor in (q[row, head], keys, values)]
    scores = rounded[1] @ rounded[0] / head_dim**0.5
    p = torch.exp(scores - scores.max())
    found = (p.to(plain).float() @ rounded[2]) / p.sum()
    squares.append(float(((found - exact) ** 2).sum() / (exact**2).sum()))
print(f"{(sum(squares) / len(squares)) ** 0.5:.2e}")
