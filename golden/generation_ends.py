"""Where answers end and how prompts begin, as llama.cpp and transformers have it: into generation_ends.json.

Usage: python generation_ends.py > generation_ends.json
Needs gguf, torch, transformers, and xllamacpp (llama.cpp with its server as a Python package). README.md describes the file. Every run
writes the same bytes.
"""

import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

# Names that end an answer somewhere, and some that don't.
NAMES = """
<|im_end|> <|eot_id|> <|eom_id|> <|eot|> <|eom|> <|end|> <end_of_turn> <turn|> <|tool_response> <|observation|> <|return|> <|call|> <|calls|>
<|flush|> <|end_of_turn|> <|END_OF_TURN_TOKEN|> [|endofturn|] <|endofturn|> <|assistant_end|> <|role_end|> <end_of_utterance> [EOT] <EOT> _<EOT>
\u2581<EOT> [e~[ </s> <eos> <|eos|> [EOS] <|end_of_text|> <|endoftext|> <|end_of_sentence|> <\uff5cend\u2581of\u2581sentence\uff5c>
<|end\u2581of\u2581sentence|> <[end\u2581of\u2581sentence]> <seed:eos> <|plamo:eos|> <|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD] <|file_sep|> <file_sep>
<|fim_repo|> <|repo_name|> <repo_name> <fim-repo> <REPO> <reponame>
<|im_start|> <|user|> <s> <|begin_of_text|> <|fim_prefix|> <|channel|> <think> <tool_call> <|sep|>
""".split()

# Names that stand together in a vocabulary: some of them then mean something else.
TOGETHER = [
    ["<|end|>", "<|return|>", "<|call|>"],
    ["<|end|>", "<|return|>"],
    ["<|end|>", "<|calls|>", "<|flush|>"],
    ["<|end|>", "<|call|>", "<|flush|>"],
    ["</s>", "<|tool_response>", "<turn|>"],
    ["</s>", "<|im_end|>"],
    ["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
]

# Fields, each naming a token that no list of names holds.
FIELDS = ["eos_token_id", "eot_token_id", "eom_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"]

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5

TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
# A beginning-of-sequence token or none, from the file and from the template; the type of <|im_end|>.
PROMPTS = [
    {"add_bos_token": adds, "template": template, "end_type": kind}
    for adds in (True, False)
    for template in (TURNS, "{{ bos_token }}" + TURNS, "{{ bos_token }}{{ bos_token }}" + TURNS)
    for kind in (NORMAL, CONTROL, USER_DEFINED, UNUSED)
]
MESSAGES = [{"role": "user", "content": "Hi"}]

# What the files of a folder say about ends: of config.json and of generation_config.json, where it is there.
FOLDERS = [
    ({"eos_token_id": 2}, None),
    ({"eos_token_id": [2, 7]}, None),
    ({"eos_token_id": 2}, {"eos_token_id": [5, 6]}),
    ({}, {"eos_token_id": 9}),
    ({"eos_token_id": None}, {"bos_token_id": 1}),
]


def byte_characters() -> list[str]:
    """GPT-2's way of writing bytes."""
    prints = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in prints]
    return [chr(byte) if byte in prints else chr(256 + others.index(byte)) for byte in range(256)]


