"""Tiny random models of every family, as Hugging Face folders, with the logits that transformers computes in float64.

Usage: python tiny_models.py models [name ...]
Needs torch, transformers, safetensors and numpy. README.md describes the files. Every run writes the same bytes.
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from oracle import Model

LENGTHS = (1, 63, 64, 65, 300)
ANSWER = 8
# A greedy answer is recorded only if no best logit leads by less: float32 must not decide it.
MARGIN = 0.02
EOS = 2

long_rope = {
    "type": "longrope",
    "short_factor": [1.0, 1.05, 1.1, 1.2, 1.3, 1.35, 1.5, 1.6],
    "long_factor": [1.1, 1.5, 2.0, 2.5, 3.0, 3.4, 3.8, 4.0],
}
llama3_rope = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
yarn_rope = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}

llama = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False}
mistral = {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
qwen2 = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rope_theta": 1000000.0, "rms_norm_eps": 1e-06}
qwen3 = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "rope_theta": 1000000.0, "attention_bias": False}
phi3 = {"architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "pad_token_id": 0}
glm = {"architectures": ["GlmForCausalLM"], "model_type": "glm", "partial_rotary_factor": 0.5, "attention_bias": True, "pad_token_id": 0}
glm4 = glm | {"architectures": ["Glm4ForCausalLM"], "model_type": "glm4", "rms_norm_eps": 1e-05}
gemma3 = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "hidden_activation": "gelu_pytorch_tanh",
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "rope_theta": 1000000.0,
    "rope_local_base_freq": 10000.0,
    "rms_norm_eps": 1e-06,
    "tie_word_embeddings": True,
}
small = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": EOS,
}

# name: fields of config.json beyond `small`, the stored type, and changes that must change the logits: what a reader could miss
MODELS = {
    "llama2": (llama | {"num_key_value_heads": 4}, "float32", [{"rope_theta": 5e5}]),
    "llama3": (llama | {"tie_word_embeddings": True, "rope_theta": 500000.0, "rope_scaling": llama3_rope}, "bfloat16", [{"rope_scaling": None}]),
    "llama_linear": (llama | {"rope_scaling": {"type": "linear", "factor": 4.0}}, "bfloat16", [{"rope_scaling": None}]),
    "llama_dynamic": (
        llama | {"max_position_embeddings": 128, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
        "bfloat16",
        [{"rope_scaling": None}],
    ),
    "llama_sharded": (llama, "bfloat16", []),
    "llama_float16": (llama | {"hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 2}, "float16", []),
    "llama_bfloat16": (llama | {"head_dim": 24, "intermediate_size": 72}, "bfloat16", []),
    "mistral": (mistral | {"sliding_window": 48, "head_dim": 32}, "bfloat16", [{"sliding_window": None}]),
    # the window is written down and switched off, as in the released models
    "qwen2": (
        qwen2 | {"num_key_value_heads": 1, "use_sliding_window": False, "sliding_window": 32, "max_window_layers": 1},
        "bfloat16",
        [{"use_sliding_window": True}],
    ),
    "qwen2_yarn": (qwen2 | {"rope_scaling": yarn_rope, "use_sliding_window": False}, "bfloat16", [{"rope_scaling": None}]),
    "qwen2_window": (
        qwen2 | {"use_sliding_window": True, "sliding_window": 32, "max_window_layers": 1},
        "bfloat16",
        [{"use_sliding_window": False}, {"max_window_layers": 0}, {"sliding_window": 31}],
    ),
    "qwen3": (qwen3 | {"head_dim": 32, "tie_word_embeddings": True}, "bfloat16", []),
    "phi3": (
        phi3 | {"original_max_position_embeddings": 128, "rope_scaling": long_rope, "sliding_window": 100},
        "bfloat16",
        [{"rope_scaling": None}, {"sliding_window": None}, {"original_max_position_embeddings": 301}],
    ),
    "glm": (glm | {"head_dim": 32}, "bfloat16", [{"partial_rotary_factor": 1.0}]),
    "glm4": (glm4 | {"head_dim": 16}, "bfloat16", [{"partial_rotary_factor": 1.0}]),
    "gemma3": (
        gemma3
        | {
            "hidden_size": 48,
            "num_hidden_layers": 7,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "query_pre_attn_scalar": 16,
            "sliding_window": 32,
            "sliding_window_pattern": 6,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
        "bfloat16",
        [{"sliding_window": 31}, {"sliding_window_pattern": 3}, {"rope_local_base_freq": 1e6}, {"rope_theta": 1e4}, {"rope_scaling": None}],
    ),
    # what a GGUF file of Gemma 3 cannot say
    "gemma3_pattern": (
        gemma3
        | {
            "hidden_size": 48,
            "num_hidden_layers": 4,
            "num_key_value_heads": 1,
            "head_dim": 24,
            "query_pre_attn_scalar": 32,
            "sliding_window": 32,
            "sliding_window_pattern": 3,
        },
        "bfloat16",
        [{"sliding_window_pattern": 2}, {"query_pre_attn_scalar": 24}],
    ),
}


def make_weights(config: dict, random: numpy.random.Generator) -> dict[str, torch.Tensor]:
    """Weights whose values float32, float16 and bfloat16 all hold exactly, so that a file's type does not change the model.

    Larger than at the start of a training: attention has its preferences, logits their order, no norm is one and no bias zero.
    """
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    weights = {}
    for name, parameter in model.named_parameters():
        x = random.standard_normal(parameter.shape)
        if name.endswith("norm.weight"):
            x = numpy.clip(1 + 0.3 * x, 0.3, 1.9) - (1 if config["model_type"] == "gemma3_text" else 0)
        elif name.endswith("bias"):
            x = 0.5 * x
        elif "embed_tokens" in name:
            x = 0.4 * x
        elif any(part in name for part in ("q_proj", "k_proj", "qkv_proj")):
            x = 1.6 * x / numpy.sqrt(parameter.shape[1])
        else:
            x = 1.2 * x / numpy.sqrt(parameter.shape[1])
        weights[name] = torch.from_numpy(x).to(torch.bfloat16).to(torch.float16).float()
    return weights


def depends_on_length(config: dict, length: int) -> bool:
    """Whether every further token changes how all positions are encoded, so that a cache and a computation from scratch differ."""
    dynamic = (config["rope_scaling"] or {}).get("type") == "dynamic"
    return dynamic and length + ANSWER > config["max_position_embeddings"]


def expected(config: dict, weights: dict[str, torch.Tensor], random: numpy.random.Generator) -> dict[str, torch.Tensor]:
    """What `expected.safetensors` holds for a model."""
    exact, plain = (Model(config, weights, dtype) for dtype in (torch.float64, torch.float32))
    tensors = {}
    for length in LENGTHS:
        while True:
            tokens = random.integers(EOS + 1, config["vocab_size"], length).tolist()
            if depends_on_length(config, length):
                break
            answer, margin = exact.greedy(tokens, ANSWER)
            if margin > MARGIN and EOS not in answer:
                tensors[f"greedy.{length}"] = torch.tensor(answer, dtype=torch.int32)
                tensors[f"margin.{length}"] = torch.tensor([margin], dtype=torch.float32)
                break
        truth = exact.logits(tokens)
        error = (plain.logits(tokens).double() - truth).abs()
        tensors[f"tokens.{length}"] = torch.tensor(tokens, dtype=torch.int32)
        tensors[f"last.{length}"] = truth[-1].to(torch.float32)
        tensors[f"error.{length}"] = error[-1].max().reshape(1).to(torch.float32)
        if length == 65:
            tensors["all.65"] = truth.to(torch.float32)
            tensors["error.all.65"] = error.max().reshape(1).to(torch.float32)
    return tensors


def check(name: str, config: dict, weights: dict[str, torch.Tensor], changes: list[dict], tensors: dict[str, torch.Tensor]) -> None:
    """The prompt of 300 tokens must tell this model from those that a reader with a gap would compute."""
    tokens, last = tensors["tokens.300"].tolist(), tensors["last.300"]
    for change in changes + [{"rms_norm_eps": 0.1}]:
        other = Model(config | change, weights, torch.float64).logits(tokens)[-1].float()
        effect, error = (other - last).abs().max().item(), tensors["error.300"].item()
        assert effect > 1000 * error, f"{name}: {change} changes logits only by {effect}, float32 by {error}"
    spread, errors = last.std().item(), max(tensors[f"error.{length}"].item() for length in LENGTHS)
    print(f"{name}: {sum(x.numel() for x in weights.values())} weights, logits' deviation {spread:.2f}, error of float32 {errors:.1e}")


def main(target: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    for index, (name, (fields, dtype, changes)) in enumerate(MODELS.items()):
        if names and name not in names:
            continue
        random = numpy.random.default_rng([3, index])
        config = small | fields | {"torch_dtype": dtype}
        weights = make_weights(config, random)
        folder = target / name
        folder.mkdir(parents=True, exist_ok=True)
        model = Model(config, weights, torch.float32).model.to(getattr(torch, dtype))
        model.save_pretrained(folder, max_shard_size="80KB" if name == "llama_sharded" else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        # what transformers 5 writes, beside the form in which nearly all published models have it
        (folder / "config.json").rename(folder / "config_transformers5.json")
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        tensors = expected(config, weights, random)
        again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        for length in LENGTHS[1:4]:
            logits = again(tensors[f"tokens.{length}"][None].long()).logits[0, -1]
            assert (logits - tensors[f"last.{length}"]).abs().max() <= 3 * tensors[f"error.{length}"], f"{name}: the folder holds another model"
        config5 = json.loads((folder / "config_transformers5.json").read_text())
        logits = Model(config5, weights, torch.float64).logits(tensors["tokens.300"].tolist())[-1].float()
        assert torch.equal(logits, tensors["last.300"]), f"{name}: the two configurations are two models"
        check(name, config, weights, changes, tensors)
        save_file(tensors, folder / "expected.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
