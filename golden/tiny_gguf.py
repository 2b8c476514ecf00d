"""The tiny models as GGUF files, and a Llama in every quantised format.

Usage: python tiny_gguf.py models gguf
Needs what tiny_models.py needs, and gguf. README.md describes the files. Every run writes the same bytes.

Names, permutations and keys are those of llama.cpp's conversion.
"""

import json
import math
import sys
from pathlib import Path

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file, save_file

import iq4
import k_quants
import tiny_models
from oracle import Model

# Which of the tiny models, and how matrices are stored; vectors are float32.
FILES = {
    "llama2": Type.F32,
    "llama3": Type.F16,
    "qwen2": Type.BF16,
    "qwen2_yarn": Type.F16,
    "qwen3": Type.F16,
    "phi3": Type.F16,
    "glm4": Type.F16,
    "gemma3": Type.F16,
}
ARCHITECTURES = {"phi3": "PHI3", "glm4": "GLM4", "gemma3_text": "GEMMA3", "llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3"}

# The format of which there is one that is split, too: 11 tensors in parts of 4, and a last one of 3.
SPLIT = Type.Q8_0
LEGACY = (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0)
# Those with blocks of 32 values; the others have 256
BLOCKS_OF_32 = LEGACY + (Type.IQ4_NL,)
FORMATS = LEGACY + tuple(k_quants.STEPS) + iq4.KINDS
# Blocks of 32 values, and of 256
quantized_shape = {"intermediate_size": 96, "num_hidden_layers": 1, "tie_word_embeddings": True}
k_quantized_shape = quantized_shape | {
    "hidden_size": 256,
    "intermediate_size": 256,
    "num_attention_heads": 8,
    "num_key_value_heads": 1,
}


def vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """A byte-level vocabulary: three control tokens, a blank and the visible characters of ASCII, and last a merged pair."""
    tokens = ["<pad>", "<s>", "</s>", "\u0120"] + [chr(ord("!") + i) for i in range(size - 5)] + ["th"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (size - 3))
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(tiny_models.EOS)
    writer.add_add_bos_token(False)


def hyperparameters(writer: gguf.GGUFWriter, config: dict) -> dict[str, numpy.ndarray]:
    """Writes what config.json says; what of it a GGUF file holds as tensors is returned."""
    kind, scaling, tensors = config["model_type"], config["rope_scaling"] or {}, {}
    head_dim = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    rotary_dim = int(head_dim * config.get("partial_rotary_factor", 1.0))
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    if "head_dim" in config:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if kind in ("llama", "phi3", "glm4"):
        writer.add_rope_dimension_count(rotary_dim)
    if kind == "llama":
        writer.add_vocab_size(config["vocab_size"])
    if kind in ("phi3", "gemma3_text"):
        writer.add_sliding_window(config["sliding_window"])
    if kind == "gemma3_text":
        writer.add_rope_freq_base_swa(config["rope_local_base_freq"])
    match scaling.get("rope_type", scaling.get("type")):
        case "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(scaling["factor"])
        case "yarn":
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            writer.add_rope_scaling_factor(scaling["factor"])
            writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
        case "llama3":
            tensors["rope_freqs.weight"] = llama3_factors(config["rope_theta"], rotary_dim, scaling)
        case "longrope":
            original = config["original_max_position_embeddings"]
            stretch = config["max_position_embeddings"] / original
            writer.add_rope_scaling_orig_ctx_len(original)
            writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(stretch) / math.log(original)))
            tensors["rope_factors_long.weight"] = numpy.float32(scaling["long_factor"])
            tensors["rope_factors_short.weight"] = numpy.float32(scaling["short_factor"])
    return tensors


def llama3_factors(theta: float, rotary_dim: int, scaling: dict) -> numpy.ndarray:
    """What each frequency is divided by."""
    original, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    factors = []
    for i in range(0, rotary_dim, 2):
        turns = original / (2 * math.pi * theta ** (i / rotary_dim))
        smooth = min(max((turns - low) / (high - low), 0.0), 1.0)
        factors.append(1 / ((1 - smooth) / factor + smooth))
    return numpy.float32(factors)


