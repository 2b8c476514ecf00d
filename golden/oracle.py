"""Logits and greedy answers of a transformers model in float64: what the tests take for the truth.

transformers rounds norms, softmax and position encodings to float32 whatever type a model has. `in_float64` lifts that, so that
the oracle's own error is far below that of any float32 computation.
"""

from contextlib import contextmanager

import torch
from transformers import AutoConfig, AutoModelForCausalLM


@contextmanager
def in_float64():
    """Inside, whatever transformers' code calls float32 is float64."""
    saved = torch.float32, torch.float, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved


class Model:
    """A model of the given configuration (a dictionary) and weights, in float32 or float64."""

    def __init__(self, config: dict, weights: dict[str, torch.Tensor], dtype: torch.dtype):
        self.double = dtype == torch.float64
        config = {key: value for key, value in config.items() if key not in ("torch_dtype", "dtype")}
        config = AutoConfig.for_model(**config)
        with self._precision():
            self.model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(dtype).eval()
        missing, unexpected = self.model.load_state_dict({name: x.to(dtype) for name, x in weights.items()}, strict=False)
        tied = ["lm_head.weight"] if config.tie_word_embeddings else []
        assert missing in ([], tied) and not unexpected, (missing, unexpected)
        self.model.tie_weights()

    @contextmanager
    def _precision(self):
        if self.double:
            with in_float64():
                yield
        else:
            yield

    @torch.no_grad()
    def logits(self, tokens: list[int]) -> torch.Tensor:
        """Logits of all positions, `[tokens, vocabulary]`, from one forward pass over the whole prompt.

        The position encoding is made anew, since dynamic NTK otherwise remembers the longest prompt seen.
        """
        with self._precision():
            rotary = self.model.model.rotary_emb
            self.model.model.rotary_emb = type(rotary)(config=self.model.config).to(self.model.dtype)
            return self.model(torch.tensor([tokens]), use_cache=False).logits[0]

    def greedy(self, tokens: list[int], count: int) -> tuple[list[int], float]:
        """A greedy answer, each token from a forward pass over all before it, and the smallest lead of a best over a second best logit."""
        answer, margin = [], float("inf")
        for _ in range(count):
            best = self.logits(tokens + answer)[-1].topk(2)
            answer.append(best.indices[0].item())
            margin = min(margin, (best.values[0] - best.values[1]).item())
        return answer, margin
