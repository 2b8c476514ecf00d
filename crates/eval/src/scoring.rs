//! [`Scoring`]: how an answer is held against its references.
//!
//! ```
//! use minference_eval::scoring::Scoring;
//!
//! let references = ["7041".to_string(), "9318".to_string()];
//! assert_eq!(Scoring::MatchAll.score("The numbers are 7041 and 1111.", &references), 0.5);
//! assert_eq!(Scoring::MatchAny.score("The numbers are 7041 and 1111.", &references), 1.0);
//! ```

/// How an answer is held against its references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scoring {
    /// The share of references that stand in the answer, whatever their case (RULER's `string_match_all`).
    MatchAll,
    /// Whether any reference stands in the answer, whatever its case (RULER's `string_match_part`).
    MatchAny,
    /// Whether a reference stands in the answer as a word or number of its own.
    Word,
}

impl Scoring {
    /// From 0, wrong, to 1, right. An answer without references is wrong.
    pub fn score(self, answer: &str, references: &[String]) -> f64 {
        let answer_lowercase = answer.to_lowercase();
        let is_part = |reference: &&String| answer_lowercase.contains(&reference.to_lowercase());
        let found = references.iter().filter(is_part).count();
        match self {
            Self::MatchAll => found as f64 / references.len().max(1) as f64,
            Self::MatchAny => f64::from(u8::from(found > 0)),
            Self::Word => f64::from(u8::from(references.iter().any(|word| has_word(answer, word)))),
        }
    }
}

/// Whether a word or number stands in a text, not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '-').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.into()).collect()
    }

    #[test]
    fn parts_count_whatever_their_case_and_words_as_they_are() {
        let (two, none) = (references(&["Ärger", "42"]), references(&[]));
        assert_eq!(Scoring::MatchAll.score("ÄRGER with 42", &two), 1.0);
        assert_eq!(Scoring::MatchAll.score("ärger with 4 2", &two), 0.5);
        assert_eq!(Scoring::MatchAny.score("nothing", &two), 0.0);
        for scoring in [Scoring::MatchAll, Scoring::MatchAny, Scoring::Word] {
            assert_eq!(scoring.score("", &two), 0.0);
            assert_eq!(scoring.score("42", &none), 0.0);
        }
        assert_eq!(Scoring::Word.score("It is **42**.", &two), 1.0);
        assert_eq!(Scoring::Word.score("It is 142.", &two), 0.0);
    }
}
