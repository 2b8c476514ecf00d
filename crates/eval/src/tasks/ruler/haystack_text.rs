//! [`HaystackText`]: the text in which needles are hidden.

use super::words::{described, read_text};
use crate::error::{Error, Result};
use crate::haystack::prose::sentence;
use minference_attention::synthetic::Random;
use serde::Deserialize;
use std::path::Path;

/// A text to hide needles in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HaystackText {
    /// What was read; nothing for generated sentences.
    read: Option<TextWords>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TextWords {
    description: String,
    words: Vec<String>,
}

impl HaystackText {
    /// A text file, or the benchmark's JSON of essays: an object whose field `text` holds them.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::File`] for a file without words or another JSON.
    pub fn read(path: &Path) -> Result<Self> {
        let content = read_text(path)?;
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let text = if is_json { json_text(path, &content)? } else { content.clone() };
        let words: Vec<String> = text.split_whitespace().map(str::to_string).collect();
        if words.is_empty() {
            return Err(Error::file(path, None, "a text", "no words"));
        }
        Ok(Self { read: Some(TextWords { description: described(path, &content), words }) })
    }

    /// Where it comes from, for the settings of a run.
    pub fn description(&self) -> &str {
        self.read.as_ref().map_or("generated sentences", |read| &read.description)
    }

    /// Its first words. A text that is too short begins again; a generated one differs with the
    /// random numbers.
    pub(super) fn words(&self, count: usize, random: &mut Random) -> Vec<String> {
        if let Some(read) = &self.read {
            return read.words.iter().cycle().take(count).cloned().collect();
        }
        let mut words = Vec::with_capacity(count + 32);
        while words.len() < count {
            words.extend(sentence(random).split_whitespace().map(str::to_string));
        }
        words.truncate(count);
        words
    }
}

fn json_text(path: &Path, content: &str) -> Result<String> {
    /// The only field there is: what another one says might belong to the haystack.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Essays {
        text: String,
    }
    let expected = "a JSON object whose only field is `text`, a string";
    let essays: Essays = serde_json::from_str(content)
        .map_err(|error| Error::file(path, Some(error.line()), expected, &error))?;
    Ok(essays.text)
}

/// Words as sentences. A sentence ends with a word that ends with `.`, `!` or `?`, closing quotes
/// and brackets aside, where the next word does not begin with a small letter.
pub(super) fn sentences(words: &[String]) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (place, word) in words.iter().enumerate() {
        let ends =
            word.trim_end_matches(['"', '\'', '\u{201d}', '\u{2019}', ')', ']']).ends_with(['.', '!', '?']);
        let goes_on = words.get(place + 1).is_some_and(|next| next.starts_with(char::is_lowercase));
        if place + 1 == words.len() || (ends && !goes_on) {
            sentences.push(words[start..=place].join(" "));
            start = place + 1;
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn sentences_are_cut_at_their_ends() {
        let text = "One. Two (with e.g. more)? \"Three!\" \"Four.\u{201d} and so on... Five without end";
        let expected = [
            "One.",
            "Two (with e.g. more)?",
            "\"Three!\"",
            "\"Four.\u{201d} and so on...",
            "Five without end",
        ];
        assert_eq!(sentences(&words(text)), expected);
        assert!(sentences(&[]).is_empty());
    }

    #[test]
    fn texts_come_from_files_or_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("essays.json");
        std::fs::write(&path, r#"{"text": "a b\n\tc"}"#).unwrap();
        let text = HaystackText::read(&path).unwrap();
        assert_eq!(text.words(5, &mut Random::new(1)), ["a", "b", "c", "a", "b"]);
        for (content, found) in [
            ("{}", "missing field `text`"),
            ("{\"text\": 1}", "integer `1`"),
            ("{\n\"text\"", "line 2"),
            ("{\"text\": \"a\", \"essays\": []}", "unknown field `essays`"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = HaystackText::read(&path).unwrap_err().to_string();
            assert!(error.contains("essays.json") && error.contains(found), "{error}");
        }
        let path = folder.path().join("text.txt");
        std::fs::write(&path, " \n ").unwrap();
        assert!(HaystackText::read(&path).unwrap_err().to_string().contains("no words"));
        std::fs::write(&path, b"\xff").unwrap();
        assert!(matches!(HaystackText::read(&path), Err(Error::Read { .. })));
        let made = HaystackText::default();
        let [short, long] = [100, 1000].map(|count| made.words(count, &mut Random::new(3)));
        assert!(long.starts_with(&short) && sentences(&long).len() > 40);
        assert_ne!(long, made.words(1000, &mut Random::new(4)));
    }
}
