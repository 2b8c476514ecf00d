"""Records what RULER's official generators and scorer give, for `crates/eval/src/tasks/ruler/source/tests.rs` and `crates/eval/tests/ruler.rs`.

    python golden/ruler/record_ruler.py > golden/ruler/ruler.json

Needs nvidia-long-context-eval 26.3 (installed with --no-deps), wonderwords, numpy, scipy, pandas, pyyaml, tqdm, tenacity and nltk. The generators run as they are but for two
things: a token is what stands between white space, so that no tokenizer is needed, and sentences are cut at `. `, `! ` and `? `, as nltk's data is not there.
What is recorded are facts about their prompts: the words around the contexts, and counts. Essays, questions and documents are not.
"""

import collections
import contextlib
import importlib.util
import json
import os
import re
import runpy
import sys
import tempfile
import types
from pathlib import Path

import nltk
import nltk.tokenize

PACKAGE = Path(importlib.util.find_spec("long_context_eval").submodule_search_locations[0])
LENGTHS = [3000, 6000]
SAMPLES = 3


class Words:
    def text_to_tokens(self, text):
        return text.split()


def install():
    tokenizer = types.ModuleType("tokenizer")
    tokenizer.select_tokenizer = lambda kind, path: Words()
    sys.modules["tokenizer"] = sys.modules["long_context_eval.data.tokenizer"] = tokenizer
    nltk.tokenize.sent_tokenize = lambda text: re.split(r"(?<=[.!?]) ", text)
    nltk.download = lambda name: False
    sys.path.insert(0, str(PACKAGE / "data" / "synthetic"))


