//! `minference eval` and `bench prefill` with prompts in chunks, compressed caches, and questions
//! as turns.

use super::eval::{eval, needle, prefill, records, timeless, workplace};
use super::{ERROR, WRONG_OPTIONS, Workplace, contains, long_text};
use minference_eval::evaluate::SessionMode;
use minference_eval::methods::CompressionKind;
use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::results::{AnswerRecord, LatencyRecord, READING_SETTING, RunHeader};
use minference_eval::sample::{QuestionPrompt, SampleSource, TaskSample};
use minference_eval::tasks::needle::{Needle, NeedleOptions};
use minference_model::generation::{GenerationOptions, generate};
use minference_model::session::kv_cache::KvCompression;
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Model, PrefillOptions, Session, SessionOptions,
};
use std::ops::ControlFlow;

/// Bytes of a token: two layers of two heads, keys and values, of eight f32 each.
const ROW: u64 = 2 * 2 * 2 * 8 * 4;

/// Three facts in each of two texts, in full precision.
const EXACT: [&str; 2] = ["--dtype", "f32"];

fn of_method<'a>(records: &'a [AnswerRecord], method: &str) -> Vec<&'a AnswerRecord> {
    let found: Vec<_> = records.iter().filter(|record| record.method == method).collect();
    assert_eq!(found.len(), 2 * 3, "{method}");
    found
}

/// What the run asked, and a model to ask it once more.
struct Oracle {
    model: Model,
    compute: Compute,
    samples: Vec<TaskSample>,
}

impl Oracle {
    fn new(workplace: &Workplace, session: SessionMode) -> Self {
        let model = Model::load(workplace.path().join("model.gguf")).unwrap();
        let options =
            NeedleOptions { lengths: vec![3072], needles: 3, rounds: 2, session, ..NeedleOptions::default() };
        let task = Needle::new(options).unwrap();
        let encoder = PromptEncoder::new(&model, PromptTemplate::Model);
        let samples = (0..2).map(|number| task.sample(number, &encoder).unwrap()).collect();
        let compute = Compute::new(ComputeOptions { threads: Some(2), ..ComputeOptions::default() }).unwrap();
        Self { model, compute, samples }
    }

    fn tokens(&self, prompt: &QuestionPrompt) -> Vec<u32> {
        PromptEncoder::new(&self.model, PromptTemplate::Model).encode(prompt).unwrap()
    }

    /// Reads parts one after the other, each with a compression or without, and answers.
    fn answer(&self, parts: &[(&[u32], Option<KvCompression>)]) -> String {
        const ANSWER: usize = 24;
        let prompt: Vec<u32> = parts.iter().flat_map(|(part, _)| part.iter().copied()).collect();
        let options =
            SessionOptions { cache: CacheFormat::F32, ..SessionOptions::for_tokens(prompt.len() + ANSWER) };
        let mut session = Session::new(self.model.decoder().clone(), self.compute.clone(), options).unwrap();
        let mut logits = vec![];
        for (part, compression) in parts {
            let options = PrefillOptions {
                plan: AttentionPlan::Dense,
                compression: *compression,
                ..PrefillOptions::default()
            };
            logits = session.prefill(part, &options).unwrap().logits;
        }
        let options = GenerationOptions::greedy(ANSWER);
        let go_on = |_: &str| ControlFlow::Continue(());
        generate(&mut session, self.model.tokenizer(), &prompt, logits, &options, go_on).unwrap().text
    }

    /// The tokens of a question's prompt, and how many of them are the context's.
    fn prompt(&self, sample: &TaskSample, question: usize) -> (Vec<u32>, usize) {
        let prompt = self.tokens(&sample.questions[question].prompt);
        // a token is a byte; the template writes [user] before the message
        (prompt, "[user]".len() + sample.context.len())
    }
}

