//! The decoder against transformers: tiny random models of every family, from Hugging Face folders
//! and from GGUF, in every quantised format (`golden/README.md` says how they were recorded).

#[path = "support/golden.rs"]
mod golden;

use golden::{GoldenModel, folders, gguf_files, quantized_files};
use minference_attention::HeadPattern;
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Decoder, ModelFiles, PrefillOptions, Session,
    SessionOptions,
};
use std::sync::Arc;

fn compute(threads: usize) -> Compute {
    Compute::new(ComputeOptions { threads: Some(threads), ..ComputeOptions::default() }).unwrap()
}

fn decoder(model: &GoldenModel) -> Arc<Decoder> {
    let files = ModelFiles::open(&model.path).unwrap_or_else(|error| panic!("{}: {error}", model.name));
    let (config, weights) = files.load().unwrap_or_else(|error| panic!("{}: {error}", model.name));
    Arc::new(Decoder::new(config, weights).unwrap())
}

fn session(decoder: &Arc<Decoder>, compute: &Compute, capacity: usize, cache: CacheFormat) -> Session {
    let options = SessionOptions { cache, ..SessionOptions::for_tokens(capacity) };
    Session::new(decoder.clone(), compute.clone(), options).unwrap()
}

fn dense(chunk: Option<usize>) -> PrefillOptions {
    PrefillOptions { plan: AttentionPlan::Dense, chunk, ..PrefillOptions::default() }
}

fn largest_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

fn best(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(id, _)| id as u32)
}

fn all_models() -> Vec<GoldenModel> {
    [folders(), gguf_files(), quantized_files()].into_iter().flatten().collect()
}

#[test]
fn dense_logits_are_those_of_transformers() {
    let compute = compute(2);
    for model in all_models() {
        let decoder = decoder(&model);
        for prompt in &model.prompts {
            let tokens = prompt.tokens.len();
            // Room for an answer changes nothing, even where position encodings depend on the
            // length.
            let mut session = session(&decoder, &compute, tokens + 4000, CacheFormat::F32);
            let found = session.prefill(&prompt.tokens, &dense(None)).unwrap();
            let error = largest_error(&found.logits, &prompt.last);
            assert!(
                error <= model.tolerance,
                "{}, {tokens} tokens: off by {error}, allowed {}",
                model.name,
                model.tolerance
            );
            if let Some(all) = &prompt.all {
                session.truncate(0).unwrap();
                let found = session.forward(&prompt.tokens, tokens, &AttentionPlan::Dense, None).unwrap();
                let error = largest_error(&found.logits, all);
                assert!(error <= model.tolerance, "{}, all logits: off by {error}", model.name);
            }
        }
    }
}

#[test]
fn greedy_answers_are_those_of_transformers() {
    let compute = compute(2);
    for model in all_models() {
        let decoder = decoder(&model);
        for prompt in &model.prompts {
            let Some(greedy) = &prompt.greedy else { continue };
            assert!(greedy.margin > 2.0 * model.tolerance, "{}: recorded answers must be clear", model.name);
            let capacity = prompt.tokens.len() + greedy.tokens.len();
            let mut session = session(&decoder, &compute, capacity, CacheFormat::F32);
            let mut logits = session.prefill(&prompt.tokens, &dense(None)).unwrap().logits;
            for (i, &expected) in greedy.tokens.iter().enumerate() {
                let found = best(&logits);
                assert_eq!(
                    found,
                    expected,
                    "{}, {} tokens: token {i} of the answer",
                    model.name,
                    prompt.tokens.len()
                );
                logits = session.decode(found).unwrap();
            }
        }
    }
}

