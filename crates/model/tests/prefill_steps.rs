//! Prompts that are read in steps: the same as in one call, wherever they are cut and however often
//! they are broken off; and sessions that begin with a part of another.

#[path = "support/golden.rs"]
mod golden;
#[path = "support/tiny_sessions.rs"]
mod tiny_sessions;

use minference_attention::HeadPattern;
use minference_model::decoder::Forward;
use minference_model::session::Prefill;
use minference_model::session::kv_cache::{KvCompression, StreamingLlm};
use minference_model::{AttentionPlan, CacheFormat, PrefillOptions, Session, SessionOptions};
use tiny_sessions::{compressing, compute, decoder, dense, model, session, snap, tokens};

/// All ways of reading that differ in what a step does.
fn ways() -> Vec<PrefillOptions> {
    let sparse = AttentionPlan::Uniform(HeadPattern::VerticalSlash { vertical: 30, slash: 30 });
    let sparse = PrefillOptions { plan: sparse, ..PrefillOptions::default() };
    let streaming = KvCompression::StreamingLlm(StreamingLlm::with_capacity(64, 4).unwrap());
    let whole = [dense(), PrefillOptions::default(), sparse, compressing(snap(64)), compressing(streaming)];
    let chunked = whole.clone().map(|options| PrefillOptions { chunk: Some(70), ..options });
    whole.into_iter().chain(chunked).collect()
}

fn all_steps(mut prefill: Prefill<&mut Session>) -> (usize, Forward) {
    let mut done = prefill.done();
    for steps in 1.. {
        if let Some(forward) = prefill.step().unwrap() {
            assert_eq!(prefill.done(), 1.0);
            assert!(prefill.step().is_err(), "there is nothing left");
            return (steps, forward);
        }
        assert!((done..=1.0).contains(&prefill.done()));
        done = prefill.done();
    }
    unreachable!()
}

#[test]
fn steps_give_what_one_call_gives() {
    for name in ["llama3", "gemma3", "qwen2", "glm4"] {
        let model = model(name);
        let prompt = tokens(300, 1);
        for options in ways() {
            let (mut whole, mut stepwise) = (session(&model, 320), session(&model, 320));
            let expected = whole.prefill(&prompt, &options).unwrap();
            let (steps, found) = all_steps(stepwise.begin(&prompt, &options));
            assert_eq!(found.logits, expected.logits, "{name}");
            assert_eq!(found.report.layers, expected.report.layers);
            // to look, and for each chunk to begin, three of each layer, and logits
            let chunks = options.chunk.map_or(1, |_| 5);
            let layers = whole.decoder().config().layers.len();
            assert_eq!(steps, 1 + chunks * (2 + 3 * layers));
            assert_eq!(stepwise.decode(3).unwrap(), whole.decode(3).unwrap());
            assert_eq!(stepwise.history(), whole.history());
        }
    }
}

/// Whatever step it is at which someone has had enough: whole chunks stay, and the rest of the
/// prompt can be read as if nothing had happened.
#[test]
fn a_prefill_that_is_broken_off_keeps_its_chunks() {
    let model = model("llama3");
    let prompt = tokens(300, 1);
    for options in ways() {
        let mut whole = session(&model, 320);
        let expected = whole.prefill(&prompt, &options).unwrap().logits;
        for steps in 0.. {
            let mut session = session(&model, 320);
            session.prefill(&prompt[..0], &options).unwrap_err();
            let mut prefill = session.begin(&prompt, &options);
            let mut over = false;
            for _ in 0..steps {
                over |= prefill.step().unwrap().is_some();
            }
            drop(prefill);
            let read = session.tokens();
            assert_eq!(session.history(), &prompt[..read]);
            assert!(over && read == 300 || options.chunk.is_some() && read.is_multiple_of(64) || read == 0);
            let rows = session.cache().bytes();
            assert_eq!(rows, if over { whole.cache().bytes() } else { session.cache().full_bytes() });
            if over {
                break;
            }
            if options.chunk.is_none() {
                assert_eq!(read, 0);
                assert_eq!(session.prefill(&prompt, &options).unwrap().logits, expected);
            } else if read > 0 {
                // the next chunks are cut anew, so that sparse estimates may differ
                let logits = session.prefill(&prompt[read..], &dense()).unwrap().logits;
                assert!(logits.iter().all(|logit| logit.is_finite()));
            }
        }
    }
}

/// A slice of a prompt that is not its end has no queries that see everything.
#[test]
fn only_the_end_of_a_prompt_asks_its_question() {
    let model = model("llama3");
    let prompt = tokens(300, 1);
    let options = PrefillOptions { chunk: Some(64), ..PrefillOptions::default() };
    let mut chunked = session(&model, 320);
    let whole = chunked.prefill(&prompt, &options).unwrap().report;
    let mut sliced = session(&model, 320);
    let mut pairs = 0;
    for slice in prompt.chunks(64) {
        let report = sliced.prefill(slice, &PrefillOptions::default()).unwrap().report;
        pairs += report.layers.iter().map(|layer| layer.pairs).sum::<u64>();
    }
    assert!(whole.layers.iter().map(|layer| layer.pairs).sum::<u64>() <= pairs);
}

#[test]
fn an_owned_session_comes_back() {
    let model = model("qwen2");
    let prompt = tokens(200, 4);
    let expected = session(&model, 210).prefill(&prompt, &dense()).unwrap().logits;
    let mut prefill = Prefill::new(session(&model, 210), &prompt, &dense());
    prefill.step().unwrap();
    prefill.step().unwrap();
    let mut session = prefill.into_session();
    assert_eq!((session.tokens(), session.cache().bytes()), (0, 0));
    let mut refused = Prefill::new(session, &tokens(211, 1), &dense());
    while refused.step().is_ok() {}
    session = refused.into_session();
    assert_eq!(session.begin(&prompt, &dense()).finish().unwrap().logits, expected);
}

/// A session that begins with a part of another goes on as one that went back there.
#[test]
fn a_fork_of_a_prefix_is_a_session_of_its_own() {
    let model = model("llama3");
    let prompt = tokens(300, 2);
    for cache in [CacheFormat::F32, CacheFormat::F16, CacheFormat::Int8, CacheFormat::Int4] {
        let options = SessionOptions { cache, ..SessionOptions::for_tokens(320) };
        let mut whole = Session::new(decoder(&model), compute(), options).unwrap();
        whole.prefill(&prompt, &dense()).unwrap();
        for prefix in [0, 1, 64, 127, 128, 129, 299, 300, 999] {
            let mut back = whole.fork().unwrap();
            back.truncate(prefix).unwrap();
            let mut fork = whole.fork_prefix(prefix).unwrap();
            assert_eq!((fork.tokens(), fork.history()), (back.tokens(), back.history()));
            assert_eq!(fork.cache().bytes(), back.cache().bytes(), "{cache:?}, {prefix}");
            let rest = tokens(20, 9);
            assert_eq!(
                fork.prefill(&rest, &dense()).unwrap().logits,
                back.prefill(&rest, &dense()).unwrap().logits
            );
        }
        assert_eq!(whole.tokens(), 300);
    }
    let mut compressed = session(&model, 320);
    compressed.prefill(&prompt, &compressing(snap(64))).unwrap();
    compressed.decode(3).unwrap();
    let error = compressed.fork_prefix(299).unwrap_err().to_string();
    assert!(error.contains("at least the 300") && error.contains("299"), "{error}");
    assert_eq!(compressed.fork_prefix(300).unwrap().decode(3).unwrap(), {
        compressed.truncate(300).unwrap();
        compressed.decode(3).unwrap()
    });
}
