//! `minference pull`, as far as it goes without a network.

use assert_cmd::Command;
use std::path::Path;
use std::process::Output;

/// Exit status.
const ERROR: i32 = 1;
const WRONG_OPTIONS: i32 = 2;

/// With a cache of its own, and a Hub that no server answers for.
fn pull(cache: &Path, arguments: &[&str]) -> Output {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut command = Command::cargo_bin("minference").unwrap();
    for name in ["HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "SSL_CERT_FILE"] {
        command.env_remove(name);
    }
    command
        .env("MINFERENCE_CACHE", cache.join("models"))
        .env("HF_HOME", cache.join("huggingface"))
        .env("HF_ENDPOINT", endpoint)
        .arg("pull")
        .args(arguments)
        .output()
        .unwrap()
}

/// Expects an error that holds all of `parts`, and nothing on standard output.
fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let cache = tempfile::tempdir().unwrap();
    let output = pull(cache.path(), arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(code) && output.stdout.is_empty(), "{message}");
    for part in parts {
        assert!(message.contains(part), "expected {part:?} in {message:?}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn what_names_no_model_is_refused_with_the_forms() {
    refused(&["smollm3"], ERROR, &["no such short name (known: demo, smollm2-135m)", "hf:owner/name"]);
    refused(&["no/such/model.gguf"], ERROR, &["no/such/model.gguf: no such file or folder", "hf:owner/name"]);
    refused(&["Qwen/Qwen2.5-0.5B"], ERROR, &["write hf:Qwen/Qwen2.5-0.5B"]);
    refused(&["hf:Qwen"], WRONG_OPTIONS, &["`hf:Qwen`", "hf:owner/name"]);
    refused(&["https://huggingface.co/Qwen/Qwen2.5-0.5B"], WRONG_OPTIONS, &["write hf:Qwen/Qwen2.5-0.5B"]);
    refused(&["hf:owner/name:model.gguf"], ERROR, &["can't reach http://127.0.0.1", "is there a network?"]);
}

#[test]
fn a_local_path_passes_through_with_size_and_hash() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    std::fs::write(&file, "hello").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let output = pull(folder.path(), &[file.to_str().unwrap()]);
    assert_eq!(text(output.stdout), format!("{}\n", file.display()));
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let message = text(output.stderr);
    assert!(message.contains(sha256) && message.contains("model.gguf: 5 B"), "{message}");

    let output = pull(folder.path(), &[folder.path().to_str().unwrap()]);
    assert_eq!(text(output.stdout), format!("{}\n", folder.path().display()));
    assert!(text(output.stderr).contains(sha256));
}

/// The path of a part stands for the model; sizes and hashes are told of all.
#[test]
fn all_parts_of_a_split_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [1, 2].map(|number| folder.path().join(format!("m-0000{number}-of-00002.gguf")));
    parts.iter().zip(["hello", "you"]).for_each(|(path, text)| std::fs::write(path, text).unwrap());
    let output = pull(folder.path(), &[parts[1].to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", parts[1].display()));
    let message = String::from_utf8(output.stderr).unwrap();
    for part in ["m-00001-of-00002.gguf: 5 B", "m-00002-of-00002.gguf: 3 B"] {
        assert!(message.contains(part), "expected {part:?} in {message:?}");
    }
    std::fs::remove_file(&parts[0]).unwrap();
    refused(&[parts[1].to_str().unwrap()], ERROR, &["m-00001-of-00002.gguf"]);
}

/// The Hub's cache names contents by their hash: one that has changed since is no model any more.
#[test]
#[cfg(unix)]
fn a_damaged_file_of_the_cache_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let (blobs, snapshot) = (folder.path().join("blobs"), folder.path().join("snapshots/main"));
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::create_dir_all(&snapshot).unwrap();
    let file = snapshot.join("model.gguf");
    std::os::unix::fs::symlink(format!("../../blobs/{sha256}"), &file).unwrap();
    for (content, is_right) in [("hello", true), ("hallo", false)] {
        std::fs::write(blobs.join(sha256), content).unwrap();
        let output = pull(folder.path(), &[snapshot.to_str().unwrap()]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(if is_right { 0 } else { ERROR }), "{message}");
        assert_eq!(message.contains("damaged") && output.stdout.is_empty(), !is_right, "{message}");
        assert!(message.contains(sha256));
    }
}

/// Nobody reads sizes and hashes: the path counts.
#[test]
fn a_closed_standard_error_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    std::fs::write(&file, "hello").unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("minference"))
        .arg("pull")
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", file.display()));
}

#[test]
fn without_a_model_the_short_names_are_listed() {
    let cache = tempfile::tempdir().unwrap();
    let list = || String::from_utf8(pull(cache.path(), &[]).stdout).unwrap();
    let found = list();
    for part in ["demo, smollm2-135m: SmolLM2", "98.36 MB", "not in the cache yet"] {
        assert!(found.contains(part), "expected {part:?} in {found:?}");
    }
    std::fs::create_dir_all(cache.path().join("huggingface/hub/models--owner--name/snapshots")).unwrap();
    assert!(list().contains("hf:owner/name\n"));
}

#[test]
fn help_teaches() {
    let output = pull(Path::new("."), &["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    for part in ["MINFERENCE_CACHE", "HF_TOKEN", "HF_ENDPOINT", "minference pull demo", "hf:Qwen/"] {
        assert!(help.contains(part), "expected {part:?} in {help:?}");
    }
}
