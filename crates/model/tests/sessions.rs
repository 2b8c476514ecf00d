//! Sessions that are gone on with: compressed, rolled back, forked, and read in another order than
//! from scratch.

#[path = "support/golden.rs"]
mod golden;
#[path = "support/tiny_sessions.rs"]
mod tiny_sessions;

use minference_attention::HeadPattern;
use minference_attention::pattern::config::PatternConfig;
use minference_model::session::kv_cache::{KvCompression, Pooling, PyramidKv, SnapKv, StreamingLlm};
use minference_model::{AttentionPlan, PrefillOptions, Session};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tiny_sessions::{compressing, dense, model, session, snap, tokens};

fn largest_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn keeping_everything_is_no_compression() {
    for name in ["llama3", "qwen2", "gemma3"] {
        let model = model(name);
        let prompt = tokens(200, 1);
        let mut full = session(&model, 210);
        let expected = full.prefill(&prompt, &dense()).unwrap().logits;
        let next = full.decode(3).unwrap();
        for compression in [
            snap(200),
            KvCompression::PyramidKv(PyramidKv::new(SnapKv::with_capacity(200).unwrap())),
            KvCompression::StreamingLlm(StreamingLlm::with_capacity(200, 4).unwrap()),
        ] {
            let mut session = session(&model, 210);
            let found = session.prefill(&prompt, &compressing(compression)).unwrap().logits;
            // the last layer's query is projected beside those that vote, which sums in another
            // order
            assert!(largest_error(&found, &expected) <= model.tolerance, "{name}, {compression}");
            assert_eq!(session.decode(3).unwrap(), next, "{name}, {compression}");
            // nothing was dropped, unless a window hides it: there is a way back
            let known = if name == "gemma3" { 0 } else { 99 };
            assert_eq!(session.reuse(&prompt[..100]).unwrap(), known);
        }
    }
}

/// The logits of the prompt come before anything is dropped; afterwards as many rows are there as
/// were asked for.
#[test]
fn a_compressed_session_holds_what_was_asked_for_and_goes_on() {
    let model = model("llama3");
    let prompt = tokens(300, 2);
    let mut full = session(&model, 320);
    let expected = full.prefill(&prompt, &dense()).unwrap().logits;
    let per_token = full.cache().bytes() / 300;
    for compression in [snap(64), KvCompression::StreamingLlm(StreamingLlm::with_capacity(64, 4).unwrap())] {
        let mut compressed = session(&model, 320);
        let found = compressed.prefill(&prompt, &compressing(compression)).unwrap();
        assert!(largest_error(&found.logits, &expected) <= model.tolerance);
        assert_eq!((compressed.tokens(), compressed.cache().bytes()), (300, 64 * per_token));
        assert!(found.report.times.compression.as_nanos() > 0);
        for token in 0..20 {
            assert!(compressed.decode(token).unwrap().iter().all(|x| x.is_finite()));
        }
        assert_eq!((compressed.tokens(), compressed.cache().bytes()), (320, 84 * per_token));
        assert!(compressed.decode(1).is_err(), "no room is left");
        // back to the prompt, but not into it
        compressed.truncate(300).unwrap();
        assert!(compressed.truncate(299).unwrap_err().to_string().contains("at least the 300"));
        compressed.truncate(0).unwrap();
        let again = compressed.prefill(&prompt, &dense()).unwrap();
        assert!(largest_error(&again.logits, &expected) <= model.tolerance);
        assert_eq!(compressed.cache().bytes(), 300 * per_token);
    }
}

/// A window of its own hides what a layer dropped, so that nothing changes.
#[test]
fn sliding_windows_lose_nothing() {
    let model = model("mistral");
    let prompt = tokens(250, 3);
    let (mut full, mut compressed) = (session(&model, 260), session(&model, 260));
    full.prefill(&prompt, &dense()).unwrap();
    compressed.prefill(&prompt, &compressing(snap(33))).unwrap();
    assert!(compressed.cache().bytes() < full.cache().bytes());
    for token in 0..10 {
        let error = largest_error(&compressed.decode(token).unwrap(), &full.decode(token).unwrap());
        assert!(error <= model.tolerance, "off by {error}");
    }
}

/// A window that is longer than the prompt hides nothing yet, but will.
#[test]
fn windows_that_hide_nothing_yet_lose_nothing() {
    let model = model("mistral");
    for options in [compressing(snap(33)), PrefillOptions { chunk: Some(9), ..compressing(snap(33)) }] {
        let (mut full, mut compressed) = (session(&model, 260), session(&model, 260));
        full.prefill(&tokens(40, 3), &dense()).unwrap();
        compressed.prefill(&tokens(40, 3), &options).unwrap();
        for turn in 0..2 {
            let turn = tokens(60, turn);
            let expected = full.prefill(&turn, &dense()).unwrap().logits;
            let error = largest_error(&compressed.prefill(&turn, &options).unwrap().logits, &expected);
            assert!(error <= model.tolerance, "off by {error}");
        }
    }
}

