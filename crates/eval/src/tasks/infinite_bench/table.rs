//! The tasks as data: the prompts that MInference's experiments give to all models (InfiniteBench's
//! `yarn_mistral_templates`, with two words changed in `passkey`), and the benchmark's longest
//! answers.

use super::InfiniteBenchTask;
use crate::scoring::Scoring;

/// What makes a task.
pub(super) struct TaskDefinition {
    pub(super) task: InfiniteBenchTask,
    pub(super) name: &'static str,
    /// The prompt; in braces what comes from the sample. `{prefix}` is made of the input.
    pub(super) template: &'static str,
    /// The answer begins where this stands last, after the context.
    pub(super) answer_begins: &'static str,
    /// In tokens.
    pub(super) longest_answer: usize,
    pub(super) scoring: Scoring,
    /// Whether samples can be generated.
    pub(super) is_synthetic: bool,
}

/// In the order of [`InfiniteBenchTask`].
pub(super) const TASKS: [TaskDefinition; 10] = [
    TaskDefinition {
        task: InfiniteBenchTask::Passkey,
        name: "passkey",
        template: "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. I will quiz you about the \
            important information.\n\n{context}\n\n{input}\n\nThe pass key is",
        answer_begins: "The pass key is",
        longest_answer: 6,
        scoring: Scoring::FirstNumber,
        is_synthetic: true,
    },
    TaskDefinition {
        task: InfiniteBenchTask::NumberString,
        name: "number_string",
        template: "There is an important info hidden inside a lot of irrelevant text. Find it. I will quiz you about the important \
            information there.\n\n{context}\n\n{input}\n\nThe sequence of digits is",
        answer_begins: "The sequence of digits is",
        longest_answer: 12,
        scoring: Scoring::FirstNumber,
        is_synthetic: true,
    },
    TaskDefinition {
        task: InfiniteBenchTask::KeyValueRetrieval,
        name: "kv_retrieval",
        template: "Extract the value corresponding to the specified key in the JSON object below.\n\n{context}\n\n{input}",
        answer_begins: "The value associated with the specified key is:",
        longest_answer: 50,
        scoring: Scoring::RetrievedWord,
        is_synthetic: true,
    },
    TaskDefinition {
        task: InfiniteBenchTask::BookSummary,
        name: "longbook_sum_eng",
        template: "Summarize the book below.\n\n{context}\n\nSummary:",
        answer_begins: "Summary:",
        longest_answer: 1200,
        scoring: Scoring::RougeLSum,
        is_synthetic: false,
    },
    TaskDefinition {
        task: InfiniteBenchTask::BookChoice,
        name: "longbook_choice_eng",
        template: "Read the book and answer the question.\n\n{context}\n\nQuestion: {input}\nA. {option_a}\nB. {option_b}\nC. {option_c}\nD. \
            {option_d}\n\nThe letter of the correct answer is",
        answer_begins: "The letter of the correct answer is",
        longest_answer: 40,
        scoring: Scoring::Choice,
        is_synthetic: false,
    },
    TaskDefinition {
        task: InfiniteBenchTask::BookQuestionEnglish,
        name: "longbook_qa_eng",
        template: "Read the book and answer the question. Be very concise in your answer.\n\n{context}\n\nQuestion: {input}\nAnswer:",
        answer_begins: "Answer:",
        longest_answer: 40,
        scoring: Scoring::EnglishOverlap,
        is_synthetic: false,
    },
    TaskDefinition {
        task: InfiniteBenchTask::BookQuestionChinese,
        name: "longbook_qa_chn",
        template: "阅读以下书籍然后回答问题。\n\n{context}\n\n问题：{input}\n答案：",
        answer_begins: "答案：",
        longest_answer: 40,
        scoring: Scoring::ChineseOverlap,
        is_synthetic: false,
    },
    TaskDefinition {
        task: InfiniteBenchTask::DialogueName,
        name: "longdialogue_qa_eng",
        template: "Below is a dialogue script where one random occurrence of a character name is replaced with \"$$MASK$$\", and you should \
            try to guess who that character is.\n\n{context}\n\nThe name that has been replaced with $$MASK$$ is likely",
        answer_begins: "The name that has been replaced with $$MASK$$ is likely",
        longest_answer: 40,
        scoring: Scoring::CharacterName,
        is_synthetic: false,
    },
    TaskDefinition {
        task: InfiniteBenchTask::MathFind,
        name: "math_find",
        template: "{prefix}\n\n{context}\n\n{input}",
        answer_begins: "The ",
        longest_answer: 3,
        scoring: Scoring::FirstValue,
        is_synthetic: true,
    },
    TaskDefinition {
        task: InfiniteBenchTask::CodeDebug,
        name: "code_debug",
        template: "Following is a Python code where exactly one of the functions/methods has a deliberate error that makes it crash.\n\n\
            {context}\n\nOptions:\nA. {option_a}\nB. {option_b}\nC. {option_c}\nD. {option_d}\n\nThe correct option is:",
        answer_begins: "The correct option is:",
        longest_answer: 5,
        scoring: Scoring::FaultyFunction,
        is_synthetic: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_tasks_and_names_are_read_back() {
        for definition in &TASKS {
            assert_eq!(definition.task.name(), definition.name);
            assert_eq!(definition.name.parse::<InfiniteBenchTask>().unwrap(), definition.task);
            assert_eq!(definition.template.matches("{context}").count(), 1);
        }
        let refused = "code_run".parse::<InfiniteBenchTask>().unwrap_err().to_string();
        assert!(
            refused.contains("passkey, number_string") && refused.ends_with("found code_run"),
            "{refused}"
        );
    }
}
