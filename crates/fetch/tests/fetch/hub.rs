//! `hf:owner/name[:file]`.

use crate::server::{Behaviour, COMMIT, Server, sha256};
use crate::{StopAt, content, fetch, files_below, settings};
use minference_fetch::{FetchError, Fetcher, ModelReference};
use std::fs;
use std::time::{Duration, Instant};
use tempfile::tempdir;

const GGUF: &str = "hf:owner/name:model q4.gguf";

fn gguf_server(bytes: &[u8], behaviour: Behaviour) -> Server {
    Server::start(&[("model q4.gguf", bytes), ("README.md", b"hello")], behaviour)
}

#[test]
fn a_file_lies_where_other_programs_expect_it_and_is_fetched_once() {
    let (folder, bytes) = (tempdir().unwrap(), content(1_000_000));
    let server = gguf_server(&bytes, Behaviour::default());
    let settings = settings(folder.path(), &server.endpoint);
    let path = fetch(&settings, GGUF).unwrap();
    let repository = settings.hub.join("models--owner--name");
    assert_eq!(path, repository.join("snapshots").join(COMMIT).join("model q4.gguf"));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read(repository.join("blobs").join(sha256(&bytes))).unwrap(), bytes);
    assert_eq!(fs::read_to_string(repository.join("refs/main")).unwrap(), COMMIT);
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink() || cfg!(not(unix)));

    let before = server.requests().len();
    assert_eq!(fetch(&settings, GGUF).unwrap(), path);
    assert_eq!(server.requests().len(), before + 1, "only the listing");
    // a commit never changes: no server is asked
    let pinned = format!("hf:owner/name@{COMMIT}:model q4.gguf");
    assert_eq!(fetch(&settings, &pinned).unwrap(), path);
    assert_eq!(server.requests().len(), before + 1);
}

const PARTS: [&str; 3] = ["Q4/m-00001-of-00003.gguf", "Q4/m-00002-of-00003.gguf", "Q4/m-00003-of-00003.gguf"];

/// Whichever part is named, a split file is there as a whole or not at all.
#[test]
fn all_parts_of_a_split_file_are_fetched() {
    let contents = [content(300_000), content(200_001), content(1000)];
    let files: Vec<(&str, &[u8])> =
        PARTS.iter().zip(&contents).map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    for names_only in [false, true] {
        let folder = tempdir().unwrap();
        let server = Server::start(&files, Behaviour { names_only, ..Behaviour::default() }).with_store();
        let mut settings = settings(folder.path(), &server.endpoint);
        let reference = format!("hf:owner/name:{}", PARTS[1]);
        let path = fetch(&settings, &reference).unwrap();
        assert!(path.ends_with(PARTS[1]));
        for (name, bytes) in PARTS.iter().zip(&contents) {
            let part = path.parent().unwrap().join(name.strip_prefix("Q4/").unwrap());
            assert_eq!(fs::read(part).unwrap(), *bytes, "{name}");
        }
        // without a network any part is found, as long as all are there
        settings.offline = true;
        assert_eq!(fetch(&settings, &reference).unwrap(), path);
        let first = fetch(&settings, &format!("hf:owner/name:{}", PARTS[0])).unwrap();
        fs::remove_file(first).unwrap();
        assert!(matches!(fetch(&settings, &reference), Err(FetchError::Offline { .. })));
        settings.offline = false;
        assert_eq!(fetch(&settings, &reference).unwrap(), path);
        let before = server.requests().len();
        let pinned = format!("hf:owner/name@{COMMIT}:{}", PARTS[2]);
        assert!(fetch(&settings, &pinned).unwrap().ends_with(PARTS[2]));
        assert_eq!(server.requests().len(), before, "all are there");
    }
    // a repository that lacks a part
    let folder = tempdir().unwrap();
    let server = Server::start(&files[1..], Behaviour::default());
    let settings = settings(folder.path(), &server.endpoint);
    let error = fetch(&settings, &format!("hf:owner/name:{}", PARTS[1])).unwrap_err().to_string();
    assert!(error.contains("has no file `Q4/m-00001-of-00003.gguf`"), "{error}");
    assert!(
        files_below(&settings.hub).iter().all(|name| !name.ends_with(".gguf")),
        "nothing is fetched in vain"
    );
}

