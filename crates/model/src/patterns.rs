//! Which pattern each head of a model gets, and how that is found.
//!
//! | module | what it holds |
//! |---|---|
//! | [`plan`] | [`AttentionPlan`](plan::AttentionPlan): patterns for all heads, as people choose them |
//! | [`files`] | the pattern file that belongs to a model, and those that come with the program |
//! | [`search`] | the offline search over a model |
//! | [`layer_walk`] | each layer's queries, keys and values, for those who look at them |

pub mod files;
pub mod layer_walk;
pub mod plan;
pub mod search;
