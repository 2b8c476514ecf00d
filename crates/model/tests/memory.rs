//! What forecasts say, held against what is really taken: never more than was said, and at least
//! four fifths of it beyond what is fixed.

use minference_attention::HeadPattern;
use minference_attention::plan::plan_layer;
use minference_attention::search::Objective;
use minference_attention::synthetic::normal;
use minference_model::decoder::config::{Activation, LayerConfig, RotatedKeys};
use minference_model::decoder::rope::{PairLayout, RopeConfig, RopeScaling};
use minference_model::decoder::weights::{LayerWeights, Projection};
use minference_model::device::matrix::WeightBytes;
use minference_model::device::weight_format::WeightFormat;
use minference_model::files::Fingerprint;
use minference_model::memory::{self, FIXED, MemoryForecast, PlannedSession, PlannedWalk};
use minference_model::patterns::layer_walk::walk_layers;
use minference_model::patterns::search::{SearchRequest, search_patterns};
use minference_model::session::context_file::{ContextFile, LoadOptions};
use minference_model::session::kv_cache::{KvCompression, SnapKv};
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Decoder, Matrix, ModelConfig, ModelWeights,
    PrefillOptions, Session, SessionOptions,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what is allocated, and the most that ever was.
struct Counting;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let current = CURRENT.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(current, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that some work takes at its peak.
fn taken<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = CURRENT.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    ((PEAK.load(Ordering::Relaxed) - before) as u64, result)
}

/// - `more`: bytes that were forecast and are there already
fn holds(what: &str, used: u64, forecast: &MemoryForecast, more: u64) {
    let said = forecast.total() - forecast.weights - FIXED - more;
    println!("{what}: {used} of {said}, {:.2}", used as f64 / said as f64);
    assert!(used <= said, "{what}: {used} bytes, of which {said} were forecast");
    assert!(used * 5 >= said * 4, "{what}: {used} bytes are much less than the {said} that were forecast");
}

fn config(vocabulary: usize) -> ModelConfig {
    let rope = RopeConfig {
        rotary_dim: 32,
        base: 10_000.0,
        context: 1 << 20,
        scaling: RopeScaling::Default,
        layout: PairLayout::Halves,
    };
    ModelConfig {
        family: "test",
        hidden: 64,
        intermediate: 128,
        heads: 8,
        kv_heads: 4,
        head_dim: 32,
        vocabulary,
        context: 1 << 20,
        norm_epsilon: 1e-5,
        activation: Activation::Silu,
        attention_scale: 0.17,
        embedding_scale: 1.0,
        ropes: vec![rope],
        rotated_keys: RotatedKeys::Stay,
        layers: vec![LayerConfig { window: None, rope: 0 }; 3],
    }
}

fn matrix(rows: usize, columns: usize, seed: u64) -> Matrix {
    let scale = 1.0 / (columns as f32).sqrt();
    let bytes: Vec<u8> =
        normal(rows * columns, seed).into_iter().flat_map(|x| (x * scale).to_le_bytes()).collect();
    Matrix::new(rows, columns, WeightFormat::F32, WeightBytes::owned(bytes)).unwrap()
}

/// A model of noise.
fn decoder(config: ModelConfig) -> Arc<Decoder> {
    let projection = |rows, columns, seed| Projection { matrix: matrix(rows, columns, seed), bias: None };
    let (hidden, intermediate) = (config.hidden, config.intermediate);
    let (queries, keys) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let layer = |layer: usize| {
        let seed = 10 * layer as u64;
        LayerWeights {
            attention_norm: vec![1.0; hidden],
            query: projection(queries, hidden, seed + 1),
            key: projection(keys, hidden, seed + 2),
            value: projection(keys, hidden, seed + 3),
            query_norm: None,
            key_norm: None,
            output: projection(hidden, queries, seed + 4),
            post_attention_norm: None,
            mlp_norm: vec![1.0; hidden],
            gate: projection(intermediate, hidden, seed + 5),
            up: projection(intermediate, hidden, seed + 6),
            down: projection(hidden, intermediate, seed + 7),
            post_mlp_norm: None,
        }
    };
    let embedding = matrix(config.vocabulary, hidden, 1000);
    let weights = ModelWeights {
        output: embedding.clone(),
        embedding,
        layers: (0..config.layers.len()).map(layer).collect(),
        final_norm: vec![1.0; hidden],
    };
    Arc::new(Decoder::new(config, weights).unwrap())
}

