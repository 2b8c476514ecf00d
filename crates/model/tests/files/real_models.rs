//! Published models, where the environment variable `MINFERENCE_TEST_MODELS` names a folder with
//! their files.

use minference_model::ModelFiles;
use minference_model::files::Container;
use std::path::PathBuf;

struct Expected {
    file: &'static str,
    family: &'static str,
    layers: usize,
    heads: [usize; 3],
    hidden: usize,
    context: usize,
    vocabulary: usize,
}

const MODELS: [Expected; 4] = [
    Expected {
        file: "smollm2-135m-instruct-q4_1.gguf",
        family: "llama",
        layers: 30,
        heads: [9, 3, 64],
        hidden: 576,
        context: 8192,
        vocabulary: 49_152,
    },
    Expected {
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        family: "qwen2",
        layers: 24,
        heads: [14, 2, 64],
        hidden: 896,
        context: 32_768,
        vocabulary: 151_936,
    },
    Expected {
        file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        family: "qwen2",
        layers: 28,
        heads: [12, 2, 128],
        hidden: 1536,
        context: 32_768,
        vocabulary: 151_936,
    },
    Expected {
        file: "gemma-3-270m-q4_k_m.gguf",
        family: "gemma3",
        layers: 18,
        heads: [4, 1, 256],
        hidden: 640,
        context: 32_768,
        vocabulary: 262_144,
    },
];

fn models() -> Option<PathBuf> {
    let folder = std::env::var_os("MINFERENCE_TEST_MODELS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: MINFERENCE_TEST_MODELS names no folder with models");
    }
    folder
}

#[test]
fn published_models_are_read() {
    let Some(folder) = models() else { return };
    for expected in MODELS {
        let path = folder.join(expected.file);
        if !path.exists() {
            println!("skipped: {} is not there", path.display());
            continue;
        }
        let files = ModelFiles::open(&path).unwrap();
        let (config, weights) = files.load().unwrap();
        assert_eq!(config.family, expected.family);
        assert_eq!([config.heads, config.kv_heads, config.head_dim], expected.heads);
        assert_eq!((config.layers.len(), config.hidden), (expected.layers, expected.hidden));
        assert_eq!((config.context, config.vocabulary), (expected.context, expected.vocabulary));
        assert_eq!(weights.layers.len(), expected.layers);
        let [heads, kv_heads, head_dim] = expected.heads;
        for layer in &weights.layers {
            let (hidden, intermediate) = (config.hidden, config.intermediate);
            for (projection, rows, columns) in [
                (&layer.query, heads * head_dim, hidden),
                (&layer.key, kv_heads * head_dim, hidden),
                (&layer.value, kv_heads * head_dim, hidden),
                (&layer.output, hidden, heads * head_dim),
                (&layer.gate, intermediate, hidden),
                (&layer.up, intermediate, hidden),
                (&layer.down, hidden, intermediate),
            ] {
                assert_eq!((projection.matrix.rows(), projection.matrix.columns()), (rows, columns));
            }
            assert_eq!(layer.query.bias.is_some(), expected.family == "qwen2");
            assert_eq!(layer.query_norm.is_some(), expected.family == "gemma3");
        }
        let size = std::fs::metadata(&path).unwrap().len();
        assert!(files.weight_bytes() < size && files.weight_bytes() > size * 9 / 10);
        let Container::Gguf { metadata } = files.container() else { panic!("no GGUF") };
        assert!(metadata.contains_key("tokenizer.ggml.tokens"));
        println!("{}: {} {}", expected.file, files.fingerprint(), config.layers.len());
    }
}

/// Every folder that holds a `config.json` is opened and loaded: for tiny models that transformers
/// made.
#[test]
fn published_folders_are_read() {
    let Some(models) = models() else { return };
    for entry in std::fs::read_dir(models).unwrap().flatten() {
        if entry.path().join("config.json").exists() {
            let files = ModelFiles::open(entry.path()).unwrap();
            let (config, weights) = files.load().unwrap();
            assert_eq!(config.layers.len(), weights.layers.len());
            println!("{}: {config:?}", entry.path().display());
        }
    }
}
