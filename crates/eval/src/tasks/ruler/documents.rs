//! [`DocumentQuestions`]: questions about documents, from the files of SQuAD and HotpotQA.

use super::words::{described, read_text};
use crate::error::{Error, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::path::Path;

/// A file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuestionFormat {
    /// SQuAD 2.0: paragraphs of articles, questions about each. Those that can't be answered are
    /// left out.
    Squad,
    /// HotpotQA with distractors: ten articles for each question, of which two are needed.
    Hotpot,
}

impl QuestionFormat {
    /// As settings spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squad => "squad",
            Self::Hotpot => "hotpot",
        }
    }

    /// What a file of it is, for readers.
    pub fn description(self) -> &'static str {
        match self {
            Self::Squad => "a JSON file of SQuAD 2.0, such as dev-v2.0.json",
            Self::Hotpot => "a JSON file of HotpotQA, such as hotpot_dev_distractor_v1.json",
        }
    }
}

/// Questions, and the documents that all of them share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentQuestions {
    format: QuestionFormat,
    description: String,
    /// Different ones, in alphabetical order.
    pub(super) documents: Vec<String>,
    pub(super) questions: Vec<DocumentQuestion>,
}

/// A question. Documents are places in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DocumentQuestion {
    pub(super) question: String,
    pub(super) answers: Vec<String>,
    /// Documents that it is about.
    pub(super) documents: Vec<usize>,
    /// Documents that stand beside it before any others do.
    pub(super) related: Vec<usize>,
}

