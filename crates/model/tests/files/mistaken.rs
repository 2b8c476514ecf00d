//! Things that people give by mistake: each is named for what it is, with what to do.

use crate::builders::{Folder, Gguf, assert_mentions, open_bytes, refusal, write};
use candle_core::quantized::gguf_file::Value;
use minference_model::{Model, ModelFiles};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4108916688\n";
const PAGE: &[u8] = b"<!doctype html>\n<html><head><title>Sign in</title></head></html>";

fn folder_refusal(folder: &TempDir) -> String {
    match Model::load(folder.path()) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn other_files_than_gguf() {
    let safetensors = Folder::tiny("llama", 8).write();
    let path = safetensors.path().join("model.safetensors");
    let message = ModelFiles::open(&path).unwrap_err().to_string();
    assert_mentions(&message, &["model.safetensors", "a safetensors file alone", "give the folder"]);
    let config = ModelFiles::open(safetensors.path().join("config.json")).unwrap_err().to_string();
    assert_mentions(&config, &["config.json", "JSON that begins with", "give the folder"]);
    let cases: [(&[u8], [&str; 4]); 6] = [
        (POINTER, ["first bytes", "a Git LFS pointer", "4108916688 bytes", "git lfs pull"]),
        (PAGE, ["first bytes", "a web page", "download the file itself", "resolve"]),
        (b"tjgg\x03\0\0\0", ["first bytes", "before GGUF", "ggjt", "fetch the model as GGUF"]),
        (b"lmgg\0\x7d\0\0", ["first bytes", "before GGUF", "ggml", "convert_llama_ggml_to_gguf.py"]),
        (b"%PDF-1.4", ["first bytes", "a PDF document", "--prompt-file", "--model"]),
        (b"Entry not found", ["first bytes", "a text", "Entry not found", "GGUF"]),
    ];
    for (bytes, parts) in cases {
        assert_mentions(&refusal(open_bytes(bytes)), &parts);
    }
    let mut big = Gguf::tiny("llama", 8).bytes();
    big[4..8].copy_from_slice(&3u32.to_be_bytes());
    assert_mentions(&refusal(open_bytes(&big)), &["version", "big-endian", "gguf-convert-endian"]);
}

#[test]
fn gguf_files_that_are_no_language_model() {
    let text = |text: &str| Value::String(text.into());
    for (fields, parts) in [
        (
            vec![("general.type", "adapter"), ("adapter.type", "lora")],
            ["general.type", "an adapter (LoRA) of a llama", "merge"],
        ),
        (
            vec![("adapter.type", "lora")],
            ["adapter.type", "an adapter (LoRA) of a llama", "llama-export-lora"],
        ),
        (
            vec![("general.type", "mmproj"), ("general.architecture", "clip")],
            ["general.type", "sees or hears", "language model"],
        ),
        (vec![("general.architecture", "clip")], ["general.architecture", "sees or hears", "beside it"]),
        (vec![("general.type", "imatrix")], ["general.type", "importance matrix", "the model itself"]),
        (
            vec![("general.architecture", "controlvector")],
            ["general.architecture", "control vector", "model"],
        ),
        (vec![("general.type", "vocab")], ["general.type", "vocabulary", "without weights"]),
        (vec![("general.type", "diffusion")], ["general.type", "a language model", "\"diffusion\""]),
    ] {
        let mut gguf = Gguf::tiny("llama", 8);
        fields.iter().for_each(|(key, value)| gguf.set(key, text(value)));
        assert_mentions(&refusal(gguf.open()), &parts);
    }
    let mut gguf = Gguf::tiny("llama", 8);
    gguf.tensors.clear();
    assert_mentions(&refusal(gguf.open()), &["tensors", "none", "a vocabulary"]);
}

#[test]
fn files_of_a_folder_that_are_something_else() {
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        for (bytes, found) in [(POINTER, "a Git LFS pointer"), (PAGE, "a web page")] {
            let folder = Folder::tiny("llama", 8).write();
            write(folder.path(), "tokenizer.json", b"{}");
            write(folder.path(), name, bytes);
            assert_mentions(&folder_refusal(&folder), &[name, found]);
        }
    }
    let folder = Folder::tiny("llama", 8).write();
    write(folder.path(), "model.safetensors", &Gguf::tiny("llama", 8).bytes());
    assert_mentions(&folder_refusal(&folder), &["model.safetensors", "a GGUF file", "give that file itself"]);
    // what is JSON and wrong, or cut, is told as before
    let folder = Folder::tiny("llama", 8).write();
    write(folder.path(), "config.json", b"{\"model_type\": ");
    assert_mentions(&folder_refusal(&folder), &["config.json", "JSON", "EOF"]);
}

