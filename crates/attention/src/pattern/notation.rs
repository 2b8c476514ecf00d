//! [`Notation`]: a pattern in one word, as commands and files write it: `vertical-slash:1000,6096`.
//!
//! ```
//! use minference_attention::HeadPattern;
//! use minference_attention::pattern::Notation;
//!
//! let Notation(pattern) = "a-shape:1024,4096".parse()?;
//! assert_eq!(pattern, HeadPattern::AShape { sink: 1024, local: 4096 });
//! assert_eq!(Notation(pattern).to_string(), "a-shape:1024,4096");
//! assert!("a-shape:1024".parse::<Notation>().is_err());
//! # Ok::<(), minference_attention::Error>(())
//! ```

use super::HeadPattern;
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A pattern that is written as its name, and after a colon its budgets in the order of
/// [`HeadPattern`]'s fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notation(pub HeadPattern);

/// What can be written.
const FORMS: &str = "dense, a-shape:SINK,LOCAL, tri-shape:SINK,LOCAL,LAST, vertical-slash:VERTICAL,SLASH or block-sparse:BLOCKS";

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())?;
        match self.0 {
            HeadPattern::Dense => Ok(()),
            HeadPattern::AShape { sink, local } => write!(f, ":{sink},{local}"),
            HeadPattern::TriShape { sink, local, last } => write!(f, ":{sink},{local},{last}"),
            HeadPattern::VerticalSlash { vertical, slash } => write!(f, ":{vertical},{slash}"),
            HeadPattern::BlockSparse { top_k } => write!(f, ":{top_k}"),
        }
    }
}

impl FromStr for Notation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Parameter { name: "pattern", expected: FORMS, found: format!("{text:?}") };
        let (name, numbers) = match text.split_once(':') {
            Some((name, numbers)) => (name, Some(numbers)),
            None => (text, None),
        };
        let number =
            |text: &str| text.trim().parse::<u32>().map(|number| number as usize).map_err(|_| wrong());
        let numbers: Vec<usize> = match numbers {
            None => Vec::new(),
            Some(numbers) => numbers.split(',').map(number).collect::<Result<_>>()?,
        };
        let pattern = match (name.trim(), &numbers[..]) {
            ("dense", []) => HeadPattern::Dense,
            ("a-shape", &[sink, local]) => HeadPattern::AShape { sink, local },
            ("tri-shape", &[sink, local, last]) => HeadPattern::TriShape { sink, local, last },
            ("vertical-slash", &[vertical, slash]) => HeadPattern::VerticalSlash { vertical, slash },
            ("block-sparse", &[top_k]) => HeadPattern::BlockSparse { top_k },
            _ => return Err(wrong()),
        };
        Ok(Self(pattern))
    }
}
