//! [`WordList`]: English words for keys and for lists.

use super::draw::{sample, shuffle};
use crate::error::{Error, Result};
use diceware_wordlists::EFF_LONG_WORDLIST;
use minference_attention::files;
use minference_attention::files::text_without_mark;
use minference_attention::synthetic::Random;
use minference_model::files::Fingerprint;
use std::collections::HashSet;
use std::path::Path;

/// Fewer make keys of which two are often the same.
const LEAST: usize = 100;

/// Different words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordList {
    description: String,
    words: Vec<String>,
}

impl Default for WordList {
    /// The EFF's long list: 7,776 words that people know and spell.
    fn default() -> Self {
        let words = EFF_LONG_WORDLIST.iter().map(|word| (*word).to_string()).collect();
        Self { description: "EFF long list".into(), words }
    }
}

impl WordList {
    /// A file of words, separated by white space; repeated ones count once.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::File`] for fewer than a hundred different words.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path)?;
        let mut seen = HashSet::new();
        let words: Vec<String> =
            text.split_whitespace().filter(|word| seen.insert(*word)).map(str::to_string).collect();
        if words.len() < LEAST {
            return Err(Error::file(path, None, format!("at least {LEAST} different words"), words.len()));
        }
        Ok(Self { description: described(path, &text), words })
    }

    /// Where they come from, for the settings of a run.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Two words with a hyphen.
    pub(super) fn pair(&self, random: &mut Random) -> String {
        let [first, second] = [0; 2].map(|_| &self.words[random.below(self.words.len())]);
        format!("{first}-{second}")
    }

    /// So many different words in random order. Where the list has fewer, pairs of words with a
    /// hyphen are among them.
    pub(super) fn different(&self, count: usize, random: &mut Random) -> Vec<String> {
        let places = sample(self.words.len(), count, random);
        let mut words: Vec<String> = places.into_iter().map(|place| self.words[place].clone()).collect();
        if words.len() < count {
            let mut seen: HashSet<String> = words.iter().cloned().collect();
            // a list has far fewer words than pairs; beyond those, more words are joined
            while words.len() < count {
                let mut word = self.pair(random);
                while !seen.insert(word.clone()) {
                    word = format!("{word}-{}", self.words[random.below(self.words.len())]);
                }
                words.push(word);
            }
            shuffle(&mut words, random);
        }
        words
    }
}

/// The content of a file of UTF-8 text, without a byte-order mark.
pub(super) fn read_text(path: &Path) -> Result<String> {
    files::read_text(path, files::TEXT_BYTES).map(text_without_mark).map_err(Error::read(path))
}

/// A file's name, and a hash of its content.
pub(super) fn described(path: &Path, content: &str) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    format!("{name} ({})", Fingerprint::of_bytes(content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_different_however_many() {
        let list = WordList::default();
        assert_eq!(list.words.len(), 7776);
        for count in [0, 10, 7776, 20_000] {
            let words = list.different(count, &mut Random::new(1));
            assert_eq!(words.iter().collect::<HashSet<_>>().len(), count);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        let text: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
        std::fs::write(&path, text.join("\n") + " w1 w2").unwrap();
        let read = WordList::read(&path).unwrap();
        assert!(read.words == text && read.description().starts_with("words.txt ("));
        // with the mark that some editors put first
        std::fs::write(&path, "\u{feff}".to_string() + &text.join("\n") + " w1 w2").unwrap();
        assert_eq!(WordList::read(&path).unwrap(), read);
        // more than there are pairs
        assert_eq!(read.different(12_000, &mut Random::new(1)).iter().collect::<HashSet<_>>().len(), 12_000);
        std::fs::write(&path, "a b a").unwrap();
        let error = WordList::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("words.txt: expected at least 100 different words, found 2"), "{error}");
        assert!(WordList::read(folder.path()).is_err());
    }
}
