//! [`RenderOptions`]: what a template is told besides the messages.

use super::LocalTime;
use crate::error::{Error, Result};
use minijinja::Value;
use std::collections::BTreeMap;

/// What templates are always told; arguments of these names are refused.
pub(super) const RESERVED: [&str; 2] = ["messages", "add_generation_prompt"];

/// What a template is told besides the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOptions {
    /// The text ends where the model's answer begins. True by default.
    pub add_generation_prompt: bool,
    /// What the template's `strftime_now` writes: by default the moment at which these options were
    /// made. With a fixed time the same messages always give the same text.
    pub time: LocalTime,
    /// Variables of the template, by default none.
    pub arguments: TemplateArguments,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, time: LocalTime::now(), arguments: TemplateArguments::default() }
    }
}

impl RenderOptions {
    /// As by default, with a [date](LocalTime::FIXED) that is the same on every day, for results
    /// that must not depend on it.
    pub fn reproducible() -> Self {
        Self { add_generation_prompt: true, time: LocalTime::FIXED, arguments: TemplateArguments::default() }
    }
}

/// Variables that a template reads, such as `enable_thinking`: what transformers takes as further
/// arguments of `apply_chat_template`. They may stand in for what a template is told otherwise
/// (`bos_token`, `tools`, `documents`).
///
/// ```
/// use minference_model::text::chat_template::{ChatTemplate, RenderOptions, TemplateArguments};
///
/// let mut arguments = TemplateArguments::default();
/// arguments.set("enable_thinking", "false")?;
/// arguments.set("effort", "high")?;
/// let template = ChatTemplate::new("{{ effort }}{% if enable_thinking is false %}, no thoughts{% endif %}")?;
/// let options = RenderOptions { arguments, ..RenderOptions::default() };
/// assert_eq!(template.render(&[], &options)?, "high, no thoughts");
/// # Ok::<(), minference_model::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateArguments(BTreeMap<String, Value>);

impl TemplateArguments {
    /// Gives a variable its value, in place of an earlier one.
    ///
    /// - `value`: JSON (`false`, `3`, `["a"]`, `"false"`); what is none is a text
    ///
    /// # Errors
    /// [`Error::TemplateArgument`] for what is no name of a variable, one that templates are always
    /// told, and values that were meant otherwise: JSON with an error in it, and Python's `True`,
    /// `False` and `None`, which would be texts, and as such true.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |message: String| Error::TemplateArgument { name: name.to_owned(), message };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(wrong(
                "expected a name of letters, digits and underscores, which begins with no digit".into(),
            ));
        }
        if RESERVED.contains(&name) {
            return Err(wrong(format!(
                "expected a name other than {}, which every template is given",
                RESERVED.join(" and ")
            )));
        }
        let value = match serde_json::from_str::<Value>(value) {
            Ok(value) => value,
            Err(error) if value.trim_start().starts_with(['{', '[', '"']) => {
                return Err(wrong(format!("expected JSON or a text, found what begins as JSON: {error}")));
            }
            Err(_) if matches!(value, "True" | "False" | "None") => {
                let json = if value == "None" { "null".into() } else { value.to_lowercase() };
                return Err(wrong(format!(
                    "expected JSON or a text, found Python's {value}; write {json}, or \"{value}\" with the quotes for a text"
                )));
            }
            Err(_) => Value::from(value),
        };
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// Names of the variables that have a value, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All of them, for a template.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, Value)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<TemplateArguments> {
        let mut arguments = TemplateArguments::default();
        arguments.set(name, value)?;
        Ok(arguments)
    }

    #[test]
    fn values_are_json_or_texts() {
        for (text, expected) in [
            ("false", "False"),
            ("3", "3"),
            ("\"3\"", "'3'"),
            ("1.5", "1.5"),
            ("high", "'high'"),
            ("", "''"),
            ("null", "None"),
            ("two words", "'two words'"),
            ("{\"b\": [1, null], \"a\": {}}", "{'b': [1, None], 'a': {}}"),
        ] {
            let arguments = set("x", text).unwrap();
            assert_eq!(format!("{:?}", arguments.0["x"]), expected, "{text}");
        }
        let mut arguments = set("x", "1").unwrap();
        arguments.set("x", "2").unwrap();
        assert_eq!(arguments, set("x", "2").unwrap());
    }

    #[test]
    fn what_was_meant_otherwise_is_refused_by_name() {
        for (name, value, reason) in [
            ("enable_thinking", "False", "write false"),
            ("x", "None", "write null"),
            ("x", "{\"a\": }", "line 1 column 7"),
            ("x", "[1", "begins as JSON"),
            ("messages", "[]", "add_generation_prompt"),
            ("add_generation_prompt", "false", "messages"),
            ("", "1", "letters, digits"),
            ("enable-thinking", "1", "letters, digits"),
            ("1x", "1", "letters, digits"),
        ] {
            let error = set(name, value).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && error.contains(reason), "{error}");
        }
    }
}
