//! Scores of tasks and lengths, as the benchmark reports them.
//!
//! ```
//! use minference_eval::tasks::ruler::{effective_length, task_score};
//!
//! assert_eq!(task_score(&[1.0, 0.5]), Some(75.0));
//! // the average over tasks at each length
//! assert_eq!(effective_length(&[(4096, 95.1), (8192, 90.4), (16384, 85.0), (32768, 88.0)]), Some(8192));
//! ```

/// The average that a length counts with: what Llama2-7B has at 4K.
pub const EFFECTIVE_SCORE: f64 = 85.6;

/// A task's score: the average of its samples' scores (0 to 1) in percent. None for no samples.
pub fn task_score(scores: &[f64]) -> Option<f64> {
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64 * 100.0)
}

/// The longest length whose average over tasks is at least [`EFFECTIVE_SCORE`], as are those of all shorter ones that were measured. None
/// where the shortest one's is not.
///
/// - `averages`: lengths and averages in percent, in any order
pub fn effective_length(averages: &[(usize, f64)]) -> Option<usize> {
    let mut averages = averages.to_vec();
    averages.sort_by_key(|&(length, _)| length);
    let enough = averages.iter().take_while(|(_, average)| *average >= EFFECTIVE_SCORE);
    enough.last().map(|&(length, _)| length)
}

/// An answer as the benchmark scores it: control characters are line ends, and white space around it goes.
pub fn clean_answer(answer: &str) -> String {
    answer.trim().replace(|letter| letter < ' ', "\n").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_from_the_shortest_on() {
        assert_eq!(effective_length(&[]), None);
        assert_eq!(effective_length(&[(4096, 85.59)]), None);
        assert_eq!(effective_length(&[(8192, 85.6), (4096, 100.0)]), Some(8192));
        assert_eq!(effective_length(&[(8192, 99.0), (4096, 10.0)]), None);
        assert_eq!(effective_length(&[(4096, f64::NAN), (8192, 99.0)]), None);
        assert_eq!(task_score(&[]), None);
    }

    #[test]
    fn answers_are_cleaned() {
        assert_eq!(clean_answer(" \u{1}a\tb\u{0}c\u{7f}\r\n "), "a\nb\nc\u{7f}");
        assert_eq!(clean_answer("\u{1f}\u{a0}"), "");
    }
}
