//! F1: how many words, or characters, an answer and a reference have in common.

use std::collections::HashMap;
use std::hash::Hash;

/// Beyond ASCII: what counts as punctuation in Chinese.
const CHINESE_PUNCTUATION: &str = "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】\
    〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.";

/// By words, without case, ASCII punctuation and articles.
pub(super) fn english(answer: &str, reference: &str) -> f64 {
    let [answer, reference] = [answer, reference].map(without_articles);
    f1(&answer.split_whitespace().collect::<Vec<_>>(), &reference.split_whitespace().collect::<Vec<_>>())
}

/// By characters, without case, punctuation and white space.
pub(super) fn chinese(answer: &str, reference: &str) -> f64 {
    let is_counted = |letter: &char| {
        !letter.is_whitespace() && !letter.is_ascii_punctuation() && !CHINESE_PUNCTUATION.contains(*letter)
    };
    let [answer, reference] =
        [answer, reference].map(|text| text.to_lowercase().chars().filter(is_counted).collect::<Vec<_>>());
    f1(&answer, &reference)
}

/// In lower case, without ASCII punctuation; articles are left out where they are words of their
/// own.
fn without_articles(text: &str) -> String {
    let text: String = text.to_lowercase().chars().filter(|letter| !letter.is_ascii_punctuation()).collect();
    let mut kept = String::with_capacity(text.len());
    for part in text.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        match word {
            "a" | "an" | "the" => {
                kept.push(' ');
                kept.push_str(&part[word.len()..]);
            }
            _ => kept.push_str(part),
        }
    }
    kept
}

/// Harmonic mean of the shares that are common; a word counts as often as it stands in both.
fn f1<T: Hash + Eq>(answer: &[T], reference: &[T]) -> f64 {
    let mut left: HashMap<&T, usize> = HashMap::new();
    for word in reference {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0.0;
    for word in answer {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            common += 1.0;
        }
    }
    if common == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (common / answer.len() as f64, common / reference.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_without_case_punctuation_and_articles() {
        assert_eq!(english("The Lighthouse.", "a lighthouse"), 1.0);
        assert_eq!(english("", "a lighthouse") + english("the", "the") + english("...", "x"), 0.0);
        // two of three words against two of two: 2 * 2/3 * 1 / (2/3 + 1)
        assert!((english("old Mr. Fox", "Mr Fox") - 0.8).abs() < 1e-12);
        // repeated words count as often as in both: 1 of 3, 1 of 1
        assert!((english("fox fox fox", "fox") - 0.5).abs() < 1e-12);
        // punctuation within words joins them; quotation marks beyond ASCII stay
        assert_eq!(english("it's", "its"), 1.0);
        assert_eq!(english("“the”", "“ ”"), 1.0);
        assert_eq!(english("Élan théâtre", "élan THÉÂTRE"), 1.0);
    }

    #[test]
    fn characters_count_in_chinese() {
        assert_eq!(chinese("白马。", "“白马”"), 1.0);
        assert_eq!(chinese("", "白马"), 0.0);
        // one of three against one of two
        assert!((chinese("白 色 的", "白马") - 0.4).abs() < 1e-12);
        assert_eq!(
            chinese("《ABC", "abc"),
            2.0 * 0.75 / 1.75,
            "the opening mark of titles is not in the list"
        );
    }
}
