"""Frequencies of RoPE and rotated rows as transformers computes them, for every scaling.

Usage: python rope_frequencies.py > rope_frequencies.json
Needs torch and transformers. Each case holds the fields of a config.json that matter, head_dim, the prompt's length, and the results.
"""

import json
import sys

import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.glm.modeling_glm import apply_rotary_pos_emb as rotate_neighbours
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as rotate_halves

llama3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
long = {"rope_type": "longrope", "short_factor": [1.0 + i / 50 for i in range(16)], "long_factor": [1.0 + i * 2.5 for i in range(16)]}
cases = [  # scaling, theta, head_dim, context, tokens, further fields
    (None, 10000.0, 64, 8192, 100, {}),
    (None, 1000000.0, 128, 32768, 100, {}),
    ({"rope_type": "linear", "factor": 8.0}, 1000000.0, 256, 32768, 100, {}),
    ({"rope_type": "dynamic", "factor": 2.0}, 10000.0, 64, 2048, 100, {}),
    ({"rope_type": "dynamic", "factor": 2.0}, 10000.0, 64, 2048, 9000, {}),
    (llama3, 500000.0, 128, 131072, 100, {}),
    (yarn, 1000000.0, 128, 131072, 100, {}),
    (yarn | {"beta_fast": 64.0, "beta_slow": 2.0, "truncate": False}, 10000.0, 64, 131072, 100, {}),
    (yarn | {"mscale": 0.7, "mscale_all_dim": 1.2}, 10000.0, 64, 131072, 100, {}),
    (yarn | {"attention_factor": 1.25}, 10000.0, 64, 131072, 100, {}),
    (long, 10000.0, 32, 131072, 4096, {"original_max_position_embeddings": 4096}),
    (long, 10000.0, 32, 131072, 4097, {"original_max_position_embeddings": 4096}),
]
results = []
for scaling, theta, head_dim, context, tokens, more in cases:
    fields = {"rope_theta": theta, "max_position_embeddings": context, "rope_scaling": scaling, **more}
    config = LlamaConfig(hidden_size=4 * head_dim, num_attention_heads=4, head_dim=head_dim, **json.loads(json.dumps(fields)))
    if scaling is None:
        frequencies, factor = LlamaRotaryEmbedding(config).inv_freq, 1.0
    else:
        frequencies, factor = ROPE_INIT_FUNCTIONS[scaling["rope_type"]](config, torch.device("cpu"), seq_len=tokens)
    row = torch.sin(torch.arange(head_dim) * 0.7)
    rotated = {}
    for position in (0, 1, 1000, tokens - 1):
        angles = torch.tensor([position], dtype=torch.float32)[:, None] * frequencies[None, :]
        both = torch.cat((angles, angles), dim=-1)
        cos, sin = (both.cos() * factor)[None], (both.sin() * factor)[None]
        for name, rotate in (("halves", rotate_halves), ("neighbours", rotate_neighbours)):
            rotated[f"{name} {position}"] = rotate(row[None, None, None], row[None, None, None], cos, sin)[0].flatten().tolist()
    results.append(
        {"config": fields, "head_dim": head_dim, "tokens": tokens, "frequencies": frequencies.tolist(), "attention_factor": factor, "rotated": rotated}
    )
json.dump(results, sys.stdout, indent=None, separators=(",", ":"))
print()
