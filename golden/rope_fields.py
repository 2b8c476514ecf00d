"""What transformers makes of each field that describes RoPE in a config.json, family by family.

Usage: python rope_fields.py > rope_fields.json
Needs torch and transformers. Each case holds fields of a config.json and, for each family, the frequencies and the factor on cosines and sines
that a tiny model of it rotates with (one pair for layers that see everything, one for layers with a window), or null where it fails.
"""

import json
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "phi3", "glm", "glm4", "gemma3_text")
tiny = {
    "vocab_size": 40,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "layer_types": ["full_attention", "full_attention"],
    "pad_token_id": 0,
}
linear = {"rope_type": "linear", "factor": 2.0}
dynamic = {"type": "dynamic", "factor": 2.0}
yarn = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 256}
llama3 = {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
eight = {"short_factor": [1.0 + i / 8 for i in range(8)], "long_factor": [2.0 + i / 4 for i in range(8)]}
six = {name: numbers[:6] for name, numbers in eight.items()}
long = {"rope_type": "longrope", **eight}
by_layer = {"full_attention": linear | {"rope_theta": 20000.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 30000.0}}
share = {"partial_rotary_factor": 0.5}
original = {"original_max_position_embeddings": 128}
CASES = {
    "nothing": {},
    "base": {"rope_theta": 20000.0},
    "base, null": {"rope_theta": None},
    "base in both places": {"rope_theta": 500000.0, "rope_parameters": {"rope_type": "default", "rope_theta": 20000.0}},
    "base in parameters, null": {"rope_parameters": {"rope_type": "default", "rope_theta": None}, "rope_theta": 30000.0},
    "base of layers with a window": {"rope_local_base_freq": 777.0},
    "share": share,
    "share, null": {"partial_rotary_factor": None},
    "share in parameters": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, **share}},
    "share with linear": {"rope_scaling": linear, **share},
    "share in linear": {"rope_scaling": linear | share},
    "share of 1 with linear": {"rope_scaling": linear, "partial_rotary_factor": 1.0},
    "share in both places, with yarn": {"rope_parameters": yarn | {"partial_rotary_factor": 1.0}, **share},
    "share in both places, in parameters": {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 1.0}, **share},
    "share that leaves half a pair": {"partial_rotary_factor": 0.7},
    "share with longrope": {"rope_scaling": {"type": "longrope", **six}, "partial_rotary_factor": 0.75, **original},
    "default with a factor": {"rope_scaling": {"rope_type": "default", "factor": 2.0}},
    "parameters without a type": {"rope_parameters": {"rope_theta": 20000.0}},
    "type, null": {"rope_scaling": {"rope_type": None, "type": "linear", "factor": 2.0}},
    "type by both names": {"rope_scaling": linear | {"type": "yarn"}},
    "linear by its older name": {"rope_scaling": {"type": "linear", "factor": 2.0}},
    "linear in parameters": {"rope_parameters": linear | {"rope_theta": 20000.0}},
    "linear with yarn's factor": {"rope_scaling": linear | {"attention_factor": 2.0}},
    "linear, and parameters without": {"rope_scaling": linear, "rope_parameters": {"rope_type": "default", "rope_theta": 20000.0}},
    "linear, and another base in parameters": {"rope_scaling": linear, "rope_parameters": linear | {"rope_theta": 20000.0}},
    "linear twice": {"rope_theta": 20000.0, "rope_scaling": linear, "rope_parameters": linear | {"rope_theta": 20000.0}},
    "no scaling, and linear in parameters": {"rope_scaling": {}, "rope_parameters": linear | {"rope_theta": 20000.0}},
    "by layer": {"rope_parameters": by_layer},
    "by layer, and linear": {"rope_parameters": by_layer, "rope_scaling": linear},
    "by layer, and another scaling": {"rope_parameters": by_layer, "rope_scaling": linear | {"factor": 4.0}},
    "by layer, cut in whole": {"rope_parameters": by_layer | {"full_attention": yarn | {"truncate": False}}},
    "dynamic": {"rope_scaling": dynamic},
    "dynamic with an original context": {"rope_scaling": dynamic | original},
    "yarn": {"rope_scaling": yarn},
    "yarn, original context at the top": {"rope_scaling": yarn, **original},
    "yarn without an original context": {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}},
    "yarn, factor null": {"rope_scaling": yarn | {"factor": None}},
    "yarn without a factor": {"rope_scaling": {"rope_type": "yarn", **original}},
    "yarn, betas of 0": {"rope_scaling": yarn | {"beta_fast": 0, "beta_slow": 0}},
    "yarn not truncated": {"rope_scaling": yarn | {"truncate": False}},
    "yarn, truncate null": {"rope_scaling": yarn | {"truncate": None}},
    "yarn, mscale": {"rope_scaling": yarn | {"mscale": 0.7, "mscale_all_dim": 1.2}},
    "yarn, attention factor": {"rope_scaling": yarn | {"attention_factor": 1.5}},
    "llama3": {"rope_scaling": llama3 | original},
    "llama3 without an original context": {"rope_scaling": llama3},
    "longrope": {"rope_scaling": long, **original},
    "longrope by its older name": {"rope_scaling": {"type": "longrope", **eight}, **original},
    "longrope, original context within": {"rope_scaling": long | original},
    "longrope, original context in both places": {"rope_scaling": long | original, **original},
    "longrope without an original context": {"rope_scaling": long},
    "longrope, factor": {"rope_scaling": long | {"factor": 16.0}, **original},
    "longrope called su": {"rope_scaling": {"type": "su", **eight}, **original},
    "longrope called yarn": {"rope_scaling": {"type": "yarn", **eight}, **original},
    "proportional": {"rope_scaling": {"rope_type": "proportional", **share}},
}


def rotations(family: str, fields: dict) -> list | None:
    config = tiny | {"model_type": family} | json.loads(json.dumps(fields))
    kinds = [""]
    if family == "gemma3_text":
        config["layer_types"] = ["full_attention", "sliding_attention"]
        kinds = ["full_attention_", "sliding_attention_"]
    try:
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config)).eval()
        model(torch.tensor([[3, 4, 5]]))
    except Exception:
        return None
    rotary = model.model.rotary_emb
    return [[getattr(rotary, f"{kind}inv_freq").tolist(), getattr(rotary, f"{kind}attention_scaling")] for kind in kinds]


def main() -> None:
    logging.set_verbosity(logging.CRITICAL)
    torch.manual_seed(0)
    cases = [{"case": name, "fields": fields, "rotations": {family: rotations(family, fields) for family in FAMILIES}} for name, fields in CASES.items()]
    sys.stdout.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
