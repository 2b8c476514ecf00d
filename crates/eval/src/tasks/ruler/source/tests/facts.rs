//! The facts that `golden/ruler/record_ruler.py` records of official prompts, of ours.

use super::*;
use crate::prompt::PromptTemplate;
use crate::scoring::cleaned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

fn record() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/ruler/ruler.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What all values are.
fn same<T: PartialEq + std::fmt::Debug>(values: impl IntoIterator<Item = T>) -> T {
    let mut values = values.into_iter();
    let first = values.next().unwrap();
    values.for_each(|value| assert_eq!(value, first));
    first
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let after = text.split_once(start).unwrap().1;
    after.split_once(end).unwrap().0
}

fn niah(prompt: &str, outputs: &[String]) -> Value {
    let lines: Vec<&str> = prompt.split('\n').collect();
    let [first, lines @ .., last] = &lines[..] else { panic!("{prompt}") };
    let context = lines.join("\n");
    let needles: Vec<[&str; 3]> = context
        .split("One of the special magic ")
        .skip(1)
        .map(|needle| {
            let (kind, rest) = needle.split_once(" for ").unwrap();
            let (key, rest) = rest.split_once(" is: ").unwrap();
            [kind, key, rest.split_once('.').unwrap().0]
        })
        .collect();
    let asked: Vec<_> =
        needles.iter().filter(|needle| outputs.iter().any(|output| output == needle[2])).collect();
    let sorted = |values: Vec<&str>| values.into_iter().map(str::to_string).collect::<BTreeSet<_>>();
    assert_eq!(asked.len(), outputs.len());
    assert_eq!(sorted(asked.iter().map(|needle| needle[2]).collect()), outputs.iter().cloned().collect());
    let query = between(last, " for ", " mentioned");
    let keys = |needles: &[[&str; 3]]| sorted(needles.iter().map(|needle| needle[1]).collect()).len();
    let count = |count: usize| if needles.len() > 100 { json!("many") } else { json!(count) };
    let others: Vec<&&str> = lines.iter().filter(|line| !line.starts_with("One of")).collect();
    let key_parts = |key: &str| if key.len() == 36 && key.matches('-').count() == 4 { 1 } else { 2 };
    assert!(needles.iter().all(|needle| needle[1].contains('-')));
    json!({
        "first": first,
        "last": last.replace(query, "{query}"),
        "queries": query.replace(", and ", ", ").split(", ").count(),
        "kinds": sorted(needles.iter().map(|needle| needle[0]).collect()),
        "needles": count(needles.len()),
        "keys": count(keys(&needles)),
        "asked_keys": sorted(asked.iter().map(|needle| needle[1]).collect()).len(),
        "outputs": outputs.len(),
        "repeated": (others.len() > 1).then(|| same(others)),
        "key_parts": same(needles.iter().map(|needle| key_parts(needle[1]))),
        "value_length": same(needles.iter().map(|needle| needle[2].len())),
    })
}

/// A chain's facts, its names, and lines of noise.
fn chain(text: &str) -> (Value, Vec<String>, usize) {
    let (head, rest) = text.split_once("text.\n\n").unwrap();
    let (context, tail) = rest.rsplit_once("\nQuestion:").unwrap();
    let mut names: Vec<String> = Vec::new();
    let (mut noise, mut value) = (Vec::new(), "");
    let mut rest = context;
    while let Some((before, after)) = rest.split_once("VAR ") {
        noise.push(before);
        let (name, after) = after.split_once(" = ").unwrap();
        rest = match (after.strip_prefix("VAR "), names.last()) {
            (Some(after), Some(last)) => {
                after.strip_prefix(last.as_str()).unwrap().strip_prefix(' ').unwrap()
            }
            (None, None) => {
                let end = after.find(' ').unwrap();
                value = &after[..end];
                &after[end..]
            }
            found => panic!("{found:?}"),
        };
        names.push(name.into());
    }
    noise.push(rest);
    let noise = noise.join("");
    let noise: Vec<&str> = noise.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
    let facts = json!({
        "head": head,
        "tail": tail.replace(value, "{value}").replace(&names.join(" "), "{names}"),
        "letters": same(names.iter().map(String::len)),
        "value_digits": value.len(),
        "names": names.len(),
        "noise": same(noise.iter()),
    });
    (facts, names, noise.len())
}

