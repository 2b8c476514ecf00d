//! Several sessions that go on together: each as if it were alone.

#[path = "support/golden.rs"]
mod golden;
#[path = "support/tiny_sessions.rs"]
mod tiny_sessions;

use minference_attention::InstructionSet;
use minference_model::{
    CacheFormat, Compute, ComputeOptions, Decoder, MatmulArithmetic, ModelFiles, Session, SessionOptions,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiny_sessions::{compressing, dense, model, session, snap, tokens};

/// Tiny models in all formats, with all that families differ in.
fn paths() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    let folders = ["llama3", "qwen2", "qwen3", "gemma3", "phi3", "glm4", "llama_float16", "llama_bfloat16"];
    let formats = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"];
    let folders = folders.map(|name| golden.join("models").join(name));
    let files = formats.map(|name| golden.join("gguf").join(format!("llama_{name}.gguf")));
    folders.into_iter().chain(files).collect()
}

fn loaded(path: &Path) -> Arc<Decoder> {
    let (config, weights) = ModelFiles::open(path).unwrap().load().unwrap();
    Arc::new(Decoder::new(config, weights).unwrap())
}

#[test]
fn each_session_gets_what_it_would_get_alone() {
    for path in paths() {
        let decoder = loaded(&path);
        for set in InstructionSet::available() {
            let options = ComputeOptions {
                instruction_set: Some(set),
                threads: Some(2),
                matmul: MatmulArithmetic::Int8,
                ..ComputeOptions::default()
            };
            let compute = Compute::new(options).unwrap();
            // more than share the widening of a block, of several lengths and formats
            let mut sessions: Vec<Session> = [5, 64, 1, 130, 77, 9, 30, 31, 2]
                .iter()
                .zip([CacheFormat::F32, CacheFormat::F16, CacheFormat::Int8].iter().cycle())
                .map(|(&length, &cache)| {
                    let options = SessionOptions { cache, ..SessionOptions::for_tokens(140) };
                    let mut session = Session::new(decoder.clone(), compute.clone(), options).unwrap();
                    session.prefill(&tokens(length, length), &dense()).unwrap();
                    session
                })
                .collect();
            for count in [1, 2, 3, 4, 5, 9] {
                let ids = tokens(count, count);
                let mut alone: Vec<Session> =
                    sessions[..count].iter().map(|session| session.fork().unwrap()).collect();
                let expected: Vec<Vec<f32>> =
                    alone.iter_mut().zip(&ids).map(|(session, id)| session.decode(*id).unwrap()).collect();
                let mut batch: Vec<&mut Session> = sessions[..count].iter_mut().collect();
                let found = Decoder::decode_batch(&mut batch, &ids).unwrap();
                assert!(found == expected, "{}, {set}, {count} sessions", path.display());
                for (session, alone) in sessions.iter().zip(&alone) {
                    assert_eq!(session.history(), alone.history());
                }
            }
        }
    }
}

/// Positions that depend on the length, and caches of which some was dropped.
#[test]
fn sessions_of_all_kinds_go_on_together() {
    for name in ["llama_dynamic", "phi3", "gemma3", "llama3"] {
        let model = model(name);
        let mut first = session(&model, 400);
        first.prefill(&tokens(300, 1), &compressing(snap(64))).unwrap();
        // phi3's border is at 64 tokens, dynamic NTK's as well
        let mut second = first.fork().unwrap();
        second.truncate(0).unwrap();
        second.prefill(&tokens(63, 2), &dense()).unwrap();
        let mut third = second.fork().unwrap();
        for step in 0..4 {
            let mut alone = [&first, &second, &third].map(|session| session.fork().unwrap());
            let ids = [step, 2 * step + 1, 3 * step];
            let expected: Vec<Vec<f32>> =
                alone.iter_mut().zip(ids).map(|(session, id)| session.decode(id).unwrap()).collect();
            let found = Decoder::decode_batch(&mut [&mut first, &mut second, &mut third], &ids).unwrap();
            assert_eq!(found, expected, "{name}");
        }
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let model = model("llama3");
    let mut first = session(&model, 20);
    first.prefill(&tokens(10, 1), &dense()).unwrap();
    let mut full = first.fork_prefix(0).unwrap();
    full.prefill(&tokens(20, 1), &dense()).unwrap();
    let mut other = session(&model, 20);
    other.prefill(&tokens(3, 1), &dense()).unwrap();
    let refused = |sessions: &mut [&mut Session], ids: &[u32], part: &str| {
        let error = Decoder::decode_batch(sessions, ids).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    };
    refused(&mut [&mut first], &[1, 2], "one for each session");
    refused(&mut [&mut first, &mut other], &[1, 2], "one model");
    refused(&mut [&mut first, &mut full], &[1, 2], "room for");
    let mut second = first.fork().unwrap();
    refused(&mut [&mut first, &mut second], &[1, 99_999], "vocabulary");
    assert_eq!([first.tokens(), second.tokens(), full.tokens(), other.tokens()], [10, 10, 20, 3]);
    assert!(Decoder::decode_batch(&mut [], &[]).unwrap().is_empty());
}
