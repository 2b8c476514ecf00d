//! Launches: one typed structure of arguments for each family of kernels, and the functions that
//! enqueue them.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments` | structures of `kernels/interface.h`, the same bytes |
//! | `module` | machine code on a device, and the one call that runs it |
//! | `tensor_map` | descriptions of tensors for Hopper's copy engine |
//! | `attend` | attention over tiles |
//! | `decode` | one query per head over a long cache |
//! | `votes`, `pooled` | the estimates of vertical-slash and of block-sparse heads |
//! | `index`, `index_arguments` | selection of lines and blocks, and the tiles that they mean |
//! | `finite` | the check for NaN and infinity |

mod arguments;
mod attend;
mod decode;
mod finite;
mod index;
mod index_arguments;
mod module;
mod pooled;
mod tensor_map;
mod votes;

pub(crate) use attend::{AttendCall, attend};
pub(crate) use decode::{DecodeCall, decode};
pub(crate) use finite::check_finite;
pub(crate) use index::{HISTOGRAM_WORDS, line_parts, lower, select_lines, select_rows};
pub(crate) use index_arguments::{
    HEAD_CROSSOVER, HeadKind, HeadOutcome, HeadParams, HeadSums, NO_BLOCK, TileCounts,
};
pub(crate) use module::{Function, Module};
pub(crate) use pooled::{ScoresCall, block_means, block_scores};
pub(crate) use votes::{VotesCall, vote_chunks, votes};
