"""Records how text is cut before merges, for `crates/model/src/text/tokenizer/tests/pre_tokenizers.rs`.

    python golden/pre_tokenizers/record.py LIBRARY FOLDER

writes `vocabulary.json` and `expected.json` into FOLDER. LIBRARY is a shared library that holds llama.cpp (such as the extension module of the
PyPI package `xllamacpp` 2026.10.11549). Needs gguf and tokenizers 0.23 beside it.

Each rule is written down here as the published `tokenizer.json` of its family has it, and Hugging Face's tokenizers applies it (with
Oniguruma). llama.cpp gives its ids for every name of the rule; where they differ on a sample, the script says so and records which.
"""

import ctypes
import json
import sys
import tempfile
from pathlib import Path

from gguf import GGUFWriter
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

END = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
OTHER = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
QWEN2 = rf"{SHORT}|{WORD}|\p{{N}}|{OTHER}{END}"
LLAMA3 = rf"{SHORT}|{WORD}|\p{{N}}{{1,3}}|{OTHER}{END}"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
BEFORE = r"[^\r\n\p{L}\p{N}]?"
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
# fmt: off
CASED = (
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f"
    "\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd"
    "\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59"
    "\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149"
    "\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
    "\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb"
    "\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+"
)
# fmt: on


def cut(*expressions):
    return [pre_tokenizers.Split(Regex(expression), "isolated") for expression in expressions]


DIGITS = [pre_tokenizers.Digits(individual_digits=True)]
BYTES = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
GPT2 = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
DEEPSEEK_V3 = cut(
    r"\p{N}{1,3}",
    "[一-龥\u3040-\u309f\u30a0-\u30ff]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
    + END,
)
EAST_ASIAN = "[一-龥\u0800-一\uac00-\ud7ff]+"

