"""Records Q, K and V of one attention layer of a real model, rotary embedding applied, for `minference bench attention --input`.

Usage: python record_heads.py MODEL.gguf LAYER TOKENS TEXT_FILE OUT.safetensors
Needs torch, transformers, gguf and safetensors. The prompt is the text's first TOKENS tokens. The tensors are
[tokens, heads, head_dim] in f32.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

model_file, layer, tokens, text, out = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
recorded = {}


class Recorded(Exception):
    """Ends the forward pass: later layers are of no interest."""


def record(module, query, key, value, attention_mask, **_):
    if module.layer_idx == layer:
        for name, tensor in (("q", query), ("k", key), ("v", value)):
            recorded[name] = tensor[0].transpose(0, 1).contiguous().float()
        raise Recorded
    output = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    return output.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS["record"] = record
folder, name = str(model_file.parent), model_file.name
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32, attn_implementation="record")
ids = tokenizer(Path(text).read_text(encoding="utf-8")[: tokens * 8], return_tensors="pt").input_ids[:, :tokens]
try:
    with torch.no_grad():
        model(ids, use_cache=False, logits_to_keep=1)
except Recorded:
    pass
save_file(recorded, out)
print({name: (tuple(t.shape), f"largest {t.abs().max():.1f}") for name, t in recorded.items()})
