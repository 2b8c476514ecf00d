//! Real models against transformers: dense prefill and greedy decoding give the answers that
//! `golden/real_answers.json` records. Needs a folder with the files, named by
//! `MINFERENCE_TEST_MODELS`; skipped without it. Takes some minutes.

#[path = "support/golden.rs"]
mod golden;

use golden::{RealModel, RealPrompt, real_models};
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Decoder, ModelFiles, PrefillOptions, Session,
    SessionOptions,
};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

#[test]
fn answers_from_a_16_bit_cache_are_those_of_transformers() {
    answers_agree(CacheFormat::F16);
}

#[test]
fn answers_from_a_32_bit_cache_are_those_of_transformers() {
    answers_agree(CacheFormat::F32);
}

/// Goes through all prompts before it fails, so that one run tells everything.
fn answers_agree(cache: CacheFormat) {
    let compute = Compute::new(ComputeOptions::default()).unwrap();
    let mut wrong = Vec::new();
    for model in real_models() {
        let Some(path) = recorded_file(&model) else { continue };
        let (config, weights) = ModelFiles::open(path).and_then(|files| files.load()).unwrap();
        let decoder = Arc::new(Decoder::new(config, weights).unwrap());
        for prompt in &model.prompts {
            if let Err(difference) = answer(&decoder, &compute, prompt, cache) {
                wrong.push(format!("{}, {}: {difference}", model.file, prompt.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{cache}:\n{}", wrong.join("\n"));
}

/// The file, if it is the one that was recorded: another quantisation of the same model answers
/// otherwise.
fn recorded_file(model: &RealModel) -> Option<PathBuf> {
    let path = model.path()?;
    let hash = Sha256::digest(std::fs::read(&path).unwrap());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if hash != model.sha256 {
        eprintln!("skipped: {} has the SHA-256 {hash}, expected {}", path.display(), model.sha256);
        return None;
    }
    Some(path)
}

/// The first token that differs, and how clear the choice was.
fn answer(
    decoder: &Arc<Decoder>,
    compute: &Compute,
    prompt: &RealPrompt,
    cache: CacheFormat,
) -> Result<(), String> {
    let expected = &prompt.answer.tokens;
    let options =
        SessionOptions { cache, ..SessionOptions::for_tokens(prompt.tokens.len() + expected.len()) };
    let mut session = Session::new(decoder.clone(), compute.clone(), options).unwrap();
    let dense = PrefillOptions { plan: AttentionPlan::Dense, ..PrefillOptions::default() };
    let mut logits = session.prefill(&prompt.tokens, &dense).unwrap().logits;
    for (i, &token) in expected.iter().enumerate() {
        let logit = |id: u32| logits[id as usize];
        let best = (0..logits.len() as u32).rev().max_by(|&a, &b| logit(a).total_cmp(&logit(b)));
        let found = best.ok_or("no logits")?;
        if found != token {
            return Err(format!(
                "token {i}: expected {token} ({}), found {found} ({}); the answer's smallest lead is {}; it begins {:?}",
                logit(token),
                logit(found),
                prompt.answer.margin,
                prompt.text.chars().take(60).collect::<String>()
            ));
        }
        logits = session.decode(token).unwrap();
    }
    Ok(())
}
