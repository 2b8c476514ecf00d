//! `minference eval` and `minference bench prefill`.

use super::tiny_model::{HEADS, LAYERS, TinyModel};
use super::{ERROR, Outcome, WRONG_OPTIONS, Workplace, contains, long_text, outcome};
use minference_attention::HeadPattern;
use minference_attention::pattern::config::{FileFormat, PatternConfig};
use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::results::{AnswerRecord, LatencyRecord, LatencySource, PerplexityRecord};
use minference_eval::sample::SampleSource;
use minference_eval::tasks::needle::{Needle, NeedleOptions};
use minference_model::generation::logits::surprise;
use minference_model::generation::{GenerationOptions, generate};
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Model, PrefillOptions, Session, SessionOptions,
};
use serde::de::DeserializeOwned;
use std::ops::ControlFlow;

/// Long enough for sparse attention, short enough for a tiny model; a token of it is a byte.
const NEEDLES: [&str; 6] = ["--lengths", "3K", "--needles", "3", "--patterns", "patterns.json"];

/// With patterns that are sparse from a thousand tokens on. (Those of a model of random weights
/// would see everything.)
pub(super) fn workplace() -> Workplace {
    let workplace = Workplace::new();
    let patterns = PatternConfig::uniform(HeadPattern::BlockSparse { top_k: 12 }, LAYERS, HEADS).unwrap();
    patterns.write(&workplace.path().join("patterns.json"), FileFormat::Native).unwrap();
    workplace
}

pub(super) fn eval(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    let (task, options) = arguments.split_first().unwrap();
    let fixed = ["eval", task, "--model", "model.gguf", "--threads", "2"];
    outcome(&mut workplace.minference(&[&fixed, options].concat()))
}

pub(super) fn needle(workplace: &Workplace, methods: &str, more: &[&str]) -> Outcome {
    let rounds: &[&str] = if more.contains(&"--rounds") { &[] } else { &["--rounds", "2"] };
    eval(workplace, &[&["needle"], &NEEDLES[..], rounds, &["--methods", methods], more].concat())
}

pub(super) fn prefill(workplace: &Workplace, more: &[&str]) -> Outcome {
    let fixed = ["bench", "prefill", "--model", "model.gguf", "--threads", "2"];
    outcome(&mut workplace.minference(&[&fixed, more].concat()))
}