fn variable_tracking(prompt: &str, outputs: &[String]) -> Value {
    let parts: Vec<&str> = prompt.split("Memorize and track").collect();
    let (mut example, _, noise_lines) = chain(parts[1]);
    example["noise_lines"] = json!(noise_lines);
    let (task, names, _) = chain(parts[2]);
    assert_eq!(names, outputs);
    json!({ "start": parts[0], "example": example, "task": task, "outputs": outputs.len() })
}

fn common_words(prompt: &str, outputs: &[String]) -> Value {
    let parts: Vec<&str> = prompt.split("Below is a").collect();
    let cut = |text: &str| {
        let (head, rest) = text.split_once('\n').unwrap();
        let (context, tail) = rest.split_once("\nQuestion:").unwrap();
        let pieces: Vec<&str> = context.split(' ').collect();
        let mut words: HashMap<String, usize> = HashMap::new();
        for (place, pair) in pieces.chunks(2).enumerate() {
            assert_eq!(pair[0], format!("{}.", place + 1));
            *words.entry(pair[1].into()).or_default() += 1;
        }
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        words.values().for_each(|&count| *counts.entry(count).or_default() += 1);
        (head.to_string(), tail.to_string(), words, counts)
    };
    let (head, tail, words, counts) = cut(parts[1]);
    let (_, last, task_words, task_counts) = cut(parts[2]);
    let common = *task_counts.last_key_value().unwrap().0;
    let most: BTreeSet<&String> =
        task_words.iter().filter(|word| *word.1 == common).map(|word| word.0).collect();
    assert_eq!(most, outputs.iter().collect());
    let answer = tail.split_once("list are:").unwrap().1;
    let masked: Vec<String> = answer
        .trim_end()
        .split(' ')
        .enumerate()
        .map(|(place, piece)| if place % 2 == 0 { piece.into() } else { "{word}".into() })
        .collect();
    json!({
        "start": parts[0],
        "head": head,
        "example_entries": words.values().sum::<usize>(),
        "example_counts": counts.iter().map(|(times, words)| (times.to_string(), json!(words))).collect::<serde_json::Map<_, _>>(),
        "example_tail": tail.replace(answer, "{answer}"),
        "example_answer": masked.join(" ") + &answer[answer.trim_end().len()..],
        "tail": last,
        "common_count": common,
        "other_count": task_counts.first_key_value().unwrap().0,
        "outputs": outputs.len(),
    })
}

/// Of a text as long as the recorded one.
fn frequent_words(length: usize, recorded: &Value) -> Value {
    let size = recorded["num_words"].as_u64().unwrap() as usize;
    let draft = FrequentWords { length }.draft(size, SampleSeed::new(0, &[]));
    let prompt = text(&draft.prompt);
    let (head, rest) = prompt.split_once("coded words. ").unwrap();
    let (context, tail) = rest.split_once("\nQuestion:").unwrap();
    let mut words: HashMap<&str, usize> = HashMap::new();
    context.split(' ').for_each(|word| *words.entry(word).or_default() += 1);
    let mut words: Vec<(usize, &str)> = words.into_iter().map(|(word, count)| (count, word)).collect();
    words.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(words[0].1, "...");
    assert_eq!(words[1..4].iter().map(|word| word.1).collect::<Vec<_>>(), draft.references);
    json!({
        "head": head,
        "tail": tail,
        "num_words": size,
        "counts": words.iter().map(|word| word.0).collect::<Vec<_>>(),
        "letters": same(words[1..].iter().map(|word| word.1.len())),
        "outputs": draft.references.len(),
    })
}

