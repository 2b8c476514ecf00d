//! Positions that depend on the length (LongRoPE, dynamic NTK), through the life of a session:
//! against the logits that transformers' `generate` chooses its answers by, on both sides of each
//! border (`golden/README.md` says how they were recorded).

#[path = "support/golden.rs"]
mod golden;
#[path = "support/tiny_sessions.rs"]
mod tiny_sessions;

use minference_model::session::context_file::{ContextFile, LoadOptions};
use minference_model::{
    CacheFormat, Decoder, ModelFiles, PrefillOptions, Session, SessionOptions, files::Fingerprint,
};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiny_sessions::{compressing, compute, dense, snap, tokens};

/// Where LongRoPE's factors change, and where dynamic NTK begins.
const BORDER: usize = 128;

/// What is read, what is answered, and the logits that each token of the answer was chosen by.
struct Turn {
    tokens: Vec<u32>,
    answer: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

struct Recorded {
    name: String,
    decoder: Arc<Decoder>,
    fingerprint: Fingerprint,
    /// Largest difference that `f32` explains.
    tolerance: f32,
    courses: Vec<(String, Vec<Turn>)>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden")
}

/// A folder of `golden/models` with another configuration.
fn open(folder: &str, changes: &Map<String, Value>) -> (Arc<Decoder>, Fingerprint) {
    let (from, to) = (root().join("models").join(folder), tempfile::tempdir().unwrap());
    std::fs::copy(from.join("model.safetensors"), to.path().join("model.safetensors")).unwrap();
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
    for (field, value) in changes {
        config[field] = value.clone();
    }
    std::fs::write(to.path().join("config.json"), config.to_string()).unwrap();
    opened(to.path())
}

fn opened(path: &Path) -> (Arc<Decoder>, Fingerprint) {
    let files = ModelFiles::open(path).unwrap();
    let (config, weights) = files.load().unwrap();
    (Arc::new(Decoder::new(config, weights).unwrap()), files.fingerprint())
}

fn words(tensors: &SafeTensors<'_>, name: &str, dtype: Dtype) -> Vec<[u8; 4]> {
    let tensor = tensors.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), dtype, "{name}");
    tensor.data().chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]).collect()
}

fn recorded() -> Vec<Recorded> {
    let read = |name: &str| std::fs::read(root().join("positions").join(name)).unwrap();
    let (index, bytes) = (read("positions.json"), read("positions.safetensors"));
    let (index, tensors): (Value, _) =
        (serde_json::from_slice(&index).unwrap(), SafeTensors::deserialize(&bytes).unwrap());
    let turn = |key: String, vocabulary: usize| {
        let ids = |what: &str| {
            words(&tensors, &format!("{key}.{what}"), Dtype::I32)
                .into_iter()
                .map(u32::from_le_bytes)
                .collect()
        };
        let logits = words(&tensors, &format!("{key}.logits"), Dtype::F32);
        let logits: Vec<f32> = logits.into_iter().map(f32::from_le_bytes).collect();
        let logits = logits.chunks_exact(vocabulary).map(<[f32]>::to_vec).collect();
        Turn { tokens: ids("tokens"), answer: ids("answer"), logits }
    };
    let models = index["models"].as_object().unwrap().iter().map(|(name, model)| {
        let (decoder, fingerprint) =
            open(model["folder"].as_str().unwrap(), model["changes"].as_object().unwrap());
        let vocabulary = decoder.config().vocabulary;
        let courses = index["turns"].as_object().unwrap().iter().map(|(course, turns)| {
            let turns =
                (0..turns.as_u64().unwrap()).map(|i| turn(format!("{name}.{course}.{i}"), vocabulary));
            (course.clone(), turns.collect())
        });
        Recorded {
            name: name.clone(),
            fingerprint,
            tolerance: 3.0 * model["error"].as_f64().unwrap() as f32,
            courses: courses.collect(),
            decoder,
        }
    });
    models.collect()
}

