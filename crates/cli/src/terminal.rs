//! What a person sees and presses: messages, tables, progress bars, Ctrl-C.

mod evaluation_bar;
mod fetch_bar;
mod interrupt;
mod layers_bar;
mod message;
mod pattern_table;
mod prefill_bar;
mod table;

pub(crate) use evaluation_bar::EvaluationBar;
pub(crate) use fetch_bar::FetchBar;
pub(crate) use interrupt::{Interrupt, is_cancellation};
pub(crate) use layers_bar::LayersBar;
pub(crate) use message::{is_closed_pipe, notify};
pub(crate) use pattern_table::{PATTERN_LETTERS, head_entries, print_kinds};
pub(crate) use prefill_bar::PrefillBar;
pub(crate) use table::new_table;
