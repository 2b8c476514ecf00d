//! One call of attention, spread over threads.
//!
//! Keys and values are packed head by head (or several heads at once while they are small), and all
//! query heads of a group use them. The unit of work is one head's few query blocks; units are
//! handed out longest first. No result depends on the number of threads or on the order of the
//! work.

use super::CpuBackend;
use super::decode::{self, PartialOutput};
use super::instances::AttentionKernels;
use super::packed::{PackedHead, PackedShape};
use super::tile_loop::{BLOCKS_IN_STEP, HeadWork, Workspace};
use crate::backend::HeadCost;
use crate::error::{Error, Result};
use crate::inputs::AttentionInputs;
use crate::lowering::Lowering;
use crate::view::TensorViewMut;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Heads are packed together while their packed forms fit in this many bytes per thread.
const PACKED_BYTES_PER_THREAD: usize = 32 << 20;
/// Keys that one task packs.
const KEYS_PER_PACKING_TASK: usize = 1024;
/// Units of work per thread, at least, before query blocks are taken together.
const UNITS_PER_THREAD: usize = 8;

pub(super) fn attend(
    backend: &CpuBackend,
    inputs: &AttentionInputs<'_>,
    lowerings: &[Lowering<'_>],
    output: &mut TensorViewMut<'_>,
) -> Result<Vec<HeadCost>> {
    attend_with(backend, backend.kernels(inputs), inputs, lowerings, output)
}

/// [`attend`] with kernels that the machine has.
pub(super) fn attend_with(
    backend: &CpuBackend,
    kernels: &'static AttentionKernels,
    inputs: &AttentionInputs<'_>,
    lowerings: &[Lowering<'_>],
    output: &mut TensorViewMut<'_>,
) -> Result<Vec<HeadCost>> {
    check_shapes(inputs, lowerings, output)?;
    backend.check_cancelled()?;
    if inputs.geometry().queries() == 1 && lowerings.iter().all(|head| head.index().is_dense()) {
        return attend_one_query(backend, kernels, inputs, output);
    }
    let call = AttendCall { backend, inputs, kernels, lowerings, output };
    call.run()
}

fn check_shapes(
    inputs: &AttentionInputs<'_>,
    lowerings: &[Lowering<'_>],
    output: &TensorViewMut<'_>,
) -> Result<()> {
    if lowerings.len() != inputs.heads() {
        return Err(Error::Shape {
            what: "indices",
            expected: format!("one for each of the {} query heads", inputs.heads()),
            found: format!("{}", lowerings.len()),
        });
    }
    if let Some(other) = lowerings.iter().find(|head| head.geometry() != inputs.geometry()) {
        return Err(Error::Shape {
            what: "lowered indices",
            expected: format!("those of {:?}", inputs.geometry()),
            found: format!("{:?}", other.geometry()),
        });
    }
    if output.shape() != inputs.q().shape() {
        return Err(Error::Shape {
            what: "output",
            expected: format!("the shape of q, {:?}", inputs.q().shape()),
            found: format!("{:?}", output.shape()),
        });
    }
    Ok(())
}

/// Everything that a call's threads share.
struct AttendCall<'a> {
    backend: &'a CpuBackend,
    inputs: &'a AttentionInputs<'a>,
    kernels: &'static AttentionKernels,
    lowerings: &'a [Lowering<'a>],
    output: &'a TensorViewMut<'a>,
}

impl AttendCall<'_> {
    fn run(&self) -> Result<Vec<HeadCost>> {
        let (kv_heads, threads) = (self.inputs.kv_heads(), self.backend.threads());
        let shape = self.kernels.packed_shape(self.inputs.geometry().keys(), self.inputs.head_dim());
        let at_once = heads_at_once(shape, kv_heads, threads);
        let mut packed: Vec<PackedHead> =
            (0..at_once).map(|_| PackedHead::new(shape)).collect::<Result<_>>()?;
        let workspaces: Vec<Mutex<Option<Workspace>>> = (0..threads).map(|_| Mutex::new(None)).collect();
        let nanoseconds: Vec<AtomicU64> = (0..self.inputs.heads()).map(|_| AtomicU64::new(0)).collect();
        for first in (0..kv_heads).step_by(at_once) {
            let packed = &mut packed[..at_once.min(kv_heads - first)];
            self.pack(packed, first)?;
            self.attend_packed(packed, first, shape, &workspaces, &nanoseconds)?;
        }
        let cost = |time: AtomicU64| HeadCost {
            kernel_time: Duration::from_nanos(time.into_inner() / threads as u64),
        };
        Ok(nanoseconds.into_iter().map(cost).collect())
    }

    /// Packs the key-value heads from `first_head` on.
    fn pack(&self, packed: &mut [PackedHead], first_head: usize) -> Result<()> {
        self.backend.pool.install(|| {
            if let Some(limit) = self.kernels.value_limit {
                for (i, head) in packed.iter_mut().enumerate() {
                    head.value_scale = value_scale(self.inputs, first_head + i, limit);
                }
            }
            let parts: Vec<_> = packed
                .iter_mut()
                .enumerate()
                .flat_map(|(i, head)| {
                    head.parts_mut(KEYS_PER_PACKING_TASK).map(move |part| (first_head + i, part))
                })
                .collect();
            let longest_keys: Vec<(usize, f64)> = parts
                .into_par_iter()
                .map(|(kv_head, part)| {
                    // SAFETY: the kernels belong to an instruction set that the machine has
                    // (checked when the backend was built).
                    Ok((kv_head, unsafe { (self.kernels.pack)(part, self.inputs, kv_head) }?))
                })
                .collect::<Result<_>>()?;
            for (i, head) in packed.iter_mut().enumerate() {
                let of_head = longest_keys.iter().filter(|(kv_head, _)| *kv_head == first_head + i);
                head.longest_key = of_head.fold(0.0, |longest, (_, key)| longest.max(*key));
            }
            Ok(())
        })
    }

    /// Attends all query heads of the packed key-value heads.
    fn attend_packed(
        &self,
        packed: &[PackedHead],
        first_head: usize,
        shape: PackedShape,
        workspaces: &[Mutex<Option<Workspace>>],
        nanoseconds: &[AtomicU64],
    ) -> Result<()> {
        let group = self.inputs.group_size();
        let heads = packed.len() * group;
        let blocks = self.inputs.geometry().query_blocks();
        let in_step = (heads * blocks / (UNITS_PER_THREAD * workspaces.len())).clamp(1, BLOCKS_IN_STEP);
        let steps = blocks.div_ceil(in_step);
        let total = self.inputs.heads() * blocks;
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(first_head * group * blocks));
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let unit = |unit: usize, workspace: &mut Workspace| -> Result<()> {
            // Late blocks have the most keys.
            let (step, head) = (steps - 1 - unit / heads, unit % heads);
            let range: Range<usize> = step * in_step..((step + 1) * in_step).min(blocks);
            let packed = &packed[head / group];
            let head = first_head * group + head;
            let work = HeadWork {
                inputs: self.inputs,
                head,
                lowering: &self.lowerings[head],
                packed,
                output: self.output,
            };
            let start = Instant::now();
            let count = range.len();
            // SAFETY: the machine has the instruction set; the same kernels packed the head; every
            // unit has rows of its own, and the output is borrowed exclusively.
            unsafe { (self.kernels.attend)(&work, range, workspace) }?;
            nanoseconds[head].fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            let done = done.fetch_add(count, Ordering::Relaxed) + count;
            if let Some(progress) = &self.backend.progress {
                progress.advance(done as u64, total as u64);
            }
            self.backend.check_cancelled()
        };
        let work = |thread: usize| -> Result<()> {
            let mut slot = workspaces[thread].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let workspace = match &mut *slot {
                Some(workspace) => workspace,
                empty => empty.insert(Workspace::new(shape)?),
            };
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= steps * heads {
                    return Ok(());
                }
                unit(index, workspace)?;
            }
        };
        self.backend.pool.broadcast(|context| {
            if let Err(error) = work(context.index()) {
                // The others stop at their next unit.
                next.store(usize::MAX / 2, Ordering::Relaxed);
                failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
            }
        });
        match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// How many key-value heads are packed together.
