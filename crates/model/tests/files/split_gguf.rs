//! Split GGUF files: any part opens all of them, and what does not belong together is refused.

use crate::builders::{Gguf, HIDDEN, assert_mentions, write};
use candle_core::quantized::GgmlDType::F32;
use candle_core::quantized::gguf_file::Value;
use minference_model::patterns::files::beside;
use minference_model::{Error, ModelFiles};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"];

/// The model in three parts, as llama.cpp's tools split it: metadata in the first, tensors in their
/// order.
fn parts() -> [Gguf; 3] {
    let whole = Gguf::tiny("llama", 8);
    let count = whole.tensors.len();
    [0, 1, 2].map(|number| {
        let metadata = if number == 0 { whole.metadata.clone() } else { Vec::new() };
        let tensors = whole.tensors[number * count / 3..(number + 1) * count / 3].to_vec();
        let mut part = Gguf { metadata, tensors };
        part.set("split.no", Value::U16(number as u16));
        part.set("split.count", Value::U16(3));
        part.set("split.tensors.count", Value::I32(count as i32));
        part
    })
}

fn write_parts(folder: &Path, parts: &[Gguf; 3]) -> [PathBuf; 3] {
    [0, 1, 2].map(|i| write(folder, NAMES[i], &parts[i].bytes()))
}

/// The parts, changed, in a folder.
fn changed(change: impl FnOnce(&mut [Gguf; 3])) -> (TempDir, [PathBuf; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts();
    change(&mut parts);
    let paths = write_parts(folder.path(), &parts);
    (folder, paths)
}

fn refusal(path: &Path) -> String {
    let opened = ModelFiles::open(path).and_then(|files| files.load());
    opened.err().unwrap_or_else(|| panic!("{} was accepted", path.display())).to_string()
}

#[test]
fn any_part_opens_all() {
    let whole = Gguf::tiny("llama", 8).open().unwrap().files;
    let (_folder, paths) = changed(|_| {});
    for path in &paths {
        let files = ModelFiles::open(path).unwrap();
        assert_eq!(files.path(), paths[0]);
        assert_eq!(files.weight_bytes(), whole.weight_bytes());
        assert_eq!(files.fingerprint(), whole.fingerprint());
        let (config, weights) = files.load().unwrap();
        assert_eq!(config, *whole.config());
        assert_eq!(weights.layers.len(), config.layers.len());
        // whichever part is given, the model's own patterns are the same file
        assert_eq!(beside(path), Some(paths[0].with_file_name("m.patterns.json")));
    }
    // older tools don't count tensors; a first part may have none; every part may repeat the
    // metadata
    let (_folder, paths) = changed(|parts| {
        for part in parts.iter_mut() {
            part.metadata.retain(|(key, _)| key != "split.tensors.count");
        }
        let first = std::mem::take(&mut parts[0].tensors);
        parts[1].tensors.extend(first);
        let metadata = parts[0].metadata.clone();
        for (key, value) in metadata.into_iter().filter(|(key, _)| key != "split.no") {
            parts[2].set(&key, value);
        }
    });
    assert_eq!(ModelFiles::open(&paths[1]).unwrap().fingerprint(), whole.fingerprint());
}

/// What the `gguf` package splits.
#[test]
fn parts_of_the_reference_are_the_whole_file() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/gguf");
    let whole = ModelFiles::open(golden.join("llama_q8_0.gguf")).unwrap();
    for number in 1..=3 {
        let part =
            ModelFiles::open(golden.join(format!("split_llama_q8_0-0000{number}-of-00003.gguf"))).unwrap();
        assert_eq!(part.fingerprint(), whole.fingerprint());
        assert_eq!((part.weight_bytes(), part.config()), (whole.weight_bytes(), whole.config()));
    }
}

