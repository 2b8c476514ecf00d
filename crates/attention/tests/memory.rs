//! Working memory stays within its bound: one and a half packed key-value heads, and 64 MiB a thread.

use minference_attention::synthetic::normal;
use minference_attention::{
    Arithmetic, AttentionInputs, CpuBackend, HeadPattern, TensorView, TensorViewMut, attend_layer,
};
use std::alloc::{GlobalAlloc, Layout, System};
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

#[test]
fn working_memory_is_bounded() {
    // Enough tokens that one packed head is larger than what threads may use for several small ones.
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
