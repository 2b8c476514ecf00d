//! Folders that are not quite a model's: what they hold instead, and what to do.

use super::mistaken::PICKLED;
use super::regular_file::{SIDE_FILE_BYTES, read};
use crate::error::{Error, shown};
use serde_json::Value;
use std::path::Path;

/// Programs whose files don't serve here, by names or endings of such files.
const OTHER_FORMATS: [(&str, &str); 13] = [
    ("model_index.json", "a model that makes pictures (diffusers)"),
    ("openvino_model.xml", "a model for OpenVINO"),
    ("tf_model.h5", "weights for TensorFlow"),
    ("flax_model.msgpack", "weights for Flax"),
    ("rust_model.ot", "weights for rust-bert"),
    ("qmodel.pt", "weights quantised with HQQ"),
    (".onnx", "a model for ONNX Runtime"),
    (".npz", "weights for an older version of MLX"),
    (".engine", "a model for TensorRT"),
    (".nemo", "a model for NeMo"),
    (".tflite", "a model for TensorFlow Lite"),
    (".mlpackage", "a model for Core ML"),
    (".pte", "a model for ExecuTorch"),
];

/// Pickled files that hold no weights.
const NO_WEIGHTS: [&str; 4] = ["training_args", "optimizer", "scheduler", "rng_state"];

/// What to say about a folder that lacks one of a model's files.
pub(super) fn no_model(folder: &Path, missing: &str) -> Error {
    let names = names(folder);
    let expected = "config.json with model.safetensors, or with model.safetensors.index.json and its shards";
    let found = adapter(folder, &names)
        .or_else(|| cache_of_the_hub(folder, &names))
        .or_else(|| instead_of_a_model(&names, missing))
        .unwrap_or_else(|| "none".to_owned());
    Error::file(folder, missing, expected, found)
}

/// The names in a folder, sorted; none where it can't be read.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder).map_or_else(
        |_| Vec::new(),
        |entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
    );
    names.sort();
    names
}

/// An adapter's configuration, which names its model.
const ADAPTER: &str = "adapter_config.json";

/// Whether transformers would apply an adapter to the weights of this folder.
pub(super) fn refuse_adapter(folder: &Path) -> crate::Result<()> {
    if !folder.join(ADAPTER).exists() {
        return Ok(());
    }
    let found = "an adapter (LoRA), which would change the weights: merge it (`merge_and_unload` of peft), or take the file away \
                 to use the model without it";
    Err(Error::file(folder, ADAPTER, "no adapter beside a model's weights", found))
}

fn adapter(folder: &Path, names: &[String]) -> Option<String> {
    if !has(names, ADAPTER) {
        return None;
    }
    let config: Option<Value> = read(&folder.join(ADAPTER), SIDE_FILE_BYTES)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let base = config.as_ref().and_then(|config| config["base_model_name_or_path"].as_str());
    let of = base.map(|base| format!(" of {}", shown(base))).unwrap_or_default();
    Some(format!(
        "{ADAPTER}: an adapter (LoRA){of}, which is no model by itself; merge it into its model (`merge_and_unload` of peft), \
         and give the folder of the merged one"
    ))
}

/// The folder that the Hub's cache has for a repository: its models are folders below.
fn cache_of_the_hub(folder: &Path, names: &[String]) -> Option<String> {
    if !(has(names, "snapshots") && has(names, "blobs")) {
        return None;
    }
    let commits = self::names(&folder.join("snapshots"));
    let main = read(&folder.join("refs/main"), SIDE_FILE_BYTES).ok();
    let main = main.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    let commit = main.filter(|commit| commits.contains(commit)).or_else(|| commits.first().cloned())?;
    Some(format!(
        "a repository in the cache of the Hugging Face Hub: give its folder snapshots/{}",
        shown(&commit)
    ))
}

/// What the names of a folder's or repository's files say, where one of a model's files is missing;
/// none where they say nothing.
pub fn instead_of_a_model(names: &[String], missing: &str) -> Option<String> {
    let with = |ending: &str| names.iter().find(|name| name.ends_with(ending)).map(|name| shown(name));
    if has(names, ADAPTER) {
        return Some(format!("{ADAPTER}: an adapter (LoRA), which is no model by itself"));
    }
    if let Some(name) = with(".gguf") {
        return Some(format!("{name}: open that file instead of the folder"));
    }
    if missing == "tokenizer.json" {
        return instead_of_a_tokenizer(names);
    }
    if let Some(name) = names.iter().find(|name| name.starts_with("consolidated.")) {
        return Some(format!(
            "{}: weights in the layout of those who made the model; fetch them in that of Hugging Face, with config.json",
            shown(name)
        ));
    }
    if missing == "config.json"
        && let Some(name) = with(".safetensors")
    {
        return Some(format!(
            "{name} without its configuration: copy config.json and tokenizer.json from where the weights are from"
        ));
    }
    for (ending, what) in OTHER_FORMATS {
        if let Some(name) = with(ending) {
            return Some(format!("{name}: {what}; give a GGUF file or the safetensors of the model"));
        }
    }
    let pickled = |name: &&String| {
        [".bin", ".pth", ".pt", ".ckpt"].iter().any(|ending| name.ends_with(ending))
            && !NO_WEIGHTS.iter().any(|beginning| name.starts_with(beginning))
    };
    if let Some(name) = names.iter().find(pickled) {
        return Some(format!("{}: {PICKLED}", shown(name)));
    }
    with(".safetensors").map(|name| {
        format!("{name}, but neither model.safetensors nor model.safetensors.index.json, which says what lies where: fetch it, too")
    })
}

/// What to say about a folder without `tokenizer.json`.
pub(crate) fn no_tokenizer(folder: &Path) -> Error {
    let found = instead_of_a_tokenizer(&names(folder)).unwrap_or_else(|| {
        "none: copy it from where the weights are from, with tokenizer_config.json".to_owned()
    });
    Error::file(folder, "tokenizer.json", "the model's vocabulary", found)
}

fn instead_of_a_tokenizer(names: &[String]) -> Option<String> {
    const OTHERS: [&str; 7] = [
        "tokenizer.model",
        "spiece.model",
        "tekken.json",
        "vocab.json",
        "vocab.txt",
        "qwen.tiktoken",
        "tokenizer_config.json",
    ];
    OTHERS.iter().find(|name| has(names, name)).map(|name| {
        format!(
            "{name} without it: make one with transformers (`AutoTokenizer.from_pretrained` and `save_pretrained`), or fetch it"
        )
    })
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other == name)
}