#[test]
fn one_piece_chunks_and_single_tokens_agree() {
    let compute = compute(2);
    for model in folders() {
        let decoder = decoder(&model);
        for prompt in model.prompts.iter().filter(|prompt| [65, 300].contains(&prompt.tokens.len())) {
            for chunk in [1, 7, 64, 100, 299] {
                let mut session = session(&decoder, &compute, prompt.tokens.len(), CacheFormat::F32);
                let found = session.prefill(&prompt.tokens, &dense(Some(chunk))).unwrap();
                let error = largest_error(&found.logits, &prompt.last);
                assert!(
                    error <= model.tolerance,
                    "{}, {} tokens by {chunk}: off by {error}",
                    model.name,
                    prompt.tokens.len()
                );
                assert_eq!(session.tokens(), prompt.tokens.len());
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let threads = [1, 2, 3].map(compute);
    for model in folders() {
        let decoder = decoder(&model);
        let prompt = &model.prompts[4];
        let plan = AttentionPlan::Uniform(HeadPattern::AShape { sink: 16, local: 64 });
        let results = threads.each_ref().map(|compute| {
            let mut session = session(&decoder, compute, prompt.tokens.len(), CacheFormat::F16);
            session.forward(&prompt.tokens, 40, &plan, None).unwrap().logits
        });
        assert!(results.iter().all(|logits| *logits == results[0]), "{}", model.name);
    }
}

#[test]
fn a_16_bit_cache_costs_no_more_than_its_rounding() {
    let compute = compute(2);
    for model in folders() {
        let decoder = decoder(&model);
        let prompt = &model.prompts[4];
        let size = prompt.last.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for cache in [CacheFormat::F16, CacheFormat::Bf16] {
            let mut session = session(&decoder, &compute, prompt.tokens.len(), cache);
            let found = session.prefill(&prompt.tokens, &dense(None)).unwrap();
            let error = largest_error(&found.logits, &prompt.last) / size;
            // four roundings a layer (queries, keys, values, output), and scores that amplify those
            // of queries and keys
            let layers = decoder.config().layers.len() as f32;
            let allowed = 16.0 * layers * cache.element_type().unit_roundoff() as f32;
            assert!(error <= allowed, "{}, {cache}: off by {error}, allowed {allowed}", model.name);
        }
    }
}

#[test]
fn sparse_attention_that_covers_everything_is_dense() {
    let compute = compute(2);
    for model in folders() {
        let decoder = decoder(&model);
        let prompt = &model.prompts[4];
        let tokens = prompt.tokens.len();
        for pattern in [
            HeadPattern::AShape { sink: 300, local: 300 },
            HeadPattern::VerticalSlash { vertical: 300, slash: 300 },
            HeadPattern::BlockSparse { top_k: 5 },
        ] {
            let mut session = session(&decoder, &compute, tokens, CacheFormat::F32);
            let options =
                PrefillOptions { plan: AttentionPlan::Uniform(pattern), ..PrefillOptions::default() };
            let found = session.prefill(&prompt.tokens, &options).unwrap();
            let error = largest_error(&found.logits, &prompt.last);
            assert!(error <= model.tolerance, "{}, {pattern}: off by {error}", model.name);
            assert_eq!(found.report.computed_share(), 1.0, "{}, {pattern}", model.name);
        }
    }
}

#[test]
fn a_failed_pass_leaves_the_session_as_it_was() {
    let compute = compute(1);
    let model = &folders()[0];
    let decoder = decoder(model);
    let vocabulary = decoder.config().vocabulary as u32;
    let mut session = session(&decoder, &compute, 10, CacheFormat::F16);
    session.prefill(&[1, 2, 3], &PrefillOptions::default()).unwrap();
    for (tokens, message) in [
        (vec![], "at least one"),
        (vec![1; 8], "at most 7"),
        (vec![1, vocabulary], "less than the vocabulary"),
    ] {
        let error = session.prefill(&tokens, &PrefillOptions::default()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(session.tokens(), 3);
    }
    assert!(session.prefill(&[1], &dense(Some(0))).is_err());
    assert_eq!(session.tokens(), 3);
    assert!(session.forward(&[1, 2], 3, &AttentionPlan::Dense, None).is_err());
}

/// Nothing but the logits shows what the last layer's MLP and the last norm make of a prompt.
#[test]
fn logits_that_are_not_finite_are_an_error() {
    let (config, mut weights) = ModelFiles::open(&folders()[0].path).and_then(|files| files.load()).unwrap();
    weights.final_norm[0] = f32::INFINITY;
    let decoder = Arc::new(Decoder::new(config, weights).unwrap());
    let mut session = session(&decoder, &compute(1), 10, CacheFormat::F16);
    let error = session.prefill(&[1, 2, 3], &dense(None)).unwrap_err().to_string();
    assert!(error.contains("logits holds NaN or infinity at token 2"), "{error}");
    assert_eq!(session.tokens(), 0);
}
