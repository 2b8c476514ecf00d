//! Files of the official format, written here.

use crate::tiny_model::model;
use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::sample::{QuestionPrompt, SampleSource, TaskSample};
use minference_eval::tasks::infinite_bench::{BenchmarkFiles, InfiniteBenchTask};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const LIMIT: usize = 2000;

/// Each word of the text is another one, so that one sees which are left.
fn numbered_words(count: usize) -> String {
    (0..count).map(|i| format!("word{i} ")).collect()
}

/// What a sample of each task asks, how, and what is right.
fn examples() -> [(InfiniteBenchTask, Value, &'static str, &'static [&'static str]); 10] {
    let key = "\nKey: \"k\"\nThe value associated with the specified key is: ";
    let list =
        "You should answer with only one number, no other words. The second largest number of the list is: ";
    let options = ["Tom", "Ann", "Joe", "Eve"];
    let functions = ["open", "read", "write", "close"];
    [
        (
            InfiniteBenchTask::Passkey,
            json!({"input": "What is the pass key?", "answer": "71432"}),
            "The pass key is",
            &["71432"],
        ),
        (
            InfiniteBenchTask::NumberString,
            json!({"input": "What is the sequence of digits?", "answer": ["1122334455"]}),
            "The sequence of digits is",
            &["1122334455"],
        ),
        (
            InfiniteBenchTask::KeyValueRetrieval,
            json!({"input": key, "answer": "v"}),
            "The value associated with the specified key is: ",
            &["v"],
        ),
        (
            InfiniteBenchTask::BookSummary,
            json!({"input": "", "answer": ["One.", "Two."]}),
            "Summary:",
            &["One.", "Two."],
        ),
        (
            InfiniteBenchTask::BookChoice,
            json!({"input": "Who left?", "answer": ["Ann"], "options": options}),
            "The letter of the correct answer is",
            &["Ann", "B"],
        ),
        (
            InfiniteBenchTask::BookQuestionEnglish,
            json!({"input": "Who left?", "answer": ["Ann", "She"]}),
            "Answer:",
            &["Ann", "She"],
        ),
        (
            InfiniteBenchTask::BookQuestionChinese,
            json!({"input": "谁走了？", "answer": ["安"]}),
            "答案：",
            &["安"],
        ),
        (
            InfiniteBenchTask::DialogueName,
            json!({"input": "Which character is $$MASK$$?", "answer": ["ANN"]}),
            "The name that has been replaced with $$MASK$$ is likely",
            &["ANN"],
        ),
        (
            InfiniteBenchTask::MathFind,
            json!({"input": list, "answer": 98}),
            "The second largest number of the list is: ",
            &["98"],
        ),
        (
            InfiniteBenchTask::CodeDebug,
            json!({"input": "Which function?", "answer": "close", "options": functions}),
            "The correct option is:",
            &["close", "D"],
        ),
    ]
}

fn write(folder: &Path, task: InfiniteBenchTask, lines: &[Value]) {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(folder.join(task.file_name()), lines.join("\n")).unwrap();
}

/// A folder with a short and a long sample of each task.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (task, example, ..) in examples() {
        let line = |id: usize, words: usize| {
            let mut line = example.clone();
            line["id"] = json!(id);
            line["context"] = numbered_words(words).into();
            line
        };
        write(folder.path(), task, &[line(0, 10), line(1, 5000)]);
    }
    folder
}

fn parts(sample: &TaskSample) -> (&str, &str) {
    match &sample.questions[0].prompt {
        QuestionPrompt::Asked { user, answer_prefix } => (user, answer_prefix),
        other => panic!("expected a question, found {other:?}"),
    }
}

/// Where words are missing.
fn seam(text: &str) -> usize {
    let words = text.match_indices("word").filter_map(|(at, _)| {
        let digits: String = text[at + 4..].chars().take_while(char::is_ascii_digit).collect();
        Some((at, digits.parse::<usize>().ok()?))
    });
    let words: Vec<(usize, usize)> = words.collect();
    words.windows(2).find(|pair| pair[1].1 != pair[0].1 + 1).unwrap()[1].0
}

#[test]
fn all_tasks_are_read_and_cut_in_the_middle() {
    let (folder, model) = (folder(), model());
    let tasks: Vec<InfiniteBenchTask> = InfiniteBenchTask::all().collect();
    let files = BenchmarkFiles::open(folder.path(), &tasks, None).unwrap().with_limit(LIMIT);
    let names = files.names();
    assert_eq!((names.len(), names[0].as_str(), names[19].as_str()), (20, "passkey/0", "code_debug/1"));
    for template in [PromptTemplate::Raw, PromptTemplate::Model] {
        let encoder = PromptEncoder::new(&model, template);
        for (i, (task, _, prefix, references)) in examples().into_iter().enumerate() {
            let short = files.sample(2 * i, &encoder).unwrap();
            let question = &short.questions[0];
            let (user, answer_prefix) = parts(&short);
            assert!(user.contains(&numbered_words(10)) && answer_prefix == prefix, "{user}");
            assert_eq!(
                (&*question.references, question.max_tokens),
                (&*references.iter().map(|it| it.to_string()).collect::<Vec<_>>(), task.longest_answer())
            );
            assert_eq!(short.length, encoder.count(&question.prompt).unwrap());

            let long = files.sample(2 * i + 1, &encoder).unwrap();
            let prompt_limit = LIMIT - task.longest_answer();
            assert!(
                long.length <= prompt_limit && long.length + 10 > prompt_limit,
                "{task}: {}",
                long.length
            );
            assert_eq!(long.length, encoder.count(&long.questions[0].prompt).unwrap());
            let (cut, answer_prefix) = parts(&long);
            assert_eq!(answer_prefix, prefix);
            // what stands around the context is whole, and the context begins and ends as it did
            let (before, after) = user.split_once(&numbered_words(10)).unwrap();
            assert!(cut.starts_with(&format!("{before}word0 word1 word2 ")), "{cut}");
            assert!(cut.ends_with(&format!(" word4998 word4999 {after}")), "{cut}");
            // both halves of the limit are full
            let first_half = encoder.count_text(&cut[..seam(cut)]).unwrap();
            let share = first_half as f64 / long.length as f64;
            assert!((share - 0.5).abs() < 0.03, "{task}: {share}");
        }
    }
}