#[test]
fn missing_parts_are_named() {
    let (_folder, paths) = changed(|_| {});
    std::fs::remove_file(&paths[0]).unwrap();
    assert_mentions(&refusal(&paths[2]), &["all 3 parts", "one folder", "no m-00001-of-00003.gguf"]);
    std::fs::remove_file(&paths[2]).unwrap();
    let message = refusal(&paths[1]);
    assert_mentions(&message, &["no m-00001-of-00003.gguf, no m-00003-of-00003.gguf"]);
    assert!(!message.contains("no m-00002"), "{message}");
    // thousands of them, in one line
    let (folder, _paths) = changed(|_| {});
    let mut part = parts()[0].clone();
    part.set("split.count", Value::U32(99_999));
    let message = refusal(&write(folder.path(), "x-00001-of-99999.gguf", &part.bytes()));
    assert_mentions(&message, &["no x-00002-of-99999.gguf", "and 99990 more"]);
    assert!(message.len() < 500, "{message}");
}

#[test]
fn counts_and_numbers_must_fit() {
    for (part, key, value, mentioned) in [
        (1, "split.count", Value::U16(4), ["m-00002-of-00003.gguf", "part 2 of 3", "part 2 of 4"]),
        (2, "split.no", Value::U16(1), ["m-00003-of-00003.gguf", "part 3 of 3", "part 2 of 3"]),
        (2, "split.no", Value::U16(3), ["m-00003-of-00003.gguf", "split.no", "below split.count, 3"]),
        (1, "split.count", Value::U16(1), ["m-00002-of-00003.gguf", "split.count", "a whole file"]),
        (
            1,
            "split.tensors.count",
            Value::I32(7),
            ["m-00002-of-00003.gguf", "with 20 tensors", "with 7 tensors"],
        ),
        (1, "split.count", Value::String("3".into()), ["m-00002-of-00003.gguf", "a whole number", "\"3\""]),
        (1, "split.count", Value::I32(-3), ["m-00002-of-00003.gguf", "split.count", "-3"]),
    ] {
        let (_folder, paths) = changed(|parts| parts[part].set(key, value.clone()));
        assert_mentions(&refusal(&paths[0]), &mentioned);
    }
    let (_folder, paths) = changed(|parts| parts[0].metadata.retain(|(key, _)| key != "split.no"));
    assert_mentions(&refusal(&paths[0]), &["split.no", "below split.count, 3", "nothing"]);
    let (_folder, paths) = changed(|parts| {
        parts.iter_mut().for_each(|part| part.set("split.tensors.count", Value::I32(21)));
    });
    assert_mentions(&refusal(&paths[0]), &["split.tensors.count", "21 tensors in all 3 parts", "20"]);
    let (_folder, paths) = changed(|parts| parts[1].set("split.count", Value::U64(u64::MAX)));
    assert_mentions(&refusal(&paths[1]), &["m-00002-of-00003.gguf", "split.no", "under another name"]);
}

#[test]
fn parts_of_other_models_are_refused() {
    // the same tensor in two parts
    let (_folder, paths) = changed(|parts| {
        let first = parts[0].tensors[0].clone();
        parts[2].tensors.push(first);
    });
    assert_mentions(
        &refusal(&paths[1]),
        &["m-00003-of-00003.gguf", "token_embd.weight", "each tensor once", "m-00001-of-00003.gguf"],
    );
    // metadata that say something else
    for (key, value, found) in [
        ("general.architecture", Value::String("qwen2".into()), "qwen2"),
        ("llama.block_count", Value::U32(3), "U32(3)"),
        ("general.name", Value::String("another".into()), "another"),
    ] {
        let (_folder, paths) = changed(|parts| parts[1].set(key, value));
        assert_mentions(&refusal(&paths[0]), &["m-00002-of-00003.gguf", key, found, "another model"]);
    }
    // tensors that this model has not, or of another shape
    let (_folder, paths) = changed(|parts| {
        parts[1].tensors.pop();
        parts[1].add("blk.9.attn_norm.weight", &[HIDDEN], F32);
    });
    assert_mentions(&refusal(&paths[0]), &["no such tensor"]);
    let (_folder, paths) = changed(|parts| {
        parts[2].tensors.iter_mut().filter(|tensor| tensor.1.len() == 2).for_each(|tensor| tensor.1[0] *= 2);
    });
    assert_mentions(&refusal(&paths[0]), &["m-00003-of-00003.gguf", "shape"]);
    // two parts under each other's name, and something else under a part's
    let (_folder, paths) = changed(|parts| parts.swap(1, 2));
    assert_mentions(&refusal(&paths[0]), &["m-00002-of-00003.gguf", "part 2 of 3", "part 3 of 3"]);
    let (folder, paths) = changed(|_| {});
    write(folder.path(), NAMES[1], b"version https://git-lfs.github.com/spec/v1\nsize 77\n");
    assert_mentions(&refusal(&paths[0]), &["m-00002-of-00003.gguf", "a Git LFS pointer", "77 bytes"]);
}

