"""Records what RULER's own code makes of its newer files of samples, for `crates/eval/tests/ruler_files.rs`.

    python golden/ruler/record_prompts.py RULER > golden/ruler/prompts.json

`RULER` is a checkout of github.com/NVIDIA/RULER (recorded at commit c3f5e3b). Needs numpy, scipy, nltk, tqdm, pyyaml and wonderwords.

- `prompts`: hand-made lines of samples, and the prompt that `scripts/pred/call_api.py` hands to a model for each. It runs as it is, but for the reader of lines
  (NeMo's) and the model, which stands for a server and writes down what it is asked.
- `files`: facts about what the generators write with a template and without one (as `--prepare_for_ns` does, for a harness that has the model's own chat
  template): names of fields, how the answer begins, where the input ends, what `index` means, and how two lengths differ. A token is what stands between white
  space. No sample is recorded. (`cwe` and `qa` read files that are not in the checkout.)
"""

import importlib
import json
import re
import runpy
import sys
import tempfile
import types
from pathlib import Path

SCRIPTS = Path(sys.argv[1]) / "scripts"
SYNTHETIC = SCRIPTS / "data" / "synthetic"
TEMPLATE = "[INST] {} [/INST]"
TEMPLATE_TOKENS = 5
LENGTH = 1500

LINES = [
    {"index": 0, "input": "What is it? Answer: It is", "outputs": ["it"], "length": 12},
    {"index": 1, "input": "What is it?", "outputs": ["it"], "length": 12, "length_w_model_temp": 12, "answer_prefix": " Answer: It is"},
    {"index": 2, "input": "[INST] caf\u00e9\n? [/INST]", "outputs": ["a", "b"], "length": 9, "length_w_model_temp": 9, "answer_prefix": " \u7b54\uff1a", "token_position_answer": 3},
    {"index": 3, "input": "No prefix.", "outputs": ["x"], "answer_prefix": "", "others": {"id": "n"}, "truncation": -1},
    {"index": 4, "input": "Ends with a space. ", "outputs": ["x"], "length": 7, "answer_prefix": "Answer:"},
]

TASKS = {
    "niah_single_1": ("niah", ["--type_haystack", "noise"]),
    "niah_multikey_2": ("niah", ["--type_haystack", "needle"]),
    "vt": ("variable_tracking", ["--type_haystack", "noise", "--num_chains", "1", "--num_hops", "4", "--add_fewshot"]),
    "fwe": ("freq_words_extraction", ["--alpha", "2.0"]),
}


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


class Words:
    def text_to_tokens(self, text):
        return text.split()


def install():
    """What the scripts import and is not there."""
    for name in ["nemo", "nemo.collections", "nemo.collections.asr", "nemo.collections.asr.parts", "nemo.collections.asr.parts.utils"]:
        sys.modules[name] = types.ModuleType(name)
    manifests = types.ModuleType("nemo.collections.asr.parts.utils.manifest_utils")
    manifests.read_manifest = lines_of
    sys.modules[manifests.__name__] = manifests
    tokenizer = types.ModuleType("tokenizer")
    tokenizer.select_tokenizer = lambda kind, path: Words()
    sys.modules["tokenizer"] = tokenizer
    sys.path[:0] = [str(SYNTHETIC), str(SCRIPTS / "data")]
    import nltk.tokenize

    nltk.tokenize.sent_tokenize = lambda text: re.split(r"(?<=[.!?]) ", text)


def prompts():
    """What a model is asked for the lines."""
    asked = []

    class Client:
        def __init__(self, **_):
            pass

        def process_batch(self, prompts, **_):
            asked.extend(prompts)
            return [{"text": [""]} for _ in prompts]

    clients = types.ModuleType("client_wrappers")
    clients.VLLMClient = Client
    sys.modules["client_wrappers"] = clients
    folder = Path(tempfile.mkdtemp())
    (folder / "qa_1").mkdir()
    (folder / "qa_1" / "validation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    sys.argv = ["call_api.py", "--data_dir", str(folder), "--save_dir", str(folder / "out"), "--task", "qa_1", "--server_type", "vllm", "--threads", "1"]
    stdout, sys.stdout = sys.stdout, sys.stderr
    runpy.run_path(str(SCRIPTS / "pred" / "call_api.py"), run_name="__main__")
    sys.stdout = stdout
    return [{"line": line, "prompt": prompt} for line, prompt in zip(LINES, asked, strict=True)]


def generated(task, with_template):
    """Facts about a generator's lines."""
    script, arguments = TASKS[task]
    base = importlib.import_module("constants").TASKS[script]
    around = TEMPLATE if with_template else "{}"
    folder = Path(tempfile.mkdtemp())
    sys.argv = [script, "--save_dir", str(folder), "--save_name", task, "--tokenizer_path", "none", "--max_seq_length", str(LENGTH), "--num_samples", "4"]
    sys.argv += ["--tokens_to_generate", str(base["tokens_to_generate"]), *arguments]
    sys.argv += ["--template", around.format(base["template"]) + base["answer_prefix"]]
    if not with_template:
        sys.argv += ["--model_template_token", str(TEMPLATE_TOKENS)]
    stdout, sys.stdout = sys.stdout, sys.stderr
    runpy.run_path(str(SYNTHETIC / f"{script}.py"), run_name="__main__")
    sys.stdout = stdout
    lines = lines_of(folder / task / "validation.jsonl")
    indices = [line["index"] for line in lines]
    positions = [line["input"].find(line["outputs"][0]) for line in lines]
    assert indices in (positions, list(range(len(lines))))
    return {
        "fields": sorted({name for line in lines for name in line}),
        "answer_prefix": sorted({re.sub(r"\d{5,}", "{number}", re.sub(r"for \S+ mentioned", "for {key} mentioned", line["answer_prefix"])) for line in lines}),
        "input_ends": sorted({line["input"][-8:] for line in lines}) if with_template else sorted({line["input"][-1] for line in lines}),
        "index": "the place of the answer" if indices == positions else "the sample's number",
        "tokens_of_template": sorted({line["length_w_model_temp"] - line["length"] for line in lines}),
    }


def main():
    install()
    files = {task: {"in a template": generated(task, True), "without": generated(task, False)} for task in TASKS}
    json.dump({"prompts": prompts(), "files": files}, sys.stdout, indent=1, ensure_ascii=True)
    print()


if __name__ == "__main__":
    main()
