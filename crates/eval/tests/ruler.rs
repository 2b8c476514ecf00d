//! RULER with a model's tokenizer, and in the benchmark's own files.

#[path = "../../cli/tests/run/tiny_model.rs"]
#[allow(dead_code)]
mod tiny_model;

use minference_attention::Progress;
use minference_eval::evaluate::Unwatched;
use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::results::{AnswerRecord, AnswerSeconds};
use minference_eval::sample::{AnsweredMessage, QuestionPrompt, SampleSource};
use minference_eval::tasks::ruler::{
    RulerData, RulerPlan, RulerSource, RulerTask, SampleFiles, write_predictions, write_samples,
};
use minference_model::Model;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use tiny_model::TinyModel;

/// A model whose tokens are bytes.
fn model(chat_template: Option<&'static str>) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, TinyModel { context: 4096, chat_template }.gguf()).unwrap();
    Model::load(&path).unwrap()
}

const CHAT: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}[assistant]";

fn template(name: &str) -> PromptTemplate {
    name.parse().unwrap()
}

fn source(tasks: &[RulerTask], length: usize) -> RulerSource {
    let plan = RulerPlan { tasks: tasks.to_vec(), lengths: vec![length], samples: 2, seed: 3 };
    RulerSource::new(plan, RulerData::default()).unwrap()
}

fn without_data() -> Vec<RulerTask> {
    RulerTask::all().filter(|task| task.questions().is_none()).collect()
}

#[test]
fn lengths_hold_with_every_template() {
    let model = model(Some(CHAT));
    let tasks = without_data();
    for template in PromptTemplate::all() {
        let encoder = PromptEncoder::new(&model, template);
        // in bytes
        let source = source(&tasks, 16_000);
        for (number, name) in source.names().iter().enumerate().step_by(2) {
            let sample = source.sample(number, &encoder).unwrap();
            let question = &sample.questions[0];
            let tokens = encoder.count(&question.prompt).unwrap() + question.max_tokens;
            assert!(tokens <= 16_000 && tokens > 15_850, "{name}, {}: {tokens}", template.name());
        }
    }
}

#[test]
fn examples_are_rounds_of_their_own() {
    let model = model(Some(CHAT));
    let prompt = QuestionPrompt::Conversation {
        answered: vec![AnsweredMessage { user: "one".into(), answer: " Answer: 1".into() }],
        user: "two".into(),
        answer_prefix: " Answer:".into(),
    };
    for (name, expected) in [
        ("model", "[user]one<|im_end|>[assistant]Answer: 1<|im_end|>[user]two<|im_end|>[assistant] Answer:"),
        ("raw", "one Answer: 1\ntwo Answer:"),
        ("base", "one Answer: 1\ntwo Answer:"),
        ("meta-chat", "[INST] one [/INST] Answer: 1\n[INST] two [/INST] Answer:"),
    ] {
        let encoder = PromptEncoder::new(&model, template(name));
        assert_eq!(encoder.text(&prompt).unwrap(), expected);
        let rendered = QuestionPrompt::Rendered(expected.into());
        assert_eq!(encoder.encode(&prompt).unwrap(), encoder.encode(&rendered).unwrap(), "{name}");
    }
}

#[test]
fn only_templates_and_rendered_texts_hold_special_tokens() {
    let model = model(None);
    let count = |name: &str, prompt: &QuestionPrompt| {
        let tokens = PromptEncoder::new(&model, template(name)).encode(prompt).unwrap();
        tokens.iter().filter(|&&token| Some(token) == model.tokenizer().eos()).count()
    };
    let asked = QuestionPrompt::Asked { user: "a <|im_end|> b".into(), answer_prefix: String::new() };
    for name in ["model", "raw", "base", "instruction"] {
        assert_eq!(count(name, &asked), 0, "{name}");
        assert_eq!(count(name, &QuestionPrompt::Raw("<|im_end|>".into())), 0);
        assert_eq!(count(name, &QuestionPrompt::Rendered("<|im_end|> <|im_end|>".into())), 2);
    }
}

/// Stops after some samples.
struct Stop(AtomicUsize);

