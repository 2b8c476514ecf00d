//! Forecasts by the numbers; `tests/memory.rs` holds them against what is taken.

use super::*;
use crate::decoder::config::{ModelConfig, test_config};
use crate::decoder::rope::RopeConfig;
use crate::device::compute::{Compute, ComputeOptions};
use crate::patterns::plan::AttentionPlan;
use crate::session::kv_cache::{CacheFormat, KvCompression, SnapKv};
use minference_attention::HeadPattern;
use minference_attention::search::Objective;

fn compute(threads: usize) -> Compute {
    let arithmetic = minference_attention::Arithmetic::F32;
    Compute::new(ComputeOptions { threads: Some(threads), arithmetic, ..ComputeOptions::default() }).unwrap()
}

/// A prompt, and no room for an answer.
fn planned(compute: &Compute, prompt: usize, chunk: Option<usize>) -> PlannedSession<'_> {
    PlannedSession {
        prompt,
        known: 0,
        chunk,
        capacity: prompt,
        compression: None,
        cache: CacheFormat::F16,
        plan: &AttentionPlan::Default,
        compute,
    }
}

/// Qwen2.5 0.5B: what `benchmarks/kv_cache.md` says.
#[test]
fn a_million_tokens_fit_into_15_gib_with_codes() {
    let small = test_config();
    let config = ModelConfig {
        hidden: 896,
        intermediate: 4864,
        heads: 14,
        kv_heads: 2,
        head_dim: 64,
        layers: vec![small.layers[0].clone(); 24],
        ropes: vec![RopeConfig { rotary_dim: 64, ..small.ropes[0].clone() }],
        ..small
    };
    let compute = compute(2);
    let gib = |chunk, cache| {
        let session = PlannedSession { cache, ..planned(&compute, 1 << 20, chunk) };
        MemoryForecast::new(&config, 400_000_000, &session).total() as f64 / f64::from(1 << 30)
    };
    assert!(gib(None, CacheFormat::Int8) < 15.0, "{}", gib(None, CacheFormat::Int8));
    assert!(gib(Some(1 << 16), CacheFormat::Int8) < 8.2, "{}", gib(Some(1 << 16), CacheFormat::Int8));
    assert!(gib(None, CacheFormat::F16) > 20.0);
}

#[test]
fn one_layer_is_whole_while_the_others_are_compressed() {
    let compression = Some(KvCompression::SnapKv(SnapKv::with_capacity(100).unwrap()));
    let compute = compute(1);
    let cache = |session: PlannedSession<'_>| MemoryForecast::new(&test_config(), 0, &session).cache;
    let row = 2 * 32 * 2;
    let whole = PlannedSession { capacity: 1010, compression, ..planned(&compute, 1000, None) };
    // the second layer, a copy of what stays of it, and what stayed of the first, each with room
    // for the answer
    assert_eq!(cache(whole), row * (2 * 110 + 1000));
    assert_eq!(cache(PlannedSession { chunk: Some(1000), ..whole }), cache(whole));
    // before the last chunk all layers have what was read
    let chunked = PlannedSession { chunk: Some(100), ..whole };
    assert_eq!(cache(chunked), row * (1000 + 110 + 900));
    // a context file's tokens are there, too
    assert_eq!(cache(PlannedSession { known: 950, ..whole }), row * (1000 + 110 + 950));
    assert_eq!(cache(PlannedSession { known: 950, compression: None, ..whole }), row * 2 * 1010);
}

#[test]
fn a_session_that_goes_on_counts_what_is_new() {
    let compute = compute(1);
    let config = test_config();
    let session = PlannedSession { known: 900, capacity: 1010, ..planned(&compute, 1000, None) };
    let (new, whole) =
        (MemoryForecast::going_on(&config, &session), MemoryForecast::new(&config, 7, &session));
    assert_eq!((new.weights, new.cache), (0, 2 * 2 * 32 * 2 * 110));
    // 100 tokens are read, and attend to all keys
    assert_eq!(new.activations, 100 * (64 * 4 + 2 * 64 * 2));
    assert_eq!((whole.weights, whole.working), (7, new.working));
}

#[test]
fn a_prompt_that_fits_nowhere_is_refused_with_the_numbers() {
    let compute = compute(1);
    let forecast = MemoryForecast::new(&test_config(), 1 << 20, &planned(&compute, 1 << 40, None));
    assert_eq!(forecast.cache, (2 * 2 * 32 * 2) << 40);
    if available().is_some() {
        let error = forecast.check().unwrap_err().to_string();
        assert!(error.contains("key-value cache (") && error.contains("bytes are needed"), "{error}");
        // what will have been given back counts as there
        forecast.check_freeing(forecast.total()).unwrap();
        forecast.check_freeing(1 << 20).unwrap_err();
    }
    let small = PlannedSession { capacity: 200, cache: CacheFormat::F32, ..planned(&compute, 100, Some(10)) };
    let small = MemoryForecast::new(&test_config(), 1 << 20, &small);
    assert_eq!(small.activations, 10 * (64 * 4 + 2 * 64 * 4));
    assert!(small.total() < 1 << 28);
    small.check().unwrap();
}

