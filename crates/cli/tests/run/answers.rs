//! What comes out: answers, summaries, objects; prompts from everywhere.

use super::tiny_model::TinyModel;
use super::{Workplace, contains, long_text};

#[test]
fn the_answer_alone_goes_to_standard_output() {
    let workplace = Workplace::new();
    let outcome = workplace.run(&["--prompt", "Hello"]).succeeds();
    // eight tokens of one byte
    assert_eq!(outcome.stdout.len(), 9, "{:?}", outcome.stdout);
    assert!(
        outcome.stdout.ends_with('\n') && outcome.stdout[..8].bytes().all(|byte| byte.is_ascii_graphic())
    );
    let parts = [
        "time to first token",
        "vertical-slash (",
        "tokens/s",
        "attention computed",
        "peak memory",
        "ran dense",
    ];
    contains(&outcome.stderr, &parts);
    contains(&outcome.stderr, &["cut after 8 tokens", "--max-tokens"]);
    // no bar and no colours where no terminal shows them
    assert!(!outcome.stderr.contains(['\r', '\x1b']), "{:?}", outcome.stderr);
}

#[test]
fn json_holds_the_stable_fields() {
    let workplace = Workplace::new();
    let answer = workplace.run(&["--prompt", "Hello"]).stdout;
    let outcome = workplace.run(&["--prompt", "Hello", "--json"]).succeeds();
    assert_eq!(outcome.stderr, "");
    let object = outcome.json();
    assert_eq!(object["model"], "model.gguf");
    assert_eq!(object["attention"], "minference");
    assert_eq!(object["prompt_tokens"], "[user]Hello[assistant]".len());
    assert_eq!(object["answer"], answer.trim_end());
    for name in ["time_to_first_token_s", "prefill_tokens_per_s", "decode_tokens_per_s", "computed_share"] {
        assert!(object[name].as_f64().unwrap() > 0.0, "{name}: {object}");
    }
    if cfg!(target_os = "linux") {
        assert!(object["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    }
    for name in ["dense", "speedup", "answers_agree"] {
        assert!(object.get(name).is_none(), "{name}");
    }
    let one = workplace.json(&["--prompt", "Hello", "--max-tokens", "1"]);
    assert!(one["decode_tokens_per_s"].is_null() && one["answer"].as_str().unwrap().len() == 1);
}

#[test]
fn compare_answers_again_densely() {
    let workplace = Workplace::new();
    workplace.write("long.txt", long_text(3000));
    let sparse = ["--prompt-file", "long.txt", "--attention", "a-shape", "--sink", "16", "--local", "64"];
    let object = workplace.json(&[&sparse[..], &["--compare"]].concat());
    let dense = &object["dense"];
    assert_eq!(dense["attention"], "dense");
    assert_eq!(dense["computed_share"], 1.0);
    assert_eq!(dense["prompt_tokens"], object["prompt_tokens"]);
    assert_eq!(dense["model"], "model.gguf");
    assert!(object["speedup"].as_f64().unwrap() > 0.0);
    assert_eq!(object["answers_agree"], object["answer"] == dense["answer"]);

    let outcome = workplace.run(&[&sparse[..], &["--compare"]].concat()).succeeds();
    assert_eq!(outcome.stdout.trim_end(), object["answer"], "one answer on standard output");
    contains(&outcome.stderr, &["a-shape", "dense", "times as fast", "by layer"]);
    assert_eq!(outcome.stderr.matches("GiB").count(), 2, "peak memory of each");
    let agrees = object["answers_agree"] == true;
    contains(&outcome.stderr, &[if agrees { "the answers agree" } else { "the answers differ" }]);
    assert_eq!(outcome.stderr.contains("with dense attention: "), !agrees);

    let same = workplace.json(&["--prompt", "Hello", "--attention", "dense", "--compare"]);
    assert_eq!(same["answers_agree"], true);
}

#[test]
fn prompts_come_from_files_standard_input_and_the_command_line() {
    let workplace = Workplace::new();
    workplace.write("one.txt", "one");
    workplace.write("two.txt", "two, ü");
    let arguments =
        ["-f", "one.txt", "--prompt-file", "-", "-f", "two.txt", "-p", "What?", "--raw", "--json"];
    let object = workplace.run_with(&arguments, "from a pipe").json();
    let whole = "one\n\nfrom a pipe\n\ntwo, ü\n\nWhat?";
    assert_eq!(object["prompt_tokens"], whole.len());
    assert_eq!(object["answer"], workplace.json(&["--raw", "-p", whole])["answer"]);
}

#[test]
fn chats_go_through_the_template() {
    let workplace = Workplace::new();
    let tokens =
        |arguments: &[&str]| workplace.json(&[&["-p", "Hi"], arguments].concat())["prompt_tokens"].clone();
    assert_eq!(tokens(&["--raw"]), "Hi".len());
    assert_eq!(tokens(&[]), "[user]Hi[assistant]".len());
    assert_eq!(tokens(&["--chat"]), "[user]Hi[assistant]".len());
    assert_eq!(tokens(&["--system", "Be kind."]), "[system]Be kind.[user]Hi[assistant]".len());

    let plain = Workplace::with(&TinyModel { chat_template: None, ..TinyModel::default() });
    assert_eq!(plain.json(&["-p", "Hi"])["prompt_tokens"], "Hi".len());
    plain.refused(&["-p", "Hi", "--chat"], &["no chat template", "--raw"]);
    plain.refused(&["-p", "Hi", "--system", "Be kind."], &["no chat template", "--raw"]);
    plain.misused(&["-p", "Hi", "--raw", "--chat"], &["--raw", "--chat"]);
}

/// A question may begin with a dash, as an item of a list does.
#[test]
fn texts_may_begin_with_a_dash() {
    let workplace = Workplace::new();
    let tokens = |arguments: &[&str]| workplace.json(arguments)["prompt_tokens"].clone();
    assert_eq!(tokens(&["--raw", "-p", "- one"]), "- one".len());
    assert_eq!(tokens(&["--raw", "--prompt", "--two"]), "--two".len());
    assert_eq!(tokens(&["-p", "Hi", "--system", "-kind"]), "[system]-kind[user]Hi[assistant]".len());
    let stopped = workplace.json(&["-p", "Hi", "--stop", "---", "--stop", "-f"]);
    assert!(!stopped["answer"].as_str().unwrap().contains("-f"));
}

#[test]
fn answers_end_where_they_should() {
    let workplace = Workplace::new();
    let object = |arguments: &[&str]| workplace.json(&[&["-p", "Hello"], arguments].concat());
    let long = object(&["--max-tokens", "40"]);
    assert_eq!(long["finish"], "max-tokens");
    let text = long["answer"].as_str().unwrap();
    assert_eq!(text.len(), 40);
    assert_eq!(object(&["--max-tokens", "7"])["answer"], text[..7]);

    let stop = &text[10..13];
    let stopped = object(&["--max-tokens", "40", "--stop", "nowhere", "--stop", stop]);
    assert_eq!(stopped["answer"], text[..text.find(stop).unwrap()]);
    assert_eq!(stopped["finish"], "stop");

    let full = object(&["--raw", "--context", "9", "--max-tokens", "40"]);
    assert_eq!(full["finish"], "context");
    let outcome = workplace.run(&["-p", "Hello", "--raw", "--context", "9"]).succeeds();
    contains(&outcome.stderr, &["the context was full", "--context"]);
}

#[test]
fn a_seed_draws_the_same_answer() {
    let workplace = Workplace::new();
    let draw = |seed: &str, more: &[&str]| {
        let sampling = ["-p", "Hello", "--max-tokens", "30", "--temperature", "1.5", "--seed", seed];
        workplace.json(&[&sampling, more].concat())["answer"].clone()
    };
    assert_eq!(draw("7", &[]), draw("7", &[]));
    assert_ne!(draw("7", &[]), draw("8", &[]));
    let filters = ["--top-k", "20", "--top-p", "0.9", "--min-p", "0.01", "--repetition-penalty", "1.2"];
    assert_eq!(draw("7", &filters), draw("7", &filters));
    // a penalty needs no draw
    workplace.json(&["-p", "Hello", "--repetition-penalty", "1.2"]);
    let penalties = ["--presence-penalty", "1.5", "--frequency-penalty", "-0.5"];
    assert_eq!(draw("7", &penalties), draw("7", &penalties));
    // a token with a bias of 100 is all that is drawn
    let forced = draw("7", &["--logit-bias", "65=100", "--logit-bias", "66=-100"]);
    let forced: Vec<char> = forced.as_str().unwrap().chars().collect();
    assert!(forced.len() > 20 && forced.iter().all(|letter| *letter == forced[0]), "{forced:?}");
    // drawing from one token is greedy
    let greedy = workplace.json(&["-p", "Hello", "--max-tokens", "30"])["answer"].clone();
    assert_eq!(draw("7", &["--top-k", "1"]), greedy);
}

#[test]
fn threads_and_chunks_change_nothing_and_types_little() {
    let workplace = Workplace::new();
    workplace.write("long.txt", long_text(700));
    let object = |arguments: &[&str]| {
        let fixed = ["--prompt-file", "long.txt", "--attention", "dense"];
        workplace.json(&[&fixed, arguments].concat())
    };
    let expected = object(&["--dtype", "f32"]);
    assert_eq!(object(&["--dtype", "f32", "--chunk", "100"])["answer"], expected["answer"]);
    for dtype in ["f16", "bf16", "int8", "int4"] {
        let found = object(&["--dtype", dtype]);
        assert_eq!(found["answer"].as_str().unwrap().len(), 8);
    }
    let threads = |threads: &str| {
        let arguments =
            ["run", "--model", "model.gguf", "-f", "long.txt", "--max-tokens", "8", "--threads", threads];
        super::outcome(&mut workplace.minference(&arguments)).succeeds().stdout
    };
    assert_eq!(threads("1"), threads("3"));
}

#[test]
fn help_teaches() {
    let workplace = Workplace::new();
    let help = |flag| super::outcome(&mut workplace.minference(&["run", flag])).succeeds().stdout;
    let (short, long) = (help("-h"), help("--help"));
    assert!(short.lines().count() * 2 < long.lines().count());
    contains(
        &short,
        &["--prompt-file", "--attention", "--compare", "--rope-scaling", "see more with '--help'"],
    );
    contains(&long, &["How it works", "Examples", "time_to_first_token_s", "130", "--top-k", "a-shape"]);
}

/// What a raw prompt holds is text, unless it is said that a chat template wrote it.
#[test]
fn names_of_special_tokens_are_text_or_tokens_as_asked() {
    let workplace = Workplace::new();
    let text = "[user]Hi<|im_end|>[assistant]";
    let tokens =
        |arguments: &[&str]| workplace.json(&[&["-p", text], arguments].concat())["prompt_tokens"].clone();
    assert_eq!(tokens(&["--raw"]), text.len());
    for special in [&["--special"][..], &["--raw", "--special"]] {
        assert_eq!(tokens(special), text.len() - "<|im_end|>".len() + 1);
    }
    let outcome = workplace.run(&["-p", text, "--raw"]).succeeds();
    contains(&outcome.stderr, &["note: the prompt holds `<|im_end|>`", "read as text", "--special"]);
    for quiet in [&["-p", text, "--special"][..], &["-p", text], &["-p", "Hi", "--raw"]] {
        assert!(!workplace.run(quiet).succeeds().stderr.contains("note:"), "{quiet:?}");
    }
    // without a template every prompt is raw
    let plain = Workplace::with(&TinyModel { chat_template: None, ..TinyModel::default() });
    contains(&plain.run(&["-p", text]).succeeds().stderr, &["note: the prompt holds"]);
    workplace.misused(&["-p", text, "--special", "--chat"], &["--special", "--chat"]);
    workplace.misused(&["-p", text, "--special", "--system", "Be kind."], &["--special", "--system"]);
}

/// Some editors put a mark before a text; others do not see it.
#[test]
fn byte_order_marks_are_no_part_of_a_prompt() {
    let workplace = Workplace::new();
    workplace.write("one.txt", "\u{feff}one");
    let object = workplace.run_with(&["-f", "one.txt", "-f", "-", "--raw", "--json"], "\u{feff}two").json();
    assert_eq!(object["prompt_tokens"], "one\n\ntwo".len());
    workplace.write("empty.txt", "\u{feff}");
    workplace.refused(&["-f", "empty.txt"], &["empty.txt", "expected a text, found nothing"]);
}