/// Gigabytes that can't be loaded are not fetched.
#[test]
fn weights_for_other_programs_are_refused_before_they_are_fetched() {
    let config: &[u8] =
        br#"{"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": 4}}"#;
    let folder = tempdir().unwrap();
    let files: &[(&str, &[u8])] =
        &[("config.json", config), ("tokenizer.json", b"{}"), ("model.safetensors", b"x")];
    let server = Server::start(files, Behaviour::default());
    let settings = settings(folder.path(), &server.endpoint);
    let error = fetch(&settings, "hf:owner/name").unwrap_err().to_string();
    for part in ["owner/name", "quantization_config.quant_method", "GPTQ", "a GGUF file of it"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(server.requests().iter().all(|request| !request.path.ends_with("model.safetensors")));
}

/// Files by name and content, and what is said of a repository that holds them.
type RepositoryCase<'a> = (&'a [(&'a str, &'a str)], [&'a str; 2]);

#[test]
fn what_a_repository_holds_instead_is_named() {
    let cases: [RepositoryCase<'_>; 6] = [
        (
            &[("adapter_config.json", "{}"), ("adapter_model.safetensors", "x")],
            ["an adapter (LoRA)", "no model by itself"],
        ),
        (&[("config.json", "{}"), ("pytorch_model.bin", "x")], ["pytorch_model.bin", "pickled"]),
        (
            &[("consolidated.safetensors", "x"), ("params.json", "{}")],
            ["consolidated.safetensors", "Hugging Face"],
        ),
        (
            &[("config.json", "{}"), ("model.safetensors", "x"), ("tokenizer.model", "x")],
            ["expected tokenizer.json", "tokenizer.model without it"],
        ),
        (&[("README.md", "x")], ["model.safetensors.index.json or a .gguf file", "no such file"]),
        // of a split file, one part is offered for all
        (
            &[(PARTS[0], "x"), (PARTS[1], "x"), ("b.gguf", "x")],
            ["choose one, as in hf:owner/name:Q4/m-00001", "b.gguf"],
        ),
    ];
    for (files, parts) in cases {
        let folder = tempdir().unwrap();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let server = Server::start(&files, Behaviour::default());
        let error =
            fetch(&settings(folder.path(), &server.endpoint), "hf:owner/name").unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(!error.contains("m-00002"), "{error}");
    }
}

#[test]
fn redirects_are_followed_and_the_token_stays_with_the_hub() {
    let (folder, bytes) = (tempdir().unwrap(), content(300_000));
    let server =
        gguf_server(&bytes, Behaviour { token: Some("secret"), ..Behaviour::default() }).with_store();
    let mut settings = settings(folder.path(), &server.endpoint);
    settings.token = Some("secret".into());
    let path = fetch(&settings, GGUF).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    for request in server.requests() {
        let sent = request.authorization.is_some();
        assert_eq!(sent, !request.path.starts_with("/store/"), "{request:?}");
    }
}

#[test]
fn a_folder_holds_what_a_model_needs_and_no_more() {
    let index = br#"{"weight_map": {"a": "model-00001.safetensors", "b": "model-00002.safetensors", "c": "model-00001.safetensors"}}"#;
    let files: &[(&str, &[u8])] = &[
        ("config.json", b"{}"),
        ("tokenizer.json", b"{\"x\": 1}"),
        ("chat_template.jinja", b"{{ x }}"),
        ("special_tokens_map.json", b"{}"),
        ("vocab.json", b"no"),
        ("model.safetensors.index.json", index),
        ("model-00001.safetensors", &content(400_000)),
        ("model-00002.safetensors", &content(300_001)),
        ("consolidated.safetensors", b"the same again"),
        ("pytorch_model.bin", b"no"),
        ("model.gguf", b"no"),
    ];
    for names_only in [false, true] {
        let folder = tempdir().unwrap();
        let server = Server::start(files, Behaviour { names_only, ..Behaviour::default() }).with_store();
        let mut settings = settings(folder.path(), &server.endpoint);
        let path = fetch(&settings, "hf:owner/name").unwrap();
        assert_eq!(
            files_below(&path),
            [
                "chat_template.jinja",
                "config.json",
                "model-00001.safetensors",
                "model-00002.safetensors",
                "model.safetensors.index.json",
                "special_tokens_map.json",
                "tokenizer.json"
            ]
        );
        assert_eq!(fs::read(path.join("model-00002.safetensors")).unwrap(), content(300_001));
        // all of it is usable without a network, however that is known
        settings.offline = true;
        assert_eq!(fetch(&settings, "hf:owner/name").unwrap(), path);
        settings.offline = false;
        settings.endpoint = closed_port();
        assert_eq!(fetch(&settings, "hf:owner/name").unwrap(), path);
        fs::remove_file(path.join("model-00002.safetensors")).unwrap();
        assert!(matches!(fetch(&settings, "hf:owner/name"), Err(FetchError::NoNetwork { .. })));
    }
}

#[test]
fn repositories_that_can_not_be_loaded_are_refused_before_anything_is_fetched() {
    let refused = |files: &[(&str, &[u8])], reference: &str, parts: &[&str]| {
        let folder = tempdir().unwrap();
        let server = Server::start(files, Behaviour::default());
        let error = fetch(&settings(folder.path(), &server.endpoint), reference).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "expected {part:?} in {error:?}");
        }
        assert_eq!(server.requests().len(), 1);
        assert!(files_below(folder.path()).is_empty());
    };
    let ggufs: &[(&str, &[u8])] = &[("b.gguf", b"b"), ("a.gguf", b"a"), ("config.json", b"{}")];
    refused(ggufs, "hf:owner/name", &["choose one, as in hf:owner/name:a.gguf", "\n  a.gguf\n  b.gguf"]);
    refused(ggufs, "hf:owner/name:c.gguf", &["no file `c.gguf`", "\n  a.gguf\n  b.gguf"]);
    refused(&[("pytorch_model.bin", b"x")], "hf:owner/name", &["model.safetensors", ".gguf"]);
    let no_tokenizer: &[(&str, &[u8])] = &[("config.json", b"{}"), ("model.safetensors", b"x")];
    refused(no_tokenizer, "hf:owner/name", &["expected tokenizer.json"]);
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let (folder, bytes) = (tempdir().unwrap(), content(1_000_000));
    let server = gguf_server(&bytes, Behaviour { cut_after: vec![300_000, 300_000], ..Behaviour::default() });
    let path = fetch(&settings(folder.path(), &server.endpoint), GGUF).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    let ranges: Vec<Option<String>> =
        server.requests().into_iter().skip(1).map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some("bytes=300000-".into()), Some("bytes=600000-".into())]);
}

