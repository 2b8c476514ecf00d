//! The function that an answer names as the faulty one.

const IGNORED: [&str; 8] = ["\n", "`", "'", "\"", "-", "*", "Option", "option"];
const PREFIXES: [&str; 3] = ["answer is:", "is:", "answer:"];

/// Whether the right function is named: by its letter with a full stop or colon at the beginning,
/// or by letter or name behind a well-known phrase.
///
/// - `right`: the function and its letter
pub(super) fn is_right(answer: &str, right: &[String]) -> bool {
    let [function, letter] = right else { return false };
    let answer = answer.trim();
    if answer.strip_prefix(letter.as_str()).is_some_and(|rest| rest.starts_with(['.', ':'])) {
        return true;
    }
    let answer = one_space(&IGNORED.iter().fold(answer.to_string(), |text, part| text.replace(part, " ")));
    let named = PREFIXES.iter().find_map(|prefix| after_first(&answer, prefix)).flatten();
    named.is_some_and(|text| text.starts_with(letter.as_str()) || text.starts_with(function.as_str()))
}

/// Runs of spaces as one.
pub(super) fn one_space(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter != ' ' || !spaced.ends_with(' ') {
            spaced.push(letter);
        }
    }
    spaced
}

/// If a phrase stands in a text: what follows its first place and one more character, which should
/// be a space. None within where nothing follows.
pub(super) fn after_first<'a>(text: &'a str, phrase: &str) -> Option<Option<&'a str>> {
    let (_, rest) = text.split_once(phrase)?;
    let mut letters = rest.chars();
    Some(letters.next().map(|_| letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_c(answer: &str) -> bool {
        is_right(answer, &["read_header".to_string(), "C".to_string()])
    }

    #[test]
    fn letters_want_a_mark_and_phrases_a_space() {
        assert!(is_c("C. read_header") && is_c(" C: read_header") && is_c("C."));
        assert!(!is_c("C") && !is_c("") && !is_c("read_header") && !is_c("A. C."));
        assert!(
            is_c("The answer is: **C**") && is_c("The correct option is: C") && is_c("answer: `read_header`")
        );
        assert!(!is_c("The answer is: A") && !is_c("The answer is:") && !is_c("answer is:C"));
        assert!(is_c("the answer is: Option C"), "the word is left out");
        assert!(!is_c("答案：C") && !is_right("C.", &["C".to_string()]));
    }
}
