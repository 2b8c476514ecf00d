//! Evaluation and reports: what sparse attention did, shown so that one can judge it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`inspect`] | what sparse attention does to a prompt in a model |
//! | [`report`] | what an inspection or evaluations found, as one HTML file with its figures |
//! | [`haystack`] | long texts of our own making with facts in them, and questions about these |
//! | [`sample`], [`prompt`], [`scoring`] | a question about a long text, the tokens that ask it, and how its answer is judged |
//! | [`methods`] | the ways of attending that are compared |
//! | [`evaluate`] | asking, with each method, and holding answers against dense attention's |
//! | [`tasks`] | what is asked: needle, RULER, InfiniteBench |
//! | [`perplexity`](mod@perplexity) | how well texts are predicted |
//! | [`latency`](mod@latency) | the time to the first token |
//! | [`results`] | what evaluations found, as files |
//! | [`summary`], [`numbers`] | results in tables, methods beside each other |
//! | [`error`] | what can go wrong |

pub mod error;
pub mod evaluate;
pub mod haystack;
pub mod inspect;
pub mod latency;
pub mod methods;
pub mod numbers;
pub mod perplexity;
pub mod prompt;
pub mod report;
pub mod results;
pub mod sample;
pub mod scoring;
pub mod summary;
pub mod tasks;

pub use error::{Error, Result};
