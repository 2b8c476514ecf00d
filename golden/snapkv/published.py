"""The published SnapKV, PyramidKV and StreamingLLM: which keys they keep, and what they rank keys by.

`kept` runs the clusters of minference 0.1.6.0 as they are. `scores` says in a few lines what they compute, in float64, so that `cut` can
tell a clear choice from a tie and from one that rounding decides.
"""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

# How much PyramidKV's layers differ: the last one has a share of one in BETA beside its window.
BETA = 20


def module(file: str):
    """A module of the published package, without what the package itself imports."""
    folder = Path(importlib.util.find_spec("minference").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location(file, folder / "modules" / f"{file}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


SNAPKV, PYRAMIDKV = module("snapkv"), module("pyramidkv")
POOLING = {"average": "avgpool", "maximum": "maxpool"}


@dataclass
class SnapKv:
    capacity: int
    window: int
    kernel: int
    pooling: str = "average"
    method: str = "snapkv"

    def cluster(self, layer: int, layers: int):
        return SNAPKV.SnapKVCluster(self.window, self.capacity, self.kernel, POOLING[self.pooling])


@dataclass
class PyramidKv(SnapKv):
    method: str = "pyramidkv"

    def cluster(self, layer: int, layers: int):
        pooling = POOLING[self.pooling]
        return PYRAMIDKV.PyramidKVCluster(layers, self.window, self.capacity, self.kernel, pooling, BETA, layer_idx=layer)


@dataclass
class StreamingLlm:
    sink: int
    recent: int
    method: str = "streamingllm"

    def cluster(self, layer: int, layers: int):
        return SNAPKV.StreamingLLMKVCluster(window_size=self.recent, max_capacity_prompt=self.sink + self.recent)


def kept(settings, layer: int, layers: int, query: torch.Tensor, key: torch.Tensor) -> list[list[int]]:
    """Positions that are kept of one layer, `[heads][kept]`, ascending; query and key are `[heads, tokens, head_dim]`.

    The values handed to the published code are positions: those that come back say which were kept.
    """
    positions = torch.arange(key.shape[1], dtype=torch.float32)[None, :, None].expand(key.shape)
    states = (tensor.float()[None] for tensor in (key, query, positions))
    _, values = settings.cluster(layer, layers).update_kv(*states, None, 1)
    return values[0, :, :, 0].long().sort(dim=-1).values.tolist()


def scores(settings: SnapKv, query: torch.Tensor, key: torch.Tensor, miss: str = "") -> torch.Tensor:
    """What keys before the window are ranked by, `[heads, tokens - window]`. `miss` names a detail to get wrong."""
    window, prefix = settings.window, key.shape[1] - settings.window
    logits = query[:, -window:].double() @ key.double().transpose(1, 2)
    logits /= 1 if miss == "scale" else math.sqrt(key.shape[2])
    if miss != "causal":
        logits += torch.full_like(logits, -torch.inf).triu(prefix + 1)
    if miss == "window keys":
        logits = logits[..., :prefix]
    votes = logits.softmax(-1)[..., :prefix].sum(1)
    if miss == "pooling":
        return votes
    if settings.pooling == "maximum":
        return functional.max_pool1d(votes, settings.kernel, 1, settings.kernel // 2)
    return functional.avg_pool1d(votes, settings.kernel, 1, settings.kernel // 2, count_include_pad=miss != "padding")


def cut(scores: torch.Tensor, stay: list[int]) -> tuple[list[int], float]:
    """For one head: the positions that tie for the last places, and how clear the choice is of being decided by rounding.

    The latter is the smallest distance, as a share of the score, between two scores that must be told apart. Fails if what was kept (`stay`)
    is not what the scores say.
    """
    go = sorted(set(range(len(scores))) - set(stay))
    if not stay or not go:
        return [], 1.0
    apart = scores / scores[stay].min() - 1
    best = apart[go].max().item()
    alike = apart.abs() < 1e-9
    assert best < 1e-9, f"a key with a score better by {best} was dropped"
    if best < -1e-9:
        return [], -best
    return alike.nonzero().flatten().tolist(), apart[~alike].abs().min().item()
