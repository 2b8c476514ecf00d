"""Records what the tokenizers and chat templates of real models give, for `crates/model/tests/real_tokenizers.rs`.

    python golden/record_text.py FOLDER > golden/text.json

FOLDER holds the GGUF files named below. Needs gguf, tokenizers and transformers. The vocabulary and merges come from the file; how words are cut is what
each model's published `tokenizer.json` says, written down here. transformers' own reading of the file must give the same ids; it leaves out a step of
each, which `check` makes up for.
"""

import json
import sys
import unicodedata
from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
FILES = ["smollm2-135m-instruct-q4_1.gguf", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"]

SAMPLES = [
    "",
    "Hello, world! It's a test; we'LL see what they're up to, IT'S 12:30.",
    "fn main() {\n    let x: Vec<u32> = (0..10).map(|i| i * 2).collect();\n\tprintln!(\"{x:?}\");\r\n}\n",
    "def f(a, b=1):\n        return a ** b  # comment\n\n\n\n    pass\n",
    "你好，世界！今天天气怎么样？日本語のテキスト、カタカナ。한국어 문장입니다.",
    "Ünïcödé: naïve café, ﬁne ﬂow, Å (A-ring) Å, e\u0301 a\u0308 combined, \u212b \u1e9b\u0323",
    "emoji 🙂🚀👩‍👩‍👧‍👦🇩🇪 ✈️ and ♥︎",
    "numbers 1 12 123 1234 12345 1234567890 3.14159 1,000,000 ٣٤٥ ½ ² Ⅷ 1e-10",
    "spaces  two   three    four\ttab\t\ttabs \n newline \n\n \r\n\r\n end   ",
    "   leading and trailing   ",
    "\u00a0no-break\u2003em\u200bzero-width\u3000ideographic\u2028line\u0085next",
    "control \x00\x01\x07\x1b[31m\x7f\x80 \ufeffbom \ufffd replaced",
    "Русский текст, ελληνικά, עברית, العربية, हिन्दी में पाठ, ภาษาไทย",
    "<|im_start|>user\nis this <|im_end|> special? <|endoftext|></s><tool_call>[INST]",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org $100 €50 #tag @you /path/to/file.txt",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa----------------======",
    "MixedCase camelCase snake_case SCREAMING_CASE kebab-case ALLCAPSandlower x86_64 f32x4",
    "'s 't 'RE 'Ve 'M 'lL 'D 'x ''s \u2019s don\u2019t ſ 'ſ",
]

CONVERSATIONS = [
    [["user", "Hi!"]],
    [["system", "Be brief."], ["user", " What is 2+2? "]],
    [["system", ""], ["user", "a\n<b> & \"c\""], ["assistant", "你好"], ["user", "🙂"]],
]


def tokenizer(fields):
    texts = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(texts)}, merges=merges))
    if fields["tokenizer.ggml.pre"].contents() == "qwen2":
        made.normalizer = normalizers.NFC()
        cut = pre_tokenizers.Split(Regex(QWEN2), "isolated")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    else:
        cut = pre_tokenizers.Digits(individual_digits=True)
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([cut, byte_level])
    made.decoder = decoders.ByteLevel()
    for text, kind in zip(texts, kinds):
        if kind in (2, 3, 4):
            made.add_tokens([AddedToken(text, special=kind != 4, normalized=False)])
    return made


def check(folder, name, pre, parsed):
    """Compares with transformers' reading, which leaves out Qwen's normal form, and SmolLM's cut around digits: there its merges keep ASCII apart, not others."""
    reading = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    compared = 0
    for sample, ids in zip(SAMPLES, parsed):
        if pre == "qwen2":
            sample = unicodedata.normalize("NFC", sample)
        elif any(unicodedata.category(letter)[0] == "N" and not letter.isascii() for letter in sample):
            continue
        found = reading.encode(sample, add_special_tokens=False)
        assert found == ids, (name, sample, found, ids)
        compared += 1
    print(f"{name}: transformers agrees on {compared} of {len(SAMPLES)} samples", file=sys.stderr)


def main(folder):
    record = {"samples": SAMPLES, "conversations": CONVERSATIONS, "models": {}}
    for name in FILES:
        fields = GGUFReader(Path(folder) / name).fields
        made = tokenizer(fields)
        parsed = [made.encode(sample).ids for sample in SAMPLES]
        check(folder, name, fields["tokenizer.ggml.pre"].contents(), parsed)
        made.encode_special_tokens = True
        plain = [made.encode(sample).ids for sample in SAMPLES]
        names = fields["tokenizer.ggml.tokens"].contents()
        special = {
            role: names[fields[f"tokenizer.ggml.{key}_token_id"].contents()]
            for role, key in [("bos_token", "bos"), ("eos_token", "eos")]
        }
        chats = [[{"role": role, "content": text} for role, text in chat] for chat in CONVERSATIONS]
        rendered, _ = render_jinja_template(
            chats, chat_template=fields["tokenizer.chat_template"].contents(), add_generation_prompt=True, **special
        )
        record["models"][name] = {"parsed": parsed, "as_text": plain, "chats": rendered}
    json.dump(record, sys.stdout, ensure_ascii=True, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main(sys.argv[1])
