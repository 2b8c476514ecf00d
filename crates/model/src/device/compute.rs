//! [`Compute`]: what a model runs on. The only place that chooses a device; today the CPU.

use crate::device::kernels::Kernels;
use crate::error::Result;
use minference_attention::{
    Arithmetic, AttentionBackend, CpuBackend, Error as AttentionError, InstructionSet, Progress,
};
use rayon::ThreadPool;
use std::fmt;
use std::sync::Arc;

/// Choices for [`Compute::new`]; the default is the best that the machine has.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComputeOptions {
    /// Number of threads; one per core without it.
    pub threads: Option<usize>,
    /// Instruction set of our kernels; the fastest without it.
    pub instruction_set: Option<InstructionSet>,
    /// Arithmetic of attention.
    pub arithmetic: Arithmetic,
    /// Arithmetic of prefill's products with weights.
    pub matmul: MatmulArithmetic,
}

/// How a prompt's rows are multiplied with weights. Decoding's products, and those that give
/// logits, are always in `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum MatmulArithmetic {
    /// Weights are widened to f32.
    #[default]
    F32,
    /// Weights and inputs are rounded to 8 bits, in groups of 32: nearly twice as fast, more so
    /// with VNNI, and less exact.
    Int8,
}

/// Threads and kernels. Cheap to clone; clones share the threads.
#[derive(Clone)]
pub struct Compute {
    pool: Arc<ThreadPool>,
    backend: CpuBackend,
    kernels: Kernels,
    matmul: MatmulArithmetic,
}

impl fmt::Debug for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compute").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Compute {
    /// # Errors
    /// No threads, threads that can't start, an instruction set that the machine lacks.
    pub fn new(options: ComputeOptions) -> Result<Self> {
        let threads =
            options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        if threads == 0 {
            return Err(AttentionError::Parameter {
                name: "threads",
                expected: "at least 1",
                found: "0".into(),
            }
            .into());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("compute-{i}"))
            .build()
            .map_err(|e| AttentionError::Threads { threads, reason: e.to_string() })?;
        let pool = Arc::new(pool);
        let mut builder = CpuBackend::builder().thread_pool(pool.clone()).arithmetic(options.arithmetic);
        if let Some(set) = options.instruction_set {
            builder = builder.instruction_set(set);
        }
        let backend = builder.build()?;
        let kernels = Kernels::for_instruction_set(backend.instruction_set());
        Ok(Self { pool, backend, kernels, matmul: options.matmul })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.backend.threads()
    }

    /// What attention of slices in host memory runs on.
    pub fn backend(&self) -> &dyn AttentionBackend {
        &self.backend
    }

    /// The same, reporting to `progress`, which may also cancel.
    pub(crate) fn backend_with(&self, progress: Arc<dyn Progress>) -> Box<dyn AttentionBackend> {
        Box::new(self.backend.with_progress(progress))
    }

    /// The CPU's kernels and threads, for the operations of its own device and their forecasts.
    pub(crate) fn cpu(&self) -> &CpuBackend {
        &self.backend
    }

    pub(crate) fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// Arithmetic of prefill's products with weights.
    pub fn matmul(&self) -> MatmulArithmetic {
        self.matmul
    }

    /// Runs something on the threads.
    pub(crate) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}