fn session(decoder: &Arc<Decoder>, capacity: usize) -> Session {
    let options = SessionOptions { cache: CacheFormat::F32, ..SessionOptions::for_tokens(capacity) };
    Session::new(decoder.clone(), compute(), options).unwrap()
}

fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

/// Goes through all turns; `between` gets the session before each turn's tokens are read, with all
/// tokens of the conversation.
fn follow(
    recorded: &Recorded,
    course: &str,
    turns: &[Turn],
    options: &PrefillOptions,
    between: impl Fn(Session, &[u32]) -> Session,
) {
    let mut session = session(&recorded.decoder, 512);
    let mut conversation = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        conversation.extend_from_slice(&turn.tokens);
        session = between(session, &conversation);
        let known = session.tokens();
        let mut logits = session.prefill(&conversation[known..], options).unwrap().logits;
        for (i, (token, expected)) in turn.answer.iter().zip(&turn.logits).enumerate() {
            let off = difference(&logits, expected);
            assert!(
                off <= recorded.tolerance,
                "{}, {course}, turn {number}, token {i}: off by {off}, allowed {}",
                recorded.name,
                recorded.tolerance
            );
            conversation.push(*token);
            if i + 1 < turn.answer.len() {
                logits = session.decode(*token).unwrap();
            }
        }
        assert_eq!(session.history(), &conversation[..conversation.len() - 1]);
        assert_eq!(session.tokens(), session.history().len());
    }
}

#[test]
fn answers_are_those_of_generate_on_both_sides_of_each_border() {
    let all = recorded();
    assert_eq!(all.len(), 4);
    for recorded in &all {
        assert_eq!(recorded.courses.len(), 10);
        for (course, turns) in &recorded.courses {
            // room, chunks, and how a session is gone on with, change nothing
            follow(recorded, course, turns, &dense(), |session, _| session);
            let chunks = PrefillOptions { chunk: Some(50), ..dense() };
            follow(recorded, course, turns, &chunks, |mut session, conversation| {
                session.reuse(conversation).unwrap();
                session
            });
            follow(recorded, course, turns, &dense(), |session, _| session.fork().unwrap());
        }
    }
}

/// The same weights as a GGUF file: the rule is ours, whatever the file.
#[test]
fn gguf_files_follow_the_same_rule() {
    let all = recorded();
    let phi3 = all.into_iter().find(|recorded| recorded.name == "phi3").unwrap();
    let (decoder, fingerprint) = opened(&root().join("gguf/phi3.gguf"));
    let gguf = Recorded { decoder, fingerprint, ..phi3 };
    for (course, turns) in &gguf.courses {
        follow(&gguf, course, turns, &dense(), |session, _| session);
    }
}

/// A context that was saved between two turns is gone on with as if it never had been.
#[test]
fn saved_contexts_go_on_over_the_border() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context");
    for recorded in recorded() {
        let config = recorded.decoder.config().clone();
        for (course, turns) in recorded.courses.iter().filter(|(_, turns)| turns.len() > 1) {
            follow(&recorded, course, turns, &dense(), |session, conversation| {
                if session.tokens() == 0 {
                    return session;
                }
                session.save(&path, &recorded.fingerprint).unwrap();
                let file = ContextFile::open(&path).unwrap();
                let known = file.reusable(conversation, &config);
                let expected = session.fork().unwrap().reuse(conversation).unwrap();
                assert_eq!(known, expected, "{}, {course}", recorded.name);
                let load = |tokens| {
                    let options = LoadOptions {
                        tokens,
                        ..LoadOptions::all(SessionOptions {
                            cache: CacheFormat::F32,
                            ..SessionOptions::for_tokens(512)
                        })
                    };
                    file.load(recorded.decoder.clone(), compute(), &recorded.fingerprint, &options).unwrap()
                };
                // a caller that loads all of it reads again what must be
                if known == 0 { load(None) } else { load(Some(known)) }
            });
        }
    }
}

/// Logits of a prompt that is read by a session which has read nothing else.
fn fresh(decoder: &Arc<Decoder>, prompt: &[u32]) -> Vec<f32> {
    session(decoder, 512).prefill(prompt, &dense()).unwrap().logits
}