#[test]
fn a_server_that_falls_silent_is_asked_again() {
    let (folder, bytes) = (tempdir().unwrap(), content(600_000));
    let server = gguf_server(&bytes, Behaviour { stall_after: Some(100_000), ..Behaviour::default() });
    let start = Instant::now();
    let path = fetch(&settings(folder.path(), &server.endpoint), GGUF).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(server.requests().last().unwrap().range.as_deref(), Some("bytes=100000-"));
}

#[test]
fn a_server_in_trouble_is_given_time_but_not_for_ever() {
    let (folder, bytes) = (tempdir().unwrap(), content(10_000));
    let server = gguf_server(&bytes, Behaviour { failures: vec![503, 429, 500], ..Behaviour::default() });
    let settings = settings(folder.path(), &server.endpoint);
    fetch(&settings, GGUF).unwrap();

    let folder = tempdir().unwrap();
    let settings = crate::settings(folder.path(), &server.endpoint);
    server.set(Behaviour { failures: vec![503; 100], ..Behaviour::default() });
    let error = fetch(&settings, GGUF).unwrap_err().to_string();
    assert!(error.contains("HTTP 503") && error.contains("try again later"), "{error}");
}

#[test]
fn an_interrupted_download_resumes_in_another_run() {
    let (folder, bytes) = (tempdir().unwrap(), content(3_000_000));
    let server = gguf_server(&bytes, Behaviour::default());
    let settings = settings(folder.path(), &server.endpoint);
    let reference: ModelReference = GGUF.parse().unwrap();
    let fetcher = Fetcher::new(settings.clone()).unwrap();
    let stopped = fetcher.resolve(&reference, &StopAt::bytes(1_000_000));
    assert!(matches!(stopped, Err(FetchError::Cancelled)), "{stopped:?}");
    let left: Vec<String> =
        files_below(&settings.hub).into_iter().filter(|name| !name.ends_with(".lock")).collect();
    assert_eq!(left, [format!("{}.partial", sha256(&bytes))]);

    let path = fetcher.resolve(&reference, &()).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    let range = server.requests().last().unwrap().range.clone().unwrap();
    let start: u64 = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert!((1_000_000..3_000_000).contains(&start), "{range}");
    assert!(files_below(&settings.hub).iter().all(|name| !name.ends_with(".partial")));
}

