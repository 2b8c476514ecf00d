//! [`CpuBackendBuilder`]: threads, instruction set and arithmetic of a backend.

use super::CpuBackend;
use super::instruction_set::{Arithmetic, InstructionSet};
use super::spare_buffers::{SPARE_BYTES_PER_THREAD, SpareBuffers};
use crate::error::{Error, Result};
use rayon::ThreadPool;
use std::sync::Arc;

/// Choices for a [`CpuBackend`].
#[derive(Debug, Clone, Default)]
pub struct CpuBackendBuilder {
    threads: Option<usize>,
    pool: Option<Arc<ThreadPool>>,
    instruction_set: Option<InstructionSet>,
    arithmetic: Arithmetic,
}

impl CpuBackendBuilder {
    /// Number of threads of a pool of its own; without it, one per core.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// A pool to share, instead of one of its own.
    #[must_use]
    pub fn thread_pool(mut self, pool: Arc<ThreadPool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// An instruction set; without it, the fastest that the machine has.
    #[must_use]
    pub fn instruction_set(mut self, instruction_set: InstructionSet) -> Self {
        self.instruction_set = Some(instruction_set);
        self
    }

    /// The arithmetic; without it, [`Arithmetic::Auto`].
    #[must_use]
    pub fn arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        self.arithmetic = arithmetic;
        self
    }

    /// # Errors
    /// [`Error::InstructionSet`] where the machine lacks it, or it lacks the arithmetic;
    /// [`Error::Threads`] where the pool can't start; [`Error::Parameter`] for 0 threads.
    pub fn build(self) -> Result<CpuBackend> {
        let instruction_set = match self.instruction_set {
            None => InstructionSet::best(),
            Some(wanted) if wanted.is_available() => wanted,
            Some(wanted) => {
                let available: Vec<String> =
                    InstructionSet::available().iter().map(ToString::to_string).collect();
                return Err(Error::InstructionSet {
                    wanted: wanted.to_string(),
                    available: available.join(", "),
                });
            }
        };
        if self.arithmetic == Arithmetic::Bits16 && !instruction_set.has_16_bit_arithmetic() {
            return Err(Error::InstructionSet {
                wanted: format!("16-bit arithmetic with {instruction_set}"),
                available: "f32 arithmetic with it".into(),
            });
        }
        let pool = match self.pool {
            Some(pool) => pool,
            None => {
                let threads = match self.threads {
                    Some(0) => {
                        return Err(Error::Parameter {
                            name: "threads",
                            expected: "at least 1",
                            found: "0".into(),
                        });
                    }
                    Some(threads) => threads,
                    None => std::thread::available_parallelism().map_or(1, usize::from),
                };
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|i| format!("attention-{i}"))
                    .build()
                    .map_err(|e| Error::Threads { threads, reason: e.to_string() })?;
                Arc::new(pool)
            }
        };
        let spare_buffers = Arc::new(SpareBuffers::new(SPARE_BYTES_PER_THREAD * pool.current_num_threads()));
        Ok(CpuBackend { pool, instruction_set, arithmetic: self.arithmetic, progress: None, spare_buffers })
    }
}
