//! `--save-context` and `--context-file`: a text is read once, and asked about again.

use super::tiny_model::TinyModel;
use super::{Workplace, contains, long_text, outcome};
use serde_json::Value;

/// A workplace with a text of 1500 tokens whose context was saved with one question.
fn asked_once(options: &[&str]) -> Workplace {
    let workplace = Workplace::new();
    workplace.write("book.txt", long_text(1500));
    let first = ["-f", "book.txt", "-p", "Who is Emma?", "--save-context", "book.ctx"];
    let object = workplace.json(&[&first, options].concat());
    assert!(object["context_save_s"].as_f64().unwrap() > 0.0);
    assert_eq!(
        object["saved_context_bytes"],
        std::fs::metadata(workplace.path().join("book.ctx")).unwrap().len()
    );
    assert!(object.get("reused_tokens").is_none());
    workplace
}

const AGAIN: [&str; 6] = ["-f", "book.txt", "-p", "Whom does she marry?", "--attention", "dense"];
const FROM_FILE: [&str; 2] = ["--context-file", "book.ctx"];

fn reused(object: &Value) -> u64 {
    object["reused_tokens"].as_u64().unwrap()
}

#[test]
fn a_second_question_reads_itself_only() {
    let dense = ["--attention", "dense", "--dtype", "f32"];
    let workplace = asked_once(&dense);
    let again = [&AGAIN[..], &["--dtype", "f32"]].concat();
    let expected = workplace.json(&again);
    let found = workplace.json(&[&again[..], &FROM_FILE].concat());
    // the template's beginning, the text, and the letters that both questions begin with
    assert_eq!(reused(&found), "[user]".len() as u64 + 1500 + "\n\nWho".len() as u64);
    assert!(found["context_load_s"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (&found["answer"], &found["prompt_tokens"]),
        (&expected["answer"], &expected["prompt_tokens"])
    );

    let outcome = workplace.run(&[&again[..], &FROM_FILE].concat()).succeeds();
    assert_eq!(outcome.stdout.trim_end(), found["answer"]);
    contains(&outcome.stderr, &["1511 of the prompt's", "read before (dense)", "book.ctx in"]);
    // the same question: its last token is read again, for its logits
    let same = ["-f", "book.txt", "-p", "Who is Emma?"];
    let found = workplace.json(&[&same[..], &dense, &FROM_FILE].concat());
    assert_eq!(reused(&found), found["prompt_tokens"].as_u64().unwrap() - 1);
    assert_eq!(found["answer"], workplace.json(&[&same[..], &dense].concat())["answer"]);
}

#[test]
fn a_context_grows_and_a_shorter_prompt_uses_its_beginning() {
    let workplace = asked_once(&[]);
    let outcome = workplace.run(&["-f", "book.txt", "-p", "Who?", "--save-context", "other.ctx"]).succeeds();
    contains(&outcome.stderr, &["context was saved in", "--context-file other.ctx goes on"]);
    // both options, even with the same file
    let longer = ["-f", "book.txt", "-p", "Who is Emma? And Harriet?", "--save-context", "book.ctx"];
    let object = workplace.json(&[&longer[..], &FROM_FILE].concat());
    assert_eq!(reused(&object), 6 + 1500 + "\n\nWho is Emma?".len() as u64);
    let again = workplace.json(&[&longer[..4], &FROM_FILE].concat());
    assert_eq!(reused(&again), again["prompt_tokens"].as_u64().unwrap() - 1);
    // less room than the file has tokens
    workplace.write("page.txt", &long_text(1500)[..100]);
    let short = workplace.json(&[&["-f", "page.txt"], &FROM_FILE[..]].concat());
    assert_eq!(reused(&short), 106);
    assert_eq!(std::fs::read_dir(workplace.path()).unwrap().count(), 5, "nothing unfinished is left");
}

#[test]
fn a_prompt_that_begins_otherwise_is_read_with_a_warning() {
    let workplace = asked_once(&[]);
    let other = ["--raw", "-p", "Something else"];
    let outcome = workplace.run(&[&other, &FROM_FILE[..]].concat()).succeeds();
    contains(&outcome.stderr, &["warning", "begins otherwise", "book.ctx", "0 of the prompt's 14 tokens"]);
    assert_eq!(outcome.stdout, workplace.run(&other).stdout);
}

#[test]
fn a_compressed_context_is_used_by_prompts_that_begin_with_all_of_it() {
    let compressed = ["--kv", "snapkv", "--kv-capacity", "100"];
    let workplace = asked_once(&[&["--raw"], &compressed[..]].concat());
    let again = [&AGAIN[..], &["--raw"]].concat();
    let outcome = workplace.run(&[&again[..], &FROM_FILE].concat()).succeeds();
    contains(
        &outcome.stderr,
        &["warning", "compressed", "begins with all of its 1514 tokens", "without --kv"],
    );
    assert_eq!(outcome.stdout, workplace.run(&again).stdout);

    // without a template a prompt can begin with another one
    workplace
        .run(&[&["--raw", "-f", "book.txt", "--save-context", "raw.ctx"], &compressed[..]].concat())
        .succeeds();
    for more in [&[][..], &compressed] {
        let question = ["--raw", "-f", "book.txt", "-p", "Why?", "--context-file", "raw.ctx"];
        let object = workplace.json(&[&question, more].concat());
        assert_eq!(reused(&object), 1500);
        assert_eq!(object["reused_kv_compression"], SNAP_KV);
        assert_eq!(object["reused_kv_compressed_tokens"], 1500);
    }
}

const SNAP_KV: &str = "SnapKV (100 tokens a layer, 32 queries vote)";

/// What was kept and what was computed are said of what they are about.
#[test]
fn a_summary_tells_what_came_from_a_file() {
    let compressed = ["--kv", "snapkv", "--kv-capacity", "100"];
    let workplace = Workplace::new();
    workplace.write("book.txt", long_text(1500));
    let book = ["--raw", "-f", "book.txt"];
    workplace.run(&[&book[..], &["--save-context", "book.ctx"], &compressed[..]].concat()).succeeds();
    // also a file that goes on from it says what was kept
    let question = [&book[..], &["-p", "Why?"]].concat();
    workplace.run(&[&question[..], &FROM_FILE, &["--save-context", "why.ctx"]].concat()).succeeds();
    for file in ["book.ctx", "why.ctx"] {
        let summary = workplace.run(&[&question[..], &["--context-file", file]].concat()).succeeds().stderr;
        let kept = format!("saw what {SNAP_KV} kept of the prompt's first 1500 tokens");
        contains(&summary, &[&kept, "% of what was read now", "13.2 KiB of 188 KiB"]);
        assert!(!summary.contains("sparse attention would not have paid"), "{summary}");
    }
    let whole = workplace.run(&question).succeeds().stderr;
    assert!(!whole.contains("read now") && !whole.contains("saw what"), "{whole}");
}

/// In a template the answer's beginning stands behind the question, and nothing but this question
/// goes on from there.
#[test]
fn compressed_questions_are_not_saved() {
    let workplace = Workplace::new();
    workplace.misused(
        &["-p", "Who?", "--kv", "snapkv", "--save-context", "who.ctx"],
        &["--save-context", "--raw", "without --kv", "minference chat --kv"],
    );
    assert!(!workplace.path().join("who.ctx").exists());
}

/// As the refusal above says: a chat saves the compressed text without a question.
#[test]
fn compressed_documents_of_a_chat_are_used_by_questions() {
    let workplace = Workplace::new();
    workplace.write("book.txt", long_text(1500));
    let chat = ["chat", "--model", "model.gguf", "-d", "book.txt", "--kv", "snapkv", "--kv-capacity", "100"];
    outcome(workplace.minference(&chat).write_stdin("/save book.ctx\n")).succeeds();
    for question in ["Who?", "Why not?"] {
        let asked = ["-f", "book.txt", "-p", question, "--context-file", "book.ctx"];
        let object = workplace.json(&asked);
        assert_eq!(reused(&object), "[user]".len() as u64 + 1500 + "\n\n".len() as u64);
        assert!(
            object["kv_cache_bytes"].as_u64().unwrap() < object["kv_cache_full_bytes"].as_u64().unwrap() / 10
        );
        contains(&workplace.run(&asked).succeeds().stderr, &["kept of the prompt's first 1508 tokens"]);
    }
}

/// Dynamic NTK: beyond the model's own context each length has positions of its own.
#[test]
fn a_context_whose_positions_were_made_for_another_length_is_read_again() {
    let workplace = Workplace::new();
    workplace.write("book.txt", long_text(4500));
    let dynamic =
        ["--attention", "dense", "--context", "6000", "--rope-scaling", "dynamic", "-f", "book.txt"];
    workplace.json(&[&dynamic[..], &["-p", "Who?", "--save-context", "book.ctx"]].concat());
    let again = [&dynamic[..], &["-p", "Whom does she marry?"]].concat();
    let found = workplace.json(&[&again[..], &FROM_FILE].concat());
    assert_eq!(reused(&found), 0);
    assert_eq!(found["answer"], workplace.json(&again)["answer"]);
    let told = workplace.run(&[&again[..], &FROM_FILE].concat()).succeeds().stderr;
    contains(&told, &["warning", "positions depend on the length", "all of it is read"]);
    // another question of the same length
    let same = [&dynamic[..], &["-p", "Why?"], &FROM_FILE].concat();
    assert_eq!(reused(&workplace.json(&same)), 6 + 4500 + "\n\nWh".len() as u64);
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let workplace = asked_once(&[]);
    let refused = |arguments: &[&str], parts: &[&str]| {
        workplace.refused(&[&AGAIN[..], &FROM_FILE, arguments].concat(), parts);
    };
    refused(&["--dtype", "bf16"], &["--context-file", "expected bf16", "found f16"]);
    refused(&["--rope-scaling", "yarn", "--rope-factor", "2"], &["positions", "same base and scaling"]);
    workplace.misused(&[&AGAIN[..], &FROM_FILE, &["--compare"]].concat(), &["--compare", "sparsely"]);
    workplace.refused(&["-p", "Hi", "--context-file", "missing.ctx"], &["--context-file", "missing.ctx"]);
    workplace.refused(&["-p", "Hi", "--context-file", "book.txt"], &["book.txt", "expected a context"]);
    workplace.refused(&["-p", "Hi", "--save-context", "no/folder.ctx"], &["--save-context", "no/folder.ctx"]);
    workplace.refused(&["-p", "Hi", "--save-context", "."], &["--save-context", "a file"]);
    // the prompt is not even looked for
    workplace.refused(
        &["-f", "missing.txt", "--save-context", "book.txt"],
        &["--save-context", "book.txt: expected a new file, or a context", "another name"],
    );
    assert_eq!(std::fs::read_to_string(workplace.path().join("book.txt")).unwrap(), long_text(1500));

    let mut bytes = std::fs::read(workplace.path().join("book.ctx")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    workplace.write("book.ctx", &bytes);
    refused(&[], &["book.ctx", "layer 1", "checksum", "damaged"]);
    workplace.write("book.ctx", &bytes[..last]);
    refused(&[], &["book.ctx", "cut", "read the prompt again"]);

    let other = Workplace::with(&TinyModel { context: 2048, ..TinyModel::default() });
    std::fs::copy(workplace.path().join("book.txt"), other.path().join("book.txt")).unwrap();
    other.json(&["-f", "book.txt", "--save-context", "other.ctx"]);
    std::fs::copy(other.path().join("other.ctx"), workplace.path().join("other.ctx")).unwrap();
    workplace.refused(
        &["-f", "book.txt", "--context-file", "other.ctx"],
        &["a context of this model", "use that model"],
    );
}

/// The answer with a context that is saved, compared with the dense one, which saves nothing.
#[test]
fn compared_answers_save_the_first() {
    let workplace = asked_once(&[]);
    let object = workplace.json(&["-f", "book.txt", "--save-context", "sparse.ctx", "--compare"]);
    assert!(object["saved_context_bytes"].is_u64() && object["dense"].get("saved_context_bytes").is_none());
}