pub(super) fn heads_at_once(shape: PackedShape, kv_heads: usize, threads: usize) -> usize {
    (PACKED_BYTES_PER_THREAD * threads / shape.bytes().max(1)).clamp(1, kv_heads.max(1))
}

/// The power of two by which a head's values are divided so that the largest is below `limit`.
fn value_scale(inputs: &AttentionInputs<'_>, kv_head: usize, limit: f32) -> f32 {
    let keys = inputs.geometry().keys();
    let largest = (0..keys.div_ceil(KEYS_PER_PACKING_TASK))
        .into_par_iter()
        .map(|part| {
            let mut row = vec![0.0f32; inputs.head_dim()];
            let range = part * KEYS_PER_PACKING_TASK..((part + 1) * KEYS_PER_PACKING_TASK).min(keys);
            range.fold(0.0f32, |largest, key| {
                inputs.v().read_row(key, kv_head, &mut row);
                row.iter().fold(largest, |largest, x| largest.max(x.abs()))
            })
        })
        .reduce(|| 0.0, f32::max);
    // Infinity and huge values are refused when they are packed; what they are scaled by does not
    // matter.
    if largest > 1e-30 && largest < 1e30 { 2.0f32 * (largest / limit).log2().floor().exp2() } else { 1.0 }
}