fn compute() -> Compute {
    Compute::new(ComputeOptions { threads: Some(2), ..ComputeOptions::default() }).unwrap()
}

fn tokens(count: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * i * 7 + i * 13) % 60) as u32).collect()
}

fn a_shape() -> AttentionPlan {
    AttentionPlan::Uniform(HeadPattern::AShape { sink: 16, local: 128 })
}

fn session(decoder: &Arc<Decoder>, compute: &Compute, planned: &PlannedSession<'_>) -> Session {
    let options = SessionOptions { capacity: planned.capacity, cache: planned.cache };
    Session::new(decoder.clone(), compute.clone(), options).unwrap()
}

fn options(planned: &PlannedSession<'_>) -> PrefillOptions {
    let PlannedSession { chunk, compression, plan, .. } = *planned;
    PrefillOptions { plan: plan.clone(), chunk, compression, progress: None }
}

/// One test, as what another one allocates at the same time would be counted, too.
#[test]
fn what_is_taken_is_what_was_forecast() {
    prompts();
    going_on();
    all_logits();
    walks();
    contexts();
    compressed();
}

fn prompts() {
    let (decoder, length) = (decoder(config(64)), 30_000);
    let plans = [
        a_shape(),
        AttentionPlan::Uniform(HeadPattern::VerticalSlash { vertical: 30, slash: 100 }),
        AttentionPlan::Uniform(HeadPattern::BlockSparse { top_k: 4 }),
    ];
    let compute = compute();
    let prompt = tokens(length);
    for (plan, chunk, cache) in [
        (&plans[0], None, CacheFormat::F16),
        (&plans[1], None, CacheFormat::F16),
        (&plans[2], None, CacheFormat::F16),
        (&plans[0], Some(8192), CacheFormat::F16),
        (&plans[1], Some(8192), CacheFormat::F16),
        (&plans[0], None, CacheFormat::F32),
        (&plans[1], None, CacheFormat::Int8),
        (&plans[0], None, CacheFormat::Int4),
    ] {
        let planned = PlannedSession {
            prompt: length,
            known: 0,
            chunk,
            capacity: length + 10,
            compression: None,
            cache,
            plan,
            compute: &compute,
        };
        let forecast = MemoryForecast::new(decoder.config(), 0, &planned);
        let (used, _) = taken(|| {
            let mut session = session(&decoder, &compute, &planned);
            session.prefill(&prompt, &options(&planned)).unwrap();
            session.decode(1).unwrap();
        });
        holds(&format!("{plan:?}, chunks {chunk:?}, {cache}"), used, &forecast, 0);
    }
}

fn going_on() {
    let (decoder, compute, plan) = (decoder(config(64)), compute(), a_shape());
    let planned = PlannedSession {
        prompt: 50_000,
        known: 10_000,
        chunk: None,
        capacity: 50_010,
        compression: None,
        cache: CacheFormat::F16,
        plan: &plan,
        compute: &compute,
    };
    let mut session = session(&decoder, &compute, &planned);
    session.prefill(&tokens(10_000), &options(&planned)).unwrap();
    let forecast = MemoryForecast::going_on(decoder.config(), &planned);
    let (used, _) = taken(|| session.prefill(&tokens(40_000), &options(&planned)).unwrap());
    // room for keys and values was taken before
    holds("going on", used, &forecast, forecast.cache);
}

fn all_logits() {
    let (decoder, compute, plan) = (decoder(config(30_000)), compute(), a_shape());
    let planned = PlannedSession {
        prompt: 1500,
        known: 0,
        chunk: None,
        capacity: 1500,
        compression: None,
        cache: CacheFormat::F16,
        plan: &plan,
        compute: &compute,
    };
    let forecast = MemoryForecast::new(decoder.config(), 0, &planned).with_all_logits(decoder.config(), 0);
    let (used, _) = taken(|| {
        let mut session = session(&decoder, &compute, &planned);
        session.score(&tokens(1500), &plan, None, &mut |_| Ok(())).unwrap();
    });
    holds("all logits", used, &forecast, 0);
}

