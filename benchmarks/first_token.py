"""Time to first token: our sparse and dense attention, and the peers llama.cpp and OpenVINO GenAI, in turn on the same machine.

usage: python first_token.py MINFERENCE MODEL.gguf TEXT_FILE LENGTHS [--threads 2] [--llama-bench PATH]
           [--openvino PYTHON SCRIPT] [--methods dense,minference] [--repeats 1] [-- more options of `minference run`]

LENGTHS are tokens, separated by commas; the text is cut to about as many, and what is reported is counted. Each repeat runs every
program once, so that a machine whose speed drifts favours none; medians are printed. SCRIPT is called as
`PYTHON SCRIPT MODEL LENGTH dense|XATTENTION TEXT_FILE` and prints "first token S s".
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile

BYTES_PER_TOKEN = 4.4  # more than English has; the prompt is then cut by what the first run counted


def ours(options, text, method, extra):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        command = [options.minference, "run", "--model", options.model, "--raw", "--prompt-file", file.name]
        command += ["--attention", method, "--max-tokens", "2", "--threads", str(options.threads), "--json", *extra]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def cut(options, text, tokens, extra):
    """A beginning of the text with nearly as many tokens."""
    part = text[: int(tokens * BYTES_PER_TOKEN / 40)]
    rate = len(part) / ours(options, part, "dense", extra)["prompt_tokens"]
    return text[: int(tokens * rate)]


def llama(options, tokens):
    command = [options.llama_bench, "-m", options.model, "-p", str(tokens), "-n", "0", "-t", str(options.threads)]
    # A warm-up reads the whole prompt once more, which for a long one is many minutes and changes nothing.
    command += ["-ub", "512", "-r", "1", "-o", "json", *(["--no-warmup"] if tokens > 10_000 else [])]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    return result[0]["avg_ns"] / 1e9


def openvino(options, tokens, mode):
    python, script = options.openvino
    command = [python, script, options.model, str(tokens), mode, options.text]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return float(re.search(r"first token ([0-9.]+) s", out).group(1))


def main():
    arguments = sys.argv[1:]
    extra = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    parser = argparse.ArgumentParser()
    parser.add_argument("minference")
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("lengths")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--methods", default="dense,minference")
    parser.add_argument("--llama-bench")
    parser.add_argument("--openvino", nargs=2)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args(arguments[: arguments.index("--")] if extra else arguments)
    text = open(options.text, errors="ignore").read()
    for length in map(int, options.lengths.split(",")):
        prompt = cut(options, text, length, extra)
        times, shares, tokens = {}, {}, length

        def measured(name, seconds):
            times.setdefault(name, []).append(seconds)
            # what is measured is told at once: a peer may take an hour, or fail
            print(f"  {name}: {seconds:.2f} s", file=sys.stderr, flush=True)

        for _ in range(options.repeats):
            for method in options.methods.split(","):
                result = ours(options, prompt, method, extra)
                measured(f"minference, {method}", result["time_to_first_token_s"])
                shares[f"minference, {method}"] = result["computed_share"]
                tokens = result["prompt_tokens"]
            if options.llama_bench:
                measured("llama.cpp", llama(options, tokens))
            if options.openvino:
                for mode in ["dense", "XATTENTION"]:
                    measured(f"OpenVINO GenAI, {mode}", openvino(options, tokens, mode))
        for name, values in times.items():
            share = f", computed share {shares[name]:.1%}" if name in shares else ""
            print(f"{tokens} tokens, {name}: {statistics.median(values):.2f} s{share}", flush=True)


if __name__ == "__main__":
    main()