pub(super) fn records<R: DeserializeOwned>(workplace: &Workplace, folder: &str) -> Vec<R> {
    let text = std::fs::read_to_string(workplace.path().join(folder).join("records.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a rerun must repeat: all but times.
pub(super) fn timeless(records: &[AnswerRecord]) -> Vec<AnswerRecord> {
    let mut records = records.to_vec();
    records.iter_mut().for_each(|record| record.seconds = Default::default());
    records.sort_by(|a, b| (&a.sample, &a.method, a.question).cmp(&(&b.sample, &b.method, b.question)));
    records
}

#[test]
fn every_method_answers_every_question_and_is_held_against_dense() {
    let workplace = workplace();
    let told = needle(&workplace, "dense,minference,a-shape,block-sparse:8,static", &[]).succeeds();
    contains(&told.stderr, &["of it in the model", "results in results/needle"]);
    let records: Vec<AnswerRecord> = records(&workplace, "results/needle");
    assert_eq!(records.len(), 2 * 5 * 3);
    for record in &records {
        assert_eq!(record.task, "3 needles");
        assert!(record.prompt_tokens <= 3072 && record.prompt_tokens > 2900, "{}", record.prompt_tokens);
        assert_eq!(record.references.len(), 1);
        assert!(record.seconds.context > 0.0 && record.seconds.decode > 0.0 && record.seconds.outside > 0.0);
        let is_dense = record.method == "dense";
        assert_eq!(record.dense.is_none(), is_dense);
        assert_eq!(record.computed_share == 1.0, is_dense, "{record:?}");
        if let Some(dense) = record.dense {
            assert!(dense.divergence >= 0.0 && [0.0, 1.0].contains(&dense.same));
        }
    }
    assert_eq!([0.1, 0.5, 0.9], [0, 1, 2].map(|i| records[i].depth.unwrap()));
    // shapes without a budget compute as much as minference
    let share = |method: &str| {
        let of_method =
            records.iter().filter(|record| record.method == method && record.sample.ends_with("/0"));
        of_method.map(|record| record.computed_share).sum::<f64>() / 3.0
    };
    let (minference, matched) = (share("minference"), share("a-shape"));
    assert!(matched <= minference + 0.01 && matched > minference - 0.05, "{matched} of {minference}");
    assert!(share("block-sparse:8") < minference);
}

/// Questions about one text share its prefill; the answers must be those of prompts that are read
/// from scratch.
#[test]
fn a_shared_prefill_answers_as_separate_ones() {
    let workplace = workplace();
    needle(&workplace, "dense", &["--dtype", "f32"]).succeeds();
    let found: Vec<AnswerRecord> = records(&workplace, "results/needle");
    let model = Model::load(workplace.path().join("model.gguf")).unwrap();
    let options = NeedleOptions { lengths: vec![3072], needles: 3, rounds: 2, ..NeedleOptions::default() };
    let (task, encoder) = (Needle::new(options).unwrap(), PromptEncoder::new(&model, PromptTemplate::Model));
    let compute = Compute::new(ComputeOptions { threads: Some(2), ..ComputeOptions::default() }).unwrap();
    let mut questions = 0;
    for number in 0..2 {
        let sample = task.sample(number, &encoder).unwrap();
        for (i, question) in sample.questions.iter().enumerate() {
            let prompt = encoder.encode(&question.prompt).unwrap();
            let options = SessionOptions {
                cache: CacheFormat::F32,
                ..SessionOptions::for_tokens(prompt.len() + question.max_tokens)
            };
            let mut session = Session::new(model.decoder().clone(), compute.clone(), options).unwrap();
            let dense = PrefillOptions { plan: AttentionPlan::Dense, ..PrefillOptions::default() };
            let logits = session.prefill(&prompt, &dense).unwrap().logits;
            let options = GenerationOptions::greedy(question.max_tokens);
            let go_on = |_: &str| ControlFlow::Continue(());
            let answer = generate(&mut session, model.tokenizer(), &prompt, logits, &options, go_on).unwrap();
            let record = found.iter().find(|record| record.sample == sample.name && record.question == i);
            assert_eq!(record.unwrap().answer, answer.text);
            assert_eq!(record.unwrap().references, question.references);
            questions += 1;
        }
    }
    assert_eq!(questions, found.len());
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_results() {
    let workplace = workplace();
    let methods = "dense,minference,a-shape,static";
    needle(&workplace, methods, &["--output", "whole"]).succeeds();
    let whole: Vec<AnswerRecord> = records(&workplace, "whole");
    assert!(whole.iter().all(|record| record.fixed_by.is_some() == (record.method == "static")));
    assert!(
        whole.iter().filter_map(|record| record.fixed_by.as_ref()).all(|name| name == "3 needles/3072/0")
    );

    // killed while it wrote: between methods, within the answers of dense attention, of another
    // method, and within a line
    let path = workplace.path().join("whole/records.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    for (lines, more) in [(2, 0), (4, 100), (12, 0), (14, 100), (22, 0)] {
        std::fs::write(&path, &text[..ends[lines - 1] + more]).unwrap();
        let told = needle(&workplace, methods, &["--output", "whole"]).succeeds().stderr;
        assert_eq!(told.contains("unfinished result"), more > 0, "{told}");
        assert_eq!(timeless(&records(&workplace, "whole")), timeless(&whole), "after {lines} lines");
    }

    // method by method, with dense attention first, last, and without what it left
    for order in
        [["dense", "dense,minference"], ["minference", "dense"], ["static,minference", "dense,minference"]]
    {
        for listed in order.into_iter().chain([methods]) {
            needle(&workplace, listed, &["--output", "parts"]).succeeds();
            let _ = std::fs::remove_dir_all(workplace.path().join("parts/references"));
        }
        assert_eq!(timeless(&records(&workplace, "parts")), timeless(&whole), "{order:?}");
        std::fs::remove_dir_all(workplace.path().join("parts")).unwrap();
    }

    // nothing is left to do, and more rounds add to what is there
    let before = std::fs::read(&path).unwrap();
    needle(&workplace, methods, &["--output", "whole"]).succeeds();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    needle(&workplace, methods, &["--output", "whole", "--rounds", "3"]).succeeds();
    assert!(std::fs::read(&path).unwrap().starts_with(&before));
    assert_eq!(records::<AnswerRecord>(&workplace, "whole").len(), 3 * 4 * 3);
}

#[test]
fn results_never_mix_and_are_never_lost() {
    let workplace = workplace();
    needle(&workplace, "dense", &[]).succeeds();
    let path = workplace.path().join("results/needle/records.jsonl");
    let before = std::fs::read_to_string(&path).unwrap();
    let refused = |more: &[&str], parts: &[&str]| {
        needle(&workplace, "dense", more).is_refused(ERROR, parts);
    };
    refused(&["--seed", "7"], &["results/needle", "seed 0 instead of 7", "--output"]);
    refused(
        &["--dtype", "f32", "--style", "log"],
        &["dtype f16 instead of f32", "text prose instead of log"],
    );
    let ppl = ["perplexity", "--text", "long.txt", "--lengths", "1K", "--output", "results/needle"];
    workplace.write("long.txt", long_text(2000));
    eval(&workplace, &ppl).is_refused(ERROR, &["evaluation needle instead of perplexity"]);
    workplace.write("other.gguf", TinyModel { context: 8192, ..TinyModel::default() }.gguf());
    let other =
        [&["eval", "needle", "--model", "other.gguf", "--methods", "dense", "--rounds", "2"], &NEEDLES[..]]
            .concat();
    outcome(&mut workplace.minference(&other))
        .is_refused(ERROR, &["model model.gguf", "instead of other.gguf"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);

    // a broken line in the middle is told, and stays to be mended by hand
    let broken = before.replacen("\"score\"", "\"scope\"", 1);
    std::fs::write(&path, &broken).unwrap();
    refused(&[], &["records.jsonl, line 1", "score", "nothing was changed"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), broken);
    std::fs::write(workplace.path().join("results/needle/run.json"), "{\"format\": 9}").unwrap();
    refused(&[], &["run.json", "format 1", "9"]);
    std::fs::remove_file(workplace.path().join("results/needle/run.json")).unwrap();
    refused(&[], &["records.jsonl", "run.json beside it"]);
    // an empty one is what is left of a run that was killed at its beginning
    std::fs::write(&path, "").unwrap();
    needle(&workplace, "dense", &[]).succeeds();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let workplace = workplace();
    let misused = |arguments: &[&str], parts: &[&str]| {
        eval(&workplace, arguments).is_refused(WRONG_OPTIONS, parts);
    };
    misused(&["needle", "--methods", "dense,sparse"], &["sparse", "vertical-slash"]);
    misused(&["needle", "--methods", "a-shape"], &["minference beside a-shape"]);
    misused(&["needle", "--lengths", "4G"], &["16K"]);
    misused(&["needle", "--rounds", "0"], &["at least one length and one round"]);
    misused(&["needle", "--needles", "30"], &["1 to 24", "30"]);
    misused(&["needle", "--rounds", "18446744073709551615"], &["at most 1000000 texts"]);
    let refused = |arguments: &[&str], parts: &[&str]| eval(&workplace, arguments).is_refused(ERROR, parts);
    refused(&["needle", "--lengths", "8K"], &["4096", "context"]);
    refused(&["needle", "--text", "none.txt"], &["none.txt"]);
    refused(&["needle", "--needles", "1", "--depths", "0.5,0.5", "--lengths", "1K"], &["each once", "twice"]);
    let crowded = ["needle", "--lengths", "300", "--similar", "19", "--output", "crowded"];
    refused(&crowded, &["at most", "longer prompts"]);
    workplace.write("broken.json", "[1, 2,");
    refused(&["perplexity", "--text", "broken.json"], &["broken.json", "list of token ids"]);
    refused(&["perplexity", "--text", "none.txt"], &["none.txt"]);
    workplace.write("short.txt", "too short");
    refused(&["perplexity", "--text", "short.txt", "--lengths", "1K"], &["short.txt", "too short"]);
    workplace.write("ids.json", "[1, 2, 999]");
    refused(&["perplexity", "--text", "ids.json", "--lengths", "3"], &["ids.json", "257", "999"]);
    prefill(&workplace, &["--lengths", "8K"]).is_refused(ERROR, &["4096"]);
    prefill(&workplace, &["--repeats", "0"]).is_refused(WRONG_OPTIONS, &["--repeats"]);
    workplace.write("definition.json", "{\"length\": [1]}");
    prefill(&workplace, &["--definition", "definition.json"])
        .is_refused(ERROR, &["definition.json", "lengths", "length"]);
}

#[test]
fn perplexity_is_that_of_the_logits() {
    let workplace = workplace();
    workplace.write("long.txt", long_text(3000));
    let options =
        ["perplexity", "--text", "long.txt", "--lengths", "700,2500", "--skip", "5", "--dtype", "f32"];
    let methods = ["--methods", "dense,minference,a-shape,static", "--patterns", "patterns.json"];
    eval(&workplace, &[&options[..], &methods].concat()).succeeds();
    let found: Vec<PerplexityRecord> = records(&workplace, "results/perplexity");
    assert_eq!(found.len(), 2 * 4);
    let dense = &found.iter().find(|record| record.length == 2500 && record.method == "dense").unwrap();
    let ends: Vec<(usize, usize)> = dense.buckets.iter().map(|bucket| (bucket.from, bucket.to)).collect();
    assert_eq!(ends, [(1, 1024), (1024, 2048), (2048, 2500)]);
    // the text's last bucket, from logits that are computed all at once
    let tokens: Vec<u32> = long_text(3000).bytes().skip(5).take(2500).map(u32::from).collect();
    let model = Model::load(workplace.path().join("model.gguf")).unwrap();
    let compute = Compute::new(ComputeOptions { threads: Some(2), ..ComputeOptions::default() }).unwrap();
    let options = SessionOptions { cache: CacheFormat::F32, ..SessionOptions::for_tokens(2500) };
    let mut session = Session::new(model.decoder().clone(), compute, options).unwrap();
    let forward = session.forward(&tokens[..2499], 452, &AttentionPlan::Dense, None).unwrap();
    let losses = forward.logits.chunks_exact(257).zip(&tokens[2048..]);
    let loss = losses.map(|(logits, &token)| surprise(logits, token)).sum::<f64>() / 452.0;
    assert!((dense.buckets[2].loss - loss).abs() < 1e-5, "{} and {loss}", dense.buckets[2].loss);
    for record in &found {
        let is_dense = record.method == "dense";
        assert_eq!(record.dense.is_none(), is_dense);
        assert!(record.dense.is_none_or(|dense| dense.divergence >= 0.0 && dense.same <= 1.0));
        // sparse attention does not pay at 700 tokens
        assert_eq!(record.computed_share == 1.0, is_dense || record.length == 700, "{record:?}");
    }
    // texts may be folders, and go on
    std::fs::create_dir(workplace.path().join("books")).unwrap();
    for name in ["b.txt", "a.txt"] {
        workplace.write(&format!("books/{name}"), long_text(1200));
    }
    let books = ["perplexity", "--text", "books", "--lengths", "1K", "--output", "books-results"];
    eval(&workplace, &[&books[..], &["--methods", "minference"]].concat()).succeeds();
    eval(&workplace, &books).succeeds();
    let found: Vec<PerplexityRecord> = records(&workplace, "books-results");
    assert_eq!(found.len(), 4);
    assert!(found[0].document.starts_with("a.txt (") && found[0].method == "dense");
    // minference ran first, without anything to be held against
    assert!(found.iter().all(|record| record.dense.is_some() == (record.method == "minference")));
}

#[test]
fn latency_is_measured_and_extrapolated_only_if_asked_for() {
    let workplace = workplace();
    let definition =
        r#"{"about": "a test", "lengths": [600, 1200], "methods": "dense,a-shape:64,128", "repeats": 2}"#;
    workplace.write("definition.json", definition);
    prefill(&workplace, &["--definition", "definition.json"]).succeeds();
    let found: Vec<LatencyRecord> = records(&workplace, "results/latency");
    assert_eq!(found.len(), 2 * 2 * 2);
    for record in &found {
        let parts = record.seconds;
        let sum = parts.projections + parts.index + parts.attention + parts.mlp;
        assert!(parts.projections > 0.0 && parts.attention > 0.0 && parts.mlp > 0.0);
        assert!(sum <= parts.total && record.source == LatencySource::Measured, "{record:?}");
        assert_eq!(record.computed_share == 1.0, record.method == "dense");
    }
    let more = ["--lengths", "1200,2400", "--extrapolate-dense-beyond", "1200", "--methods", "dense"];
    prefill(&workplace, &more).succeeds();
    let found: Vec<LatencyRecord> = records(&workplace, "results/latency");
    assert_eq!(found.len(), 9);
    assert_eq!(found[8].source, LatencySource::Extrapolated { from: vec![1200] });
    let twice = found.iter().find(|r| r.length == 1200 && r.method == "dense" && r.repeat == 0).unwrap();
    assert!((found[8].seconds.attention - 4.0 * twice.seconds.attention).abs() < 1e-9);
    // what was extrapolated can still be measured
    prefill(&workplace, &["--lengths", "2400", "--methods", "dense"]).succeeds();
    let found: Vec<LatencyRecord> = records(&workplace, "results/latency");
    assert_eq!((found.len(), &found[9].source), (10, &LatencySource::Measured));
    let none = ["--lengths", "2400", "--extrapolate-dense-beyond", "1200", "--output", "other"];
    prefill(&workplace, &none).is_refused(ERROR, &["at most 1200", "extrapolated"]);
}

#[test]
fn two_runs_do_not_write_to_one_folder() {
    let workplace = workplace();
    needle(&workplace, "dense", &[]).succeeds();
    let file = std::fs::File::open(workplace.path().join("results/needle/records.jsonl")).unwrap();
    file.lock().unwrap();
    needle(&workplace, "dense", &[]).is_refused(ERROR, &["results/needle", "no other run"]);
    drop(file);
    needle(&workplace, "dense", &[]).succeeds();
}