#[test]
fn what_is_kept_is_chosen_when_the_protocol_says_so() {
    let workplace = workplace();
    let compression = CompressionKind::SnapKv.with_capacity(80).unwrap();
    let oracle = Oracle::new(&workplace, SessionMode::Requests);
    for when in ["context", "prompt"] {
        let more = ["--compress", when, "--output", when];
        needle(&workplace, "dense,dense+snapkv:80", &[&EXACT[..], &more].concat()).succeeds();
        let found: Vec<AnswerRecord> = records(&workplace, when);
        let mut same = 0;
        for record in of_method(&found, "dense+snapkv:80") {
            let sample = oracle.samples.iter().find(|sample| sample.name == record.sample).unwrap();
            let (prompt, context) = oracle.prompt(sample, record.question);
            let (text, question) = prompt.split_at(context);
            let asked: String = question.iter().map(|&byte| char::from(byte as u8)).collect();
            assert!(asked.starts_with(['H', 'W']) && asked.ends_with("?[assistant]"), "{asked}");
            let parts = match when {
                "context" => [(text, Some(compression)), (question, None)],
                _ => [(text, None), (question, Some(compression))],
            };
            assert_eq!(record.answer, oracle.answer(&parts), "{when}: {}", record.sample);
            same += usize::from(record.dense.unwrap().same == 1.0);
            let cache = record.cache.unwrap();
            assert_eq!(cache.full, prompt.len() as u64 * ROW);
            let kept = if when == "context" { 80 + question.len() } else { 80 };
            assert_eq!(cache.kept, kept as u64 * ROW);
            assert_eq!(record.decode_tokens, Some(23));
        }
        // 80 of 3,000 tokens are too few for the answers of all
        assert!(same < 6, "{same}");
        assert!(of_method(&found, "dense").iter().all(|r| r.cache.unwrap().kept == r.cache.unwrap().full));
    }
    // the protocols are not to be mixed
    let mixed = [&EXACT[..], &["--output", "prompt"]].concat();
    needle(&workplace, "dense", &mixed).is_refused(ERROR, &["compressed after prompt instead of none"]);
}

#[test]
fn a_capacity_for_everything_changes_nothing() {
    let workplace = workplace();
    let methods = "dense,minference,dense+snapkv,minference+pyramidkv:4K,dense+streaming-llm:4096";
    for (session, compress) in
        [("requests", "context"), ("requests", "prompt"), ("turns", "context"), ("turns", "prompt")]
    {
        let output = format!("{session}-{compress}");
        let more = ["--session", session, "--compress", compress, "--output", &output];
        let told = needle(&workplace, methods, &[&EXACT[..], &more].concat()).succeeds();
        // nothing was dropped, so that there is nothing to show of it
        assert!(!told.stdout.contains("Keys and values by task"), "{}", told.stdout);
        let found: Vec<AnswerRecord> = records(&workplace, &output);
        assert_eq!(found.len(), 5 * 2 * 3);
        for record in found.iter().filter(|record| record.method.starts_with("dense+")) {
            let dense = record.dense.unwrap();
            assert!(dense.same == 1.0 && dense.divergence < 1e-6, "{output}: {record:?}");
            assert_eq!(record.cache.unwrap().kept, record.cache.unwrap().full);
        }
    }
    // what is kept of a single question's text is chosen with the question or without, too
    let single = ["--needles", "1", "--depths", "0.2,0.6", "--rounds", "1", "--lengths", "2K"];
    let kept = ["context", "prompt"].map(|when| {
        let fixed = ["needle", "--methods", "dense,dense+snapkv:100", "--compress", when, "--output", when];
        eval(&workplace, &[&fixed[..], &single, &EXACT].concat()).succeeds();
        let found: Vec<AnswerRecord> = records(&workplace, when);
        assert_eq!(found.len(), 2 * 2);
        found.iter().filter(|r| r.method != "dense").map(|r| r.cache.unwrap().kept / ROW).collect::<Vec<_>>()
    });
    // the question comes on top where it was not known
    assert_eq!(kept[1], [100, 100]);
    let question = "What is the access code of the  office?[assistant]".len() as u64;
    for tokens in &kept[0] {
        assert!((100 + question..100 + question + 10).contains(tokens), "{tokens}");
    }
}

