//! [`CpuBackend`]: sparse attention on the CPU, at the machine's speed.
//!
//! | folder or file | what it holds |
//! |---|---|
//! | `simd` | vectors: one small trait, one file per instruction set |
//! | `dot` | arithmetic of the two products: `f32`, `bf16`, `f16`, `i16` in 32-bit words |
//! | `packed`, `tile`, `query_block` | keys and values, tiles of them, and queries as the kernels want them |
//! | `micro_kernel`, `tile_loop` | the attention kernel, once for all patterns and instruction sets |
//! | `narrow_range` | probabilities of 16 bits behind attention sinks |
//! | `line_scores`, `block_scores` | the online estimates |
//! | `decode` | a single query |
//! | `stored`, `codes` | the caller's element types, widened; 8 and 4 bits, scaled |
//! | `instances` | which instruction set goes with which arithmetic; the only entries to all of the above |
//! | `builder`, `instruction_set` | what the machine has, and what was asked for |
//! | `attend`, `estimate` | the work of a call, spread over threads |
//! | `footprint` | the memory that it takes |
//!
//! ```
//! use minference_attention::{Arithmetic, CpuBackend, InstructionSet};
//!
//! // All threads, the best instruction set, 16-bit arithmetic where it is accurate enough.
//! let default = CpuBackend::new()?;
//!
//! // Two threads, f32 arithmetic, and code that runs anywhere.
//! let portable = CpuBackend::builder()
//!     .threads(2)
//!     .instruction_set(InstructionSet::Portable)
//!     .arithmetic(Arithmetic::F32)
//!     .build()?;
//! assert_eq!(portable.threads(), 2);
//! # Ok::<(), minference_attention::Error>(())
//! ```

mod attend;
mod block_scores;
mod buffer;
mod builder;
mod codes;
mod decode;
mod dot;
mod estimate;
mod footprint;
mod instances;
mod instruction_set;
mod line_scores;
mod micro_kernel;
mod narrow_range;
mod packed;
mod peak;
mod query_block;
pub mod simd;
mod spare_buffers;
mod stored;
mod tile;
mod tile_loop;

pub use builder::CpuBackendBuilder;
pub use footprint::CallShape;
pub use instruction_set::{Arithmetic, InstructionSet};

use crate::backend::{AttentionBackend, BlockScoreVisitor, Crossover, HeadCost, LineScores, Progress};
use crate::element::ElementType;
use crate::error::{Error, Result};
use crate::inputs::AttentionInputs;
use crate::layout::KeyLayout;
use crate::lowering::Lowering;
use crate::view::TensorViewMut;
use instances::AttentionKernels;
use rayon::ThreadPool;
use rayon::prelude::*;
use spare_buffers::SpareBuffers;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Attention on the CPU. Cheap to clone; clones share the threads.
#[derive(Clone)]
pub struct CpuBackend {
    pool: Arc<ThreadPool>,
    instruction_set: InstructionSet,
    arithmetic: Arithmetic,
    progress: Option<Arc<dyn Progress>>,
    spare_buffers: Arc<SpareBuffers>,
}

impl fmt::Debug for CpuBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuBackend")
            .field("threads", &self.threads())
            .field("instruction_set", &self.instruction_set)
            .field("arithmetic", &self.arithmetic)
            .finish_non_exhaustive()
    }
}

impl CpuBackend {
    /// One thread per core, the fastest instruction set, arithmetic by [`Arithmetic::Auto`].
    ///
    /// # Errors
    /// [`Error::Threads`] where the threads can't be started.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Choices, to be finished with [`CpuBackendBuilder::build`].
    pub fn builder() -> CpuBackendBuilder {
        CpuBackendBuilder::default()
    }

    /// The same backend, reporting to `progress`, which may also cancel.
    #[must_use]
    pub fn with_progress(&self, progress: Arc<dyn Progress>) -> Self {
        Self { progress: Some(progress), ..self.clone() }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// The instruction set in use.
    pub fn instruction_set(&self) -> InstructionSet {
        self.instruction_set
    }

    /// Whether inputs of a type are computed in `f32` or in 16 bits: [`Arithmetic::Auto`] resolved.
    pub fn arithmetic_for(&self, element_type: ElementType) -> Arithmetic {
        self.instruction_set.resolve(self.arithmetic, element_type)
    }

    /// The machine's peak in operations per second, measured now: all threads run multiply-adds of
    /// the arithmetic that inputs of this type get, in registers, for about `duration`.
    /// Multiplications and additions count one each.
    pub fn measure_peak(&self, element_type: ElementType, duration: Duration) -> f64 {
        // About 0.1 ms each, so that the clock is read rarely but the end is met closely.
        const ROUNDS: u64 = 30_000;
        let kernels = self.instruction_set.kernels(self.arithmetic, element_type);
        let rates = self.pool.broadcast(|_| {
            let (start, mut operations) = (Instant::now(), 0);
            while start.elapsed() < duration {
                // SAFETY: the machine has the kernels' instruction set: it was checked when the
                // backend was built.
                operations += unsafe { (kernels.multiply_adds)(ROUNDS) };
            }
            operations as f64 / start.elapsed().as_secs_f64()
        });
        rates.into_iter().sum()
    }

    fn kernels(&self, inputs: &AttentionInputs<'_>) -> &'static AttentionKernels {
        self.instruction_set.kernels(self.arithmetic, inputs.k().element_type())
    }

    fn check_cancelled(&self) -> Result<()> {
        match &self.progress {
            Some(progress) if progress.cancelled() => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }
}

impl AttentionBackend for CpuBackend {
    fn last_query_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        last_queries: usize,
    ) -> Result<LineScores> {
        self.check_cancelled()?;
        inputs.check_head(head)?;
        estimate::last_query_scores(self, inputs, head, last_queries)
    }

    fn pooled_block_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        visitor: BlockScoreVisitor<'_>,
    ) -> Result<()> {
        self.check_cancelled()?;
        inputs.check_head(head)?;
        estimate::pooled_block_scores(self, inputs, head, visitor)
    }

    fn attend_lowered(
        &self,
        inputs: &AttentionInputs<'_>,
        heads: &[Lowering<'_>],
        output: &mut TensorViewMut<'_>,
    ) -> Result<Vec<HeadCost>> {
        attend::attend(self, inputs, heads, output)
    }

    /// Measured with `minference bench attention`; see `benchmarks/attention.md`. Estimates are
    /// partly `f32` whatever the arithmetic, so that they cost more pairs where attention itself is
    /// faster.
    fn description(&self, element_type: ElementType) -> String {
        format!("{} with {}", self.arithmetic_for(element_type), self.instruction_set)
    }

    fn crossover(&self, element_type: ElementType) -> Crossover {
        let (line_estimate, block_estimate) = match self.arithmetic_for(element_type) {
            Arithmetic::Bits16 => (130.0, 90.0),
            _ => (80.0, 48.0),
        };
        Crossover { share: 0.9, line_estimate, block_estimate, estimate_share: 0.03 }
    }

    fn pairs(&self, lowering: &Lowering<'_>) -> u64 {
        // A task lowers a run of blocks, so that a layout's memory is used again.
        const RUN: usize = 64;
        let blocks = lowering.geometry().query_blocks();
        let count = |run: usize| -> u64 {
            let mut layout = KeyLayout::default();
            (run * RUN..((run + 1) * RUN).min(blocks))
                .map(|block| {
                    lowering.layout_into(block, &mut layout);
                    layout.pairs()
                })
                .sum()
        };
        self.pool.install(|| (0..blocks.div_ceil(RUN)).into_par_iter().map(count).sum())
    }
}
