//! Hugging Face folders that are wrong: each is refused, with the file, the place, what was
//! expected and what was found.

use crate::builders::{Folder, assert_mentions, open_folder, refusal, told, write};
use minference_model::ModelFiles;
use serde_json::{Value, json};
use tempfile::TempDir;

fn tiny() -> Folder {
    Folder::tiny("llama", 8)
}

/// A folder of two shards, whose index the test may spoil.
fn sharded(spoil: impl Fn(&mut Value)) -> TempDir {
    let folder = tiny();
    let written = folder.write();
    let first = |name: &str| name.contains("layers.0");
    std::fs::remove_file(written.path().join("model.safetensors")).unwrap();
    write(written.path(), "a.safetensors", &folder.bytes(first));
    write(written.path(), "b.safetensors", &folder.bytes(|name| !first(name)));
    let map = folder
        .tensors
        .keys()
        .map(|name| (name.clone(), json!(if first(name) { "a.safetensors" } else { "b.safetensors" })))
        .collect::<serde_json::Map<_, _>>();
    let mut index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    spoil(&mut index);
    write(written.path(), "model.safetensors.index.json", index.to_string().as_bytes());
    written
}

#[test]
fn shards_are_one_model() {
    let (sharded, whole) = (open_folder(sharded(|_| {})).unwrap(), tiny().open().unwrap());
    assert_eq!(sharded.files.load().unwrap().0, whole.files.load().unwrap().0);
    assert_eq!(sharded.files.weight_bytes(), whole.files.weight_bytes());
    assert_eq!(sharded.files.fingerprint(), whole.files.fingerprint());
}

#[test]
fn shard_names_stay_in_the_folder() {
    let names =
        ["/etc/passwd", "../a.safetensors", "..", "", "sub/a.safetensors", "model.safetensors.index.json"];
    for name in names {
        let folder = sharded(|index| index["weight_map"]["lm_head.weight"] = json!(name));
        let parts = ["model.safetensors.index.json", "weight_map.lm_head.weight", "same folder", name];
        assert_mentions(&refusal(open_folder(folder)), &parts);
    }
    let missing = sharded(|index| index["weight_map"]["lm_head.weight"] = json!("c.safetensors"));
    assert_mentions(&refusal(open_folder(missing)), &["lm_head.weight", "c.safetensors", "no such file"]);
}

#[test]
fn indices_that_are_wrong() {
    let spoil = |map: Value| refusal(open_folder(sharded(|index| index["weight_map"] = map.clone())));
    assert_mentions(&spoil(json!([])), &["index.json", "weight_map", "an object", "a list"]);
    assert_mentions(&spoil(Value::Null), &["weight_map", "null"]);
    assert_mentions(
        &spoil(json!({ "lm_head.weight": 3 })),
        &["weight_map.lm_head.weight", "name", "a number"],
    );
    let elsewhere = sharded(|index| index["weight_map"]["lm_head.weight"] = json!("a.safetensors"));
    assert_mentions(
        &refusal(open_folder(elsewhere)),
        &["a.safetensors", "tensor lm_head.weight", "no such tensor"],
    );
    let folder = sharded(|_| {});
    write(folder.path(), "model.safetensors.index.json", b"[]");
    assert_mentions(&refusal(open_folder(folder)), &["index.json", "an object", "a list"]);
    // a tensor in both shards
    let folder = sharded(|_| {});
    write(
        folder.path(),
        "a.safetensors",
        &tiny().bytes(|name| name.contains("layers.0") || name == "lm_head.weight"),
    );
    assert_mentions(&refusal(open_folder(folder)), &["lm_head.weight", "each tensor once", "a.safetensors"]);
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_a_circle() {
    let folder = sharded(|_| {});
    std::fs::remove_file(folder.path().join("a.safetensors")).unwrap();
    std::os::unix::fs::symlink("a.safetensors", folder.path().join("a.safetensors")).unwrap();
    assert_mentions(&refusal(open_folder(folder)), &["a.safetensors", "no such file"]);
}

#[test]
fn a_file_that_ends_anywhere_is_refused() {
    let bytes = tiny().bytes(|_| true);
    let folder = tiny().write();
    for end in (0..bytes.len()).step_by(997).chain(0..40) {
        write(folder.path(), "model.safetensors", &bytes[..end]);
        let message = ModelFiles::open(folder.path()).unwrap_err().to_string();
        assert_mentions(&message, &["model.safetensors", "expected"]);
    }
    let mut longer = bytes;
    longer.push(0);
    write(folder.path(), "model.safetensors", &longer);
    assert_mentions(
        &ModelFiles::open(folder.path()).unwrap_err().to_string(),
        &["header", "all of the file's bytes"],
    );
    write(folder.path(), "model.safetensors", &u64::MAX.to_le_bytes());
    assert_mentions(&ModelFiles::open(folder.path()).unwrap_err().to_string(), &["header", "at most"]);
}

/// Headers written by hand, before data of 64 bytes.
#[test]
fn headers_that_are_wrong() {
    let folder = tiny().write();
    let open = |header: &str| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&[0; 64]);
        write(folder.path(), "model.safetensors", &bytes);
        ModelFiles::open(folder.path()).and_then(|files| files.load()).unwrap_err().to_string()
    };
    let name = "model.embed_tokens.weight";
    let one = |shape: &str, dtype: &str, first: u64, last: u64| {
        open(&format!(
            r#"{{"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{first},{last}]}}}}"#
        ))
    };
    assert_mentions(&one("[16]", "F32", 0, 128), &["header", "complete"]);
    assert_mentions(&one("[16]", "F32", 64, 0), &["header"]);
    assert_mentions(&one("[18446744073709551615, 3]", "F32", 0, 64), &["header"]);
    assert_mentions(&one("[-1]", "F32", 0, 64), &["header"]);
    assert_mentions(&one("[16]", "F99", 0, 64), &["header", "F99"]);
    assert_mentions(&one("[16]", "F32", 0, 64), &[name, "shape [40, 32]", "[16]"]);
    let twice = r#"{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]},"a":{"dtype":"F32","shape":[8],"data_offsets":[32,64]}}"#;
    assert_mentions(&open(twice), &["header"]);
    let overlap = r#"{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]},"b":{"dtype":"F32","shape":[8],"data_offsets":[32,64]}}"#;
    assert_mentions(&open(overlap), &["header"]);
    assert_mentions(&open("[]"), &["header"]);
    assert_mentions(&open(&"[".repeat(100_000)), &["header"]);
}