#[test]
fn turns_follow_the_reference_answers() {
    let workplace = workplace();
    let methods = "dense,minference,dense+snapkv:80";
    let turns = ["--session", "turns", "--compress", "prompt"];
    let told = needle(&workplace, methods, &[&EXACT[..], &turns].concat()).succeeds();
    contains(&told.stdout, &["Keys and values by task, length and method", "dense+snapkv:80", "smaller"]);
    let header = std::fs::read_to_string(workplace.path().join("results/needle/run.json")).unwrap();
    contains(&header, &["\"session\": \"turns\"", "\"compressed after\": \"prompt\""]);
    let found: Vec<AnswerRecord> = records(&workplace, "results/needle");
    let oracle = Oracle::new(&workplace, SessionMode::Turns);
    let compression = CompressionKind::SnapKv.with_capacity(80).unwrap();
    for sample in &oracle.samples {
        let mut conversation = String::new();
        let mut parts: Vec<Vec<u32>> = vec![];
        for (number, question) in sample.questions.iter().enumerate() {
            let QuestionPrompt::Asked { user, .. } = &question.prompt else {
                panic!("{:?}", question.prompt)
            };
            let user = if number == 0 { user } else { user.strip_prefix(&sample.context).unwrap() };
            let before = conversation.len();
            if number > 0 {
                // the model's own answer is not in it
                conversation += &sample.questions[number - 1].references[0];
            }
            conversation += &format!("[user]{user}[assistant]");
            parts.push(conversation[before..].bytes().map(u32::from).collect());
            let of_turn = |method: &str| {
                found
                    .iter()
                    .find(|record| {
                        record.sample == sample.name && record.question == number && record.method == method
                    })
                    .unwrap()
            };
            let dense = of_turn("dense");
            assert_eq!(dense.prompt_tokens, conversation.len());
            assert_eq!(dense.answer, oracle.answer(&[(&parts.concat(), None)]));
            // only the first prompt chooses
            let kept: Vec<(&[u32], Option<KvCompression>)> = parts
                .iter()
                .enumerate()
                .map(|(place, part)| (&part[..], Some(compression).filter(|_| place == 0)))
                .collect();
            assert_eq!(of_turn("dense+snapkv:80").answer, oracle.answer(&kept), "turn {number}");
        }
    }
    // each turn is read once: the first with the text, the others in no time
    let of_question = |number: usize| {
        let turns = found.iter().filter(|record| record.question == number && record.method == "dense");
        turns.map(|record| record.seconds.question).sum::<f64>()
    };
    assert!(of_question(1) < 0.5 * of_question(0), "{} {}", of_question(1), of_question(0));
}

#[test]
fn shorthands_run_on_and_interrupted_runs_go_on() {
    let workplace = workplace();
    needle(&workplace, "dense,minference", &[]).succeeds();
    let plain: Vec<AnswerRecord> = records(&workplace, "results/needle");
    let shorthands =
        ["--kv", "snapkv,streaming-llm", "--kv-capacity", "256", "--chunk", "1K", "--compress", "context"];
    let told = needle(&workplace, "dense,minference", &shorthands).succeeds();
    contains(
        &told.stdout,
        &["Keys and values by task", "In chunks and as a whole", "minference+chunk:1024", "same as whole"],
    );
    let all: Vec<AnswerRecord> = records(&workplace, "results/needle");
    assert_eq!(all[..plain.len()], plain);
    for method in
        ["dense+snapkv:256", "minference+snapkv:256", "minference+streaming-llm:256", "minference+chunk:1024"]
    {
        for record in of_method(&all, method) {
            assert!(record.dense.is_some() && (record.computed_share < 1.0) != method.starts_with("dense"));
            assert_eq!(record.pattern.contains("chunks of 1,024"), method.contains("chunk"));
        }
    }
    // killed in the middle, also of a sample's turns
    let path = workplace.path().join("results/needle/records.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    for lines in [13, 17, 25] {
        std::fs::write(&path, &text[..ends[lines - 1] + 40]).unwrap();
        needle(&workplace, "dense,minference", &shorthands).succeeds();
        assert_eq!(timeless(&records(&workplace, "results/needle")), timeless(&all), "after {lines} lines");
    }
}