#[test]
fn whole_characters_are_kept() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let context = "书籍内容很长。".repeat(500);
    write(
        folder.path(),
        InfiniteBenchTask::BookQuestionChinese,
        &[json!({"context": context, "input": "谁？", "answer": ["安"]})],
    );
    let encoder = PromptEncoder::new(&model, PromptTemplate::Raw);
    for limit in 500..510 {
        let files = BenchmarkFiles::open(folder.path(), &[InfiniteBenchTask::BookQuestionChinese], None)
            .unwrap()
            .with_limit(limit);
        let sample = files.sample(0, &encoder).unwrap();
        let (user, _) = parts(&sample);
        assert!(
            !user.contains('\u{fffd}')
                && user.contains("\n\n书籍内容")
                && user.contains("很长。\n\n问题：谁？"),
            "{user}"
        );
        assert!(
            sample.length + 40 <= limit && sample.length + 40 + 8 > limit,
            "{} of {limit}",
            sample.length
        );
    }
}

#[test]
fn what_cannot_fit_is_refused() {
    let (folder, model) = (folder(), model());
    let encoder = PromptEncoder::new(&model, PromptTemplate::Raw);
    for limit in [0, 6, 100] {
        let files = BenchmarkFiles::open(folder.path(), &[InfiniteBenchTask::Passkey], None)
            .unwrap()
            .with_limit(limit);
        let refused = files.longest(&encoder).unwrap_err().to_string();
        assert!(refused.starts_with("limit of prompt and answer: expected more than "), "{refused}");
        assert!(refused.ends_with(&format!("found {limit}")), "{refused}");
    }
}

#[test]
fn blank_lines_are_passed_over_and_wrong_ones_named() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let encoder = PromptEncoder::new(&model, PromptTemplate::Raw);
    let good = r#"{"context": "x", "input": "y", "answer": "1"}"#;
    let path = folder.path().join("passkey.jsonl");
    fs::write(&path, format!("\n{good}\r\n  \n{good}\n\n{good}")).unwrap();
    let open = |task, samples| BenchmarkFiles::open(folder.path(), &[task], samples);
    let files = open(InfiniteBenchTask::Passkey, None).unwrap();
    assert_eq!(files.names(), ["passkey/0", "passkey/1", "passkey/2"]);
    assert_eq!(files.sample(0, &encoder).unwrap().questions, files.sample(2, &encoder).unwrap().questions);
    // all lines are checked before any is asked
    for (line, found) in [("{\"context\": \"x\"}", "missing field `answer`"), ("no JSON", "expected ident")] {
        fs::write(&path, format!("{good}\n{good}\n\n{line}\n{good}")).unwrap();
        let refused = open(InfiniteBenchTask::Passkey, None).unwrap_err().to_string();
        let expected = format!("{}, line 4: expected a JSON object with `context`", path.display());
        assert!(refused.starts_with(&expected) && refused.contains(found), "{refused}");
        // those that will not be asked are none of this run's business
        assert_eq!(open(InfiniteBenchTask::Passkey, Some(2)).unwrap().names(), ["passkey/0", "passkey/1"]);
    }
    write(
        folder.path(),
        InfiniteBenchTask::MathFind,
        &[json!({"context": "[1]", "input": "How many?", "answer": 1})],
    );
    let refused = open(InfiniteBenchTask::MathFind, None).unwrap_err().to_string();
    assert!(refused.contains("math_find.jsonl, line 1: expected an `input` with `The ... of`"), "{refused}");
}

#[test]
fn contents_are_those_of_all_files_whatever_is_chosen() {
    let folder = folder();
    let contents = |tasks: &[InfiniteBenchTask], samples| {
        BenchmarkFiles::open(folder.path(), tasks, samples).unwrap().contents().to_vec()
    };
    let before = contents(&[InfiniteBenchTask::Passkey], None);
    assert_eq!(before.len(), 10);
    assert_eq!(before, contents(&[InfiniteBenchTask::CodeDebug, InfiniteBenchTask::MathFind], Some(1)));
    let path = folder.path().join("code_debug.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("word4999", "word5000")).unwrap();
    let after = contents(&[InfiniteBenchTask::Passkey], None);
    let changed: Vec<InfiniteBenchTask> =
        (0..10).filter(|&i| before[i] != after[i]).map(|i| after[i].0).collect();
    assert_eq!(changed, [InfiniteBenchTask::CodeDebug]);
}

#[test]
fn missing_and_empty_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |samples| {
        let opened = BenchmarkFiles::open(folder.path(), &[InfiniteBenchTask::CodeDebug], samples);
        opened.unwrap_err().to_string()
    };
    let missing = open(None);
    let path = folder.path().join("code_debug.jsonl");
    assert!(missing.starts_with(&path.display().to_string()), "{missing}");
    assert!(
        missing.contains("can't be had otherwise (only passkey, number_string, kv_retrieval, math_find"),
        "{missing}"
    );
    fs::write(&path, "\n \n").unwrap();
    assert!(open(None).ends_with("expected a line for each sample, found an empty file"));
    assert!(open(Some(0)).contains("samples of each task: expected at least one, found none"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(open(None).starts_with("can't read "), "{}", open(None));
}
