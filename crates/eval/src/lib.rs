//! Evaluation and reports: what sparse attention did, shown so that one can judge it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`inspect`] | what sparse attention does to a prompt in a model |
//! | [`report`] | `minference inspect`: why a head has its pattern and what was computed, as one HTML file with its figures |
//! | [`error`] | what can go wrong |

pub mod error;
pub mod inspect;
pub mod report;

pub use error::{Error, Result};