#[test]
fn the_time_to_the_first_token_in_chunks_stands_beside_the_whole() {
    let workplace = workplace();
    let methods = ["--methods", "dense,minference,dense+snapkv:64", "--patterns", "patterns.json"];
    let told = prefill(
        &workplace,
        &[&["--lengths", "2K", "--repeats", "2", "--chunk", "512,1K"], &methods[..]].concat(),
    )
    .succeeds();
    contains(
        &told.stdout,
        &["speed-up kept", "minference+chunk:512", "minference+chunk:1024", "smaller", "32.00x"],
    );
    let found: Vec<LatencyRecord> = records(&workplace, "results/latency");
    // dense attention, compressed or not, is the same in chunks
    assert_eq!(found.len(), 2 * 5);
    for record in &found {
        let cache = record.cache.unwrap();
        let is_compressed = record.method.contains("snapkv");
        assert_eq!(cache.full, if is_compressed { 32 * cache.kept } else { cache.kept }, "{record:?}");
    }
}

#[test]
fn what_is_no_variant_is_refused() {
    let workplace = workplace();
    let misused = |arguments: &[&str], parts: &[&str]| {
        eval(&workplace, arguments).is_refused(WRONG_OPTIONS, parts);
    };
    misused(&["needle", "--methods", "dense,dense+h2o:1024"], &["+h2o:1024", "+snapkv", "+streaming-llm"]);
    misused(&["needle", "--methods", "dense+snapkv:16"], &["more than the 32 last tokens", "16"]);
    misused(&["needle", "--methods", "static+chunk:1K,minference"], &["static", "whole prompt"]);
    misused(&["needle", "--kv", "kivi"], &["streaming-llm, snapkv, pyramidkv"]);
    misused(&["needle", "--kv", "snapkv", "--kv-capacity", "32"], &["more than the 32 last tokens"]);
    misused(&["needle", "--methods", "dense,minference,static", "--chunk", "1K"], &["static", "no chunks"]);
    misused(&["needle", "--session", "chat"], &["requests", "turns"]);
    misused(&["needle", "--compress", "never"], &["context", "prompt"]);
    workplace.write("long.txt", long_text(2000));
    let perplexity = ["perplexity", "--text", "long.txt", "--lengths", "1K", "--kv", "snapkv"];
    misused(&perplexity, &["dense+snapkv:4096", "one pass"]);
    misused(
        &["needle", "--needles", "1", "--session", "turns"],
        &["--session turns", "at least 2 --needles"],
    );
    misused(&["needle", "--methods", "dense", "--chunk", "1K"], &["--chunk", "the same in chunks"]);
    misused(
        &["needle", "--methods", "dense+snapkv", "--kv", "snapkv"],
        &["--kv", "not compressed in this way yet"],
    );
}

#[test]
fn whole_conversations_fit_into_the_context() {
    let workplace = workplace();
    let turns = ["needle", "--lengths", "2K,4K", "--needles", "8", "--rounds", "2", "--session", "turns"];
    eval(&workplace, &[&turns[..], &["--methods", "dense"]].concat()).succeeds();
    let found: Vec<AnswerRecord> = records(&workplace, "results/needle");
    assert_eq!(found.len(), 2 * 2 * 8);
    for record in &found {
        let (length, tokens) = (record.length, record.prompt_tokens);
        assert!(tokens + 24 <= length, "{tokens} of {length}");
        // all that is to spare is a line, and what shorter questions leave
        assert!(record.question < 7 || tokens + 400 > length, "{tokens} of {length}");
    }
}

/// What an earlier version left says nothing of how it read.
#[test]
fn results_of_earlier_versions_are_gone_on_with_by_dense_attention_only() {
    let workplace = workplace();
    needle(&workplace, "dense", &["--rounds", "1"]).succeeds();
    let path = workplace.path().join("results/needle/run.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut header: RunHeader = serde_json::from_str(&text).unwrap();
    assert!(header.settings.remove(READING_SETTING).is_some());
    std::fs::write(&path, serde_json::to_string(&header).unwrap()).unwrap();
    needle(&workplace, "dense", &["--rounds", "2"]).succeeds();
    let found: Vec<AnswerRecord> = records(&workplace, "results/needle");
    assert_eq!(found.len(), 2 * 3);
    needle(&workplace, "dense,minference", &["--rounds", "2"])
        .is_refused(ERROR, &["reading none instead of the last 64 queries see everything", "--output"]);
    // results of this version go on with whatever comes
    std::fs::write(&path, text).unwrap();
    needle(&workplace, "dense,minference", &["--rounds", "2"]).succeeds();
}
