"""Logits of transformers' `generate` for tiny models whose position encodings depend on the length, on both sides of each border.

Usage: python record.py, in this folder; writes positions.safetensors and positions.json.
Needs torch, transformers, safetensors and numpy. ../README.md describes the files. Every run writes the same bytes.
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))
from oracle import Model  # noqa: E402

BORDER = 128
factors = {
    "short_factor": [1.0, 1.05, 1.1, 1.2, 1.3, 1.35, 1.5, 1.6],
    "long_factor": [1.1, 1.5, 2.0, 2.5, 3.0, 3.4, 3.8, 4.0],
}
partial = {name: numbers[:6] for name, numbers in factors.items()}
long_rope = {"rope_type": "longrope", "original_max_position_embeddings": BORDER, **factors}

# name: a folder of ../models, and what is changed of its config.json
MODELS = {
    "phi3": ("phi3", {}),
    # Phi-4-mini rotates three quarters of each head
    "phi4_mini": ("phi3", {"partial_rotary_factor": 0.75, "sliding_window": 262144, "rope_scaling": {"type": "longrope", **partial}}),
    "llama_dynamic": ("llama_dynamic", {}),
    # no family but Phi-3 forgets its cache where LongRoPE's factors change
    "llama_longrope": ("llama_dynamic", {"max_position_embeddings": 512, "rope_scaling": long_rope}),
}

# name: for each turn how many tokens are new, and how many of an answer are generated
COURSES = {
    "below": [(100, 4)],
    "to the border": [(120, 9)],
    "over it in the answer": [(124, 10)],
    "at the border": [(128, 5)],
    "beyond": [(129, 5)],
    "far beyond": [(300, 4)],
    "over it with the second turn": [(90, 5), (40, 5)],
    "over it in the second answer": [(60, 5), (60, 8)],
    "beyond from the first turn on": [(140, 4), (30, 4)],
    "over it in the first answer": [(126, 6), (20, 4), (64, 3)],
}


def generate(model: Model, turns: list[tuple[int, int]], random: numpy.random.Generator) -> list[tuple[list[int], list[int], torch.Tensor]]:
    """For each turn: its new tokens, the greedy answer, and the logits that each of the answer's tokens was chosen by.

    A turn goes on from the cache that the one before returned.
    """
    rotary = model.model.model.rotary_emb
    with model._precision(), torch.no_grad():
        # dynamic NTK remembers the longest prompt seen
        model.model.model.rotary_emb = type(rotary)(config=model.model.config).to(model.model.dtype)
        known, cache, results = [], None, []
        for new, answer in turns:
            tokens = random.integers(3, model.model.config.vocab_size, new).tolist()
            known = known + tokens
            more = {} if cache is None else {"cache": cache}
            out = model.model.generate(
                torch.tensor([known]),
                attention_mask=torch.ones(1, len(known), dtype=torch.long),
                do_sample=False,
                max_new_tokens=answer,
                eos_token_id=None,
                pad_token_id=0,
                return_dict_in_generate=True,
                output_logits=True,
                **more,
            )
            generated = out.sequences[0, len(known) :].tolist()
            assert len(generated) == answer
            results.append((tokens, generated, torch.cat(out.logits)))
            known, cache = known + generated, out.cache
        return results


def main() -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    tensors, models = {}, {}
    for index, (name, (folder, changes)) in enumerate(MODELS.items()):
        config = json.loads((FOLDER.parent / "models" / folder / "config.json").read_text()) | changes
        weights = {key: x.float() for key, x in load_file(FOLDER.parent / "models" / folder / "model.safetensors").items()}
        exact, plain = (Model(config, weights, dtype) for dtype in (torch.float64, torch.float32))
        largest = 0.0
        for at, (course, turns) in enumerate(COURSES.items()):
            results = generate(exact, turns, numpy.random.default_rng([index, at]))
            again = generate(plain, turns, numpy.random.default_rng([index, at]))
            for turn, ((tokens, answer, logits), (_, same, rounded)) in enumerate(zip(results, again)):
                assert answer == same, f"{name}, {course}: float32 decides the answer"
                largest = max(largest, (logits.float() - rounded.float()).abs().max().item())
                key = f"{name}.{course}.{turn}"
                tensors[f"{key}.tokens"] = torch.tensor(tokens, dtype=torch.int32)
                tensors[f"{key}.answer"] = torch.tensor(answer, dtype=torch.int32)
                tensors[f"{key}.logits"] = logits.float()
        models[name] = {"folder": folder, "changes": changes, "error": largest}
        print(f"{name}: error of float32 {largest:.1e}")
    save_file(tensors, FOLDER / "positions.safetensors")
    turns = {course: len(turns) for course, turns in COURSES.items()}
    (FOLDER / "positions.json").write_text(json.dumps({"models": models, "turns": turns}, indent=1) + "\n")


if __name__ == "__main__":
    main()
