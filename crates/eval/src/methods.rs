//! [`AttentionMethod`]: the ways of attending that an evaluation compares, and what each means for
//! a prompt.
//!
//! | method | what it does |
//! |---|---|
//! | `dense` | every key: what the others are held against |
//! | `minference` | for each head what the model's pattern file says; without one as `vertical-slash` |
//! | `vertical-slash` | for all heads, with budgets that grow with the prompt: what a model without a pattern file gets |
//! | `a-shape`, `tri-shape`, `block-sparse` | for all heads, with a budget that computes as much of attention as `minference` did on the same prompt |
//! | `a-shape:1024,4096` and the like | for all heads, with this budget |
//! | `static` | what `minference` chose in the first prompt of the same task and length, for all of these (the paper's ablation) |
//!
//! `minference`, `vertical-slash` without a budget and `static` leave the last 64 queries of a
//! prompt dense, as `minference run` does; shapes for all heads are computed as they are.
//!
//! A method reads a prompt as a whole and keeps all of its keys and values. A [`Variant`] may read
//! it in chunks, or keep less; it is written behind the method: `minference+chunk:8K`,
//! `dense+snapkv:4096`.
//!
//! A shape that computes as much as `minference` does so only where that is sparse: a head that
//! would compute more than nine tenths runs dense, whatever its pattern. Windows of the model's own
//! are not counted.
//!
//! ```
//! use minference_eval::methods::{AttentionMethod, Methods};
//!
//! let methods: Methods = "dense,minference,a-shape,vertical-slash:1000,6096+chunk:8K".parse()?;
//! let names: Vec<String> = methods.iter().map(ToString::to_string).collect();
//! assert_eq!(names, ["dense", "minference", "a-shape", "vertical-slash:1000,6096+chunk:8192"]);
//! assert_eq!("static".parse::<AttentionMethod>()?, AttentionMethod::Static);
//! // a shape that computes as much as minference does needs minference beside it
//! assert!("dense,a-shape".parse::<Methods>().is_err());
//! # Ok::<(), minference_eval::Error>(())
//! ```

mod compression;
mod fixed_indices;
mod list;
mod matched;
mod planner;
mod variant;

pub use compression::{CompressionKind, CompressionNotation};
pub use fixed_indices::fix_indices;
pub use list::Methods;
pub use matched::MatchedShape;
pub use planner::{ModelPlan, PlannedMethod, Planner, PromptFacts};
pub use variant::Variant;

use crate::error::{Error, Result};
use minference_attention::HeadPattern;
use minference_attention::index::BLOCK;
use minference_attention::pattern::Notation;
use minference_model::AttentionPlan;
use std::fmt;
use std::str::FromStr;

/// What can be listed.
const FORMS: &str = "dense, minference, vertical-slash, a-shape, tri-shape, block-sparse, static, or a pattern with its budget such as \
                     a-shape:1024,4096 or vertical-slash:1000,6096, each also with +chunk:8K, +snapkv:4096, +pyramidkv:4096 or \
                     +streaming-llm:4096";

/// A way of attending while a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttentionMethod {
    /// Every key.
    Dense,
    /// What the model's pattern file says.
    Minference,
    /// Vertical-slash with budgets that grow with the prompt.
    Default,
    /// One shape for all heads, which computes as much as `minference` did.
    Matched(MatchedShape),
    /// One pattern for all heads.
    Uniform(HeadPattern),
    /// What `minference` chose in another prompt.
    Static,
}

impl AttentionMethod {
    /// A plan that takes as much memory as what the method means for any prompt of some tokens, at
    /// least.
    ///
    /// - `minference`: the model's patterns
    pub fn plan_at_most(self, minference: AttentionPlan, tokens: usize) -> AttentionPlan {
        match self {
            Self::Dense => AttentionPlan::Dense,
            Self::Minference | Self::Static => minference,
            Self::Default => AttentionPlan::Default,
            Self::Uniform(pattern) => AttentionPlan::Uniform(pattern),
            // enough for any share that minference computes
            Self::Matched(MatchedShape::AShape | MatchedShape::TriShape) => {
                AttentionPlan::Uniform(HeadPattern::AShape { sink: tokens, local: tokens })
            }
            Self::Matched(MatchedShape::BlockSparse) => {
                AttentionPlan::Uniform(HeadPattern::BlockSparse { top_k: tokens.div_ceil(BLOCK) })
            }
        }
    }
}

impl fmt::Display for AttentionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense => f.write_str("dense"),
            Self::Minference => f.write_str("minference"),
            Self::Default => f.write_str("vertical-slash"),
            Self::Matched(shape) => f.write_str(shape.name()),
            Self::Uniform(pattern) => Notation(*pattern).fmt(f),
            Self::Static => f.write_str("static"),
        }
    }
}

impl FromStr for AttentionMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let named = [Self::Dense, Self::Minference, Self::Default, Self::Static];
        let shapes = MatchedShape::ALL.map(Self::Matched);
        if let Some(method) = named.into_iter().chain(shapes).find(|method| method.to_string() == text) {
            return Ok(method);
        }
        match text.parse() {
            Ok(Notation(pattern)) => Ok(Self::Uniform(pattern)),
            Err(_) => Err(Error::choice("method", FORMS, format!("{text:?}"))),
        }
    }
}
