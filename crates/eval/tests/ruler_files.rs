//! RULER's newer files of samples, held against what the benchmark's own code makes of them
//! (`golden/ruler/record_prompts.py`).

#[path = "../../cli/tests/run/tiny_model.rs"]
#[allow(dead_code)]
mod tiny_model;

use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::sample::{QuestionPrompt, SampleSource};
use minference_eval::tasks::ruler::{SampleFiles, SampleForm};
use minference_model::Model;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;
use tiny_model::TinyModel;

const CHAT: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}[assistant]";

/// A model whose tokens are bytes.
fn model() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, TinyModel { context: 4096, chat_template: Some(CHAT) }.gguf()).unwrap();
    Model::load(&path).unwrap()
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../golden/ruler/prompts.json")).unwrap()
}

/// A file of a task.
fn written(task: &str, lines: &[Value]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{task}.jsonl"));
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    (folder, path)
}

fn refused(task: &str, line: &Value) -> String {
    let (_folder, path) = written(task, std::slice::from_ref(line));
    SampleFiles::open(&path).unwrap_err().to_string()
}

#[test]
fn prompts_end_with_the_prefix_as_the_benchmark_asks_them() {
    let (model, golden) = (model(), golden());
    let cases = golden["prompts"].as_array().unwrap();
    let lines: Vec<Value> = cases.iter().map(|case| case["line"].clone()).collect();
    let (_folder, path) = written("qa_1", &lines);
    let files = SampleFiles::open(&path).unwrap();
    let encoder = PromptEncoder::new(&model, PromptTemplate::Raw);
    assert!(cases.len() >= 5 && files.description().contains("with answer prefixes"));
    for (number, case) in cases.iter().enumerate() {
        let prompt = files.sample(number, &encoder).unwrap().questions.remove(0).prompt;
        assert_eq!(prompt, QuestionPrompt::Rendered(case["prompt"].as_str().unwrap().into()), "{case}");
    }
    // older files have the prefix in their input, and their runs go on
    let (_folder, path) = written("qa_1", &lines[..1]);
    assert!(SampleFiles::open(&path).unwrap().description().starts_with("files of samples ("));
}

#[test]
fn in_a_template_the_prefix_begins_the_answer() {
    let model = model();
    let line = json!({"index": 0, "input": "What is it?", "outputs": ["it"], "length": 30, "length_w_model_temp": 41, "answer_prefix": " It is"});
    let (_folder, path) = written("qa_1", &[line]);
    // the file does not say which template, and no template is a choice, too
    let error = SampleFiles::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("qa_1.jsonl, line 1: expected a choice of the template (`--template model`"),
        "{error}"
    );
    assert!(error.contains("11 tokens kept free for it (length_w_model_temp)"), "{error}");
    let files = SampleFiles::open_as(&path, SampleForm::Message).unwrap();
    for (template, expected) in [
        ("model", "[user]What is it?<|im_end|>[assistant] It is"),
        ("meta-chat", "[INST] What is it? [/INST] It is"),
        ("raw", "What is it? It is"),
    ] {
        let encoder = PromptEncoder::new(&model, template.parse().unwrap());
        let prompt = files.sample(0, &encoder).unwrap().questions.remove(0).prompt;
        assert_eq!(encoder.text(&prompt).unwrap(), expected, "{template}");
    }
}

#[test]
fn files_of_the_generators_are_known_in_all_their_fields() {
    let (model, golden) = (model(), golden());
    for (task, forms) in golden["files"].as_object().unwrap() {
        for (form, facts) in forms.as_object().unwrap() {
            let template_tokens = facts["tokens_of_template"][0].as_u64().unwrap();
            assert_eq!(template_tokens > 0, form == "without");
            let is_place = facts["index"] == "the place of the answer";
            // two samples, whose indices are the same where these are places
            let line = |index: u64| {
                let mut line = json!({});
                for field in facts["fields"].as_array().unwrap() {
                    let field = field.as_str().unwrap();
                    line[field] = match field {
                        "index" => json!(if is_place { 7 } else { index }),
                        "input" => json!(format!("question{}", facts["input_ends"][0].as_str().unwrap())),
                        "answer_prefix" => facts["answer_prefix"][0].clone(),
                        "outputs" => json!(["x"]),
                        "length" => json!(1000),
                        "length_w_model_temp" => json!(1000 + template_tokens),
                        "token_position_answer" => json!(3),
                        other => panic!("{task} has a field {other}, about which nobody has thought"),
                    };
                }
                line
            };
            let (_folder, path) = written(task, &[line(0), line(1)]);
            let sample_form = if template_tokens > 0 { SampleForm::Message } else { SampleForm::Whole };
            let files = SampleFiles::open_as(&path, sample_form).unwrap();
            assert_eq!(files.names(), [format!("{task}/0"), format!("{task}/1")]);
            let encoder = PromptEncoder::new(&model, PromptTemplate::Raw);
            let prompt = files.sample(1, &encoder).unwrap().questions.remove(0).prompt;
            let text = encoder.text(&prompt).unwrap();
            assert!(
                text.starts_with("question") && text.ends_with(facts["answer_prefix"][0].as_str().unwrap())
            );
        }
    }
}

#[test]
fn fields_that_nobody_reads_are_refused_by_name() {
    let good = json!({"index": 0, "input": "a", "outputs": ["x"], "length": 3, "others": {"id": 1}, "truncation": -1});
    let (_folder, path) = written("vt", std::slice::from_ref(&good));
    assert_eq!(SampleFiles::open(&path).unwrap().names(), ["vt/0"]);
    for (field, value) in [
        ("gen_prefix", json!("Answer:")),
        ("context", json!("a long text")),
        ("question", json!("?")),
        ("output", json!("x")),
        ("tokens_to_generate", json!(5)),
        ("system", json!("Be brief.")),
    ] {
        let mut line = good.clone();
        line[field] = value;
        let error = refused("vt", &line);
        assert!(
            error.contains("vt.jsonl, line 1: ") && error.contains(&format!("unknown field `{field}`")),
            "{error}"
        );
        assert!(error.contains("no field that would change a prompt or a score unread"), "{error}");
    }
    let mut line = good.clone();
    line["answer_prefix"] = json!(["Answer:"]);
    assert!(refused("vt", &line).contains("expected a string"), "{}", refused("vt", &line));
}
