"""Greedy answers of real models: transformers in float32 on the weights that a GGUF file holds, read back.

Usage: python real_answers.py MODEL.gguf [MODEL.gguf ...] > real_answers.json
Needs torch, transformers and gguf. README.md describes the result.

A prompt counts only if no token of its answer was nearly another one: `MARGIN`. Else the next of its kind is taken.
"""

import hashlib
import json
import random
import sys
from itertools import count
from pathlib import Path
from typing import Iterator

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

ANSWER = 24
# In logits; float32 implementations differ by about a hundredth of it.
MARGIN = 0.02

Message = dict[str, str]


def ask(*texts: str) -> list[Message]:
    """A conversation in which user and assistant take turns."""
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def log(seed: int, lines: int) -> str:
    """A server's log with one line that is unlike the others, and a question about it."""
    draw = random.Random(seed)
    hosts = ("amber", "birch", "cedar", "delta", "ember", "fjord")
    text, second = [], 0
    for _ in range(lines):
        second += draw.randrange(1, 60)
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        text.append(f"{clock} {draw.choice(hosts)} INFO request {draw.randrange(1000, 10000)} served in {draw.randrange(3, 900)} ms")
    host, code = draw.choice(hosts), draw.randrange(1000, 10000)
    text[draw.randrange(lines // 4, 3 * lines // 4)] += f"\nNOTE: the access code of the pump station at {host} is {code}."
    return "\n".join(text) + "\n\nWhat is the access code of the pump station?"


def pairs(seed: int, lines: int) -> str:
    """A list of names and numbers, and a question about one of them."""
    draw = random.Random(seed)
    first = ("red", "blue", "green", "white", "black", "silver", "golden", "quiet", "rapid", "gentle")
    second = ("falcon", "river", "anchor", "lantern", "meadow", "engine", "harbor", "violin", "glacier", "orchard")
    names = [f"{a} {b}" for a in first for b in second]
    draw.shuffle(names)
    names = [f"{name} {i // len(names) + 1}" for i, name in zip(range(lines), names * (lines // len(names) + 1))]
    text = [f"The number of {name} is {draw.randrange(10000, 100000)}." for name in names]
    return "\n".join(text) + f"\n\nWhat is the number of {draw.choice(names)}?"


# Kinds of prompts: the name, and prompts of the kind until one counts. A text is continued, messages go through the chat template.
def kinds() -> Iterator[tuple[str, Iterator[str | list[Message]]]]:
    yield "question", iter([ask("What is the capital of France?"), ask("Which planet is the largest?")])
    yield "explanation", iter([ask("Explain why the sky is blue."), ask("Explain how a bicycle stays upright.")])
    yield "program", iter([ask("Write a Python function that reverses a string."), ask("Write a C function that adds two numbers.")])
    yield "second turn", iter(
        [
            ask("Name a fruit.", "Apple.", "Name a colour it can have."),
            ask("Say a number.", "Seven.", "What is the next number?"),
            ask("Name an animal.", "A horse.", "What does it eat?"),
        ]
    )
    yield "code", iter(["def fibonacci(n):\n    ", "import os\n\ndef list_files(path):\n", "for i in range(10):\n"])
    yield "story", iter(
        [
            "Once upon a time, in a village by the sea,",
            "The old clock on the wall",
            "In the beginning of the twentieth century,",
            "The recipe needs three eggs, two cups of flour and",
            "Monday, Tuesday, Wednesday,",
        ]
    )
    yield "one token", iter(["The", "def", "import", "1", "#", "A", "In"])
    yield "log, 1K tokens", (ask(log(seed, 36)) for seed in count())
    yield "pairs, 2K tokens", (ask(pairs(seed, 120)) for seed in count())
    yield "log, 4K tokens", (ask(log(seed, 158)) for seed in count(100))


@torch.no_grad()
def answer(model, tokens: list[int], end: set[int]) -> tuple[list[int], float]:
    """The greedy answer, up to an end token, and the smallest lead of a best over a second best logit."""
    found, margin, cache, step = [], float("inf"), None, tokens
    while len(found) < ANSWER and not (found and found[-1] in end):
        result = model(torch.tensor([step]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        best = result.logits[0, -1].topk(2)
        found.append(best.indices[0].item())
        margin = min(margin, (best.values[0] - best.values[1]).item())
        if margin < MARGIN:
            break
        cache, step = result.past_key_values, found[-1:]
    return found, margin


def record(path: Path) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    end = {tokenizer.eos_token_id}
    prompts = []
    for name, candidates in kinds():
        for prompt in candidates:
            if isinstance(prompt, str):
                tokens = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            else:
                tokens = tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"]
            found, margin = answer(model, tokens, end)
            print(f"{path.stem}, {name}: {len(tokens)} tokens, margin {margin:.3f}: {tokenizer.decode(found)!r}", file=sys.stderr)
            if margin >= MARGIN:
                prompts.append({"name": name, "tokens": tokens, "answer": found, "text": tokenizer.decode(found), "margin": round(margin, 4)})
                break
        else:
            raise SystemExit(f"{path.stem}, {name}: every prompt is a near tie; add some")
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "end": sorted(end), "prompts": prompts}


def main(paths: list[str]) -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    models = {Path(path).name: record(Path(path)) for path in paths}
    # one prompt a line, so that a change can be read
    text = json.dumps(models, separators=(",", ":"), ensure_ascii=False)
    print(text.replace('{"name"', '\n{"name"'))


if __name__ == "__main__":
    main(sys.argv[1:])