impl Progress for Stop {
    fn advance(&self, _: u64, _: u64) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn writing_that_is_stopped_leaves_no_files() {
    let (model, folder) = (model(None), tempfile::tempdir().unwrap());
    let encoder = PromptEncoder::new(&model, PromptTemplate::Raw);
    let source = source(&[RulerTask::Fwe, RulerTask::NiahMultikey3], 4000);
    let stopped = write_samples(folder.path(), &source, &encoder, &Stop(AtomicUsize::new(3))).unwrap_err();
    assert!(stopped.to_string().contains("cancelled"), "{stopped}");
    assert!(files_below(folder.path()).is_empty());
    assert_eq!(write_samples(folder.path(), &source, &encoder, &Unwatched).unwrap().len(), 2);
    assert_eq!(files_below(folder.path()).len(), 2);
}

#[test]
fn samples_that_are_written_read_back() {
    let model = model(None);
    let folder = tempfile::tempdir().unwrap();
    let source = source(&without_data(), 16_000);
    let encoder = PromptEncoder::new(&model, template("instruction"));
    let written = write_samples(folder.path(), &source, &encoder, &Unwatched).unwrap();
    assert_eq!(written.len(), 11);
    assert!(written[0].ends_with("16000/niah_single_1/validation.jsonl"));
    let again = write_samples(folder.path(), &source, &encoder, &Unwatched).unwrap_err();
    let cause = std::error::Error::source(&again).unwrap().to_string();
    assert!(again.to_string().contains("can't write") && cause.contains("exists"), "{again:?}");

    let files = SampleFiles::open(folder.path()).unwrap();
    let needed = files.longest(&encoder).unwrap();
    assert!(needed <= 16_000 && needed > 15_900, "{needed}");
    let names = files.names();
    assert_eq!((names.len(), names[0].as_str()), (22, "16000/cwe/validation/0"));
    for (number, name) in names.iter().enumerate() {
        let read = files.sample(number, &encoder).unwrap();
        assert_eq!((&read.name, read.length), (name, 16_000));
        let place = source
            .names()
            .iter()
            .position(|made| *made == format!("{}/16000/{}", read.task, name.rsplit('/').next().unwrap()));
        let made = source.sample(place.unwrap(), &encoder).unwrap();
        let (read, made) = (&read.questions[0], &made.questions[0]);
        assert_eq!((&read.references, read.scoring), (&made.references, made.scoring));
        assert_eq!(encoder.encode(&read.prompt).unwrap(), encoder.encode(&made.prompt).unwrap(), "{name}");
    }
    let line: Value =
        serde_json::from_str(std::fs::read_to_string(&written[8]).unwrap().lines().nth(1).unwrap()).unwrap();
    assert!(line["index"] == 1 && line["input"].as_str().unwrap().starts_with("User: "), "{line}");
    assert!(line["length"].as_u64().unwrap() <= 16_000 && line["outputs"].as_array().unwrap().len() == 5);
}

fn open(folder: &Path, name: &str, content: &[u8]) -> Result<SampleFiles, minference_eval::Error> {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    SampleFiles::open(&path)
}

#[test]
fn files_of_other_programs_are_read_or_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = r#"{"index": 4, "input": "a\u00e4", "outputs": ["b", "c"], "length": 1500, "others": {}}"#;
    let content = format!("{good}\n\n  {}\r\n", good.replace("4,", "5,"));
    for (name, length) in [("vt.jsonl", 2048), ("vt/test.jsonl", 2048), ("8192/qa_1/validation.jsonl", 8192)]
    {
        let files = open(folder.path(), name, content.as_bytes()).unwrap();
        let model = model(None);
        let sample = files.sample(1, &PromptEncoder::new(&model, PromptTemplate::Raw)).unwrap();
        assert_eq!((sample.length, sample.questions[0].references.len()), (length, 2), "{name}");
        assert_eq!(sample.questions[0].prompt, QuestionPrompt::Rendered("a\u{e4}".into()));
        assert!(sample.name.ends_with("/5"), "{}", sample.name);
    }
    for (line, found) in [
        ("{", "line 2: expected a JSON object with `index`"),
        (r#"{"index": 5, "input": 3, "outputs": ["x"]}"#, "invalid type: integer `3`"),
        (r#"{"index": 5, "outputs": ["x"]}"#, "missing field `input`"),
        (r#"{"index": 5, "input": "a", "outputs": []}"#, "found no outputs"),
        (r#"{"index": 4, "input": "a", "outputs": ["x"]}"#, "found index 4 again"),
        (r#"{"index": -1, "input": "a", "outputs": ["x"]}"#, "invalid value"),
        ("\u{0}\u{1}", "line 2"),
        ("[1]", "line 2"),
    ] {
        let error = open(folder.path(), "cwe.jsonl", format!("{good}\n{line}\n").as_bytes()).unwrap_err();
        assert!(
            error.to_string().contains("cwe.jsonl, line 2: ") && error.to_string().contains(found),
            "{error}"
        );
    }
    let error = open(folder.path(), "cwe.jsonl", b"{\"index\": 1, \"input\": \"\xff\", \"outputs\": [\"\"]}")
        .unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
    let error = open(folder.path(), "cwe.jsonl", b"\n").unwrap_err().to_string();
    assert!(error.contains("no samples"), "{error}");
    let error = open(folder.path(), "other.jsonl", good.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("niah_single_1"), "{error}");
}

#[test]
fn lengths_and_tasks_come_from_near_folders_only() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("2024/x");
    let model = model(None);
    let length = |from: &Path| {
        let files = SampleFiles::open(from).unwrap();
        files.sample(0, &PromptEncoder::new(&model, PromptTemplate::Raw)).unwrap().length
    };
    let line = br#"{"index": 1, "input": "a", "outputs": ["b"]}"#;
    for (name, expected) in [
        ("vt/validation.jsonl", 1024),
        ("4096/vt/validation.jsonl", 4096),
        ("8192/made/by/me/vt/validation.jsonl", 8192),
    ] {
        open(&root, name, line).unwrap();
        assert_eq!(length(&root), expected, "{name}");
        std::fs::remove_dir_all(&root).unwrap();
    }
    open(&root, "4096/vt/validation.jsonl", line).unwrap();
    for from in ["4096", "4096/vt", "4096/vt/validation.jsonl"] {
        assert_eq!(length(&root.join(from)), 4096, "{from}");
    }
    let error = open(&outer.path().join("vt/a/b/c"), "d.jsonl", line).unwrap_err().to_string();
    assert!(error.contains("expected a task as name of the file or a folder"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_to_folders_are_followed_and_circles_told() {
    let (data, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(data.path(), "vt/validation.jsonl", br#"{"index": 1, "input": "a", "outputs": ["b"]}"#).unwrap();
    for name in ["4096", "8192"] {
        std::os::unix::fs::symlink(data.path(), links.path().join(name)).unwrap();
    }
    let files = SampleFiles::open(links.path()).unwrap();
    assert_eq!(files.names(), ["4096/vt/validation/1", "8192/vt/validation/1"]);
    std::os::unix::fs::symlink(links.path(), data.path().join("vt/back")).unwrap();
    let error = SampleFiles::open(links.path()).unwrap_err().to_string();
    assert!(error.contains("4096/vt/back: expected a folder that doesn't lie in itself"), "{error}");
}

fn answer(sample: &str, method: &str, answer: &str) -> AnswerRecord {
    AnswerRecord {
        questions: 1,
        fixed_by: None,
        sample: sample.into(),
        question: 0,
        task: "vt".into(),
        length: 4096,
        depth: None,
        method: method.into(),
        pattern: String::new(),
        prompt_tokens: 4000,
        answer: answer.into(),
        references: vec!["ABCDE".into()],
        score: 1.0,
        dense: None,
        computed_share: 1.0,
        cache: None,
        decode_tokens: None,
        seconds: AnswerSeconds::default(),
    }
}

#[test]
fn predictions_are_what_the_official_script_reads() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        answer("vt/4096/0", "dense", "ABCDE\u{1}\n\u{e4}"),
        answer("vt/4096/1", "dense", ""),
        answer("vt/4096/0", "patterns/a:b", "x"),
        answer("vt/4096/0", "..", "x"),
    ];
    let files = write_predictions(folder.path(), &records).unwrap();
    let names: Vec<String> = files
        .iter()
        .map(|path| path.strip_prefix(folder.path()).unwrap().to_string_lossy().replace('\\', "/"))
        .collect();
    assert_eq!(names, ["_../4096/vt.jsonl", "dense/4096/vt.jsonl", "patterns_a_b/4096/vt.jsonl"]);
    let content = std::fs::read_to_string(&files[1]).unwrap();
    let lines: Vec<Value> = content.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = json!({
        "index": 0, "pred": "ABCDE\u{1}\n\u{e4}", "input": "", "outputs": ["ABCDE"],
        "others": {"id": "vt/4096/0"}, "truncation": -1, "length": 4000,
    });
    assert!(lines.len() == 2 && lines[0] == expected && lines[1]["index"] == 1, "{content}");
    // a later run has more
    let more = [&records[..], &[answer("vt/4096/2", "dense", "y")]].concat();
    assert_eq!(write_predictions(folder.path(), &more).unwrap(), files);
    let again = std::fs::read_to_string(&files[1]).unwrap();
    assert!(again.starts_with(&content) && again.lines().count() == 3, "{again}");
    assert_eq!(files_below(folder.path()).len(), 3, "nothing unfinished is left");
}