// Fields that no sample depends on are named here; any other is refused by name, since it might say
// something about questions or answers.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SquadFile {
    data: Vec<SquadArticle>,
    #[serde(default, rename = "version")]
    _version: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SquadArticle {
    paragraphs: Vec<SquadParagraph>,
    #[serde(default, rename = "title")]
    _title: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SquadParagraph {
    context: String,
    qas: Vec<SquadQuestion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SquadQuestion {
    question: String,
    answers: Vec<SquadAnswer>,
    /// SQuAD 1.1 has no such field.
    #[serde(default)]
    is_impossible: bool,
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    /// Of questions that can't be answered, which are left out.
    #[serde(default, rename = "plausible_answers")]
    _plausible_answers: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SquadAnswer {
    text: String,
    #[serde(default, rename = "answer_start")]
    _answer_start: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HotpotQuestion {
    question: String,
    answer: String,
    /// Titles and sentences.
    context: Vec<(String, Vec<String>)>,
    #[serde(default, rename = "_id")]
    _id: IgnoredAny,
    #[serde(default, rename = "supporting_facts")]
    _supporting_facts: IgnoredAny,
    #[serde(default, rename = "type")]
    _kind: IgnoredAny,
    #[serde(default, rename = "level")]
    _level: IgnoredAny,
}

impl DocumentQuestions {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::File`] with the place for what the format doesn't have.
    pub fn read(path: &Path, format: QuestionFormat) -> Result<Self> {
        let content = read_text(path)?;
        let (documents, questions) = match format {
            QuestionFormat::Squad => squad(parsed(path, format, &content)?),
            QuestionFormat::Hotpot => hotpot(parsed(path, format, &content)?),
        };
        let wrong = |place: usize, expected: &str, found: &dyn Display| {
            Error::file(path, None, format!("{expected} in question {place}, counted from 0"), found)
        };
        for (place, question) in questions.iter().enumerate() {
            if question.answers.iter().all(String::is_empty) {
                return Err(wrong(place, "an answer", &"none"));
            }
            if question.documents.is_empty() {
                return Err(wrong(place, "a document", &"none"));
            }
        }
        if questions.is_empty() {
            return Err(Error::file(path, None, "questions that can be answered", "none"));
        }
        Ok(Self { format, description: described(path, &content), documents, questions })
    }

    /// The file's format.
    pub fn format(&self) -> QuestionFormat {
        self.format
    }

    /// Where they come from, for the settings of a run.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// How many questions there are.
    pub fn len(&self) -> usize {
        self.questions.len()
    }

    /// Never: a file without questions is refused.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }
}

fn parsed<T: DeserializeOwned>(path: &Path, format: QuestionFormat, content: &str) -> Result<T> {
    serde_json::from_str(content)
        .map_err(|error| Error::file(path, Some(error.line()), format.description(), &error))
}

type QuestionsOfDocuments = (Vec<String>, Vec<DocumentQuestion>);

/// Different documents in order, and their places.
fn ordered(documents: BTreeSet<String>) -> (Vec<String>, HashMap<String, usize>) {
    let documents: Vec<String> = documents.into_iter().collect();
    let places = documents.iter().cloned().zip(0..).collect();
    (documents, places)
}

fn squad(file: SquadFile) -> QuestionsOfDocuments {
    let paragraphs = || file.data.iter().flat_map(|article| &article.paragraphs);
    let (documents, places) = ordered(paragraphs().map(|paragraph| paragraph.context.clone()).collect());
    let mut questions = Vec::new();
    for article in file.data {
        let of_article: Vec<usize> =
            article.paragraphs.iter().map(|paragraph| places[&paragraph.context]).collect();
        for paragraph in article.paragraphs {
            let place = places[&paragraph.context];
            let related: BTreeSet<usize> =
                of_article.iter().copied().filter(|&other| other != place).collect();
            for asked in paragraph.qas.into_iter().filter(|asked| !asked.is_impossible) {
                questions.push(DocumentQuestion {
                    question: asked.question,
                    answers: asked.answers.into_iter().map(|answer| answer.text).collect(),
                    documents: vec![place],
                    related: related.iter().copied().collect(),
                });
            }
        }
    }
    (documents, questions)
}

fn hotpot(file: Vec<HotpotQuestion>) -> QuestionsOfDocuments {
    let document = |(title, sentences): &(String, Vec<String>)| format!("{title}\n{}", sentences.concat());
    let all = file.iter().flat_map(|asked| &asked.context).map(document).collect();
    let (documents, places) = ordered(all);
    let questions = file.into_iter().map(|asked| {
        let of_question: BTreeSet<usize> = asked.context.iter().map(|part| places[&document(part)]).collect();
        DocumentQuestion {
            question: asked.question,
            answers: vec![asked.answer],
            documents: of_question.into_iter().collect(),
            related: Vec::new(),
        }
    });
    let questions = questions.collect();
    (documents, questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: QuestionFormat, content: &str) -> Result<DocumentQuestions> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("questions.json");
        std::fs::write(&path, content).unwrap();
        DocumentQuestions::read(&path, format)
    }

    #[test]
    fn questions_know_their_documents() {
        let squad = read(
            QuestionFormat::Squad,
            r#"{"data": [{"title": "t", "paragraphs": [
                {"context": "b", "qas": [{"question": "q1", "answers": [{"text": "x", "answer_start": 0}], "is_impossible": false},
                                         {"question": "q2", "answers": [], "is_impossible": true}]},
                {"context": "a", "qas": [{"question": "q3", "answers": [{"text": "y"}, {"text": "z"}]}]}]},
                {"paragraphs": [{"context": "c", "qas": []}]}]}"#,
        )
        .unwrap();
        assert_eq!(squad.documents, ["a", "b", "c"]);
        assert_eq!(squad.len(), 2);
        assert_eq!((&squad.questions[0].documents, &squad.questions[0].related), (&vec![1], &vec![0]));
        assert_eq!(squad.questions[1].answers, ["y", "z"]);
        let hotpot = read(
            QuestionFormat::Hotpot,
            r#"[{"question": "q", "answer": "yes", "context": [["T", ["s1. ", "s2."]], ["S", ["s"]]], "level": "hard"}]"#,
        )
        .unwrap();
        assert_eq!(hotpot.documents, ["S\ns", "T\ns1. s2."]);
        assert_eq!(hotpot.questions[0].documents, [0, 1]);
    }

    #[test]
    fn other_files_are_refused_with_the_place() {
        for (format, content, found) in [
            (QuestionFormat::Squad, "{\"data\": [\n{\"paragraphs\": 3}]}", "line 2"),
            (QuestionFormat::Squad, "[]", "SQuAD 2.0"),
            (QuestionFormat::Squad, "{\"data\": []}", "can be answered"),
            (
                QuestionFormat::Squad,
                r#"{"data": [{"paragraphs": [{"context": "", "qas": [{"question": "", "answers": []}]}]}]}"#,
                "an answer in question 0",
            ),
            (QuestionFormat::Hotpot, "{\"data\": []}", "HotpotQA"),
            (
                QuestionFormat::Hotpot,
                r#"[{"question": "q", "answer": "a", "context": []}]"#,
                "a document in question 0",
            ),
            (QuestionFormat::Hotpot, "", "EOF"),
            (
                QuestionFormat::Squad,
                r#"{"data": [], "instruction": "Guess."}"#,
                "unknown field `instruction`",
            ),
            (
                QuestionFormat::Squad,
                r#"{"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": [{"text": "a", "alias": "b"}]}]}]}]}"#,
                "unknown field `alias`",
            ),
            (
                QuestionFormat::Hotpot,
                r#"[{"question": "q", "answer": "a", "aliases": ["b"], "context": []}]"#,
                "unknown field `aliases`",
            ),
        ] {
            let error = read(format, content).unwrap_err().to_string();
            assert!(error.contains("questions.json") && error.contains(found), "{content}: {error}");
        }
    }
}
