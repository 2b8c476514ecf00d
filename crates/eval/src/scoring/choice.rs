//! The option that an answer chooses, in a question with four.

use super::faulty_function::{after_first, one_space};

const LETTERS: &str = "ABCD";
const PUNCTUATION: [char; 9] = ['\n', '"', '\'', '.', ',', '?', '!', '{', '}'];
const PREFIXES: [&str; 4] = ["answer is:", "answer:", "answer is", "option is"];

/// Whether the chosen option is right. An answer that begins with a capital A to D has chosen that;
/// another must be the option's text, or hold it, or its letter, behind a well-known phrase; else
/// the first word that is a letter counts.
///
/// - `right`: the option's text and its letter
pub(super) fn is_right(answer: &str, right: &[String]) -> bool {
    let answer = answer.trim();
    let is_named = |choice: &str| right.iter().any(|name| name == choice);
    let Some(first) = answer.chars().next() else { return false };
    if LETTERS.contains(first) {
        return is_named(first.encode_utf8(&mut [0; 4]));
    }
    if is_named(answer) {
        return true;
    }
    let answer = one_space(&answer.replace(PUNCTUATION, " "));
    if let Some(choice) = PREFIXES.iter().find_map(|prefix| after_first(&answer, prefix)) {
        return right.iter().any(|name| choice.is_some_and(|text| text.starts_with(name.as_str())));
    }
    // `AB` counts as a letter, and is never right
    answer.split_whitespace().find(|word| LETTERS.contains(word)).is_some_and(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_b(answer: &str) -> bool {
        is_right(answer, &["The lighthouse".to_string(), "B".to_string()])
    }

    #[test]
    fn letters_at_the_beginning_decide() {
        assert!(is_b("B") && is_b(" B. The lighthouse") && is_b("\nB\n"));
        assert!(!is_b("A") && !is_b("C, or B") && !is_b("") && !is_b("  "));
        // an answer that begins with such a letter has chosen, even if the letter begins a word
        assert!(!is_b("After all, B") && is_b("Because"));
    }

    #[test]
    fn texts_and_phrases_count() {
        assert!(is_b("The lighthouse") && !is_b("the lighthouse"));
        assert!(is_b("I think the answer is: B.") && is_b("the answer is The lighthouse"));
        assert!(is_b("Right option is \"B\"") && !is_b("The answer is C, not B"));
        assert!(!is_b("The answer is") && !is_b("The answer is:"));
        assert!(is_b("The letter is B, not C") && !is_b("Is it AB or B?") && !is_b("none of these"));
        assert!(is_b("是 B 。") && !is_b("是B"));
    }
}
