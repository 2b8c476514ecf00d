//! Texts from files and pipes, and how they become the tokens of a prompt.

mod files;
mod special_names;
mod text;
mod text_or_ids;

pub(crate) use files::{TextFile, read_text, standard_input, text_of};
pub(crate) use special_names::note_special_names;
pub(crate) use text::{BETWEEN_PARTS, PromptForm, PromptText};
pub(crate) use text_or_ids::{TextOrIds, check_ids};
