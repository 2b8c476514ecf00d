//! What chat templates are told on the command line: variables, and the date.

use super::tiny_model::TinyModel;
use super::{ERROR, WRONG_OPTIONS, Workplace, contains, outcome};

/// Reads a date, a switch and a text.
const TEMPLATE: &str = "{{ strftime_now('%d %b %Y') }}{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}\
                        {% if effort is defined %}<{{ effort | tojson }}>{% endif %}[assistant]\
                        {% if enable_thinking is defined and enable_thinking is false %}<none>{% endif %}";

fn workplace() -> Workplace {
    Workplace::with(&TinyModel { chat_template: Some(TEMPLATE), ..TinyModel::default() })
}

impl Workplace {
    /// The answer to `Hi` with these options is that to a text as it stands.
    fn asks(&self, options: &[&str], text: &str) {
        let asked = self.json(&[&["-p", "Hi", "--date", "2026-03-04"], options].concat());
        let raw = self.json(&["--raw", "-p", text]);
        assert_eq!(asked["prompt_tokens"], text.len(), "{options:?}");
        assert_eq!(asked["answer"], raw["answer"], "{options:?}");
    }
}

#[test]
fn variables_and_the_date_reach_the_prompt() {
    let workplace = workplace();
    workplace.asks(&[], "04 Mar 2026[user]Hi[assistant]");
    workplace.asks(&["--thinking", "off"], "04 Mar 2026[user]Hi[assistant]<none>");
    workplace.asks(&["--thinking", "on"], "04 Mar 2026[user]Hi[assistant]");
    workplace.asks(&["--template-arg", "enable_thinking=false"], "04 Mar 2026[user]Hi[assistant]<none>");
    workplace.asks(&["--template-arg", "effort=high"], "04 Mar 2026[user]Hi<\"high\">[assistant]");
    let both = ["--template-arg", "effort=[1, null]", "--template-arg", "enable_thinking=false"];
    workplace.asks(&both, "04 Mar 2026[user]Hi<[1, null]>[assistant]<none>");
    // today's date is as long
    let today = workplace.json(&["-p", "Hi"]);
    assert_eq!(today["prompt_tokens"], "04 Mar 2026[user]Hi[assistant]".len());
}

#[test]
fn thinking_has_two_names() {
    let template = "[{{ messages[0].content }}]{{ thinking }}";
    let workplace = Workplace::with(&TinyModel { chat_template: Some(template), ..TinyModel::default() });
    assert_eq!(workplace.json(&["-p", "Hi", "--thinking", "on"])["prompt_tokens"], "[Hi]True".len());
}

#[test]
fn arguments_without_effect_are_refused_by_name() {
    let workplace = workplace();
    let hi = ["-p", "Hi"];
    let refused = |options: &[&str], parts: &[&str]| workplace.refused(&[&hi, options].concat(), parts);
    let misused = |options: &[&str], parts: &[&str]| workplace.misused(&[&hi, options].concat(), parts);
    refused(&["--template-arg", "efort=high"], &["--template-arg efort", "reads: effort, enable_thinking"]);
    refused(
        &["--thinking", "on", "--template-arg", "enable_thinking=true"],
        &["--thinking", "--template-arg enable_thinking"],
    );
    misused(&["--template-arg", "effort"], &["NAME=VALUE", "effort"]);
    misused(&["--template-arg", "enable_thinking=False"], &["`enable_thinking`", "write false"]);
    misused(&["--template-arg", "effort={\"a\"}"], &["`effort`", "JSON"]);
    misused(&["--template-arg", "messages=[]"], &["`messages`"]);
    misused(
        &["--template-arg", "effort=1", "--template-arg", "effort=2"],
        &["--template-arg effort", "twice"],
    );
    misused(&["--thinking", "maybe"], &["--thinking", "on", "off"]);
    misused(&["--date", "yesterday"], &["--date", "2026-03-04", "yesterday"]);
    for option in [&["--template-arg", "effort=1"][..], &["--thinking", "on"], &["--date", "2026-03-04"]] {
        misused(&[option, &["--raw"]].concat(), &[option[0], "--raw"]);
    }
    let plain = Workplace::with(&TinyModel { chat_template: None, ..TinyModel::default() });
    plain.refused(&["-p", "Hi", "--thinking", "off"], &["--thinking", "chat template"]);
    let other = Workplace::with(&TinyModel::default());
    other.refused(
        &["-p", "Hi", "--thinking", "off"],
        &["--thinking", "enable_thinking or thinking", "reads: none"],
    );
}

