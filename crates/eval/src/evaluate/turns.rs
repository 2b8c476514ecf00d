//! The questions of a sample as turns of one conversation.

use crate::error::{Error, Result};
use crate::sample::{AnsweredMessage, QuestionPrompt, TaskSample};

/// What is read before a question is answered: the context with the first question, and the
/// reference answer to each earlier question. Later questions stand alone: their context was read
/// before.
pub(super) fn turn(sample: &TaskSample, number: usize) -> Result<QuestionPrompt> {
    let refused = |expected: &str, found: &str| {
        Err(Error::choice(format!("turns of sample {}", sample.name), expected, found))
    };
    let mut answered = Vec::with_capacity(number);
    for (place, question) in sample.questions.iter().enumerate().take(number + 1) {
        let QuestionPrompt::Asked { user, answer_prefix } = &question.prompt else {
            return refused("questions that are asked in messages, or --session requests", "whole texts");
        };
        let message = match user.strip_prefix(&sample.context) {
            _ if place == 0 => user,
            Some(message) if !sample.context.is_empty() => message,
            _ => return refused("messages that begin with the sample's context", "another beginning"),
        };
        if place == number {
            let (user, answer_prefix) = (message.to_string(), answer_prefix.clone());
            return Ok(QuestionPrompt::Conversation { answered, user, answer_prefix });
        }
        let reference = question.references.first().map_or("", String::as_str);
        let answer = format!("{} {reference}", answer_prefix.trim_end());
        answered.push(AnsweredMessage { user: message.to_string(), answer });
    }
    refused("a question", "none of this number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Question;
    use crate::scoring::Scoring;

    fn sample(prompts: [QuestionPrompt; 3]) -> TaskSample {
        let question = |(prompt, reference): (QuestionPrompt, &str)| Question {
            prompt,
            references: vec![reference.into()],
            scoring: Scoring::Word,
            max_tokens: 8,
            depth: None,
        };
        TaskSample {
            name: "s".into(),
            task: "t".into(),
            length: 100,
            context: "Oslo 1, Turin 2, Brno 3.\n".into(),
            questions: prompts.into_iter().zip(["1", "2", "3"]).map(question).collect(),
        }
    }

    fn asked(user: &str) -> QuestionPrompt {
        QuestionPrompt::Asked { user: user.into(), answer_prefix: " Code:".into() }
    }

    #[test]
    fn later_turns_follow_reference_answers_and_repeat_no_context() {
        let context = "Oslo 1, Turin 2, Brno 3.\n";
        let sample = sample(["Oslo?", "Turin?", "Brno?"].map(|place| asked(&format!("{context}{place}"))));
        let message = |user: &str, answer: &str| AnsweredMessage { user: user.into(), answer: answer.into() };
        let expected = QuestionPrompt::Conversation {
            answered: vec![
                message("Oslo 1, Turin 2, Brno 3.\nOslo?", " Code: 1"),
                message("Turin?", " Code: 2"),
            ],
            user: "Brno?".into(),
            answer_prefix: " Code:".into(),
        };
        assert_eq!(turn(&sample, 2).unwrap(), expected);
        let QuestionPrompt::Conversation { answered, user, .. } = turn(&sample, 0).unwrap() else { panic!() };
        assert_eq!((answered.len(), user), (0, format!("{context}Oslo?")));
        assert!(turn(&sample, 3).is_err());
    }

    #[test]
    fn what_is_no_conversation_is_refused() {
        let texts = sample(["a", "b", "c"].map(|text| QuestionPrompt::Raw(text.into())));
        assert!(turn(&texts, 0).unwrap_err().to_string().contains("asked in messages"));
        let others = sample(["Oslo?", "Turin?", "Brno?"].map(asked));
        assert!(turn(&others, 0).is_ok());
        assert!(turn(&others, 1).unwrap_err().to_string().contains("begin with the sample's context"));
    }
}