# Names, steps, NFC, whether words that are tokens skip the merges.
RULES = [
    (
        "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum modern-bert jais exaone4 trillion granite-docling",
        GPT2, False, False,
    ),
    ("olmo mpt", GPT2, True, False),
    (
        "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
        cut(LLAMA3) + BYTES, False, True,
    ),
    ("glm4 glm5", cut(LLAMA3) + BYTES, False, True),
    ("chatglm-bpe dbrx smaug-bpe", cut(LLAMA3) + BYTES, False, False),
    ("qwen2 deepseek-r1-qwen kormo f2llmv2 megrez", cut(QWEN2) + BYTES, True, False),
    (
        "qwen35",
        cut(rf"{SHORT}|{BEFORE}[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*{END}") + BYTES, True, False,
    ),
    ("hunyuan stablelm2 grok-2 solar-open", cut(QWEN2) + BYTES, False, False),
    (
        "bailingmoe bailingmoe2 llada-moe",
        cut(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+") + BYTES, False, False,
    ),
    ("smollm starcoder refact codeshell exaone minerva-7b mellum2", DIGITS + GPT2, False, False),
    ("command-r", DIGITS + GPT2, True, False),
    ("tekken", cut(rf"{BEFORE}{UPPER}*{LOWER}+|{BEFORE}{UPPER}+{LOWER}*|\p{{N}}|{SLASH}{END}") + BYTES, False, True),
    (
        "gpt-4o llama4 kanana2 talkie minimax-m2",
        cut(rf"{BEFORE}{UPPER}*{LOWER}+{SHORT}?|{BEFORE}{UPPER}+{LOWER}*{SHORT}?|\p{{N}}{{1,3}}|{SLASH}{END}") + BYTES, False, False,
    ),
    ("seed-coder", cut(rf"{SHORT}|{WORD}|\p{{N}}{{1}}| ?[^\s\p{{L}}\p{{N}}\r\n]+{END}") + BYTES, False, False),
    ("minicpm5", cut(r"\p{N}{1,3}", rf"{SHORT}|{WORD}|\p{{N}}+|{OTHER}{END}") + BYTES, False, True),
    (
        "deepseek-llm",
        cut("[\r\n]", CASED, "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$", EAST_ASIAN) + DIGITS + BYTES,
        False, False,
    ),
    ("deepseek-coder", cut("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", EAST_ASIAN) + DIGITS + BYTES, False, False),
    ("deepseek-v3 hunyuan-dense joyai-llm hy_v4", DEEPSEEK_V3 + BYTES, False, False),
    (
        "falcon",
        [pre_tokenizers.Punctuation("contiguous")] + GPT2
        + [pre_tokenizers.Digits(individual_digits=False)] + cut("[0-9][0-9][0-9]"),
        False, False,
    ),
    ("bloom poro-chat gpt3-finnish", cut(BLOOM) + BYTES, False, False),
    ("viking", cut(BLOOM) + DIGITS + BYTES, False, False),
]

SAMPLES = [
    "",
    " ",
    "\n",
    "\t",
    "   \n\n \t\n",
    "Hello, world! It's a test; we'LL see what they're up to, IT'S 12:30.",
    "Hello\n hello\r\n\r\nhello  \n  hello\n\n\n",
    "fn main() {\n    let x: Vec<u32> = (0..10).map(|i| i * 2).collect();\n\tprintln!(\"{x:?}\");\r\n}\n",
    "def f(a, b=1):\n        return a ** b  # comment\n\n\n\n    pass\n",
    "你好，世界！今天天气怎么样？3月14日",
    "日本語のテキスト、カタカナ。ひらがなとー々〆",
    "한국어 문장입니다. 숫자 123과 섞인",
    "naïve café, ﬁne ﬂow, Å, e\u0301 a\u0308 combined \u212b \u1e9b\u0323 no\u0308 o\u0302\u0301n",
    "emoji 🙂🚀👩\u200d👩\u200d👧 🇩🇪 ✈️ and ♥︎",
    "numbers 1 12 123 1234 12345 123456 1234567890 3.14159 1,000,000",
    "other digits ٣٤٥ ½ ² ³ ¹ ¼ Ⅷ ①② १२३४ 〇 1e-10 x²y³",
    "spaces  two   three    four\ttab\t\ttabs \n newline",
    "   leading and trailing   ",
    "a \u00a0no-break \u2003em\u200bzero-width \u3000ideographic\u2028line\u0085next\u000bvt\u000cff",
    "control \x01\x07\x1b[31m\x7f\u0080 \ufeffbom \ufffd replaced",
    "Русский текст: в городе новый дом, \"ещё\" 5 раз.",
    "ελληνικά άλφα ὠμέγα ᾠδή Ὦ, ΐ ί ώ ϗ",
    "עברית: שָׁלוֹם 5, العربية؛ مرحبا، كيف ۔",
    "हिन्दी में पाठ। क्या हाल है? தமிழ் உரை",
    "ภาษาไทยไม่เว้นวรรค พม่า မြန်မာ",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org $100 €50 #tag @you /path/to/file.txt",
    "MixedCase camelCase snake_case SCREAMING_CASE kebab-case ALLCAPSandlower HTTPServer x86_64 f32x4",
    "'s 't 'RE 'Ve 'M 'lL 'D 'x ''s \u2019s don\u2019t I'd've y'all'd",
    "aaaaaaaaaaaaaaaa----------------======////\n/\r\n//",
    "(parens) [brackets] {braces} <angles> |pipes| ~tilde~ `ticks` ^hat^ a+b=c $x",
    "$$ +++ <<>> ^^ || ~~ `` -- ... ?! ;: ,, \\\\ ** && ## @@ %%",
    "“quotes” ‘single’ «guillemets» „low“ — dash – en … dots ¿que? ¡si!",
    "Ⅰ Ⅱ ⅷ ʰ ˈ ᴀ ǅ ª º ｆｕｌｌ　ｗｉｄｔｈ １２３ ！？",
    "word1word2 1st 2nd 3rd a1b2c3 0x1F 1_000 v1.2.3-rc4",
    "line one\nline two\n\n  indented\n\ttabbed\n",
    "trailing spaces   \nnext   \n\n   last  ",
    "!@#abc .dot ,comma -dash _under 'quote \"double /slash",
    "\r\r\n\n\r",
    "x\n\n\ny",
    "Straße GROẞ İstanbul ıçık ſharp 'ſ K",
    "tabs\t\tand\t spaces \t mixed",
    "ABC中文DEF 123中文456 abcかな漢字カナxyz",
    "100% 50€ 3°C 5'10\" 2×3÷4 a≠b ≤≥ ∑∫√",
    "…。，、।۔، a…b。c，d、e।f۔g،h",
    "𝐁𝐨𝐥𝐝 𐐀𐐨 𐓏 𞤀𞤢 𝟏𝟐𝟑 🄰 𠀀𠀁",
    "\u0300\u0301 a\u0300b \u0e31\u0e31 x\u20dd",
    "a  1   22 \n 3\t4\n\n  55x",
    "अँ 5 क् ख्‍ग, e\u0301e\u0301,\u0301.",
]


def vocabulary():
    """A vocabulary whose merges pass over every border that a rule may cut, and tokens that no merge leads to."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = BYTES[0]
    trainer = trainers.BpeTrainer(
        vocab_size=1900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, max_token_length=6
    )
    made.train_from_iterator(SAMPLES + [sample.lower() for sample in SAMPLES], trainer)
    model = json.loads(made.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [tuple(merge) for merge in model["merges"]]
    whole = ["hello", " hello", " world", "MixedCase", " camelCase", "123", "123456", "你好", "한국어", " trailing"]
    for word in whole:
        written = "".join(piece for piece, _ in BYTES[0].pre_tokenize_str(word))
        if written not in tokens:
            tokens.append(written)
    return tokens, merges


class Parameters(ctypes.Structure):
    """`llama_model_params`."""

    _fields_ = (
        [(name, ctypes.c_void_p) for name in ["devices", "buffer_types"]]
        + [(name, ctypes.c_int32) for name in ["gpu_layers", "split_mode", "load_mode", "lazy_mode", "main_gpu"]]
        + [(name, ctypes.c_void_p) for name in ["tensor_split", "progress", "progress_data", "overrides"]]
        + [
            (name, ctypes.c_bool)
            for name in ["vocab_only", "check_tensors", "extra_buffers", "no_host", "no_alloc", "load_mtp"]
        ]
    )


class LlamaCpp:
    def __init__(self, library):
        self.library = ctypes.PyDLL(library)
        self.library.llama_model_default_params.restype = Parameters
        self.library.llama_model_load_from_file.restype = ctypes.c_void_p
        self.library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Parameters]
        self.library.llama_model_get_vocab.restype = ctypes.c_void_p
        self.library.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
        self.library.llama_vocab_get_add_bos.restype = ctypes.c_bool
        self.library.llama_vocab_get_add_bos.argtypes = [ctypes.c_void_p]
        self.library.llama_tokenize.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool,
        ]
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.silent = kind(lambda *_: None)
        self.library.llama_log_set.argtypes = [kind, ctypes.c_void_p]
        self.library.llama_log_set(self.silent, None)
        self.library.llama_backend_init()

    def ids(self, name, tokens, merges):
        """The ids of all samples under a name, and whether prompts begin with BOS where the file does not say."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "vocabulary.gguf")
            writer = GGUFWriter(path, "llama")
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre(name)
            writer.add_token_list(tokens)
            writer.add_token_types([1] * len(tokens))
            writer.add_token_merges([" ".join(merge) for merge in merges])
            writer.add_bos_token_id(0)
            writer.add_eos_token_id(0)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.close()
            parameters = self.library.llama_model_default_params()
            parameters.vocab_only = True
            model = self.library.llama_model_load_from_file(path.encode(), parameters)
            assert model, name
            vocabulary = self.library.llama_model_get_vocab(model)
            return [self.encode(vocabulary, sample) for sample in SAMPLES], bool(
                self.library.llama_vocab_get_add_bos(vocabulary)
            )

    def encode(self, vocabulary, text):
        written = text.encode()
        room = (ctypes.c_int32 * (len(written) + 16))()
        count = self.library.llama_tokenize(vocabulary, written, len(written), room, len(room), False, False)
        assert count >= 0
        return list(room[:count])


def main(library, folder):
    tokens, merges = vocabulary()
    llama_cpp = LlamaCpp(library)
    rules = []
    for names, steps, composed, ignores_merges in RULES:
        names = names.split()
        made = Tokenizer(
            models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges, ignore_merges=ignores_merges)
        )
        made.normalizer = normalizers.NFC() if composed else None
        made.pre_tokenizer = pre_tokenizers.Sequence(steps)
        ids = [made.encode(sample).ids for sample in SAMPLES]
        found = {name: llama_cpp.ids(name, tokens, merges) for name in names}
        theirs, adds_bos = found[names[0]]
        for name in names:
            assert found[name][0] == theirs, name
        differs = [index for index, (ours, other) in enumerate(zip(ids, theirs)) if ours != other]
        print(f"{' '.join(names)}: llama.cpp differs on {differs}", file=sys.stderr)
        rules.append(
            {
                "names": names,
                "adds_bos": {name: found[name][1] for name in names},
                "ids": ids,
                "llama_cpp": {str(index): theirs[index] for index in differs},
            }
        )
    for index, rule in enumerate(rules):
        for other in rules[:index]:
            if rule["ids"] == other["ids"]:
                print(f"the same ids: {rule['names'][0]} and {other['names'][0]}", file=sys.stderr)
    write = lambda name, value: (Path(folder) / name).write_text(  # noqa: E731
        json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"
    )
    write("vocabulary.json", {"tokens": tokens, "merges": [" ".join(merge) for merge in merges]})
    write("expected.json", {"samples": SAMPLES, "rules": rules})


if __name__ == "__main__":
    main(*sys.argv[1:])
