"""Records which keys the published SnapKV, PyramidKV and StreamingLLM keep, and what a tiny model's logits are on what is kept.

    python golden/snapkv/record.py > golden/snapkv/kept.json

Needs torch, transformers, safetensors, numpy, and minference 0.1.6.0 (installed with --no-deps; of it only the code that chooses keys is
used). README.md describes the result. Every run writes the same bytes.
"""

import json
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

GOLDEN = Path(__file__).parent.parent
sys.path.insert(0, str(GOLDEN))

from oracle import in_float64
from published import BETA, PyramidKv, SnapKv, StreamingLlm, cut, kept, scores
from tiny_models import llama, make_weights, small

# Recorded queries and keys are whole multiples of 1 / SCALE: 16-bit floats hold them exactly, and a file holds them as integers.
SCALE = 64
LAYERS, HEADS, HEAD_DIM, TOKENS, QUERIES = 4, 2, 16, 200, 32
# A choice is recorded only if it is this clear, as a share of the score: rounding must not decide it.
MARGIN = 5e-4
# Of the first 200 seeds the one whose choices are clearest.
SEED = 165

TENSOR_SETTINGS = [
    *(SnapKv(64, 16, kernel, pooling) for kernel in (1, 5, 7) for pooling in ("average", "maximum")),
    SnapKv(17, 16, 5),
    SnapKv(40, 1, 3),
    SnapKv(40, 8, 7, "maximum"),
    SnapKv(96, 32, 5),
    SnapKv(199, 32, 5),
    SnapKv(200, 32, 5),
    SnapKv(201, 32, 5),
    PyramidKv(64, 16, 5),
    PyramidKv(64, 16, 7, "maximum"),
    PyramidKv(28, 16, 5),  # less than BETA beside the window: the last layer keeps the window only
    PyramidKv(113, 16, 5),  # the first layer's share would be more than there is
    PyramidKv(132, 32, 5),  # just enough tokens for a pyramid
    PyramidKv(133, 32, 5),  # too few tokens for a pyramid: SnapKV in every layer
    PyramidKv(200, 32, 5),
    PyramidKv(201, 32, 5),
    StreamingLlm(4, 60),
    StreamingLlm(1, 1),
    StreamingLlm(4, 196),
    StreamingLlm(4, 197),
]
MODEL_SETTINGS = [
    SnapKv(301, 32, 5),  # keeps everything
    SnapKv(48, 32, 5),
    SnapKv(96, 32, 7),
    SnapKv(64, 16, 3),
    PyramidKv(64, 32, 5),
    PyramidKv(88, 32, 5),
    StreamingLlm(4, 60),
]
# (capacity, window, lengths of prompts): where PyramidKV begins, where it becomes a pyramid, and where the pyramid has its full height
BUDGETS = [
    (4096, 32, (4095, 4096, 8127, 8128, 31744, 131072)),
    (2048, 32, (4031, 4032, 31744)),
    (512, 32, (959, 960, 968, 969, 31744)),
    (128, 64, (127, 128, 200, 31744)),
]


class Recorder:
    """A model in float64 whose prefill leaves the queries and keys of each layer behind, rotary embedding applied."""

    def __init__(self, config: dict, weights: dict[str, torch.Tensor]):
        ALL_ATTENTION_FUNCTIONS["record"] = self.attention
        self.queries, self.keys = [], []
        config = AutoConfig.for_model(**{name: value for name, value in config.items() if name != "torch_dtype"})
        with in_float64():
            self.model = AutoModelForCausalLM.from_config(config, attn_implementation="record").to(torch.float64).eval()
        self.model.load_state_dict({name: x.to(torch.float64) for name, x in weights.items()})

    def attention(self, module, query, key, value, attention_mask, scaling, **_):
        prefill = query.shape[2] > 1
        if prefill:
            self.queries.append(query[0])
            self.keys.append(key[0])
        # A single query comes after all the keys there are, whatever was dropped between them.
        output = functional.scaled_dot_product_attention(query, key, value, is_causal=prefill, scale=scaling)
        return output.transpose(1, 2).contiguous(), None

    @torch.no_grad()
    def run(self, tokens: list[int], first: int, cache: DynamicCache) -> torch.Tensor:
        """Logits of the last of these tokens, the first of which is at position `first`."""
        positions = torch.arange(first, first + len(tokens))[None]
        with in_float64():
            return self.model(torch.tensor([tokens]), position_ids=positions, past_key_values=cache, use_cache=True).logits[0, -1]


def case(settings, queries: list[torch.Tensor], keys: list[torch.Tensor]) -> dict:
    """What one setting keeps in all layers, held against the scores."""
    layers = len(keys)
    result = asdict(settings) | {"kept": [kept(settings, i, layers, queries[i], keys[i]) for i in range(layers)]}
    if isinstance(settings, StreamingLlm):
        return result
    cuts = []
    for query, key, heads in zip(queries, keys, result["kept"]):
        ranks = scores(settings, query, key)
        cuts.append([cut(rank, [position for position in head if position < len(rank)]) for rank, head in zip(ranks, heads)])
    margin = min(margin for layer in cuts for _, margin in layer)
    assert margin > MARGIN, f"{settings}: {margin} is too close"
    return result | {"tied": [[tied for tied, _ in layer] for layer in cuts], "margin": float(f"{margin:.2g}")}


