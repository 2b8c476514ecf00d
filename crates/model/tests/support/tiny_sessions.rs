//! Sessions of the tiny models under `golden/`.
//!
//! A test includes it beside `golden.rs`.

// Each test uses a part of this.
#![allow(dead_code)]

use crate::golden::{GoldenModel, folders};
use minference_model::session::kv_cache::{KvCompression, SnapKv};
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Decoder, ModelFiles, PrefillOptions, Session,
    SessionOptions,
};
use std::sync::Arc;

/// Two threads.
pub(crate) fn compute() -> Compute {
    Compute::new(ComputeOptions { threads: Some(2), ..ComputeOptions::default() }).unwrap()
}

/// A tiny model by a part of its name.
pub(crate) fn model(name: &str) -> GoldenModel {
    folders().into_iter().find(|model| model.name.contains(name)).unwrap()
}

pub(crate) fn decoder(model: &GoldenModel) -> Arc<Decoder> {
    let (config, weights) = ModelFiles::open(&model.path).unwrap().load().unwrap();
    Arc::new(Decoder::new(config, weights).unwrap())
}

/// An empty session in `f32`.
pub(crate) fn session(model: &GoldenModel, capacity: usize) -> Session {
    let options = SessionOptions { cache: CacheFormat::F32, ..SessionOptions::for_tokens(capacity) };
    Session::new(decoder(model), compute(), options).unwrap()
}

/// Tokens that follow no pattern.
pub(crate) fn tokens(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * i * 7 + i * 13 + seed * 31) % 60) as u32).collect()
}

/// All keys.
pub(crate) fn dense() -> PrefillOptions {
    PrefillOptions { plan: AttentionPlan::Dense, ..PrefillOptions::default() }
}

/// All keys, of which some are kept.
pub(crate) fn compressing(compression: KvCompression) -> PrefillOptions {
    PrefillOptions { compression: Some(compression), ..dense() }
}

/// SnapKV with its defaults.
pub(crate) fn snap(capacity: usize) -> KvCompression {
    KvCompression::SnapKv(SnapKv::with_capacity(capacity).unwrap())
}
