//! A word among those of an answer.

const PUNCTUATION: [char; 10] = ['\n', ':', '"', '\'', '.', ',', '?', '!', '{', '}'];

/// Parts of answers that stand directly before a value.
const BEFORE_VALUES: [&str; 3] = ["</s>", "The", "To"];

/// Whether a value is one of the answer's words.
pub(super) fn value(answer: &str, reference: &str) -> bool {
    let text = BEFORE_VALUES.iter().fold(answer.to_string(), |text, part| text.replace(part, " "));
    words(&text).any(|word| word == reference)
}

/// Whether a name is one of the answer's words in capitals, which the reference must be written in.
pub(super) fn name(answer: &str, reference: &str) -> bool {
    words(answer).any(|word| word.to_uppercase() == reference)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || PUNCTUATION.contains(&letter))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_alone_between_punctuation() {
        let uuid = "6ab6ea3e-f288-4f33-ba46-7f42bb75b03f";
        assert!(value(uuid, uuid) && value(&format!(" \"{uuid}\"."), uuid));
        assert!(value(&format!("{{\"key\": \"{uuid}\"}}"), uuid) && value(&format!("{uuid}</s>The"), uuid));
        assert!(!value(&uuid[1..], uuid) && !value(&format!("{uuid}0"), uuid) && !value("", uuid));
        assert!(!value(&format!("`{uuid}`"), uuid), "backticks are no punctuation here");
        assert!(!value("", ""));
    }

    #[test]
    fn names_are_compared_in_capitals() {
        assert!(name("Jack", "JACK") && name("It's JACK.", "JACK") && name("élodie: yes", "ÉLODIE"));
        assert!(!name("Jacky", "JACK") && !name("", "JACK") && !name("Jack", "Jack"));
        assert!(!name("DR. SMITH", "DR. SMITH"), "a name of two words is never one word");
    }
}
