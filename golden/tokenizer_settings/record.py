"""Records the ids that transformers gives for settings beside `tokenizer.json`, for `crates/model/src/text/tokenizer/tests/settings.rs`.

    python golden/tokenizer_settings/record.py > golden/tokenizer_settings/expected.json

Needs transformers 5.24. Each case is a folder: one of three small vocabularies, and what its other files say. `refused` names the
setting for which minference refuses the folder; its ids show that the setting matters.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "critical"

from tokenizers.pre_tokenizers import ByteLevel  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

BLANK = "\u2581"
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    "", "hi hi", " hi", "  hi", "a  hi ", "hi<end>hi<end> hi", "<end>hi", "<s>hi", "h <end> i", "<extra>hi", "[PAD]x", "[SEP]", "e\u0301",
]  # fmt: skip


def token(content, **flags):
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {"content": content, **plain, **flags}


def added(first, names):
    return [{"id": first + index, **token(name)} for index, name in enumerate(names)]


def template(bos, bos_id):
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": bos, "type_id": 0}}, text],
        "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {bos: {"id": bos, "ids": [bos_id], "tokens": [bos]}},
    }


def file(added_tokens, normalizer, pre_tokenizer, post_processor, decoder, model):
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder,
        "model": {"type": "BPE", "dropout": None, "ignore_merges": False, **model},
    }


def blanks():
    """As Llama 2's: blanks as U+2581, one of them before each stretch of text."""
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    names += [BLANK, "h", "i", "hi", BLANK + "hi", BLANK * 2, "a", BLANK + "a"]
    merges = [["h", "i"], [BLANK, "hi"], [BLANK, BLANK], [BLANK, "a"]]
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
    steps = [{"type": "Replace", "pattern": {"String": BLANK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
    return file(
        added(0, ["<unk>", "<s>", "</s>"]) + added(len(names), ["<end>"]),
        {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": BLANK}, replaced]},
        None,
        template("<s>", 1),
        {"type": "Sequence", "decoders": steps + [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        {
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {name: index for index, name in enumerate(names)},
            "merges": merges,
        },
    )


def byte_level(qwen2):
    """As Qwen 2's, or GPT-2's."""
    merges = [["h", "i"], ["\u0120", "hi"], ["\u0120", "\u0120"], ["\u0120", "a"]]
    names = sorted(ByteLevel.alphabet()) + ["".join(merge) for merge in merges]
    step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": not qwen2}
    split = {"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": False}
    return file(
        added(len(names), ["<s>", "</s>", "<end>"]),
        {"type": "NFC"} if qwen2 else None,
        {"type": "Sequence", "pretokenizers": [split, step]} if qwen2 else step,
        step,
        step,
        {
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {name: index for index, name in enumerate(names)},
            "merges": merges,
        },
    )


TOKENIZERS = {"blanks": blanks(), "qwen2": byte_level(True), "gpt2": byte_level(False)}
NAMES = {"blanks": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}}
BYTE_LEVEL_NAMES = {"bos_token": "<s>", "eos_token": "</s>"}


def cases():
    prefixes = [{}, {"add_prefix_space": True}, {"add_prefix_space": False}, {"add_prefix_space": None}]
    legacy = [{"legacy": True}, {"legacy": False}, {"legacy": None}, {"legacy": True, "add_prefix_space": False}]
    for family in ["llama", "mistral", "phi3", "gemma3_text"]:
        for name in [None, "PreTrainedTokenizerFast", "TokenizersBackend", "LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer",
                     "CodeLlamaTokenizer", "UnknownTokenizer"]:  # fmt: skip
            for settings in prefixes + legacy:
                yield "blanks", family, name, settings, {}, None
    for family in ["llama", "qwen2", "qwen3", "phi3", "glm4"]:
        for kind, names in [
            ("qwen2", [None, "PreTrainedTokenizerFast", "LlamaTokenizerFast", "Qwen2Tokenizer", "Qwen2TokenizerFast", "TokenizersBackend"]),
            ("gpt2", ["GPT2Tokenizer", "GPT2TokenizerFast", "PreTrainedTokenizerFast"]),
        ]:
            if kind == "gpt2" and family == "qwen2":
                continue
            for name in names:
                for settings in prefixes[:3]:
                    own = (name or "").startswith(("Qwen2", "GPT2")) and family not in ["phi3", "glm4"]
                    own = own or family == "qwen2" or (family == "qwen3" and name is None)
                    refused = "add_prefix_space" if own and settings.get("add_prefix_space") else None
                    yield kind, family, name, settings, {}, refused
    described = {str(entry["id"]): token(entry["content"]) for entry in TOKENIZERS["blanks"]["added_tokens"]}
    end = str(max(map(int, described)))
    new = {str(int(end) + 1): token("<extra>")}
    cut = {"max_length": 2, "direction": "right", "stride": 0, "strategy": "longest_first"}
    for name in ["PreTrainedTokenizerFast", "LlamaTokenizer"]:
        for settings, refused in [
            ({"add_bos_token": False}, None),
            ({"add_bos_token": True, "add_eos_token": True}, None),
            ({"split_special_tokens": True}, "split_special_tokens"),
            ({"split_special_tokens": False}, None),
            ({"pad_token": "[PAD]"}, None),
            ({"pad_token": {"__type": "AddedToken", **token("[PAD]", rstrip=True)}}, None),
            ({"pad_token": "hi"}, None),
            ({"pad_token": "<end>"}, None),
            ({"unk_token": "hi"}, None),
            ({"pad_token": "[PAD]", "sep_token": "[SEP]", "additional_special_tokens": ["<extra>"]}, None),
            ({"mask_token": {"__type": "AddedToken", **token("hi", lstrip=True)}}, None),
            ({"additional_special_tokens": ["<extra>"]}, None),
            ({"extra_special_tokens": ["<extra>"]}, None),
            ({"extra_special_tokens": ["<extra>"], "additional_special_tokens": ["[SEP]"]}, None),
            ({"extra_special_tokens": [], "additional_special_tokens": ["[SEP]"]}, None),
            ({"extra_special_tokens": {"image_token": "<extra>"}}, None),
            ({"model_specific_special_tokens": {"image_token": "<extra>"}}, None),
            ({"image_token": "<extra>"}, None),
            ({"image_token": None, "image_token_id": 5, "boi_token": 7}, None),
            ({"added_tokens_decoder": {**described, **new}}, None),
            ({"added_tokens_decoder": {**described, end: token("<end>", rstrip=True)}}, None),
            ({"added_tokens_decoder": {**described, end: token("<end>", lstrip=True)}}, None),
            ({"added_tokens_decoder": {**described, end: token("<end>", special=False)}}, None),
            ({"added_tokens_decoder": described, "pad_token": "[PAD]"}, None),
            ({"bos_token": "<end>"}, None),
            ({"eos_token": "<end>"}, None),
            ({"clean_up_tokenization_spaces": True}, None),
            ({"model_max_length": 2, "max_length": 2, "truncation": True, "truncation_side": "left", "padding_side": "right"}, None),
            ({"tokenizer_truncation": cut}, None),
            ({"fix_mistral_regex": True}, None),
            ({"use_fast": False, "from_slow": True, "do_lower_case": True, "errors": "ignore", "trim_offsets": True}, None),
            ({"sp_model_kwargs": {}, "spaces_between_special_tokens": True, "use_default_system_prompt": True}, None),
            ({"byte_fallback": False, "dropout": 0.5, "ignore_merges": True, "normalizer": None, "backend": "custom"}, None),
        ]:
            yield "blanks", "llama", name, settings, {}, refused
        for others in [
            {"special_tokens_map.json": {"bos_token": "<end>", "additional_special_tokens": ["<extra>"]}},
            {"special_tokens_map.json": {"pad_token": "[PAD]"}},
            {"special_tokens_map.json": {"pad_token": token("[PAD]", lstrip=True)}},
            {"added_tokens.json": {"<extra>": int(end) + 1}},
            {"added_tokens.json": {"<extra>": int(end) + 1}, "special_tokens_map.json": {"additional_special_tokens": ["<extra>"]}},
        ]:
            yield "blanks", "llama", name, {}, others, None
        ignored = {"special_tokens_map.json": {"pad_token": "[PAD]"}, "added_tokens.json": {"<extra>": int(end) + 1}}
        yield "blanks", "llama", name, {"added_tokens_decoder": described}, ignored, None


def main():
    recorded = []
    for kind, family, name, settings, others, refused in cases():
        config = {**NAMES.get(kind, BYTE_LEVEL_NAMES), **settings}
        if name:
            config["tokenizer_class"] = name
        files = {"tokenizer_config.json": config, "config.json": {"model_type": family}, **others}
        with tempfile.TemporaryDirectory() as folder:
            for path, content in {"tokenizer.json": TOKENIZERS[kind], **files}.items():
                (Path(folder) / path).write_text(json.dumps(content))
            made = AutoTokenizer.from_pretrained(folder)
        ids = [made(text)["input_ids"] for text in TEXTS]
        case = {"tokenizer": kind, "files": files, "class": type(made).__name__, "ids": ids}
        case["decoded"] = made.decode(ids[1], skip_special_tokens=True)
        if refused:
            case["refused"] = refused
        recorded.append(case)
    json.dump({"tokenizers": TOKENIZERS, "texts": TEXTS, "cases": recorded}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