/// Files by name and content, and what is said of a folder that holds them.
type FolderCase<'a> = (Vec<(&'a str, &'a str)>, Vec<&'a str>);

#[test]
fn folders_that_are_not_quite_a_models() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let adapter = r#"{"base_model_name_or_path": "meta-llama/Llama-3.2-1B", "peft_type": "LORA"}"#;
    let config = r#"{"model_type": "llama"}"#;
    let cases: Vec<FolderCase<'_>> = vec![
        (
            vec![
                ("adapter_config.json", adapter),
                ("adapter_model.safetensors", "x"),
                ("tokenizer.json", "{}"),
            ],
            vec!["an adapter (LoRA) of meta-llama/Llama-3.2-1B", "no model by itself", "merge_and_unload"],
        ),
        (
            vec![("adapter_config.json", adapter), ("adapter_model.bin", "x"), ("config.json", config)],
            vec!["an adapter (LoRA) of meta-llama/Llama-3.2-1B", "merge_and_unload"],
        ),
        (
            vec![("config.json", config), ("pytorch_model.bin", "x")],
            vec!["pytorch_model.bin", "pickled", "convert"],
        ),
        (
            vec![
                ("config.json", config),
                ("pytorch_model-00001-of-00002.bin", "x"),
                ("training_args.bin", "x"),
            ],
            vec!["pytorch_model-00001-of-00002.bin", "pickled", "save_pretrained"],
        ),
        (
            vec![("consolidated.00.pth", "x"), ("params.json", "{}")],
            vec!["consolidated.00.pth", "layout", "Hugging Face"],
        ),
        (
            vec![("consolidated.safetensors", "x"), ("params.json", "{}")],
            vec!["consolidated.safetensors", "Hugging Face"],
        ),
        (
            vec![("model.safetensors", "x")],
            vec!["config.json", "model.safetensors without its configuration", "copy"],
        ),
        (
            vec![("config.json", config), ("model-00001-of-00002.safetensors", "x")],
            vec!["model-00001-of-00002.safetensors", "index.json", "fetch it"],
        ),
        (
            vec![("config.json", config), ("openvino_model.xml", "x"), ("openvino_model.bin", "x")],
            vec!["OpenVINO", "GGUF"],
        ),
        (vec![("config.json", config), ("model.onnx", "x")], vec!["model.onnx", "ONNX", "GGUF"]),
        (vec![("model_index.json", "{}")], vec!["model_index.json", "pictures"]),
        (vec![("config.json", config), ("tf_model.h5", "x")], vec!["tf_model.h5", "TensorFlow"]),
        (vec![("m-q4.gguf", "x"), ("README.md", "x")], vec!["m-q4.gguf", "open that file"]),
        (vec![("config.json", config)], vec!["model.safetensors", "found none"]),
        (vec![], vec!["config.json", "found none"]),
        (
            vec![
                ("refs/main", commit),
                ("snapshots/0123456789abcdef0123456789abcdef01234567/config.json", config),
                ("blobs/x", "x"),
            ],
            vec!["cache of the Hugging Face Hub", "snapshots/0123456789abcdef"],
        ),
    ];
    for (files, parts) in cases {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_mentions(&folder_refusal(&folder), &parts);
    }
}

