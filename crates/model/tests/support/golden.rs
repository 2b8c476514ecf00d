//! Reads the recordings under `golden/`: tiny models of every family with the logits that
//! transformers computes in float64, and greedy answers of real models. `golden/README.md` says how
//! they were made.
//!
//! A test includes it with `#[path = "support/golden.rs"] mod golden;` and panics where a recording
//! is missing or broken: all but the real models' own files belong to the repository.

// Each test uses a part of this.
#![allow(dead_code)]

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Hugging Face folders under `golden/models`.
const FOLDERS: [&str; 17] = [
    "llama2",
    "llama3",
    "llama_linear",
    "llama_dynamic",
    "llama_sharded",
    "llama_float16",
    "llama_bfloat16",
    "mistral",
    "qwen2",
    "qwen2_yarn",
    "qwen2_window",
    "qwen3",
    "phi3",
    "glm",
    "glm4",
    "gemma3",
    "gemma3_pattern",
];

/// Those of [`FOLDERS`] of which `golden/gguf` holds the same weights.
const GGUF: [&str; 8] = ["llama2", "llama3", "qwen2", "qwen2_yarn", "qwen3", "phi3", "glm4", "gemma3"];

/// Formats of which `golden/gguf` holds a quantised Llama, with expected logits of its own.
const FORMATS: [&str; 12] =
    ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs"];

/// Parts of the one in `q8_0`, of which any stands for all.
const PART: &str = "split_llama_q8_0-00002-of-00003.gguf";

/// A tiny model, and what it must compute.
#[derive(Debug)]
pub(crate) struct GoldenModel {
    /// The recording's name, such as `qwen2_yarn`.
    pub(crate) name: String,
    /// A Hugging Face folder or a GGUF file.
    pub(crate) path: PathBuf,
    /// For a folder, the same configuration as transformers 5 spells it.
    pub(crate) other_config: Option<PathBuf>,
    /// Prompts of 1, 63, 64, 65 and 300 tokens.
    pub(crate) prompts: Vec<GoldenPrompt>,
    /// How far logits of a float32 computation may be from the expected ones: twice as far as those
    /// of transformers in float32 are at most.
    pub(crate) tolerance: f32,
}

/// A prompt and its dense logits, positions encoded for a context of the prompt's own length.
#[derive(Debug)]
pub(crate) struct GoldenPrompt {
    /// Token ids.
    pub(crate) tokens: Vec<u32>,
    /// Logits of the last token, `[vocabulary]`.
    pub(crate) last: Vec<f32>,
    /// Logits of all tokens, `[tokens, vocabulary]`; recorded for 65 tokens of models that are not
    /// quantised.
    pub(crate) all: Option<Vec<f32>>,
    /// The greedy answer. None where the position encoding changes with each further token (dynamic
    /// NTK beyond the original context).
    pub(crate) greedy: Option<Greedy>,
}

/// A greedy answer.
#[derive(Debug)]
pub(crate) struct Greedy {
    /// Token ids.
    pub(crate) tokens: Vec<u32>,
    /// By how much a best logit leads at least: an implementation whose logits are nearer than half
    /// of it must give these tokens.
    pub(crate) margin: f32,
}

/// A real model, which is not part of the repository, and its answers.
#[derive(Debug)]
pub(crate) struct RealModel {
    /// The file's name.
    pub(crate) file: String,
    /// Its SHA-256, in hexadecimal: other files of this name answer otherwise.
    pub(crate) sha256: String,
    /// Tokens that end an answer; an answer has at most 24 tokens, this one included.
    pub(crate) end: Vec<u32>,
    /// What it was asked, and what it answers.
    pub(crate) prompts: Vec<RealPrompt>,
}

/// A prompt to a real model, and its greedy answer.
#[derive(Debug)]
pub(crate) struct RealPrompt {
    /// What kind of prompt it is, such as `log, 4K tokens`.
    pub(crate) name: String,
    /// The prompt, chat template included.
    pub(crate) tokens: Vec<u32>,
    /// The answer.
    pub(crate) answer: Greedy,
    /// The answer's text.
    pub(crate) text: String,
}

/// The tiny models as Hugging Face folders.
pub(crate) fn folders() -> Vec<GoldenModel> {
    let folder = |name| root().join("models").join(name);
    FOLDERS
        .iter()
        .map(|name| GoldenModel {
            other_config: Some(folder(name).join("config_transformers5.json")),
            ..GoldenModel::read(name, folder(name), &folder(name).join("expected.safetensors"))
        })
        .collect()
}

