//! Files that are right, but not for the session that is asked for.

use super::tiny_sessions::{compute, decoder, dense, model, tokens};
use super::{MODEL, fingerprint, load, options, saved, says};
use minference_model::decoder::rope::{RopeOverride, RopeScaling};
use minference_model::session::context_file::{ContextFile, LoadOptions};
use minference_model::{Decoder, ModelFiles, Session, SessionOptions};
use std::sync::Arc;

#[test]
fn other_models() {
    let (_folder, path) = saved();
    for other in ["qwen2", "llama2"] {
        let fingerprints = [fingerprint(MODEL).to_string(), fingerprint(other).to_string()];
        let result =
            Session::load(&path, decoder(&model(other)), compute(), &fingerprint(other), &options(100));
        says(result, &["model: expected", &fingerprints[0], &fingerprints[1], "use that model"]);
    }
    // the same shape, other weights
    let result = Session::load(&path, decoder(&model(MODEL)), compute(), &fingerprint("glm4"), &options(100));
    says(result, &["model", &fingerprint("glm4").to_string()]);
}

#[test]
fn other_types_and_too_little_room() {
    let (_folder, path) = saved();
    let halves = LoadOptions::all(SessionOptions::for_tokens(100));
    says(load(&path, &halves), &["keys and values: expected f16", "found f32", "ask for that type"]);
    says(load(&path, &options(69)), &["capacity", "at least 70", "context", "found 69"]);
    says(load(&path, &LoadOptions { tokens: Some(0), ..options(0) }), &["capacity", "at least 1"]);
    load(&path, &options(70)).unwrap();
    says(load(&path, &options(usize::MAX)), &["memory"]);
}

#[test]
fn other_positions() {
    let (_folder, path) = saved();
    let with = |rope: &RopeOverride| {
        let (mut config, weights) = ModelFiles::open(model("llama2").path).unwrap().load().unwrap();
        config.override_rope(rope).unwrap();
        Arc::new(Decoder::new(config, weights).unwrap())
    };
    let fingerprint = fingerprint("llama2");
    let yarn = RopeOverride { scaling: Some(RopeScaling::yarn(4.0, 64)), ..RopeOverride::default() };
    let base = RopeOverride { base: Some(12_345.0), ..RopeOverride::default() };
    let mut session = Session::new(with(&yarn), compute(), options(100).session).unwrap();
    session.prefill(&tokens(70, 1), &dense()).unwrap();
    session.save(&path, &fingerprint).unwrap();
    Session::load(&path, with(&yarn), compute(), &fingerprint, &options(100)).unwrap();
    for other in [RopeOverride::default(), base] {
        let result = Session::load(&path, with(&other), compute(), &fingerprint, &options(100));
        says(result, &["positions", "use the same base and scaling"]);
    }
}

/// Dynamic NTK: what a prompt's length changes beyond the context that the model was made for. A
/// file is of use for what a session with its keys would go on with.
#[test]
fn positions_of_another_length() {
    let (_folder, path) = saved();
    let (decoder, fingerprint) = (decoder(&model("llama_dynamic")), fingerprint("llama_dynamic"));
    let made_for = decoder.config().ropes[0].context;
    let save = |prompt: &[u32]| {
        let mut session = Session::new(decoder.clone(), compute(), options(2 * made_for).session).unwrap();
        session.prefill(prompt, &dense()).unwrap();
        session.save(&path, &fingerprint).unwrap();
        ContextFile::open(&path).unwrap()
    };
    let reusable = |file: &ContextFile, prompt: &[u32]| file.reusable(prompt, decoder.config());
    let document = tokens(made_for - 20, 1);
    let question = |count, seed| [document.clone(), tokens(count, seed)].concat();

    let within = save(&question(20, 2));
    for count in [1, 20, 21, 60] {
        assert_eq!(reusable(&within, &question(count, 3)), document.len(), "{count}");
    }
    let beyond = save(&question(29, 2));
    assert_eq!(reusable(&beyond, &question(29, 3)), document.len());
    for count in [1, 20, 28, 30] {
        assert_eq!(reusable(&beyond, &question(count, 3)), 0, "{count}");
    }
    // a conversation that goes on
    assert_eq!(reusable(&beyond, &[question(29, 2), tokens(9, 3)].concat()), made_for + 9);
}
