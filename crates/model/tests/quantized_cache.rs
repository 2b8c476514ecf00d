//! Sessions whose keys and values are codes of 8 and 4 bits.

#[path = "support/golden.rs"]
mod golden;

use golden::{GoldenModel, folders};
use minference_attention::HeadPattern;
use minference_model::session::kv_cache::{KvCompression, SnapKv};
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Decoder, ModelFiles, PrefillOptions, Session,
    SessionOptions,
};
use std::sync::Arc;

/// So many that two groups of 128 keys are codes; the last 140 are not.
const PROMPT: usize = 396;

fn decoder(model: &GoldenModel) -> Arc<Decoder> {
    let (config, weights) = ModelFiles::open(&model.path).unwrap().load().unwrap();
    Arc::new(Decoder::new(config, weights).unwrap())
}

fn session(decoder: &Arc<Decoder>, cache: CacheFormat) -> Session {
    let compute = Compute::new(ComputeOptions { threads: Some(2), ..ComputeOptions::default() }).unwrap();
    let options = SessionOptions { cache, ..SessionOptions::for_tokens(500) };
    Session::new(decoder.clone(), compute, options).unwrap()
}

/// Tokens that follow no pattern.
fn tokens(count: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * i * 7 + i * 13) % 60) as u32).collect()
}

fn dense() -> PrefillOptions {
    PrefillOptions { plan: AttentionPlan::Dense, ..PrefillOptions::default() }
}

/// The largest difference of some logits, relative to the largest logit.
fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    found.iter().zip(expected).fold(0.0f32, |most, (x, y)| most.max((x - y).abs())) / size
}

/// The most that logits may be off: two roundings a layer, of keys and of values, each by half a
/// step between two codes of the range that they divide, and scores that amplify those of keys. (A
/// 16-bit cache is held to the same, with four roundings.)
fn allowed(decoder: &Decoder, cache: CacheFormat) -> f32 {
    let half_step = match cache {
        CacheFormat::Int8 => 1.0 / 510.0,
        CacheFormat::Int4 => 1.0 / 30.0,
        _ => panic!("{cache} has no codes"),
    };
    8.0 * decoder.config().layers.len() as f32 * half_step
}

#[test]
fn codes_cost_no_more_than_their_steps() {
    for model in folders() {
        let decoder = decoder(&model);
        let prompt = tokens(PROMPT);
        let run = |cache| {
            let mut session = session(&decoder, cache);
            let mut logits = session.prefill(&prompt, &dense()).unwrap().logits;
            // answers read the codes one query at a time
            (0..5).for_each(|token| logits.extend(session.decode(token).unwrap()));
            logits
        };
        let expected = run(CacheFormat::F16);
        for cache in [CacheFormat::Int8, CacheFormat::Int4] {
            let error = relative_error(&run(cache), &expected);
            let allowed = allowed(&decoder, cache);
            assert!(
                error > 0.0 && error <= allowed,
                "{}, {cache}: off by {error}, allowed {allowed}",
                model.name
            );
        }
    }
}

#[test]
fn chunks_and_sparse_attention_read_codes_too() {
    let model = folders().into_iter().find(|model| model.name.contains("llama3")).unwrap();
    let (decoder, prompt) = (decoder(&model), tokens(PROMPT));
    let expected = session(&decoder, CacheFormat::F16).prefill(&prompt, &dense()).unwrap().logits;
    for cache in [CacheFormat::Int8, CacheFormat::Int4] {
        for pattern in [
            HeadPattern::Dense,
            HeadPattern::VerticalSlash { vertical: 500, slash: 500 },
            HeadPattern::BlockSparse { top_k: 10 },
        ] {
            let options = PrefillOptions {
                plan: AttentionPlan::Uniform(pattern),
                chunk: Some(150),
                ..PrefillOptions::default()
            };
            let found = session(&decoder, cache).prefill(&prompt, &options).unwrap().logits;
            let error = relative_error(&found, &expected);
            assert!(error <= allowed(&decoder, cache), "{cache}, {pattern}: off by {error}");
        }
    }
}

#[test]
fn an_answer_that_is_taken_back_leaves_no_trace() {
    let model = folders().into_iter().find(|model| model.name.contains("qwen3")).unwrap();
    let (decoder, prompt) = (decoder(&model), tokens(PROMPT));
    for cache in [CacheFormat::Int8, CacheFormat::Int4] {
        let mut session = session(&decoder, cache);
        session.prefill(&prompt, &dense()).unwrap();
        let answer = |session: &mut Session, count: u32| -> Vec<f32> {
            (0..count).flat_map(|token| session.decode(token).unwrap()).collect()
        };
        let mut fork = session.fork().unwrap();
        let first = answer(&mut session, 50);
        session.truncate(PROMPT).unwrap();
        assert_eq!(answer(&mut session, 50), first);
        assert_eq!(answer(&mut fork, 50), first);
        // into a group of codes, and on
        session.truncate(200).unwrap();
        let again = session.prefill(&prompt[200..], &dense()).unwrap().logits;
        assert_eq!(session.tokens(), PROMPT);
        fork.truncate(0).unwrap();
        let anew = fork.prefill(&prompt, &dense()).unwrap().logits;
        let error = relative_error(&again, &anew);
        assert!(error <= allowed(&decoder, cache), "{cache}: {error}");
    }
}

#[test]
fn compression_and_codes_go_together() {
    let model = folders().into_iter().find(|model| model.name.contains("llama3")).unwrap();
    let (decoder, prompt) = (decoder(&model), tokens(PROMPT));
    let compression = KvCompression::SnapKv(SnapKv::with_capacity(300).unwrap());
    let run = |cache| {
        let mut session = session(&decoder, cache);
        let options = PrefillOptions { compression: Some(compression), ..dense() };
        session.prefill(&prompt, &options).unwrap();
        let next = session.decode(3).unwrap();
        (next, session.cache().bytes(), session.cache().full_bytes())
    };
    let (expected, bytes, full) = run(CacheFormat::F16);
    for cache in [CacheFormat::Int8, CacheFormat::Int4] {
        let (found, fewer, full_codes) = run(cache);
        assert!(fewer < bytes && full_codes < full, "{cache}: {fewer} of {bytes}, {full_codes} of {full}");
        let config = decoder.config();
        let layer = cache.bytes(PROMPT + 1, [config.kv_heads, config.head_dim]);
        assert_eq!(full_codes, config.layers.len() * layer);
        let error = relative_error(&found, &expected);
        assert!(error <= allowed(&decoder, cache), "{cache}: {error}");
    }
}