def generated(task, config, base, length):
    """The samples, and what the generator printed."""
    folder = tempfile.mkdtemp()
    arguments = ["--save_dir", folder, "--save_name", task, "--tokenizer_path", "none", "--max_seq_length", str(length)]
    arguments += ["--tokens_to_generate", str(base["tokens_to_generate"]), "--num_samples", str(SAMPLES)]
    arguments += ["--template", base["template"] + base["answer_prefix"]]
    for name, value in config["args"].items():
        arguments += [f"--{name}", str(value)]
    script = PACKAGE / "data" / "synthetic" / f"{config['task']}.py"
    sys.argv = [str(script), *arguments]
    printed = Path(folder) / "printed"
    with open(printed, "w") as out, contextlib.redirect_stdout(out):
        runpy.run_path(str(script), run_name="__main__")
    lines = (Path(folder) / task / "validation.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], printed.read_text()


def same(values):
    """What all samples agree on."""
    values = [json.dumps(value) for value in values]
    assert len(set(values)) == 1, values
    return json.loads(values[0])


def niah(sample, _):
    first, *lines, last = sample["input"].split("\n")
    context = "\n".join(lines)
    needles = re.findall(r"One of the special magic (\w+) for (.+?) is: (\S+?)\.(?=\s|$)", context)
    query = re.search(r"magic \w+ for (.*?) mentioned", last)[1]
    asked = [(key, value) for _, key, value in needles if value in sample["outputs"]]
    assert sorted(value for _, value in asked) == sorted(sample["outputs"])
    others = [line for line in lines if not line.startswith("One of")]
    is_needles = len(needles) > 100
    return {
        "first": first,
        "last": last.replace(query, "{query}"),
        "queries": len(re.split(r", and |, ", query)),
        "kinds": sorted({kind for kind, _, _ in needles}),
        "needles": "many" if is_needles else len(needles),
        "keys": "many" if is_needles else len({key for _, key, _ in needles}),
        "asked_keys": len({key for key, _ in asked}),
        "outputs": len(sample["outputs"]),
        "repeated": same(others) if others and len(others) > 1 else None,
        "key_parts": same([1 if re.fullmatch(r"[0-9a-f-]{36}", key) else 2 for _, key, _ in needles]),
        "value_length": same([len(value) for _, _, value in needles]),
    }


def chain(text):
    head, rest = text.split("text.\n\n", 1)
    context, tail = rest.rsplit("\nQuestion:", 1)
    value = re.search(r"VAR \w+ = (\d+)", context)[1]
    names = re.findall(r"VAR (\w+) = ", context)
    links = re.findall(r"VAR (\w+) = VAR (\w+) ", context)
    assert links == list(zip(names[1:], names))
    noise = [line.strip() for line in re.sub(r"VAR \w+ = (VAR \w+ |\d+)", "", context).split("\n") if line.strip()]
    return {
        "head": head,
        "tail": tail.replace(value, "{value}").replace(" ".join(names), "{names}"),
        "letters": same([len(name) for name in names]),
        "value_digits": len(value),
        "names": len(names),
        "noise": same(noise),
    }, names, len(noise)


def vt(sample, _):
    start, example, task = sample["input"].split("Memorize and track")
    facts, _, noise = chain(example)
    example = facts | {"noise_lines": noise}
    task, names, _ = chain(task)
    assert names == sample["outputs"]
    return {"start": start, "example": example, "task": task, "outputs": len(names)}


def cwe(sample, _):
    start, example, task = sample["input"].split("Below is a")

    def part(text):
        head, rest = text.split("\n", 1)
        context, tail = rest.split("\nQuestion:", 1)
        words = re.findall(r"(\d+)\. (\S+)", context)
        assert [int(number) for number, _ in words] == list(range(1, len(words) + 1))
        counts = collections.Counter(collections.Counter(word for _, word in words).values())
        return head, tail, words, dict(sorted(counts.items()))

    head, tail, words, counts = part(example)
    _, last, task_words, task_counts = part(task)
    top = [word for word, _ in collections.Counter(word for _, word in task_words).most_common(10)]
    assert sorted(top) == sorted(sample["outputs"])
    answer = tail.split("list are:", 1)[1]
    return {
        "start": start,
        "head": head,
        "example_entries": len(words),
        "example_counts": counts,
        "example_tail": tail.replace(answer, "{answer}"),
        "example_answer": re.sub(r"(\d+\.) \S+", r"\1 {word}", answer),
        "tail": last,
        "common_count": max(task_counts),
        "other_count": min(task_counts),
        "outputs": len(sample["outputs"]),
    }


def fwe(sample, printed):
    head, rest = sample["input"].split("coded words. ", 1)
    context, tail = rest.split("\nQuestion:", 1)
    counts = collections.Counter(context.split(" ")).most_common()
    assert counts[0][0] == "..." and [word for word, _ in counts[1:4]] == sample["outputs"]
    return {
        "head": head,
        "tail": tail,
        "num_words": int(re.search(r"num_example_words: (\d+)", printed)[1]),
        "counts": [count for _, count in counts],
        "letters": same([len(word) for word, _ in counts[1:]]),
        "outputs": len(sample["outputs"]),
    }


def qa(sample, _):
    head, rest = sample["input"].split("Document 1:\n", 1)
    context, tail = rest.rsplit("\n\nAnswer the question based", 1)
    numbers = [1] + [int(number) for number in re.findall(r"\n\nDocument (\d+):\n", context)]
    assert numbers == list(range(1, len(numbers) + 1))
    question = re.search(r"Question: (.*) Answer:", tail)[1]
    return {"head": head, "tail": tail.replace(question, "{question}")}


FACTS = {
    "niah": niah,
    "variable_tracking": vt,
    "common_words_extraction": cwe,
    "freq_words_extraction": fwe,
    "qa": qa,
}

ANSWERS = [
    ["", ["a"]],
    [" 1234567 and 7654321.\u0000", ["1234567", "7654321"]],
    ["only 1234567", ["1234567", "7654321", "1111111", "2222222"]],
    ["\u00c4RGER, \u0130stanbul", ["\u00e4rger", "i\u0307stanbul"]],
    ["\u039f\u0394\u039f\u03a3", ["\u03bf\u03b4\u03bf\u03c2"]],
    ["first\u0001second\tthird\u001f", ["first\nsecond\nthird"]],
    ["Stra\u00dfe", ["STRASSE", "stra\u00dfe"]],
    ["\u4f60\u597d\uff0c\u4e16\u754c \U0001f642", ["\u4e16\u754c", "\U0001f642", "\U0001f680"]],
    ["the answer is Paris.", ["paris", "Lyon"]],
    ["  \u00a0\n", ["", "x"]],
]


def scores():
    sys.argv = ["evaluate.py", "--data_dir", "none"]
    clean = runpy.run_path(str(PACKAGE / "eval" / "evaluate.py"), run_name="scorer")["postprocess_pred"]
    metrics = runpy.run_path(str(PACKAGE / "eval" / "synthetic" / "constants.py"))
    answers, references = zip(*ANSWERS)
    cleaned = [clean(answer, {}) for answer in answers]
    return {
        "answers": list(answers),
        "references": list(references),
        "cleaned": cleaned,
        "all": metrics["string_match_all_per_sample"](cleaned, references),
        "part": metrics["string_match_part_per_sample"](cleaned, references),
        "all_of_task": metrics["string_match_all"](cleaned, references),
        "part_of_task": metrics["string_match_part"](cleaned, references),
    }


def main():
    install()
    import yaml

    from long_context_eval.data.synthetic.constants import TASKS
    from long_context_eval.data.template import Templates

    tasks = yaml.safe_load((PACKAGE / "synthetic.yaml").read_text())
    record = {"templates": Templates, "scores": scores(), "tasks": {}}
    for task, config in tasks.items():
        base = TASKS[config["task"]]
        lengths = {}
        for length in LENGTHS:
            samples, printed = generated(task, config, base, length)
            print(task, length, [sample["length"] for sample in samples], file=sys.stderr)
            lengths[length] = {
                "tokens": [sample["length"] for sample in samples],
                "facts": same([FACTS[config["task"]](sample, printed) for sample in samples]),
            }
        record["tasks"][task] = {"tokens_to_generate": base["tokens_to_generate"], "lengths": lengths}
    json.dump(record, sys.stdout, indent=1, ensure_ascii=True)
    print()


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    main()
