//! ROUGE-Lsum: what a summary and a reference have in common, line by line, as the Python package
//! `rouge_score` counts it without its stemmer.
//!
//! Words are runs of ASCII letters and digits in lower case. For each line of the reference the
//! words are marked that belong to a longest common subsequence with any line of the answer; a
//! marked word counts as often as both texts have it.

use std::collections::HashMap;

/// A text's lines, as numbers of words.
type NumberedLines = Vec<Vec<usize>>;

/// F-measure of one answer and one reference.
pub(super) fn l_sum(answer: &str, reference: &str) -> f64 {
    let [answer, reference] = [answer, reference].map(str::to_lowercase);
    let mut vocabulary = HashMap::new();
    let [answer, reference] = [&answer, &reference].map(|text| lines(text, &mut vocabulary));
    let (mut in_answer, mut in_reference) =
        (counts(&answer, vocabulary.len()), counts(&reference, vocabulary.len()));
    let mut hits = 0.0;
    for line in &reference {
        for word in marked_words(line, &answer) {
            if in_answer[word] > 0 && in_reference[word] > 0 {
                in_answer[word] -= 1;
                in_reference[word] -= 1;
                hits += 1.0;
            }
        }
    }
    if hits == 0.0 {
        return 0.0;
    }
    let words = |lines: &NumberedLines| lines.iter().map(Vec::len).sum::<usize>() as f64;
    let (precision, recall) = (hits / words(&answer), hits / words(&reference));
    2.0 * precision * recall / (precision + recall)
}

fn lines<'a>(text: &'a str, vocabulary: &mut HashMap<&'a str, usize>) -> NumberedLines {
    let mut number = |word: &'a str| {
        let next = vocabulary.len();
        *vocabulary.entry(word).or_insert(next)
    };
    let mut words = |line: &'a str| -> Vec<usize> {
        let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.filter(|word| !word.is_empty()).map(&mut number).collect()
    };
    text.split('\n').map(&mut words).collect()
}

fn counts(lines: &NumberedLines, vocabulary: usize) -> Vec<usize> {
    let mut counts = vec![0; vocabulary];
    for &word in lines.iter().flatten() {
        counts[word] += 1;
    }
    counts
}

/// Words of a line that belong to a longest common subsequence with any of `others`, in their
/// order.
fn marked_words(line: &[usize], others: &NumberedLines) -> Vec<usize> {
    let mut is_marked = vec![false; line.len()];
    for other in others {
        mark_common(line, other, &mut is_marked);
    }
    line.iter().zip(is_marked).filter_map(|(&word, is_marked)| is_marked.then_some(word)).collect()
}

/// Marks one longest common subsequence. Of several that which is found from the end, going back in
/// `line` where both ways are as good.
fn mark_common(line: &[usize], other: &[usize], is_marked: &mut [bool]) {
    let width = other.len() + 1;
    // lengths[i * width + j]: of the first i words of the line and the first j of the other
    let mut lengths = vec![0u32; (line.len() + 1) * width];
    for (i, word) in line.iter().enumerate() {
        for (j, other_word) in other.iter().enumerate() {
            let (above, left) = (lengths[i * width + j + 1], lengths[(i + 1) * width + j]);
            let length = if word == other_word { lengths[i * width + j] + 1 } else { above.max(left) };
            lengths[(i + 1) * width + j + 1] = length;
        }
    }
    let (mut i, mut j) = (line.len(), other.len());
    while i > 0 && j > 0 {
        if line[i - 1] == other[j - 1] {
            is_marked[i - 1] = true;
            (i, j) = (i - 1, j - 1);
        } else if lengths[i * width + j - 1] > lengths[(i - 1) * width + j] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_subsequences_count() {
        assert_eq!(l_sum("The cat sat.", "the cat SAT"), 1.0);
        assert_eq!(l_sum("", "the cat") + l_sum("the cat", "") + l_sum("dog", "cat"), 0.0);
        // `police the gunman`: 2 of 4 words, 2 of 4
        assert_eq!(l_sum("the gunman kill police", "police killed the gunman"), 0.5);
        // running is not run: nothing is stemmed
        assert_eq!(l_sum("running", "run"), 0.0);
        assert_eq!(l_sum("白马", "白马"), 0.0, "only ASCII letters and digits make words");
    }

    #[test]
    fn lines_are_sentences_whose_subsequences_unite() {
        // from the definition of ROUGE-L: w1 w2 of one sentence and w1 w3 w5 of another are 4 of 5
        // words; the answer has 10
        let (answer, reference) = ("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", "w1 w2 w3 w4 w5");
        assert!((l_sum(answer, reference) - 2.0 * 0.4 * 0.8 / 1.2).abs() < 1e-12);
        // in one line the order decides
        assert!((l_sum("c d\na b", "a b\nc d") - 1.0).abs() < 1e-12);
        assert!((l_sum("c d a b", "a b c d") - 0.5).abs() < 1e-12);
    }
}