/// A decoding step: partitions of the keys in parallel, joined in order.
fn attend_one_query(
    backend: &CpuBackend,
    kernels: &AttentionKernels,
    inputs: &AttentionInputs<'_>,
    output: &TensorViewMut<'_>,
) -> Result<Vec<HeadCost>> {
    let start = Instant::now();
    let geometry = inputs.geometry();
    let first_key = geometry.window().map_or(0, |window| geometry.keys() - window);
    let partitions = (geometry.keys() - first_key).div_ceil(decode::PARTITION);
    let parts: Vec<PartialOutput> = backend.pool.install(|| {
        (0..partitions)
            .into_par_iter()
            .map(|part| {
                let first = first_key + part * decode::PARTITION;
                let keys = first..(first + decode::PARTITION).min(geometry.keys());
                // SAFETY: the machine has the kernels' instruction set; there is one query, and the
                // keys are in range.
                unsafe { (kernels.float32.decode)(inputs, keys) }
            })
            .collect()
    });
    let mut parts = parts.into_iter();
    let mut total = parts.next().expect("a key at least: AttentionInputs checked it");
    parts.for_each(|part| total.merge(&part));
    for (head, (row, sum)) in total.output.chunks_exact_mut(inputs.head_dim()).zip(&total.sums).enumerate() {
        row.iter_mut().for_each(|x| *x /= sum);
        if !total.finite || row.iter().any(|x| !x.is_finite()) {
            return Err(why_not_finite(inputs));
        }
        // SAFETY: this thread alone writes.
        unsafe { output.write_row(0, head, row) };
    }
    let kernel_time = start.elapsed() / inputs.heads() as u32;
    Ok(vec![HeadCost { kernel_time }; inputs.heads()])
}

/// Finds what made a result infinite or NaN: an input, or else sheer size.
fn why_not_finite(inputs: &AttentionInputs<'_>) -> Error {
    for (tensor, view) in [("q", inputs.q()), ("k", inputs.k()), ("v", inputs.v())] {
        let mut row = vec![0.0f32; view.head_dim()];
        for token in 0..view.tokens() {
            for head in 0..view.heads() {
                view.read_row(token, head, &mut row);
                if row.iter().any(|x| !x.is_finite()) {
                    return Error::NotFinite { tensor, token, head };
                }
            }
        }
    }
    Error::TooLarge { what: "score or value", found: f64::INFINITY, limit: f64::from(f32::MAX) }
}
