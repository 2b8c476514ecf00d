//! [`Frame`]: what stands before and after the context of a prompt.

use super::InfiniteBenchTask;
use super::example::{Example, Fault};
use crate::sample::QuestionPrompt;
use crate::tasks::template::fill;

/// A prompt without its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    before: String,
    after: String,
    /// Where in `after` the answer begins.
    answer_at: usize,
}

impl Frame {
    /// For an example, whose context is not looked at.
    pub(super) fn new(task: InfiniteBenchTask, example: &Example) -> Result<Self, Fault> {
        let definition = task.definition();
        let prefix =
            if task == InfiniteBenchTask::MathFind { list_question(&example.input)? } else { String::new() };
        let options = ["option_a", "option_b", "option_c", "option_d"];
        let mut values = vec![("input", example.input.as_str()), ("prefix", &prefix)];
        values.extend(options.into_iter().zip(example.options.iter().map(String::as_str)));
        let (before, after) =
            definition.template.split_once("{context}").unwrap_or((definition.template, ""));
        let (before, after) = (fill(before, &values), fill(after, &values));
        let answer_at = after.rfind(definition.answer_begins).unwrap_or(after.len());
        Ok(Self { before, after, answer_at })
    }

    /// What stands after the context.
    pub(super) fn after(&self) -> &str {
        &self.after
    }

    /// The prompt with a context.
    pub(super) fn prompt(&self, context: &str) -> QuestionPrompt {
        let (question, answer_prefix) = self.after.split_at(self.answer_at);
        QuestionPrompt::Asked {
            user: format!("{}{context}{question}", self.before),
            answer_prefix: answer_prefix.into(),
        }
    }
}

/// The question that stands before a list of numbers: what the input asks for, from `The` to the
/// line's last `of`.
fn list_question(input: &str) -> Result<String, Fault> {
    let asked = input.lines().find_map(|line| {
        let from = &line[line.find("The ")?..];
        // at least one character lies between
        let end = from.rfind(" of").filter(|&end| end > "The ".len())?;
        Some(from[..end].to_lowercase())
    });
    match asked {
        Some(asked) => Ok(format!("What is {asked} in the following list?")),
        None => Err(Fault::new(
            "an `input` with `The ... of`, such as `The largest number of the list is:`",
            input,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(task: InfiniteBenchTask, input: &str, options: &[&str]) -> Result<Frame, Fault> {
        let options = options.iter().map(|&option| option.into()).collect();
        let example = Example { context: String::new(), input: input.into(), options, references: vec![] };
        Frame::new(task, &example)
    }

    fn parts(prompt: QuestionPrompt) -> (String, String) {
        match prompt {
            QuestionPrompt::Asked { user, answer_prefix } => (user, answer_prefix),
            other => panic!("expected a question, found {other:?}"),
        }
    }

    #[test]
    fn the_answer_begins_in_the_last_line() {
        let (user, prefix) =
            parts(frame(InfiniteBenchTask::Passkey, "What is the pass key?", &[]).unwrap().prompt("x\n"));
        assert!(user.ends_with("\n\nx\n\n\nWhat is the pass key?\n\n") && prefix == "The pass key is");
        let input = "\nKey: \"k\"\nThe value associated with the specified key is: ";
        let (user, prefix) =
            parts(frame(InfiniteBenchTask::KeyValueRetrieval, input, &[]).unwrap().prompt("{}"));
        assert!(user.ends_with("below.\n\n{}\n\n\nKey: \"k\"\n"), "{user}");
        assert_eq!(prefix, "The value associated with the specified key is: ");
        let input = "You should answer with only one number, no other words. The third smallest number of the list is: ";
        let (user, prefix) = parts(frame(InfiniteBenchTask::MathFind, input, &[]).unwrap().prompt("[1]"));
        assert_eq!(
            user,
            "What is the third smallest number in the following list?\n\n[1]\n\nYou should answer with only one number, no other words. "
        );
        assert_eq!(prefix, "The third smallest number of the list is: ");
    }

    #[test]
    fn values_with_braces_are_text() {
        let options = ["{option_b}", "b{", "}c", "{context}"];
        let (user, prefix) =
            parts(frame(InfiniteBenchTask::CodeDebug, "", &options).unwrap().prompt("{input}"));
        assert!(
            user.ends_with("\n\n{input}\n\nOptions:\nA. {option_b}\nB. b{\nC. }c\nD. {context}\n\n"),
            "{user}"
        );
        assert_eq!(prefix, "The correct option is:");
    }

    #[test]
    fn lists_without_a_question_are_refused() {
        for input in ["", "The of", "Which is largest?", "The largest\nof all"] {
            assert_eq!(frame(InfiniteBenchTask::MathFind, input, &[]).unwrap_err().found, input);
        }
    }
}
