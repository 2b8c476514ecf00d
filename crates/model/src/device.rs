//! What a model runs on: threads, kernels, and weights as they are stored.
//!
//! | module | what it holds |
//! |---|---|
//! | [`compute`] | [`Compute`](compute::Compute): the only place that chooses a device |
//! | `operations` | `Device`: the operations of a decoder layer, for which the pass is written |
//! | `cpu` | these operations on the CPU |
//! | `reference`, `battery` | in tests: the same in `f64`, and what every device is held against |
//! | [`weight_format`] | how the elements of weights are stored |
//! | [`matrix`] | weights in the formats of their files, and products with them |
//! | `kernels` | the CPU's inner loops, for each instruction set |

#[cfg(test)]
mod battery;
pub mod compute;
pub(crate) mod cpu;
pub(crate) mod kernels;
pub mod matrix;
pub(crate) mod operations;
#[cfg(test)]
pub(crate) mod reference;
pub mod weight_format;
