//! [`Method`]: the ways of attending that an evaluation compares, and what each means for a prompt.
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
//! A shape that computes as much as `minference` does so only where that is sparse: a head that would compute more than nine tenths runs
//! dense, whatever its pattern. Windows of the model's own are not counted.
//!
//! ```
//! use minference_eval::methods::{Method, Methods};
//!
//! let methods: Methods = "dense,minference,a-shape,vertical-slash:1000,6096".parse()?;
//! assert_eq!(methods.iter().map(|method| method.to_string()).collect::<Vec<_>>(), ["dense", "minference", "a-shape", "vertical-slash:1000,6096"]);
//! assert_eq!("static".parse::<Method>()?, Method::Static);
//! // how much is as much, if nobody runs minference?
//! assert!("dense,a-shape".parse::<Methods>().is_err());
//! # Ok::<(), minference_eval::Error>(())
//! ```

mod matched;
mod planner;

pub use matched::MatchedShape;
pub use planner::{ModelPlan, PlannedMethod, Planner, PromptFacts};

use crate::error::{Error, Result};
use minference_attention::HeadPattern;
use minference_attention::pattern::Notation;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// What can be listed.
const FORMS: &str = "dense, minference, vertical-slash, a-shape, tri-shape, block-sparse, static, or a pattern with its budget such as \
                     a-shape:1024,4096 or vertical-slash:1000,6096";

/// A way of attending while a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
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

impl fmt::Display for Method {
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

impl FromStr for Method {
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

/// Different methods, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// # Errors
    /// [`Error::Choice`] for none, for one twice, and for a matched shape without `minference`.
    pub fn new(methods: Vec<Method>) -> Result<Self> {
        if methods.is_empty() {
            return Err(Error::choice("methods", "at least one", "none"));
        }
        for (i, method) in methods.iter().enumerate() {
            if methods[..i].contains(method) {
                return Err(Error::choice("methods", "each once", format!("{method} twice")));
            }
            if matches!(method, Method::Matched(_)) && !methods.contains(&Method::Minference) {
                let expected = format!(
                    "minference beside {method}, which computes as much as that does, or {method} with its budget"
                );
                return Err(Error::choice("methods", expected, format!("{method} without either")));
            }
        }
        Ok(Self(methods))
    }

    /// In the order in which they run: those first that others refer to.
    pub fn in_order_of_running(&self) -> Vec<Method> {
        let mut methods = self.0.clone();
        methods.sort_by_key(|method| match method {
            Method::Dense => 0,
            Method::Minference => 1,
            _ => 2,
        });
        methods
    }
}

impl Deref for Methods {
    type Target = [Method];

    fn deref(&self) -> &[Method] {
        &self.0
    }
}

impl FromStr for Methods {
    type Err = Error;

    /// A list with commas; those within budgets part no methods.
    fn from_str(text: &str) -> Result<Self> {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(',') {
            match words.last_mut() {
                // a number goes on with the budget before it
                Some(last) if word.trim().starts_with(|c: char| c.is_ascii_digit()) => {
                    *last += ",";
                    *last += word;
                }
                _ => words.push(word.to_string()),
            }
        }
        Self::new(words.iter().map(|word| word.parse()).collect::<Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_reads_back_as_it_is_written() {
        let list =
            "tri-shape,static,block-sparse:5,dense,minference,vertical-slash,vertical-slash:30,800,a-shape";
        let methods: Methods = list.parse().unwrap();
        let names: Vec<String> = methods.iter().map(ToString::to_string).collect();
        assert_eq!(names.join(","), list);
        let order = methods.in_order_of_running();
        assert_eq!(order[..3], [Method::Dense, Method::Minference, Method::Matched(MatchedShape::TriShape)]);
    }

    #[test]
    fn lists_that_mean_nothing_are_refused() {
        let refused = |list: &str, part: &str| {
            let error = list.parse::<Methods>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused("dense,sparse", "\"sparse\"");
        refused("", "method");
        refused("dense,dense", "dense twice");
        refused("dense,block-sparse", "minference");
        refused("a-shape:3", "a-shape:3");
    }
}