#[test]
fn a_part_under_another_name_is_refused() {
    let (folder, paths) = changed(|_| {});
    let renamed = folder.path().join("model.gguf");
    std::fs::rename(&paths[1], &renamed).unwrap();
    assert_mentions(
        &refusal(&renamed),
        &["model.gguf", "a name such as model-00002-of-00003.gguf", "part 2 of 3 under another name"],
    );
    let renamed = folder.path().join("m-00001-of-00002.gguf");
    std::fs::rename(&paths[0], &renamed).unwrap();
    assert_mentions(&refusal(&renamed), &["a name such as m-00001-of-00003.gguf", "part 1 of 3"]);
}

#[cfg(unix)]
#[test]
fn links_lead_to_all_parts() {
    use std::os::unix::fs::symlink;
    let (folder, paths) = changed(|_| {});
    let elsewhere = tempfile::tempdir().unwrap();
    let open = |link: &Path| ModelFiles::open(link).unwrap().path().to_path_buf();
    // another name, absolute; a link to that, relative; the same name in a folder without the
    // others
    let link = elsewhere.path().join("latest.gguf");
    symlink(&paths[1], &link).unwrap();
    assert_eq!(open(&link), paths[0]);
    let second = elsewhere.path().join("second.gguf");
    symlink("latest.gguf", &second).unwrap();
    assert_eq!(open(&second), paths[0]);
    let same = elsewhere.path().join(NAMES[2]);
    symlink(&paths[2], &same).unwrap();
    assert_eq!(open(&same), paths[0]);
    // as the Hub's cache has them: names are links, contents have others
    let (blobs, snapshot) = (elsewhere.path().join("blobs"), elsewhere.path().join("snapshot"));
    std::fs::create_dir(&blobs).unwrap();
    std::fs::create_dir(&snapshot).unwrap();
    for (i, path) in paths.iter().enumerate() {
        std::fs::rename(path, blobs.join(i.to_string())).unwrap();
        symlink(format!("../blobs/{i}"), snapshot.join(NAMES[i])).unwrap();
    }
    assert_eq!(open(&snapshot.join(NAMES[2])), snapshot.join(NAMES[0]));
    // one of them is missing, beside the link and where it leads
    std::fs::remove_file(snapshot.join(NAMES[1])).unwrap();
    let link = folder.path().join("link.gguf");
    symlink(snapshot.join(NAMES[2]), &link).unwrap();
    assert_mentions(&refusal(&link), &["snapshot", "no m-00002-of-00003.gguf"]);
    // a link that leads nowhere is a missing part
    symlink("nowhere", snapshot.join(NAMES[1])).unwrap();
    assert_mentions(&refusal(&link), &["no m-00002-of-00003.gguf"]);
}

#[test]
fn pieces_that_were_cut_by_other_tools_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = Gguf::tiny("llama", 8).bytes();
    for (name, piece) in [("m.gguf.part1of2", &bytes[..9000]), ("m.gguf-split-b", &bytes[9000..])] {
        let path = write(folder.path(), name, piece);
        assert_mentions(&refusal(&path), &[name, "a piece of a file", "cat m.gguf?* > m.gguf"]);
    }
    // one that is whole is no piece, whatever its name
    ModelFiles::open(write(folder.path(), "m.gguf.part1", &bytes)).unwrap();
    assert!(matches!(ModelFiles::open(folder.path().join("no.gguf.part1")), Err(Error::Io { .. })));
}