/// Prefill packs several key-value heads together while they are small.
#[test]
fn heads_that_are_packed_together_all_count() {
    let config = ModelConfig { heads: 16, kv_heads: 8, ..test_config() };
    let working = |tokens, threads, kv_heads| {
        let (config, compute) = (ModelConfig { kv_heads, ..config.clone() }, compute(threads));
        let dense = PlannedSession { plan: &AttentionPlan::Dense, ..planned(&compute, tokens, None) };
        MemoryForecast::new(&config, 0, &dense).working
    };
    // keys, values and a norm of 16 elements each
    let packed = |tokens: u64| tokens * 4 * 33;
    let more = working(30_000, 2, 8) - working(30_000, 2, 1);
    assert!(more >= 7 * packed(30_000) && more < 8 * packed(30_000), "{more}");
    // of a long prompt one at a time
    let more = working(3_000_000, 2, 8) - working(3_000_000, 2, 1);
    assert!(more < packed(3_000_000) / 10, "{more}");
}

#[test]
fn patterns_count_with_what_they_need() {
    let (config, compute, tokens) = (test_config(), compute(1), 1_000_000);
    let working = |plan: &AttentionPlan| {
        MemoryForecast::new(&config, 0, &PlannedSession { plan, ..planned(&compute, tokens, None) }).working
    };
    let uniform = |pattern| working(&AttentionPlan::Uniform(pattern));
    let dense = working(&AttentionPlan::Dense);
    let tokens = tokens as u64;
    // packed keys and values of a head, and 8 pairs of sines and cosines
    assert!(dense > tokens * 4 * (33 + 16));
    // exponentials of 64 queries
    let lines = uniform(HeadPattern::VerticalSlash { vertical: 100, slash: 1000 });
    assert!(lines > tokens * 4 * (64 + 16) && lines < dense + tokens * 4 * 64, "{lines}");
    // 100 blocks for each block of queries, in each of 4 heads
    let blocks = uniform(HeadPattern::BlockSparse { top_k: 100 });
    assert!(blocks - dense > 4 * 100 * 4 * (tokens / 64 - 100), "{}", blocks - dense);
    let chunked = PlannedSession { plan: &AttentionPlan::Dense, ..planned(&compute, 1_000_000, Some(1000)) };
    let chunked = MemoryForecast::new(&config, 0, &chunked).working;
    assert!(chunked < dense && chunked > tokens * 4 * 33);
}

#[test]
fn a_search_holds_one_layer_of_each_prompt() {
    let (config, compute) = (test_config(), compute(1));
    let of = |prompts: &[usize], objective: &Objective| {
        let walk = PlannedWalk { prompts, cache: CacheFormat::F16, compute: &compute };
        MemoryForecast::for_search(&config, 7, &walk, objective)
    };
    let paper = Objective::paper();
    let (one, two) = (of(&[1000], &paper), of(&[1000, 1000], &paper));
    assert_eq!((one.weights, one.cache), (7, 1000 * 2 * 2 * 16 * 2));
    assert_eq!((two.cache, two.activations), (2 * one.cache, 2 * one.activations));
    // positions and estimates are each prompt's own, a trial's output is there once
    assert!(two.working > one.working + 1000 * (2 * 8 * 4 + 4 * 8), "{} {}", two.working, one.working);
    // scores of blocks, of one head at a time: half the square of the blocks
    let million = 1 << 20;
    let scores = (million as u64 / 64).pow(2) / 2 * 4;
    let lines = Objective::SamePairs {
        target: HeadPattern::AShape { sink: 1024, local: 4096 },
        candidates: vec![HeadPattern::VerticalSlash { vertical: 100, slash: 1800 }],
    };
    let more = of(&[million], &paper).working - of(&[million], &lines).working;
    assert!(more > scores && more < 4 * scores, "{more} of {scores}");
}

#[test]
fn files_in_memory_do_not_count_against_a_limit() {
    assert_eq!(within_limit(1000, None), 1000);
    assert_eq!(within_limit(1000, Some((4000, 10))), 1000);
    assert_eq!(within_limit(1000, Some((400, 10))), 390);
    assert_eq!(within_limit(1000, Some((400, 500))), 0);
}

#[test]
fn the_peak_is_at_least_what_is_held() {
    let held = vec![1u8; 1 << 24];
    assert!(peak().is_none_or(|peak| peak >= held.len() as u64));
}