/// The tiny models as GGUF files: the same weights as in [`folders`].
pub(crate) fn gguf_files() -> Vec<GoldenModel> {
    let read = |name: &&str| {
        let expected = root().join("models").join(name).join("expected.safetensors");
        GoldenModel::read(name, root().join(format!("gguf/{name}.gguf")), &expected)
    };
    GGUF.iter().map(read).collect()
}

/// A Llama in every quantised format, and in one of them in parts.
pub(crate) fn quantized_files() -> Vec<GoldenModel> {
    let read = |format: &&str| {
        let path = root().join(format!("gguf/llama_{format}.gguf"));
        GoldenModel::read(
            &format!("llama_{format}"),
            path.clone(),
            &path.with_extension("expected.safetensors"),
        )
    };
    let part = || {
        let expected = root().join("gguf/llama_q8_0.expected.safetensors");
        GoldenModel::read("split_llama_q8_0", root().join("gguf").join(PART), &expected)
    };
    FORMATS.iter().map(read).chain(std::iter::once_with(part)).collect()
}

/// Answers of the real models of `golden/real_answers.json`.
pub(crate) fn real_models() -> Vec<RealModel> {
    let text = read_file(&root().join("real_answers.json"));
    let models: Value = serde_json::from_slice(&text).unwrap();
    let ids = |list: &Value| -> Vec<u32> {
        list.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
    };
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let prompt = |prompt: &Value| RealPrompt {
        name: string(&prompt["name"]),
        tokens: ids(&prompt["tokens"]),
        answer: Greedy { tokens: ids(&prompt["answer"]), margin: prompt["margin"].as_f64().unwrap() as f32 },
        text: string(&prompt["text"]),
    };
    let model = |(file, model): (&String, &Value)| RealModel {
        file: file.clone(),
        sha256: string(&model["sha256"]),
        end: ids(&model["end"]),
        prompts: model["prompts"].as_array().unwrap().iter().map(prompt).collect(),
    };
    models.as_object().unwrap().iter().map(model).collect()
}

impl RealModel {
    /// Where the file lies: in the folder that the variable `MINFERENCE_TEST_MODELS` names. None,
    /// with a message, where it does not.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let folder = std::env::var_os("MINFERENCE_TEST_MODELS");
        let path = folder.map(|folder| Path::new(&folder).join(&self.file)).filter(|path| path.is_file());
        if path.is_none() {
            eprintln!("skipped: no {} in the folder that MINFERENCE_TEST_MODELS names", self.file);
        }
        path
    }
}

impl GoldenModel {
    fn read(name: &str, path: PathBuf, expected: &Path) -> Self {
        let bytes = read_file(expected);
        let tensors = Tensors(SafeTensors::deserialize(&bytes).unwrap());
        let lengths = [1, 63, 64, 65, 300];
        let errors = lengths.map(|length| tensors.floats(&format!("error.{length}")).unwrap()[0]);
        let prompts = lengths.map(|length| GoldenPrompt {
            tokens: tensors.ids(&format!("tokens.{length}")).unwrap(),
            last: tensors.floats(&format!("last.{length}")).unwrap(),
            all: tensors.floats(&format!("all.{length}")),
            greedy: tensors.ids(&format!("greedy.{length}")).map(|tokens| Greedy {
                tokens,
                margin: tensors.floats(&format!("margin.{length}")).unwrap()[0],
            }),
        });
        let all = tensors.floats("error.all.65").map_or(0.0, |error| error[0]);
        let tolerance = 2.0 * errors.into_iter().fold(all, f32::max);
        Self { name: name.into(), path, other_config: None, prompts: prompts.into(), tolerance }
    }
}

struct Tensors<'a>(SafeTensors<'a>);

impl Tensors<'_> {
    fn words(&self, name: &str, dtype: Dtype) -> Option<impl Iterator<Item = [u8; 4]>> {
        let tensor = self.0.tensor(name).ok()?;
        assert_eq!(tensor.dtype(), dtype, "{name}");
        let words = tensor.data().chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]);
        Some(words)
    }

    fn floats(&self, name: &str) -> Option<Vec<f32>> {
        Some(self.words(name, Dtype::F32)?.map(f32::from_le_bytes).collect())
    }

    fn ids(&self, name: &str) -> Option<Vec<u32>> {
        Some(self.words(name, Dtype::I32)?.map(u32::from_le_bytes).collect())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden")
}

fn read_file(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
