//! [`TextOrIds`]: the content of a file that is read as it stands, a text or the ids of its tokens.

use crate::prompt::note_special_names;
use anyhow::{Result, anyhow, bail, ensure};
use minference_model::Model;
use serde_json::{Map, Value};

/// Whether a field's value is one that holds a sample.
type FieldCheck = fn(&Value) -> bool;

/// Fields of other programs' samples. A file that has one as JSON is no text: its braces would be
/// read along with its text.
const FIELDS: [(&str, FieldCheck); 6] = [
    ("input_ids", Value::is_array),
    ("token_ids", Value::is_array),
    ("tokens", Value::is_array),
    ("messages", Value::is_array),
    ("text", Value::is_string),
    ("prompt", Value::is_string),
];

/// A file's content.
#[derive(Debug, PartialEq)]
pub(crate) enum TextOrIds<'a> {
    /// A text.
    Text(&'a str),
    /// A list of token ids.
    Ids(Vec<u32>),
}

impl<'a> TextOrIds<'a> {
    /// Decides by the first characters whether a content is a text or a list.
    ///
    /// - `name`: the file's
    ///
    /// # Errors
    /// A list of something other than token ids, an object that holds ids or a text in a field.
    pub(crate) fn parse(name: &str, text: &'a str) -> Result<Self> {
        let start = text.trim_start();
        if start.starts_with('{') {
            return match field(start) {
                Some(field) => {
                    bail!(
                        "{name}: expected a text, or a list of token ids such as [1, 2, 3], found a JSON object with a field {field:?}; give what that \
                         field holds, by itself"
                    )
                }
                None => Ok(Self::Text(text)),
            };
        }
        let looks_like_ids = start.strip_prefix('[').is_some_and(|rest| {
            rest.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == ']')
        });
        match serde_json::from_str(start) {
            Ok(ids) => Ok(Self::Ids(ids)),
            Err(error) if looks_like_ids => Err(anyhow!(
                "{name}: expected a text, or a list of token ids such as [1, 2, 3], found: {error}"
            )),
            Err(_) => Ok(Self::Text(text)),
        }
    }

    /// The tokens that a model reads: a text with what every prompt of the model begins with, ids
    /// as they are.
    ///
    /// - `name`: the file's
    ///
    /// # Errors
    /// As for [`parse`](Self::parse) and [`check_ids`], and a text that can't be encoded.
    pub(crate) fn tokens(name: &str, text: &str, model: &Model) -> Result<Vec<u32>> {
        let tokens = match TextOrIds::parse(name, text)? {
            TextOrIds::Ids(ids) => ids,
            TextOrIds::Text(text) => {
                note_special_names(model, name, text, "a file with a list of token ids can hold them");
                model.raw_prompt(text)?
            }
        };
        check_ids(name, &tokens, model)?;
        Ok(tokens)
    }
}

/// Refuses ids that the model does not have.
///
/// - `name`: the file's
pub(crate) fn check_ids(name: &str, ids: &[u32], model: &Model) -> Result<()> {
    let vocabulary = model.decoder().config().vocabulary;
    let wrong = ids.iter().find(|&&id| id as usize >= vocabulary);
    ensure!(
        wrong.is_none(),
        "{name}: expected token ids below {vocabulary}, the size of the vocabulary, found {}",
        wrong.copied().unwrap_or(0)
    );
    Ok(())
}

/// The field that holds a sample, of a JSON object, or of the first of several in lines.
fn field(text: &str) -> Option<&'static str> {
    let first = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>().next()?.ok()?;
    let holds = |(name, is_sample): &&(&str, FieldCheck)| first.get(*name).is_some_and(is_sample);
    FIELDS.iter().find(holds).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ids_are_told_from_texts() {
        assert_eq!(TextOrIds::parse("a", " [1, 2,\n3] ").unwrap(), TextOrIds::Ids(vec![1, 2, 3]));
        for text in
            ["one two", "[link](a)", "[\"a\"]", "{ x }", "{\"name\": \"text\"}", "{\"text\": [1]}", ""]
        {
            assert_eq!(TextOrIds::parse("a", text).unwrap(), TextOrIds::Text(text), "{text}");
        }
    }

    #[test]
    fn what_would_be_read_as_letters_is_refused_by_name() {
        for (text, found) in [
            ("[1, 2, -3]", "-3"),
            ("[1, 2.5]", "2.5"),
            ("[1, 2", "EOF"),
            ("{\"input_ids\": [1, 2], \"labels\": [2]}", "a field \"input_ids\""),
            ("{\"tokens\": [1, 2]}", "a field \"tokens\""),
            ("{\"id\": 1, \"text\": \"a book\"}\n{\"id\": 2, \"text\": \"another\"}", "a field \"text\""),
            ("{\"messages\": [{\"role\": \"user\"}]}", "a field \"messages\""),
        ] {
            let error = TextOrIds::parse("file.json", text).unwrap_err().to_string();
            assert!(error.starts_with("file.json: expected a text, or a list of token ids"), "{error}");
            assert!(error.contains(found), "{text}: {error}");
        }
    }
}