def shows(settings: SnapKv, queries: list[torch.Tensor], keys: list[torch.Tensor], miss: str) -> bool:
    """Whether an implementation with a gap would keep other keys of some head."""
    count = settings.capacity - settings.window
    for query, key in zip(queries, keys):
        right, wrong = (scores(settings, query, key, each).topk(count).indices.sort().values for each in ("", miss))
        if not torch.equal(right, wrong):
            return True
    return False


def record_tensors() -> dict:
    """Queries and keys of a tiny Llama of four layers, and what every setting keeps of them."""
    random = numpy.random.default_rng([11, SEED])
    shape = {"hidden_size": HEADS * HEAD_DIM, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS}
    config = small | llama | shape
    model = Recorder(config, make_weights(config, random))
    model.run(random.integers(3, config["vocab_size"], TOKENS).tolist(), 0, DynamicCache())
    integers = {
        "queries": [(x[:, -QUERIES:] * SCALE).round().long().tolist() for x in model.queries],
        "keys": [(x * SCALE).round().long().tolist() for x in model.keys],
    }
    queries, keys = ([(x * SCALE).round() / SCALE for x in part] for part in (model.queries, model.keys))
    assert max(x.abs().max() for x in queries + keys) * SCALE < 2048
    for miss in ("scale", "causal", "window keys", "pooling", "padding"):
        clear = (each for each in TENSOR_SETTINGS if type(each) is SnapKv and each.pooling == "average" and each.capacity < TOKENS)
        assert any(shows(each, queries, keys, miss) for each in clear), f"no case shows that {miss} is wrong"
    sizes = {"layers": LAYERS, "heads": HEADS, "head_dim": HEAD_DIM, "tokens": TOKENS, "scale": SCALE}
    return {"tensors": sizes | integers, "cases": [case(each, queries, keys) for each in TENSOR_SETTINGS]}


def record_budgets() -> list[dict]:
    """How many keys PyramidKV keeps in each layer of models of several depths; which ones does not matter here."""
    budgets = []
    for layers in (2, 24, 32):
        for capacity, window, lengths in BUDGETS:
            for tokens in lengths:
                nothing = torch.zeros(1, tokens, 1)
                counts = [len(kept(PyramidKv(capacity, window, 5), layer, layers, nothing, nothing)[0]) for layer in range(layers)]
                budgets.append({"layers": layers, "tokens": tokens, "capacity": capacity, "window": window, "kept": counts})
    return budgets


def record_model(name: str, length: int) -> dict:
    """What is kept of a model's prompt, and the logits after further tokens, fed one by one to what was kept."""
    folder = GOLDEN / "models" / name
    config, weights = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    expected = load_file(folder / "expected.safetensors")
    prompt, fed = (expected[f"{part}.{length}"].tolist() for part in ("tokens", "greedy"))
    dense = Recorder(config, weights).run(prompt + fed, 0, DynamicCache())
    cases = []
    for settings in MODEL_SETTINGS:
        model, cache = Recorder(config, weights), DynamicCache()
        model.run(prompt, 0, cache)
        found = case(settings, model.queries, model.keys)
        for layer, positions in zip(cache.layers, found["kept"]):
            index = torch.tensor(positions)[None, :, :, None].expand(-1, -1, -1, layer.keys.shape[-1])
            layer.keys, layer.values = layer.keys.gather(2, index), layer.values.gather(2, index)
        for position, token in enumerate(fed, length):
            logits = model.run([token], position, cache)
        change, everything = (logits - dense).abs().max().item(), len(found["kept"][0][0]) == length
        assert change < 1e-9 if everything else change > 1000 * expected[f"error.{length}"], f"{settings} changes logits by {change}"
        cases.append(found | {"logits": [round(x, 7) for x in logits.tolist()]})
    return {"name": name, "prompt": f"tokens.{length}", "fed": f"greedy.{length}", "cases": cases}


def text(value, indent: str = "") -> str:
    """JSON with a line for each innermost list."""
    items, deeper = value, indent + " "
    if isinstance(value, dict):
        items = value.values()
    if not isinstance(value, (dict, list)) or not any(isinstance(item, (dict, list)) for item in items):
        return json.dumps(value, separators=(",", ":"))
    names = [f"{json.dumps(name)}: " for name in value] if isinstance(value, dict) else [""] * len(value)
    inner = ",\n".join(f"{deeper}{name}{text(item, deeper)}" for name, item in zip(names, items))
    return f"{{\n{inner}\n{indent}}}" if isinstance(value, dict) else f"[\n{inner}\n{indent}]"


def main() -> None:
    torch.set_num_threads(1)
    result = {"source": f"minference {version('minference')}", "beta": BETA}
    result |= record_tensors() | {"budgets": record_budgets(), "model": record_model("llama2", 300)}
    print(text(result))


if __name__ == "__main__":
    main()
