//! What a model is asked: one file, or folder, for each benchmark. Each makes
//! [`TaskSample`](crate::sample::TaskSample)s.

pub mod infinite_bench;
pub mod needle;
pub mod ruler;

mod fit;
mod grid;
mod lines;
mod sample_seed;
mod template;