def write_gguf(path: Path, tokens: list[tuple[str, int]], fields: dict) -> None:
    """A Llama of one layer that knows all bytes, and these tokens after them."""
    import gguf
    import numpy

    writer = gguf.GGUFWriter(path, "llama")
    hidden = 32
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    texts = byte_characters() + [text for text, _ in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(texts)
    writer.add_token_types([NORMAL] * 256 + [kind for _, kind in tokens])
    writer.add_token_merges(["h i"])
    for key, value in fields.items():
        (writer.add_bool if isinstance(value, bool) else writer.add_string if isinstance(value, str) else writer.add_uint32)(key, value)
    shapes = {"attn_norm": [hidden], "ffn_norm": [hidden]}
    shapes |= {name: [hidden, hidden] for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
    tensors = {"token_embd.weight": [len(texts), hidden], "output_norm.weight": [hidden]}
    tensors |= {f"blk.0.{name}.weight": shape for name, shape in shapes.items()}
    for name, shape in tensors.items():
        writer.add_tensor(name, numpy.ones(shape, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(path: str, messages: str, tokens_path: str) -> None:
    """Opens a file with llama.cpp, which logs the ends it knows, and writes the tokens of a conversation: a process of its own."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = 256
    parameters.warmup = False
    parameters.verbosity = 5
    server = xllamacpp.Server(parameters)

    def ask(name: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"{server.listening_address}/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    # what the server itself does for a conversation
    prompt = ask("apply-template", {"messages": json.loads(messages)})["prompt"]
    tokens = ask("tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
    chat = ask("v1/chat/completions", {"messages": json.loads(messages), "max_tokens": 1})
    assert chat["usage"]["prompt_tokens"] == len(tokens), (chat, tokens)
    Path(tokens_path).write_text(json.dumps(tokens))


def ask_llama_cpp(tokens: list[tuple[str, int]], fields: dict) -> tuple[list[int], list[int]]:
    """The ends that llama.cpp knows in a vocabulary, and the tokens of a conversation."""
    with tempfile.TemporaryDirectory() as folder:
        path, tokens_path = Path(folder) / "model.gguf", Path(folder) / "tokens.json"
        write_gguf(path, tokens, fields)
        arguments = [sys.executable, __file__, "serve", str(path), json.dumps(MESSAGES), str(tokens_path)]
        out = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode(errors="replace")
        chat = json.loads(tokens_path.read_text())
    listed = out.split("printing all EOG tokens:")[1]
    ends = []
    for line in listed.splitlines()[1:]:
        found = re.search(r"load:\s+- (\d+) \('", line)
        if not found:
            break
        ends.append(int(found[1]))
    assert ends, out
    # the list is logged before the exceptions are made
    lists = re.findall(r"removing '(<\|end\|>)'|'(</s>)' is a normal token here", out)
    removed = {name for names in lists for name in names if name}
    texts = byte_characters() + [text for text, _ in tokens]
    return [end for end in ends if texts[end] not in removed], chat


def names_alone() -> dict[str, bool]:
    found = {}
    for name in NAMES:
        ends, _ = ask_llama_cpp([("<stop>", CONTROL), (name, NORMAL)], {"tokenizer.ggml.eos_token_id": 256})
        found[name] = 257 in ends
    return found


def names_together() -> list[dict]:
    found = []
    for names in TOGETHER:
        tokens = [("<stop>", CONTROL)] + [(name, CONTROL) for name in names]
        ends, _ = ask_llama_cpp(tokens, {"tokenizer.ggml.eos_token_id": 256})
        found.append({"names": names, "ends": [names[end - 257] for end in ends if end > 256]})
    return found


def fields() -> list[str]:
    tokens = [(f"<{field}>", CONTROL) for field in FIELDS]
    ends, _ = ask_llama_cpp(tokens, {f"tokenizer.ggml.{field}": 256 + i for i, field in enumerate(FIELDS)})
    return [FIELDS[end - 256] for end in ends]


def prompts() -> list[dict]:
    found = []
    for case in PROMPTS:
        tokens = [("<|begin|>", CONTROL), ("<|im_start|>", CONTROL), ("<|im_end|>", case["end_type"]), ("hi", NORMAL)]
        fields = {
            "tokenizer.ggml.bos_token_id": 256,
            "tokenizer.ggml.eos_token_id": 258,
            "tokenizer.ggml.add_bos_token": case["add_bos_token"],
            "tokenizer.chat_template": case["template"],
        }
        _, ids = ask_llama_cpp(tokens, fields)
        found.append(case | {"tokens": ids})
    return found


def folders() -> list[dict]:
    """The ends that transformers' generate stops at."""
    import transformers

    found = []
    for config, generation in FOLDERS:
        with tempfile.TemporaryDirectory() as folder:
            sizes = {"vocab_size": 16, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
            full = transformers.LlamaConfig(**sizes)
            transformers.LlamaForCausalLM(full).save_pretrained(folder)
            written = json.loads((Path(folder) / "config.json").read_text())
            for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
                written.pop(name, None)
            (Path(folder) / "config.json").write_text(json.dumps(written | config))
            (Path(folder) / "generation_config.json").unlink()
            if generation is not None:
                (Path(folder) / "generation_config.json").write_text(json.dumps(generation))
            model = transformers.AutoModelForCausalLM.from_pretrained(folder)
            # what generate gets beside it
            ends = model.generation_config.eos_token_id
            ends = [] if ends is None else [ends] if isinstance(ends, int) else ends
        found.append({"config": config, "generation_config": generation, "ends": ends})
    return found


def main() -> None:
    recorded = {
        "bytes": byte_characters(),
        "names": names_alone(),
        "together": names_together(),
        "fields": fields(),
        "messages": MESSAGES,
        "prompts": prompts(),
        "folders": folders(),
    }
    json.dump(recorded, sys.stdout, ensure_ascii=True, indent=1)
    print()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:])
    else:
        main()