/// No prompt depends on what was read and forgotten before it, unless a conversation could have
/// read its beginning so.
#[test]
fn sessions_that_go_back_are_as_new_ones() {
    for recorded in recorded() {
        let (name, decoder) = (&recorded.name, &recorded.decoder);
        let document = tokens(110, 1);
        let question = |count, seed| [document.clone(), tokens(count, seed)].concat();
        let mut session = session(decoder, 512);
        // beyond, beyond, within, at the border, beyond
        for (count, seed) in [(60, 2), (90, 3), (5, 4), (BORDER - 110, 5), (90, 6)] {
            let prompt = question(count, seed);
            let was_short = session.tokens() > 0 && session.tokens() <= BORDER;
            let known = session.reuse(&prompt).unwrap();
            let found = session.prefill(&prompt[known..], &dense()).unwrap().logits;
            if was_short && prompt.len() > BORDER && !name.starts_with("phi") {
                // the beginning of a conversation that goes on over the border
                assert_eq!(known, 110, "{name}");
                continue;
            }
            assert!(difference(&found, &fresh(decoder, &prompt)) <= recorded.tolerance, "{name}, {count}");
            // what can be kept is kept
            let same = prompt.len() <= BORDER && was_short;
            assert!(!same || known == 110, "{name}, {count}: {known}");
        }
    }
}

/// Phi-3 keeps a document's keys as long as its factors stay the same.
#[test]
fn what_has_the_same_angles_is_kept() {
    let all = recorded();
    let phi3 = all.iter().find(|recorded| recorded.name == "phi3").unwrap();
    let document = tokens(200, 1);
    let mut session = session(&phi3.decoder, 512);
    session.prefill(&[document.clone(), tokens(50, 2)].concat(), &dense()).unwrap();
    assert_eq!(session.reuse(&[document.clone(), tokens(9, 3)].concat()).unwrap(), 200);
    assert_eq!(session.reuse(&document[..BORDER]).unwrap(), 0);
}

/// A compressed cache that is read again is compressed again.
#[test]
fn what_is_read_again_is_compressed_again() {
    // Phi-4-mini's window is longer than anything here, and loses nothing
    for recorded in recorded().iter().filter(|recorded| recorded.name == "phi3") {
        let mut session = session(&recorded.decoder, 512);
        let prompt = tokens(BORDER - 2, 1);
        session.prefill(&prompt, &compressing(snap(64))).unwrap();
        let kept = session.cache().bytes();
        (0..4).for_each(|token| drop(session.decode(token).unwrap()));
        assert_eq!((session.tokens(), session.cache().compressed_tokens()), (BORDER + 2, BORDER + 1));
        let mut expected = self::session(&recorded.decoder, 512);
        expected.prefill(&[prompt, vec![0, 1, 2]].concat(), &compressing(snap(64))).unwrap();
        expected.decode(3).unwrap();
        assert_eq!(session.decode(9).unwrap(), expected.decode(9).unwrap());
        assert!(session.cache().bytes() < kept + kept / 10, "{}", recorded.name);
    }
}

/// What a pass refuses changes nothing, also where it would have read everything again.
#[test]
fn refusals_at_the_border_leave_the_session_as_it_was() {
    let all = recorded();
    let phi3 = all.iter().find(|recorded| recorded.name == "phi3").unwrap();
    let mut session = session(&phi3.decoder, BORDER + 1);
    session.prefill(&tokens(BORDER, 1), &dense()).unwrap();
    let vocabulary = phi3.decoder.config().vocabulary as u32;
    assert!(session.prefill(&[1, 2], &dense()).unwrap_err().to_string().contains("at most 1"));
    assert!(session.decode(vocabulary).unwrap_err().to_string().contains("vocabulary"));
    assert_eq!((session.tokens(), session.history()), (BORDER, &tokens(BORDER, 1)[..]));
    session.decode(3).unwrap();
    assert_eq!(session.tokens(), BORDER + 1);
}