fn walks() {
    let (decoder, compute) = (decoder(config(64)), compute());
    let prompts = [4000, 3000];
    let walk = PlannedWalk { prompts: &prompts, cache: CacheFormat::F16, compute: &compute };
    let objective = Objective::MaxError {
        bound: 0.05,
        shares: vec![0.2],
        families: vec![
            HeadPattern::AShape { sink: 128, local: 0 },
            HeadPattern::VerticalSlash { vertical: 30, slash: 0 },
            HeadPattern::BlockSparse { top_k: 0 },
        ],
        refinements: 0,
    };
    let forecast = MemoryForecast::for_search(decoder.config(), 0, &walk, &objective);
    let samples = prompts.map(tokens);
    let request = SearchRequest {
        samples: &samples,
        objective: &objective,
        errors_from: 100,
        cache: CacheFormat::F16,
        progress: None,
    };
    let (used, _) =
        taken(|| search_patterns(&decoder, &compute, &request, Vec::new(), &mut |_| Ok(())).unwrap());
    holds("search", used, &forecast, 0);

    let plan = AttentionPlan::Uniform(HeadPattern::BlockSparse { top_k: 20 });
    let walk = PlannedWalk { prompts: &[8000], ..walk };
    let forecast = MemoryForecast::for_fixed_indices(decoder.config(), 0, &walk, &plan);
    let prompt = tokens(8000);
    let (used, _) = taken(|| {
        let mut layers = Vec::new();
        walk_layers(&decoder, &compute, &prompt, CacheFormat::F16, None, &mut |walked| {
            let plan = plan.layer(walked.layer, walked.inputs.heads(), prompt.len(), 0)?;
            layers.push(plan_layer(&compute.backend(), &walked.inputs, plan)?);
            Ok(())
        })
        .unwrap();
        layers
    });
    holds("fixed indices", used, &forecast, 0);
}

fn contexts() {
    let (decoder, compute, plan) = (decoder(config(64)), compute(), a_shape());
    let options = SessionOptions::for_tokens(20_000);
    let mut session = Session::new(decoder.clone(), compute.clone(), options).unwrap();
    session.prefill(&tokens(20_000), &PrefillOptions { plan, ..PrefillOptions::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, fingerprint) = (folder.path().join("a.ctx"), Fingerprint::of_bytes(b"a"));
    session.save(&path, &fingerprint).unwrap();
    drop(session);
    let file = ContextFile::open(&path).unwrap();
    let load = LoadOptions::all(options);
    let (used, _) = taken(|| file.check_load(&decoder, &fingerprint, &load).unwrap());
    assert!(used < 1 << 20, "{used} bytes to look at a file");
    file.check_load(&decoder, &Fingerprint::of_bytes(b"b"), &load).unwrap_err();
    let forecast = MemoryForecast::for_context(file.tokens(), file.cache_bytes());
    let (used, _) = taken(|| file.load(decoder.clone(), compute.clone(), &fingerprint, &load).unwrap());
    assert!(used <= forecast.total() && used * 4 >= forecast.total() * 3, "{used} of {forecast:?}");
}

/// Room for a whole cache is reserved and never used, so that only what is resident counts. That is
/// rough, as what is freed may stay for a while.
fn compressed() {
    let (decoder, compute, plan, length) = (decoder(config(64)), compute(), a_shape(), 100_000);
    let planned = PlannedSession {
        prompt: length,
        known: 0,
        chunk: None,
        capacity: length,
        compression: Some(KvCompression::SnapKv(SnapKv::with_capacity(1000).unwrap())),
        cache: CacheFormat::F16,
        plan: &plan,
        compute: &compute,
    };
    let forecast = MemoryForecast::new(decoder.config(), 0, &planned);
    let prompt = tokens(length);
    memory::reset_peak();
    let Some(before) = memory::peak() else { return };
    let mut session = session(&decoder, &compute, &planned);
    session.prefill(&prompt, &options(&planned)).unwrap();
    let used = memory::peak().unwrap() - before;
    println!("compressed: {used} of {forecast:?}");
    assert!(used <= forecast.total(), "{used} of {forecast:?}");
    // where the system does not forget peaks, nothing can be said about what is too much
    let full = forecast.total() - FIXED + 2 * forecast.cache;
    assert!(used < full, "{used} of {full} that a whole cache would need");
}