#[test]
fn without_ranges_a_download_begins_anew() {
    let (folder, bytes) = (tempdir().unwrap(), content(1_000_000));
    let behaviour = Behaviour { cut_after: vec![300_000], no_ranges: true, ..Behaviour::default() };
    let server = gguf_server(&bytes, behaviour);
    let path = fetch(&settings(folder.path(), &server.endpoint), GGUF).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
}

/// What an earlier run left is only a beginning if it is one: the hash tells.
#[test]
fn other_bytes_than_announced_are_refused_and_not_kept() {
    let (folder, bytes) = (tempdir().unwrap(), content(500_000));
    let server = gguf_server(&bytes, Behaviour { corrupt: true, ..Behaviour::default() });
    let settings = settings(folder.path(), &server.endpoint);
    let error = fetch(&settings, GGUF).unwrap_err().to_string();
    assert!(error.contains(&sha256(&bytes)) && error.contains("removed"), "{error}");
    let kept = || files_below(&settings.hub).into_iter().filter(|name| !name.ends_with(".lock")).count();
    assert_eq!(kept(), 0);

    server.set(Behaviour::default());
    let partial = settings.hub.join(format!("models--owner--name/blobs/{}.partial", sha256(&bytes)));
    fs::write(&partial, vec![7; 1000]).unwrap();
    assert!(matches!(fetch(&settings, GGUF), Err(FetchError::WrongContent { .. })));
    assert_eq!(kept(), 0);
    fetch(&settings, GGUF).unwrap();
}

#[test]
fn a_content_that_was_written_half_is_fetched_again() {
    let (folder, bytes) = (tempdir().unwrap(), content(500_000));
    let server = gguf_server(&bytes, Behaviour::default());
    let settings = settings(folder.path(), &server.endpoint);
    let path = fetch(&settings, GGUF).unwrap();
    let blob = settings.hub.join("models--owner--name/blobs").join(sha256(&bytes));
    fs::write(&blob, &bytes[..1000]).unwrap();
    assert_eq!(fetch(&settings, GGUF).unwrap(), path);
    assert_eq!(fs::read(path).unwrap(), bytes);
}

/// The size alone does not tell; the name in the cache is the hash.
#[test]
fn a_damaged_content_is_found_out() {
    let config: &[u8] = b"{\"x\": 1}";
    let files: &[(&str, &[u8])] =
        &[("config.json", config), ("tokenizer.json", b"{}"), ("model.safetensors", &content(500_000))];
    let folder = tempdir().unwrap();
    // small files lie in git itself, under its own kind of hash
    let server = Server::start(files, Behaviour::default());
    let path = fetch(&settings(folder.path(), &server.endpoint), "hf:owner/name").unwrap();
    for (name, bytes) in files {
        let file = path.join(name);
        assert_eq!(minference_fetch::verify(&file, &()).unwrap(), sha256(bytes));
        let mut damaged = bytes.to_vec();
        damaged[1] ^= 1;
        fs::write(&file, damaged).unwrap();
        let error = minference_fetch::verify(&file, &()).unwrap_err();
        assert!(matches!(error, FetchError::Damaged { .. }), "{error}");
        let blob = fs::canonicalize(&file).unwrap();
        assert!(error.to_string().contains(blob.to_str().unwrap()) == cfg!(unix), "{error}");
    }
    // other files are named as people like
    let file = folder.path().join(sha256(b"x"));
    fs::write(&file, "y").unwrap();
    assert_eq!(minference_fetch::verify(&file, &()).unwrap(), sha256(b"y"));
}

