//! Results in tables: how a method does beside dense attention, on the same samples.
//!
//! A run that was interrupted has results of some methods and not yet of others. A method must not
//! look better because it never met the hard samples, so only those that all methods have are
//! compared, and tables say how many are left out.
//!
//! ```
//! use minference_eval::results::{LatencyRecord, LatencySeconds, LatencySource};
//! use minference_eval::summary::{LatencySummary, Table};
//!
//! let record = |method: &str, total: f64| LatencyRecord {
//!     length: 32_768,
//!     method: method.into(),
//!     pattern: method.into(),
//!     repeat: 0,
//!     seconds: LatencySeconds { attention: total / 2.0, total, ..LatencySeconds::default() },
//!     computed_share: 1.0,
//!     peak_memory: None,
//!     cache: None,
//!     source: LatencySource::Measured,
//! };
//! let summary = LatencySummary::of(&[record("dense", 30.0), record("minference", 12.0)]);
//! assert_eq!(summary.rows[1].speedup, Some(2.5));
//! let table: Table = summary.table();
//! assert!(table.rows[1].contains(&"2.50x".to_string()));
//! ```

mod answer_row;
mod answers;
mod cache;
mod chunks;
mod disagreements;
mod grid;
mod group;
mod latency;
mod lengths;
mod mean;
mod perplexity;
mod table;
mod tasks;

pub use answer_row::{AnswerRow, BesideWhole};
pub use answers::{AnswerGroup, AnswerSummary};
pub use disagreements::{Disagreement, disagreements};
pub use grid::{DepthGrid, GridCell};
pub(crate) use group::method_names;
pub use latency::{LatencyRow, LatencySummary};
pub use lengths::{LengthRange, Lengths};
pub use mean::{Share, median};
pub use perplexity::{BucketLoss, PerplexityGroup, PerplexityRow, PerplexitySummary};
pub use table::{Column, Table};
pub use tasks::TaskAverages;

/// The method that others are held against.
pub const DENSE: &str = "dense";