/// transformers takes the older field, others the newer one.
#[test]
fn two_descriptions_of_rope_must_agree() {
    let mut folder = tiny();
    folder.set("rope_scaling", json!({ "type": "linear", "factor": 2.0 }));
    folder.set("rope_parameters", json!({ "rope_type": "linear", "factor": 2.0, "rope_theta": 1e4 }));
    folder.open().unwrap();
    folder.set("rope_parameters", json!({ "rope_type": "default", "rope_theta": 1e4 }));
    assert_mentions(&refusal(folder.open()), &["rope_parameters.factor", "only one of the two", "2.0"]);
}

/// A pipe without a writer would block the reader that opens it.
#[cfg(unix)]
#[test]
fn pipes_and_folders_are_not_read() {
    for name in ["config.json", "model.safetensors", "model.gguf"] {
        let folder = tiny().write();
        let path = folder.path().join(name);
        let _ = std::fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: no mkfifo");
            return;
        }
        let opened = if name == "model.gguf" { path } else { folder.path().to_owned() };
        let message = told(&ModelFiles::open(opened).unwrap_err());
        assert_mentions(&message, &[name, "a regular file", "a pipe"]);
    }
    let folder = tiny().write();
    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    std::fs::create_dir(folder.path().join("config.json")).unwrap();
    assert_mentions(&told(&ModelFiles::open(folder.path()).unwrap_err()), &["config.json", "a folder"]);
}

#[test]
fn formats_that_are_not_supported_are_named() {
    let folder = tiny().write();
    let bytes = tiny().bytes(|_| true);
    let (length, rest) = bytes.split_at(8);
    let header_len = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&rest[..header_len]).unwrap().replace("\"F32\"", "\"I32\"");
    write(folder.path(), "model.safetensors", &[length, header.as_bytes(), &rest[header_len..]].concat());
    let message = ModelFiles::open(folder.path()).unwrap().load().unwrap_err().to_string();
    assert_mentions(&message, &["model.safetensors", "model.embed_tokens.weight", "F32, F16, BF16", "I32"]);
}

#[test]
fn folders_that_hold_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let open = || ModelFiles::open(folder.path()).unwrap_err().to_string();
    assert_mentions(&open(), &["config.json", "model.safetensors", "none"]);
    write(folder.path(), "model-q4.gguf", b"GGUF");
    assert_mentions(&open(), &["model-q4.gguf", "open that file"]);
    let folder = tiny().write();
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    write(folder.path(), "pytorch_model.bin", b"x");
    let message = ModelFiles::open(folder.path()).unwrap_err().to_string();
    assert_mentions(&message, &["pytorch_model.bin", "convert"]);
    let message = told(&ModelFiles::open(folder.path().join("nowhere")).unwrap_err());
    assert_mentions(&message, &["nowhere", "No such file"]);
}

