//! [`Scoring`]: how an answer is held against its references.
//!
//! ```
//! use minference_eval::scoring::Scoring;
//!
//! let references = ["7041".to_string(), "9318".to_string()];
//! assert_eq!(Scoring::MatchAll.score("The numbers are 7041 and 1111.", &references), 0.5);
//! assert_eq!(Scoring::MatchAny.score("The numbers are 7041 and 1111.", &references), 1.0);
//! ```
//!
//! Where an evaluation is a published one, its variant says so, and gives what the published
//! program gives. To that belongs how that program cleans answers before it looks at them: scoring
//! does it, so that answers are given, and kept in results, as the model wrote them.

mod choice;
mod faulty_function;
mod first_number;
mod retrieved_word;
mod rouge;
mod word_overlap;

/// How an answer is held against its references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scoring {
    /// The share of references that stand in the answer in any case (RULER's `string_match_all`).
    /// Control characters of the answer are line ends, and white space around it goes.
    MatchAll,
    /// Whether any reference stands in the answer in any case (RULER's `string_match_part`).
    /// Answers are cleaned in the same way.
    MatchAny,
    /// Whether a reference stands in the answer as a word or number of its own.
    Word,
    /// Whether the answer's first number, digit by digit, is the reference (InfiniteBench's
    /// `passkey` and `number_string`).
    FirstNumber,
    /// Whether the answer's first number has the reference's value; decimals count only if the
    /// reference has some (`math_find`).
    FirstValue,
    /// Whether the reference is one of the answer's words, punctuation aside (`kv_retrieval`).
    RetrievedWord,
    /// The same in capitals: a name of one word (`longdialogue_qa_eng`).
    CharacterName,
    /// F1 of words without case, punctuation and articles; of several references the best
    /// (`longbook_qa_eng`).
    EnglishOverlap,
    /// F1 of characters without case, punctuation and white space; of several references the best
    /// (`longbook_qa_chn`).
    ChineseOverlap,
    /// F-measure of ROUGE-Lsum, lines being sentences, without stemming; of several references the
    /// best (`longbook_sum_eng`).
    RougeLSum,
    /// Whether the chosen letter, or text, is right (`longbook_choice_eng`). References are the
    /// option's text and its letter.
    Choice,
    /// Whether the named option, or function, is right (`code_debug`). References are the function
    /// and its letter.
    FaultyFunction,
}

impl Scoring {
    /// From 0, wrong, to 1, right. An answer without references is wrong.
    pub fn score(self, answer: &str, references: &[String]) -> f64 {
        let is_right = match self {
            Self::MatchAll => return parts_found(answer, references) as f64 / references.len().max(1) as f64,
            Self::EnglishOverlap => {
                return best_score(references, |text| word_overlap::english(answer, text));
            }
            Self::ChineseOverlap => {
                return best_score(references, |text| word_overlap::chinese(answer, text));
            }
            Self::RougeLSum => return best_score(references, |text| rouge::l_sum(answer, text)),
            Self::MatchAny => parts_found(answer, references) > 0,
            Self::Word => references.iter().any(|word| has_word(answer, word, char::is_alphanumeric)),
            Self::FirstNumber => references.first().is_some_and(|it| first_number::is(answer, it)),
            Self::FirstValue => references.first().is_some_and(|it| first_number::has_value(answer, it)),
            Self::RetrievedWord => references.first().is_some_and(|it| retrieved_word::value(answer, it)),
            Self::CharacterName => references.first().is_some_and(|it| retrieved_word::name(answer, it)),
            Self::Choice => choice::is_right(answer, references),
            Self::FaultyFunction => faulty_function::is_right(answer, references),
        };
        f64::from(u8::from(is_right))
    }
}

/// How many references stand in an answer in any case.
fn parts_found(answer: &str, references: &[String]) -> usize {
    let answer = cleaned(answer).to_lowercase();
    references.iter().filter(|reference| answer.contains(&reference.to_lowercase())).count()
}

/// An answer as RULER's program looks at it.
pub(crate) fn cleaned(answer: &str) -> String {
    answer.trim().replace(|letter| letter < ' ', "\n").trim().to_string()
}

/// The best score among those with each reference.
fn best_score(references: &[String], score: impl Fn(&str) -> f64) -> f64 {
    references.iter().map(|reference| score(reference)).fold(0.0, f64::max)
}

/// Whether a word or number stands in a text, not as a part of a longer one.
///
/// - `is_letter`: says which characters belong to words, beside hyphens
pub(crate) fn has_word(text: &str, word: &str, is_letter: fn(char) -> bool) -> bool {
    text.split(|letter: char| !is_letter(letter) && letter != '-').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.into()).collect()
    }

    #[test]
    fn answers_are_cleaned_where_rulers_program_does() {
        assert_eq!(cleaned(" \u{1}a\tb\u{0}c\u{7f}\r\n "), "a\nb\nc\u{7f}");
        assert_eq!(cleaned("\u{1f}\u{a0}"), "");
        let (tab, line) = (references(&["a\tb"]), references(&["a\nb"]));
        for scoring in [Scoring::MatchAll, Scoring::MatchAny] {
            assert_eq!([&tab, &line].map(|references| scoring.score("a\tb", references)), [0.0, 1.0]);
        }
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
