//! Sentences of a user's text, as filler.

use minference_attention::synthetic::Random;

/// A sentence ends with one of these before a space, or with a line.
const ENDS: [char; 3] = ['.', '!', '?'];

/// A text's sentences from some place on, for ever: after the last one the first follows.
pub(super) struct Sentences<'a> {
    sentences: Vec<&'a str>,
    next: usize,
}

impl<'a> Sentences<'a> {
    /// - `random`: chooses the place
    pub(super) fn new(text: &'a str, random: &mut Random) -> Self {
        let sentences = split(text);
        let next = random.below(sentences.len().max(1));
        Self { sentences, next }
    }

    /// The next sentence, its white space made single spaces; of a text without any an empty one.
    pub(super) fn next(&mut self) -> String {
        let Some(sentence) = self.sentences.get(self.next) else { return String::new() };
        self.next = (self.next + 1) % self.sentences.len();
        sentence.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The sentences of a text; paragraphs end them, too.
fn split(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut start = 0;
        for (at, _) in paragraph.match_indices(ENDS) {
            let end = at + 1;
            if paragraph[end..].starts_with(char::is_whitespace) {
                sentences.push(&paragraph[start..end]);
                start = end;
            }
        }
        sentences.push(&paragraph[start..]);
    }
    sentences.retain(|sentence| !sentence.trim().is_empty());
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_follow_each_other_and_begin_again() {
        let text = "One  is\nhere. Two at 3.50? Three\n\n\n\n  Ünd vier!\r\nFive.";
        assert_eq!(split(text).len(), 5);
        let mut sentences = Sentences::new(text, &mut Random::new(1));
        let first: Vec<String> = (0..5).map(|_| sentences.next()).collect();
        let second: Vec<String> = (0..5).map(|_| sentences.next()).collect();
        assert_eq!(first, second);
        let mut sorted = first.clone();
        sorted.sort();
        assert_eq!(sorted, ["Five.", "One is here.", "Three", "Two at 3.50?", "Ünd vier!"]);
        assert_eq!(Sentences::new(" \n\n", &mut Random::new(1)).next(), "");
    }
}
