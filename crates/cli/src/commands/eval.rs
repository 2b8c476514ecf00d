//! `minference eval`: whether answers stay right, and how far they are dense attention's.
//!
//! | module | what it holds |
//! |---|---|
//! | `needle`, `ruler`, `infinite_bench`, `perplexity` | one evaluation each: its options, and what it asks |
//! | `protocol` | how questions about one text follow each other |
//! | `run` | asking, with a bar |

mod infinite_bench;
mod needle;
mod perplexity;
mod protocol;
mod ruler;
mod run;

use anyhow::Result;
use clap::Subcommand;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
Methods (--methods):
  dense            every key; the others are held against it
  minference       for each head what the model's pattern file says, as in `minference run`; without one as vertical-slash
  vertical-slash   for all heads, with budgets that grow with the prompt
  a-shape, tri-shape, block-sparse
                   for all heads, with a budget that computes as much of attention as minference did on the same prompt
  a-shape:1024,4096, vertical-slash:1000,6096, block-sparse:100, tri-shape:128,3968,100
                   for all heads, with this budget
  static           what minference chose in the first prompt of the same task and length, for all of these (the paper's ablation)
  With minference, vertical-slash without a budget and static the last 64 tokens of a prompt see every key: they ask the question.

Variants of them, with + behind the method:
  minference+chunk:8K
                   reads the prompt 8,192 tokens at a time; patterns are estimated anew in each chunk
  dense+snapkv:1024, minference+pyramidkv, dense+streaming-llm:4K
                   keeps so many tokens of each layer's keys and values, 4,096 without a number: those that the prompt's last queries
                   attend to (pyramidkv: more in the first layers, less in the last), or the first and the last
  --kv snapkv,pyramidkv adds such variants of all listed methods, --chunk 2K,8K of all but dense, which is the same in chunks.

Several questions about one text (SCBench's two modes):
  --session requests asks each of the text alone; --session turns asks them in one conversation, after the reference answers to those
  before. With --compress context what is kept is chosen when the text was read, without knowing the questions; with --compress prompt
  it is chosen when a question was read, too, as in SnapKV's paper; so it always is of RULER and InfiniteBench, whose prompts are one text.

Results:
  A folder holds one run: run.json says what was run, records.jsonl has a line for each answer. The same command goes on where an
  earlier one stopped; with more --methods, lengths or rounds it adds to what is there. With other settings it is refused: name another
  folder with --output. `minference report FOLDER...` makes a page of tables and figures.";

/// The evaluations.
#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// Hide facts in long texts and ask for them: a grid of lengths, depths and rounds
    #[command(after_long_help = needle::HELP)]
    Needle(Box<needle::NeedleArguments>),
    /// Ask the thirteen tasks of RULER, at any length: needles of all kinds, variables, frequent
    /// words, questions
    #[command(after_long_help = ruler::HELP)]
    Ruler(Box<ruler::RulerArguments>),
    /// Ask the ten tasks of InfiniteBench that the paper reports: from the official files, four
    /// also generated
    #[command(after_long_help = infinite_bench::HELP)]
    InfiniteBench(Box<infinite_bench::InfiniteBenchArguments>),
    /// Predict texts: perplexity, by position, and how often the likeliest next token is dense
    /// attention's
    #[command(after_long_help = perplexity::HELP)]
    Perplexity(Box<perplexity::PerplexityArguments>),
}

impl Eval {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Needle(options) => needle::run(&options),
            Self::Ruler(options) => ruler::run(&options),
            Self::InfiniteBench(options) => infinite_bench::run(&options),
            Self::Perplexity(options) => perplexity::run(&options),
        }
    }
}