#[test]
fn configurations_that_are_no_objects() {
    let folder = tiny().write();
    for (text, part) in
        [("[1]", "a list"), ("7", "a number"), ("{", "JSON"), ("", "JSON"), ("\"x\"", "a text")]
    {
        write(folder.path(), "config.json", text.as_bytes());
        let message = ModelFiles::open(folder.path()).unwrap_err().to_string();
        assert_mentions(&message, &["config.json", part]);
    }
    write(folder.path(), "config.json", "[".repeat(1 << 20).as_bytes());
    assert_mentions(&ModelFiles::open(folder.path()).unwrap_err().to_string(), &["config.json", "JSON"]);
    write(folder.path(), "config.json", &vec![b' '; 17 << 20]);
    assert_mentions(&told(&ModelFiles::open(folder.path()).unwrap_err()), &["config.json", "at most"]);
}

#[test]
fn fields_that_are_wrong() {
    let cases = [
        ("model_type", json!("mixtral"), vec!["model_type", "qwen2", "mixtral"]),
        ("model_type", json!(null), vec!["model_type", "supported", "null"]),
        ("model_type", json!(5), vec!["model_type", "a text", "5"]),
        ("hidden_size", json!("wide"), vec!["hidden_size", "a whole number", "wide"]),
        ("hidden_size", json!(0), vec!["hidden_size", "from 1", "0"]),
        ("hidden_size", json!(-4), vec!["hidden_size", "a whole number", "-4"]),
        ("hidden_size", json!(1e300), vec!["hidden_size", "a whole number"]),
        ("hidden_size", json!(null), vec!["hidden_size", "nothing"]),
        ("intermediate_size", json!(1u64 << 40), vec!["intermediate_size", "from 1 to"]),
        ("num_hidden_layers", json!(u64::MAX), vec!["num_hidden_layers", "to 4096"]),
        ("num_attention_heads", json!([4]), vec!["num_attention_heads", "[4]"]),
        ("num_key_value_heads", json!(3), vec!["num_key_value_heads", "a divisor of", "3"]),
        ("head_dim", json!(12), vec!["head_dim", "multiple of 8", "12"]),
        ("head_dim", json!(16), vec!["q_proj.weight", "shape [64, 32]", "[32, 32]"]),
        ("rms_norm_eps", json!(-1.0), vec!["rms_norm_eps", "between 0 and 1", "-1"]),
        ("rms_norm_eps", json!("NaN"), vec!["rms_norm_eps", "a number", "NaN"]),
        ("vocab_size", json!(41), vec!["model.embed_tokens.weight", "[41, 32]", "[40, 32]"]),
        ("vocab_size", json!(u64::MAX), vec!["vocab_size", "token ids"]),
        ("max_position_embeddings", json!(0), vec!["max_position_embeddings", "from 2", "0"]),
        ("hidden_act", json!("relu"), vec!["hidden_act", "silu", "relu"]),
        ("hidden_act", json!("x".repeat(9999)), vec!["hidden_act", "silu", "xxx..."]),
        ("attention_bias", json!("yes"), vec!["attention_bias", "true or false", "yes"]),
        ("rope_theta", json!(0.5), vec!["rope_theta", "above 1", "0.5"]),
        ("rope_scaling", json!("long"), vec!["rope_scaling", "an object"]),
        ("rope_parameters", json!([1]), vec!["rope_parameters", "an object"]),
        ("rope_scaling", json!({ "rope_type": "spiral" }), vec!["rope_scaling.rope_type", "yarn", "spiral"]),
        ("quantization_config", json!({ "bits": 4 }), vec!["quantization_config", "not supported", "bits"]),
        ("clip_qkv", json!(8.0), vec!["clip_qkv", "not supported", "8"]),
        ("attention_chunk_size", json!(8192), vec!["attention_chunk_size", "not supported", "8192"]),
        (
            "layer_types",
            json!(["full_attention", "chunked_attention"]),
            vec!["layer_types", "full_attention", "chunked_attention"],
        ),
        (
            "layer_types",
            json!(["full_attention", "sliding_attention"]),
            vec!["layer_types", "only full_attention", "sliding_attention"],
        ),
        (
            "rope_scaling",
            json!({ "rope_type": "default", "mrope_section": [1, 1, 2] }),
            vec!["rope_scaling", "rope_theta", "`mrope_section`"],
        ),
        (
            "rope_parameters",
            json!({ "rope_type": "default", "short_mscale": 1.2 }),
            vec!["rope_parameters", "rope_theta", "`short_mscale`"],
        ),
        (
            "rope_parameters",
            json!({ "full_attention": { "rope_type": "default" }, "chunked_attention": {} }),
            vec!["rope_parameters", "sliding_attention", "`chunked_attention`"],
        ),
        ("num_local_experts", json!(8), vec!["num_local_experts", "not supported", "8"]),
    ];
    for (field, value, parts) in cases {
        let mut folder = tiny();
        folder.set(field, value);
        assert_mentions(&refusal(folder.open()), &parts);
    }
}