def interleaved(x: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows of each head so that pairs which RoPE turns, halves in Hugging Face's files, are neighbours."""
    return x.reshape(heads, 2, -1, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def renamed(config: dict, weights: dict[str, torch.Tensor]) -> dict[str, numpy.ndarray]:
    """Weights as a GGUF file has them, by its names."""
    kind, tensors = config["model_type"], {}
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, ARCHITECTURES[kind]), config["num_hidden_layers"])
    for name, weight in weights.items():
        x = weight.numpy()
        if kind == "llama" and "q_proj" in name:
            x = interleaved(x, config["num_attention_heads"])
        if kind == "llama" and "k_proj" in name:
            x = interleaved(x, config["num_key_value_heads"])
        if kind == "gemma3_text" and name.endswith("norm.weight"):
            x = x + 1
        tensors[names.get_name(name, try_suffixes=(".weight", ".bias"))] = x
    return tensors


def quantized(x: numpy.ndarray, kind: Type) -> numpy.ndarray:
    if kind in iq4.KINDS:
        return iq4.quantize(x, kind)
    return k_quants.quantize(x, kind) if kind in k_quants.STEPS else gguf.quants.quantize(x, kind)


def write(path: Path, config: dict, weights: dict[str, torch.Tensor], kind: Type, split_max_tensors: int = 0) -> None:
    architecture = getattr(gguf.MODEL_ARCH, ARCHITECTURES[config["model_type"]])
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture], split_max_tensors=split_max_tensors)
    extra = hyperparameters(writer, config)
    writer.add_file_type(getattr(gguf.LlamaFileType, {"F32": "ALL_F32", "Q2_K": "MOSTLY_Q2_K"}.get(kind.name, f"MOSTLY_{kind.name}"), 0))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    vocabulary(writer, config["vocab_size"])
    for name, x in (renamed(config, weights) | extra).items():
        stored = kind if x.ndim == 2 else Type.F32
        writer.add_tensor(name, quantized(x, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantized_llama(kind: Type) -> tuple[dict, dict[str, torch.Tensor], numpy.random.Generator]:
    """A Llama whose weights the format holds exactly: drawn, quantised as its GGUF file has them, and read back."""
    config = tiny_models.small | tiny_models.llama | (quantized_shape if kind in BLOCKS_OF_32 else k_quantized_shape)
    random = numpy.random.default_rng([4, kind.value])
    weights = tiny_models.make_weights(config, random)
    for name, weight in weights.items():
        if weight.ndim == 2:
            # parts of a block of unlike size, so that scales use all their bits
            sizes = torch.from_numpy(random.uniform(0.2, 1.6, (weight.shape[0], weight.shape[1] // 16))).repeat_interleave(16, dim=1)
            weights[name] = (weight * sizes).float()
    return config, weights, random


def read_back(config: dict, weights: dict[str, torch.Tensor], kind: Type) -> dict[str, torch.Tensor]:
    """The weights after quantisation. Rows are quantised on their own, so that their order does not matter."""
    return {
        name: torch.from_numpy(gguf.quants.dequantize(quantized(x.numpy(), kind), kind)) if x.ndim == 2 else x
        for name, x in weights.items()
    }


def main(models: Path, target: Path) -> None:
    torch.set_num_threads(1)
    target.mkdir(parents=True, exist_ok=True)
    for name, kind in FILES.items():
        folder = models / name
        config = json.loads((folder / "config.json").read_text())
        weights = {key: x.float() for key, x in load_file(folder / "model.safetensors").items()}
        write(target / f"{name}.gguf", config, weights, kind)
    for kind in FORMATS:
        config, weights, random = quantized_llama(kind)
        name = f"llama_{kind.name.lower()}"
        write(target / f"{name}.gguf", config, weights, kind)
        if kind == SPLIT:
            write(target / f"split_{name}.gguf", config, weights, kind, split_max_tensors=4)
        stored = read_back(config, weights, kind)
        tensors = tiny_models.expected(config, stored, random)
        tiny_models.check(name, config, stored, [], tensors)
        # the format itself must matter: what float32 weights would answer is another answer
        tokens = tensors["tokens.300"].tolist()
        effect = (Model(config, weights, torch.float64).logits(tokens)[-1].float() - tensors["last.300"]).abs().max().item()
        assert effect > 100 * tensors["error.300"].item(), name
        # logits of the last token tell formats apart; the rest would double the files
        del tensors["all.65"], tensors["error.all.65"]
        save_file(tensors, target / f"{name}.expected.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
