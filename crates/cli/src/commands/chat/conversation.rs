//! [`Conversation`]: documents, questions and answers, and the tokens that a model reads of them.
//!
//! A question stands behind the documents that were added since the one before, in the same
//! message, as `minference run` puts `--prompt` behind `--prompt-file`. So the documents can be
//! read before the first question: the [beginning](Conversation::beginning) of the next prompt is
//! the same whatever the question will be.

use crate::prompt::BETWEEN_PARTS;
use anyhow::{Context, Result};
use minference_model::Model;
use minference_model::session::shared_tokens;
use minference_model::text::chat_template::{Message, RenderOptions};
use serde::{Deserialize, Serialize};

/// Questions that begin in different ways. Where a text is cut into tokens may depend on the letter
/// that follows, so that one question alone would not show what is the same for all.
const PROBES: [&str; 3] = ["a", "1", "?"];

/// A system message, documents, questions and answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conversation {
    system: Option<String>,
    turns: Vec<Turn>,
    /// Documents that no question was asked about yet.
    documents: Vec<String>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Turn {
    /// Documents that stand before the question.
    documents: Vec<String>,
    question: String,
    answer: String,
}

impl Conversation {
    /// A conversation without questions.
    pub(super) fn new(system: Option<String>, documents: Vec<String>) -> Self {
        Self { system, turns: Vec::new(), documents }
    }

    /// Questions that were answered.
    pub(super) fn turns(&self) -> usize {
        self.turns.len()
    }

    /// Documents that it is about.
    pub(super) fn documents(&self) -> usize {
        self.turns.iter().map(|turn| turn.documents.len()).sum::<usize>() + self.documents.len()
    }

    /// Puts a document before the next question.
    pub(super) fn add_document(&mut self, text: String) {
        self.documents.push(text);
    }

    /// Takes back the document that was added last, unless it was asked about.
    pub(super) fn remove_document(&mut self) {
        self.documents.pop();
    }

    /// Writes down a turn.
    pub(super) fn add_turn(&mut self, question: &str, answer: &str) {
        let documents = std::mem::take(&mut self.documents);
        self.turns.push(Turn { documents, question: question.into(), answer: answer.into() });
    }

    /// Takes back the last turn; its documents stay. Says whether there was one.
    pub(super) fn undo(&mut self) -> bool {
        let Some(turn) = self.turns.pop() else { return false };
        self.documents.splice(0..0, turn.documents);
        true
    }

    /// Takes back all turns; the documents stay.
    pub(super) fn clear(&mut self) {
        while self.undo() {}
    }

    /// The tokens that ask a question, after all that was said.
    ///
    /// - `render`: what the chat template is told besides
    pub(super) fn prompt(&self, model: &Model, render: &RenderOptions, question: &str) -> Result<Vec<u32>> {
        model
            .chat_prompt(&self.messages(question), render)
            .context("can't make a prompt of this conversation")
    }

    /// The tokens that the next prompt begins with, whatever the question.
    pub(super) fn beginning(&self, model: &Model, render: &RenderOptions) -> Result<Vec<u32>> {
        let [first, others @ ..] = PROBES;
        let mut beginning = self.prompt(model, render, first)?;
        for question in others {
            let prompt = self.prompt(model, render, question)?;
            beginning.truncate(shared_tokens(&beginning, &prompt));
        }
        Ok(beginning)
    }

    fn messages(&self, question: &str) -> Vec<Message> {
        let mut messages: Vec<Message> = self.system.iter().map(Message::system).collect();
        for turn in &self.turns {
            messages.push(Message::user(with_documents(&turn.documents, &turn.question)));
            messages.push(Message::assistant(&turn.answer));
        }
        messages.push(Message::user(with_documents(&self.documents, question)));
        messages
    }
}

fn with_documents(documents: &[String], question: &str) -> String {
    let parts: Vec<&str> = documents.iter().map(String::as_str).chain([question]).collect();
    parts.join(BETWEEN_PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(conversation: &Conversation) -> Vec<String> {
        conversation.messages("now?").into_iter().map(|message| message.content).collect()
    }

    fn asked() -> Conversation {
        let mut conversation = Conversation::new(Some("Be brief.".into()), vec!["one".into(), "two".into()]);
        conversation.add_turn("who?", "she");
        conversation.add_document("three".into());
        conversation.add_turn("why?", "because");
        conversation
    }

    #[test]
    fn documents_stand_before_the_question_that_follows_them() {
        let conversation = asked();
        let expected = ["Be brief.", "one\n\ntwo\n\nwho?", "she", "three\n\nwhy?", "because", "now?"];
        assert_eq!(contents(&conversation), expected);
        assert_eq!((conversation.turns(), conversation.documents()), (2, 3));
        assert!(Conversation::default().messages("now?") == [Message::user("now?")]);
    }

    #[test]
    fn what_is_taken_back_leaves_its_documents() {
        let mut conversation = asked();
        assert!(conversation.undo());
        assert_eq!(contents(&conversation), ["Be brief.", "one\n\ntwo\n\nwho?", "she", "three\n\nnow?"]);
        conversation.clear();
        assert_eq!(contents(&conversation), ["Be brief.", "one\n\ntwo\n\nthree\n\nnow?"]);
        assert_eq!((conversation.turns(), conversation.documents()), (0, 3));
        assert!(!conversation.undo());
        conversation.remove_document();
        assert_eq!(contents(&conversation), ["Be brief.", "one\n\ntwo\n\nnow?"]);
    }

    #[test]
    fn tokens_are_shared_up_to_the_first_difference() {
        assert_eq!(shared_tokens(&[1, 2, 3], &[1, 2, 4, 3]), 2);
        assert_eq!(shared_tokens(&[1, 2], &[1, 2, 3]), 2);
        assert_eq!(shared_tokens(&[], &[1]), 0);
    }
}
