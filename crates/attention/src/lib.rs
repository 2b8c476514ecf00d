//! Sparse attention for the prefill of long-context language models: MInference 1.0 (arXiv
//! 2407.02490) in pure Rust.
//!
//! Before a model answers, it reads its prompt, and attention costs the square of the prompt's
//! length. Most of that work does not matter: in each head a query looks at few keys, in one of a
//! few shapes. This crate computes only those, on the CPU, at close to the machine's peak; a head
//! for which that would not pay runs dense.
//!
//! # One layer, one call
//!
//! Q is `[queries, heads, head_dim]`, K and V are `[keys, kv_heads, head_dim]`, as `f32`, `f16` or
//! `bf16`, with any strides. Every query head has a [`HeadPattern`]; [`attend_layer`] makes the
//! online estimates, attends, and reports what it did.
//!
//! ```
//! use minference_attention::{
//!     AttentionInputs, CpuBackend, HeadPattern, TensorView, TensorViewMut, attend_layer, synthetic,
//! };
//!
//! let (tokens, heads, kv_heads, head_dim) = (2048, 4, 2, 64);
//! let q = synthetic::normal(tokens * heads * head_dim, 1);
//! let k = synthetic::normal(tokens * kv_heads * head_dim, 2);
//! let v = synthetic::normal(tokens * kv_heads * head_dim, 3);
//! let inputs = AttentionInputs::new(
//!     TensorView::new(&q, [tokens, heads, head_dim])?,
//!     TensorView::new(&k, [tokens, kv_heads, head_dim])?,
//!     TensorView::new(&v, [tokens, kv_heads, head_dim])?,
//! )?;
//!
//! let backend = CpuBackend::builder().threads(2).build()?;
//! let patterns = [HeadPattern::AShape { sink: 64, local: 256 }; 4];
//! let mut output = vec![0.0f32; tokens * heads * head_dim];
//! let mut view = TensorViewMut::new(&mut output, [tokens, heads, head_dim])?;
//! let report = attend_layer(&backend, &inputs, &patterns, &mut view)?;
//!
//! assert!(report.computed_share() < 0.35);
//! assert!(report.heads.iter().all(|head| !head.ran_dense));
//! # Ok::<(), minference_attention::Error>(())
//! ```
//!
//! # The steps, one by one
//!
//! ```text
//! HeadPattern --select--> SparseIndex --Lowering--> KeyLayout per block of 64 queries --attend--> output
//! ```
//!
//! ```
//! # use minference_attention::{AttentionBackend, AttentionInputs, CpuBackend, HeadPattern, Lowering, TensorView,
//! #     TensorViewMut, synthetic};
//! # let q = synthetic::normal(1000 * 64, 1);
//! # let view = TensorView::new(&q, [1000, 1, 64])?;
//! # let inputs = AttentionInputs::new(view, view, view)?;
//! # let backend = CpuBackend::new()?;
//! // Select: which columns and diagonals matter, by the softmax of the last 64 queries (paper, section 3.2).
//! let pattern = HeadPattern::VerticalSlash { vertical: 50, slash: 120 };
//! let index = pattern.select(&backend, &inputs, 0)?;
//!
//! // Lower: which keys block 9 (queries 576..640) attends to, and what the whole head costs.
//! let lowering = Lowering::new(&index, inputs.geometry())?;
//! assert!(lowering.layout(9).contains(600, 600));
//! assert!(lowering.pairs() <= inputs.geometry().causal_pairs());
//!
//! // Attend: one index per query head.
//! let mut output = vec![0.0f32; 1000 * 64];
//! backend.attend(&inputs, &[index], &mut TensorViewMut::new(&mut output, [1000, 1, 64])?)?;
//! # Ok::<(), minference_attention::Error>(())
//! ```
//!
//! # Where to look
//!
//! | module | what it holds |
//! |---|---|
//! | [`pattern`] | head patterns, their online estimates, and pattern files |
//! | [`geometry`] | how many queries meet how many keys |
//! | [`index`], [`lowering`], [`layout`] | what a head attends to, and what that means for a block of queries |
//! | [`plan`] | how the heads of a layer choose, and the rule that keeps them from ever being slower than dense |
//! | [`layer`] | the call for a whole layer |
//! | [`search`] | which pattern a head should get, found offline |
//! | [`backend`], [`cpu`] | what a device must offer, and the CPU's kernels |
//! | [`view`], [`inputs`] | borrowed tensors |
//! | [`quantized`] | keys and values in 8 or 4 bits |
//! | [`inspection`] | one head looked at completely: its probabilities, and what an index computes of them |
//! | [`reference`](mod@reference), [`conformance`] | the oracle, and the battery that every backend must pass |
//! | [`files`] | reading what people name, and writing it whole |
//! | [`synthetic`] | inputs with planted structure |

pub mod backend;
pub mod conformance;
pub mod cpu;
pub mod element;
pub mod error;
pub mod files;
pub mod geometry;
pub mod index;
pub mod inputs;
pub mod inspection;
pub mod layer;
pub mod layout;
pub mod lowering;
pub mod pattern;
pub mod plan;
pub mod quantized;
pub mod reference;
pub mod search;
pub mod synthetic;
pub mod view;

pub use backend::{AttentionBackend, BlockScoreVisitor, Crossover, HeadCost, LineScores, Progress};
pub use cpu::{Arithmetic, CallShape, CpuBackend, InstructionSet};
pub use element::ElementType;
pub use error::{Error, Result};
pub use geometry::Geometry;
pub use index::SparseIndex;
pub use inputs::AttentionInputs;
pub use layer::{HeadReport, LayerReport, attend_layer};
pub use layout::KeyLayout;
pub use lowering::Lowering;
pub use pattern::HeadPattern;
pub use plan::{HeadPlan, LayerPlan};
pub use view::{TensorView, TensorViewMut};