#[test]
fn chunks_before_the_last_drop_nothing() {
    let model = model("qwen2");
    let prompt = tokens(300, 4);
    let (mut whole, mut chunked) = (session(&model, 301), session(&model, 301));
    let expected = whole.prefill(&prompt, &compressing(snap(100))).unwrap().logits;
    let options = PrefillOptions { chunk: Some(77), ..compressing(snap(100)) };
    let found = chunked.prefill(&prompt, &options).unwrap().logits;
    assert!(largest_error(&found, &expected) <= model.tolerance);
    assert_eq!(chunked.cache().bytes(), whole.cache().bytes());
}

#[test]
fn the_last_queries_of_a_prompt_see_everything_however_it_is_read() {
    let model = model("qwen2");
    let (prompt, room) = (tokens(700, 10), 700);
    let empty = session(&model, room);
    let (layers, heads) = (empty.decoder().config().layers.len(), empty.decoder().config().heads);
    let pattern = HeadPattern::AShape { sink: 1, local: 16 };
    let config = PatternConfig::uniform(pattern, layers, heads).unwrap();
    let read = |plan: &AttentionPlan, tokens: &[u32], session: &mut Session| {
        let options = PrefillOptions { plan: plan.clone(), chunk: Some(50), ..PrefillOptions::default() };
        session.prefill(tokens, &options).unwrap().logits
    };
    let per_head = AttentionPlan::PerHead(Arc::new(config));
    let found = read(&per_head, &prompt, &mut session(&model, room));
    // the last 64 are those of the last chunk of 50, and 14 of the one before it, which have their
    // block with them
    let mut by_hand = session(&model, room);
    read(&AttentionPlan::Uniform(pattern), &prompt[..600], &mut by_hand);
    assert_eq!(found, read(&AttentionPlan::Dense, &prompt[600..], &mut by_hand));
    // a text that is scored has no question: its last tokens are read as the pattern says
    let score = |plan: &AttentionPlan| {
        let mut logits = Vec::new();
        let mut visit = |rows: &[f32]| {
            logits.extend_from_slice(rows);
            Ok(())
        };
        session(&model, room).score(&prompt, plan, None, &mut visit).unwrap();
        logits
    };
    assert_eq!(score(&per_head), score(&AttentionPlan::Uniform(pattern)));
}

#[test]
fn turns_on_a_compressed_context_are_compressed_again() {
    let model = model("llama3");
    let mut session = session(&model, 300);
    session.prefill(&tokens(150, 5), &compressing(snap(64))).unwrap();
    let bytes = session.cache().bytes();
    session.prefill(&tokens(100, 6), &compressing(snap(64))).unwrap();
    assert_eq!((session.tokens(), session.cache().bytes()), (250, bytes));
    assert_eq!(session.history(), [tokens(150, 5), tokens(100, 6)].concat());
}

#[test]
fn rolled_back_and_forked_sessions_equal_new_ones() {
    let sparse = PrefillOptions {
        plan: AttentionPlan::Uniform(HeadPattern::AShape { sink: 16, local: 64 }),
        ..PrefillOptions::default()
    };
    for (name, options) in [("llama3", dense()), ("gemma3", dense()), ("qwen2", sparse)] {
        let model = model(name);
        let (document, first, second) = (tokens(260, 7), tokens(20, 8), tokens(25, 9));
        let mut shared = session(&model, 400);
        shared.prefill(&document, &options).unwrap();
        let mut fork = shared.fork().unwrap();
        shared.prefill(&first, &options).unwrap();
        shared.decode(1).unwrap();
        shared.truncate(260).unwrap();
        let mut fresh = session(&model, 400);
        fresh.prefill(&document, &options).unwrap();
        let expected = fresh.prefill(&second, &options).unwrap().logits;
        assert_eq!(shared.prefill(&second, &options).unwrap().logits, expected, "{name}, rolled back");
        assert_eq!(fork.prefill(&second, &options).unwrap().logits, expected, "{name}, forked");
        // a fork is a session of its own
        fork.truncate(0).unwrap();
        assert_eq!(shared.decode(2).unwrap(), fresh.decode(2).unwrap());
        // dense attention does not mind where turns begin
        if options.plan.patterns(0, 1, 260).unwrap() == [HeadPattern::Dense] {
            let mut whole = session(&model, 400);
            let whole = whole.prefill(&[document, second].concat(), &options).unwrap().logits;
            assert!(largest_error(&whole, &expected) <= model.tolerance, "{name}, in one piece");
        }
    }
}