fn question_answering(prompt: &str) -> Value {
    let (head, rest) = prompt.split_once("Document 1:\n").unwrap();
    let (context, tail) = rest.rsplit_once("\n\nAnswer the question based").unwrap();
    for (document, number) in context.split("\n\nDocument ").skip(1).zip(2..) {
        assert!(document.starts_with(&format!("{number}:\n")));
    }
    let question = between(tail, "Question: ", " Answer:");
    json!({ "head": head, "tail": tail.replace(question, "{question}") })
}

#[test]
fn prompts_are_built_as_the_official_ones() {
    let record = record();
    assert_eq!(record["tasks"].as_object().unwrap().len(), RulerTask::all().count());
    for task in RulerTask::all() {
        let recorded = &record["tasks"][task.name()];
        assert_eq!(recorded["tokens_to_generate"], task.max_tokens());
        for (length, recorded) in recorded["lengths"].as_object().unwrap() {
            let length: usize = length.parse().unwrap();
            let source = source([task], length, 5);
            for place in 0..3 {
                let sample = made(&source, place).unwrap();
                let question = &sample.questions[0];
                let (prompt, outputs) = (text(&question.prompt), &question.references);
                let facts = match task.kind() {
                    TaskKind::Niah(_) => niah(&prompt, outputs),
                    TaskKind::VariableTracking => variable_tracking(&prompt, outputs),
                    TaskKind::CommonWords => common_words(&prompt, outputs),
                    TaskKind::FrequentWords => frequent_words(length, &recorded["facts"]),
                    TaskKind::QuestionAnswering(_) => question_answering(&prompt),
                };
                assert_eq!(facts, recorded["facts"], "{}", sample.name);
                // as near to the length, or nearer
                let tokens = words(&prompt).unwrap() + task.max_tokens();
                let official = recorded["tokens"][place].as_u64().unwrap() as usize;
                assert!(tokens <= length && tokens + slack(task) >= official, "{}: {tokens}", sample.name);
            }
        }
    }
}

#[test]
fn scores_are_the_official_ones() {
    let record = &record()["scores"];
    let list = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let (answers, clean) = (list(&record["answers"]), list(&record["cleaned"]));
    let mut scores = [Vec::new(), Vec::new()];
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(cleaned(answer), clean[place]);
        let references = list(&record["references"][place]);
        for ((scores, task), name) in
            scores.iter_mut().zip([RulerTask::Vt, RulerTask::Qa1]).zip(["all", "part"])
        {
            let score = task.scoring().score(answer, &references);
            let expected = record[name][place].as_f64().unwrap();
            assert!((score * 100.0 - expected).abs() < 1e-9, "{answer:?}: {score}, expected {expected}");
            scores.push(score);
        }
    }
    for (scores, name) in scores.iter().zip(["all_of_task", "part_of_task"]) {
        let score = 100.0 * scores.iter().sum::<f64>() / scores.len() as f64;
        // the official one is rounded
        assert!((score - record[name].as_f64().unwrap()).abs() <= 0.005 + 1e-9, "{name}: {score}");
    }
}

#[test]
fn templates_are_the_official_ones() {
    let record = record();
    let recorded = record["templates"].as_object().unwrap();
    let mut found = 0;
    for template in PromptTemplate::all() {
        let PromptTemplate::Published(published) = template else { continue };
        let (before, after) = published.around();
        assert_eq!(recorded[published.name()], format!("{before}{{task_template}}{after}"));
        assert_eq!(published.name().parse::<PromptTemplate>().unwrap(), template);
        found += 1;
    }
    assert_eq!(found, recorded.len());
    let error = "chat".parse::<PromptTemplate>().unwrap_err().to_string();
    assert!(error.contains("model, raw, base") && error.ends_with("found chat"), "{error}");
}
