//! [`Example`]: one line of an official file.

use super::InfiniteBenchTask;
use serde::Deserialize;
use serde::de::IgnoredAny;

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// What a prompt is made of, and what a right answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) context: String,
    pub(super) input: String,
    pub(super) options: Vec<String>,
    /// At least one; where there are options, the right one's text and its letter.
    pub(super) references: Vec<String>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) expected: String,
    pub(super) found: String,
}

impl Fault {
    pub(super) fn new(expected: impl Into<String>, found: impl std::fmt::Display) -> Self {
        Self { expected: expected.into(), found: found.to_string() }
    }
}

/// Other fields are refused by name: what they say might belong to the prompt or to the score.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleFields {
    /// A number that says no more than the line's place.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(alias = "content")]
    context: String,
    #[serde(default)]
    input: Option<String>,
    answer: ExampleAnswers,
    #[serde(default)]
    options: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected `answer` to be a text, a number, or a list of them")]
enum ExampleAnswers {
    One(Item),
    Several(Vec<Item>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a number")]
enum Item {
    Text(String),
    Number(serde_json::Number),
}

impl Example {
    /// Reads a line.
    pub(super) fn read(task: InfiniteBenchTask, line: &[u8]) -> Result<Self, Fault> {
        let line: ExampleFields = serde_json::from_slice(line).map_err(|error| {
            let fields = "a JSON object with `context`, `input`, `answer` and `options`, and no field that would change a prompt or a score \
                          unread";
            Fault::new(fields, error)
        })?;
        let items = match line.answer {
            ExampleAnswers::One(item) => vec![item],
            ExampleAnswers::Several(items) => items,
        };
        let answers: Vec<String> = items.into_iter().map(Item::into_text).collect();
        let options = line.options.unwrap_or_default();
        let references = match task {
            InfiniteBenchTask::BookChoice | InfiniteBenchTask::CodeDebug => {
                text_and_letter(answers, &options)?
            }
            InfiniteBenchTask::MathFind => numbers(answers)?,
            _ => answers,
        };
        if references.is_empty() {
            return Err(Fault::new("at least one answer", "an empty list"));
        }
        Ok(Self { context: line.context, input: line.input.unwrap_or_default(), options, references })
    }
}

impl Item {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The right option and its letter; some files have both.
fn text_and_letter(mut answers: Vec<String>, options: &[String]) -> Result<Vec<String>, Fault> {
    if options.len() != LETTERS.len() {
        return Err(Fault::new("four `options`", options.len()));
    }
    match answers.as_slice() {
        [text] => {
            let place = options.iter().position(|option| option == text);
            let place = place.ok_or_else(|| Fault::new("an `answer` that is one of the `options`", text))?;
            answers.push(LETTERS[place].into());
            Ok(answers)
        }
        [_, letter] if LETTERS.contains(&letter.as_str()) => Ok(answers),
        _ => Err(Fault::new("one `answer`, or a text and its letter", format!("{answers:?}"))),
    }
}

fn numbers(answers: Vec<String>) -> Result<Vec<String>, Fault> {
    match answers.iter().find(|answer| answer.parse::<f64>().is_err()) {
        Some(text) => Err(Fault::new("an `answer` that is a number", text)),
        None => Ok(answers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(task: InfiniteBenchTask, line: &str) -> Result<Vec<String>, Fault> {
        Example::read(task, line.as_bytes()).map(|example| example.references)
    }

    #[test]
    fn answers_have_several_forms() {
        let line = r#"{"id": 3, "context": "x", "input": "", "answer": 49.0, "options": []}"#;
        assert_eq!(references(InfiniteBenchTask::MathFind, line).unwrap(), ["49.0"]);
        assert_eq!(
            references(InfiniteBenchTask::MathFind, r#"{"context": "x", "answer": [7]}"#).unwrap(),
            ["7"]
        );
        assert_eq!(
            references(InfiniteBenchTask::BookSummary, r#"{"content": "x", "answer": "s"}"#).unwrap(),
            ["s"]
        );
        let choice = |answer: &str| {
            let line = format!(r#"{{"context": "x", "answer": {answer}, "options": ["p", "q", "r", "s"]}}"#);
            references(InfiniteBenchTask::CodeDebug, &line)
        };
        for answer in [r#""q""#, r#"["q"]"#, r#"["q", "B"]"#] {
            assert_eq!(choice(answer).unwrap(), ["q", "B"]);
        }
        assert_eq!(choice(r#""t""#).unwrap_err().found, "t");
        assert_eq!(choice(r#"["q", "r"]"#).unwrap_err().found, r#"["q", "r"]"#);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (task, line, expected, found) in [
            (InfiniteBenchTask::Passkey, "{", "JSON object", "EOF"),
            (InfiniteBenchTask::Passkey, r#"{"context": "x"}"#, "JSON object", "missing field `answer`"),
            (InfiniteBenchTask::Passkey, r#"{"answer": "x"}"#, "JSON object", "missing field `context`"),
            (
                InfiniteBenchTask::Passkey,
                r#"{"context": "x", "answer": {}}"#,
                "JSON object",
                "a text, a number, or a list",
            ),
            (
                InfiniteBenchTask::Passkey,
                r#"{"context": "x", "answer": "1", "system": "Be brief."}"#,
                "JSON object",
                "unknown field `system`",
            ),
            (
                InfiniteBenchTask::Passkey,
                r#"{"context": "x", "content": "y", "answer": "1"}"#,
                "JSON object",
                "duplicate field `context`",
            ),
            (
                InfiniteBenchTask::BookQuestionEnglish,
                r#"{"context": "x", "answer": []}"#,
                "at least one answer",
                "empty",
            ),
            (
                InfiniteBenchTask::BookChoice,
                r#"{"context": "x", "answer": "p", "options": ["p"]}"#,
                "four `options`",
                "1",
            ),
            (InfiniteBenchTask::MathFind, r#"{"context": "x", "answer": "many"}"#, "a number", "many"),
        ] {
            let fault = references(task, line).unwrap_err();
            assert!(fault.expected.contains(expected) && fault.found.contains(found), "{fault:?}");
        }
    }
}