#[test]
fn folders_without_a_vocabulary() {
    for (name, parts) in [
        (None, ["tokenizer.json", "none", "copy it"]),
        (Some("tokenizer.model"), ["tokenizer.json", "tokenizer.model", "AutoTokenizer"]),
        (Some("vocab.json"), ["tokenizer.json", "vocab.json", "save_pretrained"]),
        (Some("tekken.json"), ["tokenizer.json", "tekken.json", "save_pretrained"]),
    ] {
        let folder = Folder::tiny("llama", 8).write();
        if let Some(name) = name {
            write(folder.path(), name, b"x");
        }
        assert_mentions(&folder_refusal(&folder), &parts);
    }
}

/// transformers would apply it.
#[test]
fn an_adapter_beside_whole_weights_is_not_passed_over() {
    let folder = Folder::tiny("llama", 8).write();
    write(folder.path(), "adapter_config.json", b"{}");
    assert_mentions(
        &folder_refusal(&folder),
        &["adapter_config.json", "would change the weights", "merge_and_unload"],
    );
}

#[test]
fn weights_that_were_quantised_for_other_programs() {
    let field = |name: &str, value: Json| (name.to_owned(), value);
    let method = |name: &str| field("quantization_config", json!({ "quant_method": name, "bits": 4 }));
    for ((name, value), tool) in [
        (method("gptq"), "GPTQ"),
        (method("awq"), "AWQ"),
        (method("exl2"), "EXL2"),
        (method("compressed-tensors"), "compressed-tensors"),
        (method("fp8"), "FP8"),
        (method("fbgemm_fp8"), "FP8 (FBGEMM)"),
        (method("auto_round"), "AutoRound"),
        (method("something-new"), "something-new"),
        (field("quantization_config", json!({ "load_in_4bit": true })), "bitsandbytes"),
        (field("quantization", json!({ "group_size": 64, "bits": 4 })), "MLX"),
        (field("compression_config", json!({ "format": "pack-quantized" })), "compressed-tensors"),
    ] {
        let mut folder = Folder::tiny("llama", 8);
        folder.set(&name, value);
        let message = refusal(folder.open());
        assert_mentions(
            &message,
            &["config.json", &name, "quantised for other programs", tool, "a GGUF file of it"],
        );
    }
    for (tensor, tool) in [
        ("self_attn.q_proj.qweight", "GPTQ or AWQ"),
        ("self_attn.q_proj.q_weight", "EXL2"),
        ("self_attn.q_proj.weight_packed", "compressed-tensors"),
        ("self_attn.q_proj.weight.absmax", "bitsandbytes"),
        ("self_attn.q_proj.weight_scale_inv", "FP8"),
        ("self_attn.q_proj.scales", "MLX"),
        ("self_attn.q_proj.lora_A.weight", "an adapter (LoRA)"),
    ] {
        let mut folder = Folder::tiny("llama", 8);
        folder.add_to_layers(tensor, &[8]);
        assert_mentions(&refusal(folder.open()), &["model.safetensors", tensor, tool]);
    }
    let mut folder = Folder::tiny("llama", 8);
    for unused in ["quantization", "quantization_config", "compression_config"] {
        folder.set(unused, Json::Null);
    }
    folder.open().unwrap();
}

/// None of these messages is long, whatever a file holds.
#[test]
fn what_a_file_says_is_shown_short() {
    let folder = tempfile::tempdir().unwrap();
    let long = "\u{1b}[2J".repeat(9999);
    write(
        folder.path(),
        "adapter_config.json",
        json!({ "base_model_name_or_path": long }).to_string().as_bytes(),
    );
    let message = folder_refusal(&folder);
    assert!(message.len() < 900 && !message.contains('\u{1b}'), "{message}");
    let mut config = Folder::tiny("llama", 8);
    config.set("quantization_config", json!({ "quant_method": long }));
    let message = refusal(config.open());
    assert!(message.len() < 900 && !message.contains('\u{1b}'), "{message}");
}