#[test]
fn what_prompts_share_is_not_read_again() {
    let model = model("llama3");
    let mut session = session(&model, 400);
    let (document, first, second) = (tokens(100, 1), vec![1, 2, 3], vec![1, 5]);
    let prompt = [document.clone(), first].concat();
    assert_eq!(session.reuse(&prompt).unwrap(), 0);
    session.prefill(&prompt, &dense()).unwrap();
    session.decode(7).unwrap();
    let prompt = [document.clone(), second].concat();
    assert_eq!(session.reuse(&prompt).unwrap(), 101);
    assert_eq!((session.tokens(), session.history()), (101, &prompt[..101]));
    session.prefill(&prompt[101..], &dense()).unwrap();
    // a prompt that was read already gives its last token's logits again
    assert_eq!(session.reuse(&document).unwrap(), 99);
    assert_eq!(session.reuse(&[]).unwrap(), 0);
    // what was dropped can't be gone back to
    session.prefill(&document, &compressing(snap(50))).unwrap();
    assert_eq!(session.reuse(&[document.clone(), vec![9]].concat()).unwrap(), 100);
    assert_eq!(session.reuse(&document).unwrap(), 0);
    assert_eq!(session.cache().bytes(), 0);
}

/// Out of room is found before anything changes; a failing pass that was to compress leaves nothing
/// half done.
#[test]
fn failures_leave_a_session_that_can_be_used() {
    let model = model("llama3");
    let mut session = session(&model, 100);
    session.prefill(&tokens(90, 1), &dense()).unwrap();
    assert!(session.prefill(&tokens(11, 1), &compressing(snap(40))).is_err());
    assert_eq!(session.tokens(), 90);
    struct Cancel;
    impl minference_attention::Progress for Cancel {
        fn advance(&self, _: u64, _: u64) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let cancelled = PrefillOptions { progress: Some(Arc::new(Cancel)), ..dense() };
    assert!(session.prefill(&tokens(10, 1), &cancelled).is_err());
    assert_eq!((session.tokens(), session.history().len()), (90, 90));
    // before anything was dropped, nothing is lost
    let cancelled = PrefillOptions { progress: Some(Arc::new(Cancel)), ..compressing(snap(40)) };
    assert!(session.prefill(&tokens(10, 1), &cancelled).is_err());
    assert_eq!((session.tokens(), session.history().len()), (90, 90));
    // in the second layer, when the first is compressed
    struct CancelLater(AtomicUsize);
    impl minference_attention::Progress for CancelLater {
        fn advance(&self, done: u64, total: u64) {
            self.0.store(usize::from(2 * done > total), Ordering::Relaxed);
        }
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed) > 0
        }
    }
    let later = Arc::new(CancelLater(AtomicUsize::new(0)));
    let cancelled = PrefillOptions { progress: Some(later), ..compressing(snap(40)) };
    assert!(session.prefill(&tokens(10, 1), &cancelled).is_err());
    assert_eq!((session.tokens(), session.history().len(), session.cache().bytes()), (0, 0, 0));
    // with all the room that there was before
    session.prefill(&tokens(100, 1), &dense()).unwrap();
}

/// Decoding goes on from what was kept as the published code does on the same model
/// (`golden/snapkv`).
#[test]
fn logits_on_what_was_kept_are_those_of_the_published_code() {
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/snapkv/kept.json");
    let recording: Value = serde_json::from_str(&std::fs::read_to_string(recording).unwrap()).unwrap();
    let recorded = &recording["model"];
    let model = model(recorded["name"].as_str().unwrap());
    let prompt = model.prompts.iter().find(|prompt| prompt.tokens.len() == 300).unwrap();
    let fed = &prompt.greedy.as_ref().unwrap().tokens;
    for case in recorded["cases"].as_array().unwrap() {
        let of = |field: &str| case[field].as_u64().unwrap() as usize;
        let snap = || SnapKv::new(of("capacity"), of("window"), of("kernel"), Pooling::Average).unwrap();
        let compression = match case["method"].as_str().unwrap() {
            "snapkv" => KvCompression::SnapKv(snap()),
            "pyramidkv" => KvCompression::PyramidKv(PyramidKv::new(snap())),
            _ => KvCompression::StreamingLlm(StreamingLlm::new(of("sink"), of("recent")).unwrap()),
        };
        let mut session = session(&model, 310);
        let mut logits = session.prefill(&prompt.tokens, &compressing(compression)).unwrap().logits;
        for &token in fed {
            logits = session.decode(token).unwrap();
        }
        let expected: Vec<f32> =
            case["logits"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        let error = largest_error(&logits, &expected);
        assert!(error <= model.tolerance, "{compression}: off by {error}, allowed {}", model.tolerance);
    }
}