#[test]
fn refusals_say_what_to_do() {
    let bytes = content(1000);
    let error = |behaviour: Behaviour, token: Option<&str>, reference: &str| {
        let folder = tempdir().unwrap();
        let server = gguf_server(&bytes, behaviour);
        let mut settings = settings(folder.path(), &server.endpoint);
        settings.token = token.map(str::to_string);
        fetch(&settings, reference).unwrap_err().to_string()
    };
    let gated = Behaviour { token: Some("secret"), ..Behaviour::default() };
    let message = error(gated.clone(), None, GGUF);
    assert!(message.contains("HTTP 401") && message.contains("set HF_TOKEN"), "{message}");
    let message = error(gated, Some("wrong"), GGUF);
    assert!(message.contains("does not suffice") && !message.contains("wrong"), "{message}");
    let message = error(Behaviour::default(), None, "hf:owner/other");
    assert!(message.contains("no repository owner/other at revision main"), "{message}");
    let message = error(Behaviour::default(), None, "hf:owner/name@v9:model q4.gguf");
    assert!(message.contains("revision v9"), "{message}");
}

/// An address of this machine where no server listens.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn without_a_network_the_cache_is_what_there_is() {
    let (folder, bytes) = (tempdir().unwrap(), content(1000));
    let server = gguf_server(&bytes, Behaviour::default());
    let mut settings = settings(folder.path(), &server.endpoint);
    let nothing = {
        let mut settings = settings.clone();
        settings.endpoint = closed_port();
        fetch(&settings, GGUF).unwrap_err().to_string()
    };
    assert!(nothing.contains("is there a network?") && nothing.contains("there are none"), "{nothing}");

    let path = fetch(&settings, GGUF).unwrap();
    settings.endpoint = closed_port();
    assert_eq!(fetch(&settings, GGUF).unwrap(), path);
    let error = fetch(&settings, "hf:owner/other:x.gguf").unwrap_err().to_string();
    assert!(error.contains("is there a network?") && error.contains("\n  hf:owner/name"), "{error}");
    settings.offline = true;
    assert_eq!(fetch(&settings, GGUF).unwrap(), path);
    let error = fetch(&settings, "hf:owner/other:x.gguf").unwrap_err().to_string();
    assert!(
        error.contains("hf:owner/other:x.gguf is not in the cache") && error.contains("HF_HUB_OFFLINE"),
        "{error}"
    );
}

#[test]
fn settings_that_can_not_work_are_refused() {
    let folder = tempdir().unwrap();
    let error = fetch(&settings(folder.path(), "huggingface.co"), GGUF).unwrap_err().to_string();
    assert!(error.contains("HF_ENDPOINT") && error.contains("https://"), "{error}");
    let mut settings = settings(folder.path(), "https://huggingface.co");
    settings.certificates = Some(folder.path().join("certificates.pem"));
    assert!(fetch(&settings, GGUF).unwrap_err().to_string().contains("certificates.pem"));
    fs::write(folder.path().join("certificates.pem"), "none").unwrap();
    assert!(fetch(&settings, GGUF).unwrap_err().to_string().contains("SSL_CERT_FILE"));
}

#[test]
fn a_cache_that_may_not_be_written_says_so() {
    let (folder, bytes) = (tempdir().unwrap(), content(1000));
    let server = gguf_server(&bytes, Behaviour::default());
    let mut settings = settings(folder.path(), &server.endpoint);
    // a file where a folder should be: the same for every user, root included
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    settings.hub = file.join("hub");
    let error = fetch(&settings, GGUF).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");
}

/// Two at once: one fetches, the other waits and finds it done.
#[test]
fn two_processes_share_the_work() {
    let (folder, bytes) = (tempdir().unwrap(), content(2_000_000));
    let server = gguf_server(&bytes, Behaviour::default());
    let settings = settings(folder.path(), &server.endpoint);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| fetch(&settings, GGUF).unwrap())).collect();
        for run in runs {
            assert_eq!(fs::read(run.join().unwrap()).unwrap(), bytes);
        }
    });
    let downloads = server.requests().iter().filter(|request| request.path.contains("/resolve/")).count();
    assert_eq!(downloads, 1);
}
