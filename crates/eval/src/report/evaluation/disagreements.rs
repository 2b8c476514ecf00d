//! Answers that are not dense attention's, beside it.

use super::styles::cut;
use crate::numbers::{count, decimal};
use crate::report::drawing::page::table;
use crate::report::drawing::svg::escape;
use crate::results::AnswerRecord;
use crate::summary::disagreements;

/// At most so many are shown.
const MOST: usize = 100;
/// Answers are cut to so many letters.
const LETTERS: usize = 300;

/// As HTML; nothing where no answers were held against dense attention's.
pub(super) fn html(records: &[AnswerRecord]) -> String {
    let is_compared = records.iter().any(|record| record.dense.is_some());
    let found = disagreements(records);
    if found.is_empty() {
        return if is_compared {
            "<p>No answer differs from dense attention's.</p>\n".into()
        } else {
            String::new()
        };
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .take(MOST)
        .map(|found| {
            let text = |text: &str| escape(&cut(text, LETTERS));
            vec![
                text(&format!(
                    "{} {}, question {}",
                    found.record.task, found.record.sample, found.record.question
                )),
                text(&found.record.method),
                text(&found.record.answer),
                text(&found.dense.answer),
                text(&found.record.references.join(" | ")),
                format!("{} / {}", decimal(found.record.score, 2), decimal(found.dense.score, 2)),
            ]
        })
        .collect();
    let head = ["sample", "method", "answer", "dense attention's answer", "reference", "scores"];
    let shown = if found.len() > MOST { format!(", the first {MOST} are shown") } else { String::new() };
    format!(
        "<details>\n<summary>Answers that differ from dense attention's: {}{shown}</summary>\n\
         <p class=\"faint\">Those that lost most come first. Another answer need not be a worse one: the scores, this method's and dense \
         attention's, tell.</p>\n{}</details>\n",
        count(found.len()),
        table(&head, 5, &rows)
    )
}