#[test]
fn what_a_template_objects_to_is_told() {
    let template = "{{ raise_exception('only tools, please') }}";
    let workplace = Workplace::with(&TinyModel { chat_template: Some(template), ..TinyModel::default() });
    workplace.refused(&["-p", "Hi"], &["chat template", "only tools, please"]);
}

/// A context from another day serves as it did on the first.
#[test]
fn contexts_keep_their_date() {
    let workplace = workplace();
    let ask = |options: &[&str]| workplace.json(&[&["-p", "Hi", "--attention", "dense"], options].concat());
    let first = ask(&["--date", "2026-03-04", "--save-context", "a.ctx"]);
    let again = ask(&["--context-file", "a.ctx"]);
    assert_eq!(again["answer"], first["answer"]);
    // all but the last token, whose logits are wanted
    let tokens = first["prompt_tokens"].as_u64().unwrap();
    assert_eq!(again["reused_tokens"].as_u64(), Some(tokens - 1));
    let other_day = ask(&["--context-file", "a.ctx", "--date", "2026-03-05"]);
    assert_eq!(other_day["reused_tokens"], "0".len());
}

#[test]
fn conversations_keep_their_date() {
    let workplace = workplace();
    let chat = |options: &[&str], lines: &str| {
        let fixed =
            ["chat", "--model", "model.gguf", "--threads", "2", "--max-tokens", "8", "--attention", "dense"];
        outcome(workplace.minference(&[&fixed, options].concat()).write_stdin(lines)).succeeds()
    };
    let told = ["--date", "2026-03-04", "--thinking", "off"];
    let first = chat(&told, "Who?\n/save a.ctx\nWhy?\n");
    let answers: Vec<&str> = first.stdout.lines().collect();
    let who =
        workplace.json(&["--raw", "-p", "04 Mar 2026[user]Who?[assistant]<none>", "--attention", "dense"]);
    assert_eq!(who["answer"], answers[0]);
    let later = chat(&["--thinking", "off"], "/load a.ctx\nWhy?\n");
    assert_eq!(later.stdout.lines().last(), Some(answers[1]));
    // the question was new, nothing else
    let question = later.stderr.rsplit("> Why?\n").next().unwrap();
    assert!(!question.contains(", 0 reused"), "{question}");
}

#[test]
fn evaluations_are_told_the_same_on_every_day() {
    let workplace = workplace();
    let needle = |options: &[&str]| {
        let fixed = [
            "eval",
            "needle",
            "--model",
            "model.gguf",
            "--threads",
            "2",
            "--lengths",
            "300",
            "--rounds",
            "1",
        ];
        let more = ["--needles", "1", "--depths", "0.5", "--methods", "dense"];
        outcome(&mut workplace.minference(&[&fixed[..], &more, options].concat()))
    };
    needle(&["--output", "plain"]).succeeds();
    let header = |folder: &str| -> serde_json::Value {
        let path = workplace.path().join(folder).join("run.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    assert!(header("plain")["settings"]["date"].is_null());
    let told =
        ["--thinking", "off", "--template-arg", "effort=1", "--date", "2026-03-04", "--output", "told"];
    needle(&told).succeeds();
    let settings = &header("told")["settings"];
    assert_eq!(settings["thinking"], "off");
    assert_eq!(settings["template arguments"], "effort=1");
    assert_eq!(settings["date"], "2026-03-04");
    let other = needle(&["--output", "told"]);
    assert_eq!(other.code, Some(ERROR));
    contains(&other.stderr, &["date 2026-03-04 instead of none", "thinking off instead of none"]);
    let raw = needle(&["--template", "raw", "--thinking", "off"]);
    raw.is_refused(WRONG_OPTIONS, &["--thinking", "--template raw"]);
}
