//! [`KNOWN`]: the pre-tokenizers, by the names that llama.cpp's conversion gives them.

use super::expressions::*;
use super::{PreTokenizer, Step};

const PLAIN: PreTokenizer = PreTokenizer {
    names: &[],
    steps: &[],
    byte_steps: &[],
    composed: false,
    ignores_merges: false,
    adds_bos: false,
    without_bos: false,
};

/// Sources: the `tokenizer.json` of the families for how words are cut and for normal forms, which
/// llama.cpp leaves out; what llama.cpp does for the name for the rest.
pub(super) const KNOWN: [PreTokenizer; 21] = [
    PreTokenizer {
        names: &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "jais",
            "exaone4",
            "trillion",
            "granite-docling",
        ],
        steps: &[Step::Cut(GPT2)],
        ..PLAIN
    },
    PreTokenizer { names: &["olmo", "mpt"], steps: &[Step::Cut(GPT2)], composed: true, ..PLAIN },
    PreTokenizer {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        steps: &[Step::Cut(LLAMA3)],
        ignores_merges: true,
        adds_bos: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["glm4", "glm5"],
        steps: &[Step::Cut(LLAMA3)],
        ignores_merges: true,
        without_bos: true,
        ..PLAIN
    },
    PreTokenizer { names: &["chatglm-bpe"], steps: &[Step::Cut(LLAMA3)], without_bos: true, ..PLAIN },
    PreTokenizer { names: &["dbrx", "smaug-bpe"], steps: &[Step::Cut(LLAMA3)], ..PLAIN },
    PreTokenizer {
        names: &["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"],
        steps: &[Step::Cut(QWEN2)],
        composed: true,
        ..PLAIN
    },
    PreTokenizer { names: &["qwen35"], steps: &[Step::Cut(QWEN35)], composed: true, ..PLAIN },
    // Bailing's is written otherwise and cuts the same.
    PreTokenizer {
        names: &["hunyuan", "stablelm2", "grok-2", "solar-open", "bailingmoe", "bailingmoe2", "llada-moe"],
        steps: &[Step::Cut(QWEN2)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"],
        steps: &[Step::Digits, Step::Cut(GPT2)],
        ..PLAIN
    },
    PreTokenizer { names: &["command-r"], steps: &[Step::Digits, Step::Cut(GPT2)], composed: true, ..PLAIN },
    PreTokenizer {
        names: &["tekken"],
        steps: &[Step::Cut(TEKKEN)],
        ignores_merges: true,
        adds_bos: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        steps: &[Step::Cut(GPT4O)],
        ..PLAIN
    },
    PreTokenizer { names: &["seed-coder"], steps: &[Step::Cut(SEED_CODER)], ..PLAIN },
    PreTokenizer {
        names: &["minicpm5"],
        steps: &[Step::Cut(THREE_DIGITS), Step::Cut(MINICPM5)],
        ignores_merges: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-llm"],
        steps: &[
            Step::Cut(LINE_END),
            Step::Cut(CASED_LETTERS),
            Step::Cut(DEEPSEEK_PUNCTUATION),
            Step::Cut(LAST_SPACE),
            Step::Cut(EAST_ASIAN),
            Step::Digits,
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-coder"],
        steps: &[
            Step::Cut(LINE_END),
            Step::Cut(LETTERS),
            Step::Cut(PUNCTUATION),
            Step::Cut(EAST_ASIAN),
            Step::Digits,
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        steps: &[Step::Cut(THREE_DIGITS), Step::Cut(IDEOGRAPHS_AND_KANA), Step::Cut(DEEPSEEK_V3)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["falcon"],
        steps: &[Step::RunsOfPunctuation, Step::Cut(GPT2)],
        byte_steps: &[Step::RunsOfDigits, Step::Cut(r"[0-9][0-9][0-9]")],
        ..PLAIN
    },
    PreTokenizer { names: &["bloom", "poro-chat", "gpt3-finnish"], steps: &[Step::Cut(BLOOM)], ..PLAIN },
    PreTokenizer { names: &["viking"], steps: &[Step::Cut(BLOOM), Step::Digits], ..PLAIN },
];
