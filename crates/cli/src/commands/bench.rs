//! `minference bench`: one file per benchmark.

mod answer;
mod attention;
mod decode;
mod inputs;
mod matmul;
mod memory;
mod prefill;

use anyhow::Result;
use clap::Subcommand;

/// The benchmarks.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Time sparse attention against dense attention, pattern by pattern
    ///
    /// Every method runs on the same inputs, in turn, and the medians are compared, so that a
    /// machine whose speed drifts favours none. Speed-ups are against this program's own dense
    /// kernel.
    #[command(after_long_help = attention::EXAMPLES)]
    Attention(attention::BenchAttentionArguments),
    /// Time whole prompts to the first token, by length and method, and see where the time goes
    #[command(after_long_help = prefill::HELP)]
    Prefill(Box<prefill::BenchPrefillArguments>),
    /// Time an answer's tokens after long prompts, by what was kept of the prompt
    #[command(after_long_help = answer::HELP)]
    Answer(Box<answer::BenchAnswerArguments>),
    /// Time one decoding step over a long cache, against the rate at which memory can be read
    Decode(decode::BenchDecodeArguments),
    /// Time products of prompt rows with stored weights, format by format, against the machine's
    /// f32 peak
    Matmul(matmul::BenchMatmulArguments),
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Attention(options) => attention::run(&options),
            Self::Prefill(options) => prefill::run(&options),
            Self::Answer(options) => answer::run(&options),
            Self::Decode(options) => decode::run(&options),
            Self::Matmul(options) => matmul::run(&options),
        }
    }
}
