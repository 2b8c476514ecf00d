//! Working memory stays within its bounds: one and a half packed key-value heads, and 64 MiB a
//! thread; what was forecast of each part; and in a search the block scores of one head at a time.

use minference_attention::inspection::{inspect_head, inspection_bytes};
use minference_attention::pattern::block_sparse::{self, scores_bytes};
use minference_attention::search::{CalibrationSample, Objective, search_layer};
use minference_attention::synthetic::normal;
use minference_attention::{
    Arithmetic, AttentionBackend, AttentionInputs, CallShape, CpuBackend, ElementType, HeadPattern,
    SparseIndex, TensorView, TensorViewMut, attend_layer,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// One test at a time, as what another one allocates would be counted, too.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that some work takes at its peak.
fn taken<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = CURRENT.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    ((PEAK.load(Ordering::Relaxed) - before) as u64, result)
}

/// Never more than was said, and most of it.
fn holds(what: &str, used: u64, said: u64) {
    println!("{what}: {used} of {said}, {:.2}", used as f64 / said as f64);
    assert!(used <= said, "{what}: {used} bytes, of which {said} were forecast");
    assert!(used * 4 >= said * 3, "{what}: {used} bytes are much less than the {said} that were forecast");
}

#[test]
fn parts_of_a_layer_take_what_was_forecast() {
    let _alone = alone();
    let (tokens, heads, kv_heads, head_dim) = (50_000, 4, 4, 32);
    let data = normal(tokens * heads * head_dim, 1);
    let shape = [tokens, heads, head_dim];
    let view = TensorView::new(&data, shape).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let element_type = ElementType::F32;
    let call = CallShape { queries: tokens, keys: tokens, heads, kv_heads, head_dim, element_type };
    let mut output = vec![0.0f32; data.len()];
    for threads in [1, 2] {
        let build = || CpuBackend::builder().threads(threads).arithmetic(Arithmetic::F32).build().unwrap();
        // two heads of 13 MB at once, or all four; no estimate has left anything
        let backend = build();
        let pattern = HeadPattern::AShape { sink: 16, local: 128 };
        let indices: Vec<SparseIndex> =
            (0..heads).map(|head| pattern.select(&backend, &inputs, head).unwrap()).collect();
        let (used, _) = taken(|| {
            let mut target = TensorViewMut::new(&mut output, shape).unwrap();
            backend.attend(&inputs, &indices, &mut target).unwrap()
        });
        let spare = (tokens as u64 * 256).min(threads as u64 * (16 << 20));
        holds(
            &format!("kernels of {threads} threads"),
            used,
            backend.attend_bytes(&call) - spare + (1 << 18),
        );
        let (used, _) = taken(|| backend.last_query_scores(&inputs, 0, 64).unwrap());
        holds("columns and diagonals", used, backend.line_estimate_bytes(tokens) + (1 << 18));
        let (used, scores) = taken(|| block_sparse::estimate(&backend, &inputs, 0).unwrap());
        let said = backend.block_estimate_bytes(&call) + scores_bytes(inputs.geometry());
        // threads that get nothing to do take nothing
        assert!(used <= said + (1 << 17) && used >= scores_bytes(inputs.geometry()), "{used} of {said}");
        let pattern = HeadPattern::BlockSparse { top_k: 50 };
        let (used, _) = taken(|| block_sparse::index(&scores, 50).unwrap());
        let index = pattern.index_bytes(inputs.geometry());
        assert!(used >= index && used < 3 * index, "{used} bytes while an index of {index} is made");
    }
}

#[test]
fn an_inspection_takes_what_was_forecast() {
    let _alone = alone();
    let tokens = 6000;
    let data = normal(tokens * 8, 1);
    let view = TensorView::new(&data, [tokens, 1, 8]).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let backend = CpuBackend::builder().threads(2).build().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let inspect = || pool.install(|| inspect_head(&backend, &inputs, 0, &SparseIndex::Dense, 8).unwrap());
    let (used, _) = taken(inspect);
    holds("inspection", used, inspection_bytes(tokens, 8, 2) + (1 << 17));
}

/// Scores of all heads would be twice what a trial takes.
#[test]
fn a_search_has_the_block_scores_of_one_head_at_a_time() {
    let _alone = alone();
    let (tokens, heads, head_dim) = (100_000, 24, 8);
    let (q, k) = (normal(tokens * heads * head_dim, 1), normal(tokens * head_dim, 2));
    let shape = [tokens, heads, head_dim];
    let keys = TensorView::new(&k, [tokens, 1, head_dim]).unwrap();
    let inputs = AttentionInputs::new(TensorView::new(&q, shape).unwrap(), keys, keys).unwrap();
    let backend = CpuBackend::builder().threads(2).arithmetic(Arithmetic::F32).build().unwrap();
    let objective = Objective::SamePairs {
        target: HeadPattern::AShape { sink: 64, local: 256 },
        candidates: vec![HeadPattern::BlockSparse { top_k: 4 }],
    };
    let sample = CalibrationSample { inputs, dense: TensorView::new(&q, shape).unwrap() };
    let (used, found) = taken(|| search_layer(&backend, &[sample], &objective, 0, &mut || ()).unwrap());
    assert!(found.iter().all(|head| matches!(head.pattern, HeadPattern::BlockSparse { .. })));
    let element_type = ElementType::F32;
    let call = CallShape { queries: tokens, keys: tokens, heads, kv_heads: 1, head_dim, element_type };
    let (scores, output) = (scores_bytes(inputs.geometry()), (q.len() * 4) as u64);
    let trial = output + backend.attend_bytes(&call);
    println!("search: {used}; {scores} of a head's blocks, {trial} of a trial");
    assert!(
        used < trial + heads as u64 * scores / 4,
        "{used} bytes: {scores} of a head's blocks, {trial} of a trial"
    );
}

#[test]
fn working_memory_is_bounded() {
    let _alone = alone();
    // Enough tokens that one packed head is larger than what threads may use for several small
    // ones.
    let (tokens, kv_heads, head_dim, threads) = (300_000, 2, 64, 1);
    let data = normal(tokens * kv_heads * head_dim, 1);
    let shape = [tokens, kv_heads, head_dim];
    let view = TensorView::new(&data, shape).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let mut output = vec![0.0f32; data.len()];
    let backend = CpuBackend::builder().threads(threads).arithmetic(Arithmetic::F32).build().unwrap();
    for pattern in [
        HeadPattern::VerticalSlash { vertical: 30, slash: 100 },
        HeadPattern::BlockSparse { top_k: 2 },
        HeadPattern::AShape { sink: 16, local: 64 },
    ] {
        let before = CURRENT.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let mut target = TensorViewMut::new(&mut output, shape).unwrap();
        let report = attend_layer(&backend, &inputs, &[pattern; 2], &mut target).unwrap();
        assert!(report.computed_share() < 0.01);
        let used = PEAK.load(Ordering::Relaxed) - before;
        let keys_and_values = 2 * tokens * head_dim * 4;
        assert!(
            used <= keys_and_values * 3 / 2 + threads * (64 << 20),
            "{pattern}: {used} bytes beside {keys_and_values} of one head's keys and values"
        );
    }
}
