//! What a model runs on: threads, kernels, and weights as they are stored.
//!
//! | module | what it holds |
//! |---|---|
//! | [`compute`] | [`Compute`](compute::Compute): the only place that chooses a device |
//! | [`matrix`] | weights in the formats of their files, and products with them |
//! | `kernels` | the CPU's inner loops, for each instruction set |

pub mod compute;
pub(crate) mod kernels;
pub mod matrix;
