//! What a command computes with: threads, instruction set, arithmetic.

use crate::options::{UsageError, choice_or, spelling};
use anyhow::Result;
use clap::Args;
use minference_attention::{Arithmetic, CpuBackend, InstructionSet};
use minference_model::{Compute, ComputeOptions, MatmulArithmetic};

/// An instruction set, or none for the fastest that this machine has.
type InstructionSetChoice = Option<InstructionSet>;

/// How to multiply with weights.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct MatmulOptions {
    /// Arithmetic of the prompt's products with weights; the answer's are always in f32
    #[arg(long, value_enum, default_value = "f32")]
    matmul: MatmulArithmetic,
}

impl MatmulOptions {
    /// As the command line spells it.
    pub(crate) fn name(self) -> String {
        spelling(&self.matmul)
    }
}

/// How to compute.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct MachineOptions {
    /// Number of threads [default: one per core]
    #[arg(long)]
    threads: Option<usize>,
    /// Instruction set of the kernels
    #[arg(long, value_parser = choice_or::<InstructionSet>("auto", FASTEST), default_value = "auto")]
    instruction_set: InstructionSetChoice,
    /// Arithmetic of the kernels
    #[arg(long, value_enum, default_value = "auto")]
    arithmetic: Arithmetic,
}

impl MachineOptions {
    /// The backend that does it.
    pub(crate) fn backend(&self) -> Result<CpuBackend> {
        let options = self.options();
        let mut builder = CpuBackend::builder().arithmetic(options.arithmetic);
        if let Some(threads) = options.threads {
            builder = builder.threads(threads);
        }
        if let Some(set) = options.instruction_set {
            builder = builder.instruction_set(set);
        }
        builder.build().map_err(refused)
    }

    /// What a model runs on.
    pub(crate) fn compute(&self, matmul: MatmulOptions) -> Result<Compute> {
        let options = ComputeOptions { matmul: matmul.matmul, ..self.options() };
        Compute::new(options).map_err(|error| match error {
            minference_model::Error::Attention(error) => refused(error),
            error => anyhow::Error::new(error).context(FAILED),
        })
    }

    fn options(&self) -> ComputeOptions {
        ComputeOptions {
            matmul: MatmulArithmetic::default(),
            threads: self.threads,
            arithmetic: self.arithmetic,
            instruction_set: self.instruction_set,
        }
    }
}

/// Help on the instruction set `auto`.
const FASTEST: &str = "The fastest that this machine has";

/// What fails where a backend or threads can't be had.
const FAILED: &str = "can't set up the CPU";

/// A wrong number or instruction set is a wrong option; threads that can't start are not.
fn refused(error: minference_attention::Error) -> anyhow::Error {
    use minference_attention::Error::{InstructionSet, Parameter};
    let is_wrong_option = matches!(error, InstructionSet { .. } | Parameter { .. });
    let error = anyhow::Error::new(error).context(FAILED);
    if is_wrong_option { UsageError::from(error).into() } else { error }
}
