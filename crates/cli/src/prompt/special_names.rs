//! A note where names of special tokens in a text may be meant as these tokens.

use crate::terminal::notify;
use minference_model::Model;

/// The largest number of names in a note.
const NAMES_SHOWN: usize = 3;

/// Writes a note where a text that is read as it stands holds names of special tokens.
///
/// - `what`: the text
/// - `advice`: what to do if the tokens are meant
pub(crate) fn note_special_names(model: &Model, what: &str, text: &str, advice: &str) {
    let names = model.tokenizer().special_names_in(text);
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        let more = if names.len() > NAMES_SHOWN { ", ..." } else { "" };
        notify(&format!(
            "note: {what} holds {}{more}: names of special tokens of this model, read as text; {advice}",
            shown.join(", ")
        ));
    }
}
