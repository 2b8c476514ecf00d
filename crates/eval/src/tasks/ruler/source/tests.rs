//! Samples measured in words, so that no model is needed; `facts` holds their structure against the
//! official generators'.

mod facts;

use super::*;
use proptest::prelude::*;

/// A token is what stands between white space.
#[expect(clippy::unnecessary_wraps, reason = "what counts tokens may fail")]
fn words(text: &str) -> Result<usize> {
    Ok(text.split_whitespace().count())
}

/// A prompt without any form.
fn text(prompt: &QuestionPrompt) -> String {
    match prompt {
        QuestionPrompt::Asked { user, answer_prefix } => format!("{user}{answer_prefix}"),
        QuestionPrompt::Conversation { answered, user, answer_prefix } => {
            let rounds = answered.iter().map(|round| format!("{}{}\n", round.user, round.answer));
            format!("{}{user}{answer_prefix}", rounds.collect::<String>())
        }
        QuestionPrompt::Raw(text) | QuestionPrompt::Rendered(text) => text.clone(),
    }
}

/// Forty articles of three paragraphs with a question each, and questions on three articles.
fn questions() -> Vec<DocumentQuestions> {
    let folder = tempfile::tempdir().unwrap();
    let filler = "many words about it ".repeat(12);
    let paragraph = |i: usize, j: usize| {
        format!(
            r#"{{"context": "Paragraph {j} of article {i}: {filler}", "qas": [{{"question": "What of {i} {j}?", "answers": [{{"text": "Paragraph {j}"}}, {{"text": "x"}}]}}]}}"#
        )
    };
    let article = |i: usize| {
        format!(r#"{{"paragraphs": [{}, {}, {}]}}"#, paragraph(i, 0), paragraph(i, 1), paragraph(i, 2))
    };
    let squad = format!(r#"{{"data": [{}]}}"#, (0..40).map(article).collect::<Vec<_>>().join(","));
    let asked = |i: usize| {
        let context =
            (0..3).map(|j| format!(r#"["Title {}", ["{filler}", " end."]]"#, i + j)).collect::<Vec<_>>();
        format!(
            r#"{{"question": "Which of {i}?", "answer": "Title {i}", "context": [{}]}}"#,
            context.join(",")
        )
    };
    let hotpot = format!("[{}]", (0..120).map(asked).collect::<Vec<_>>().join(","));
    [(QuestionFormat::Squad, squad), (QuestionFormat::Hotpot, hotpot)]
        .into_iter()
        .map(|(format, content)| {
            let path = folder.path().join(format.name());
            std::fs::write(&path, content).unwrap();
            DocumentQuestions::read(&path, format).unwrap()
        })
        .collect()
}

fn source(tasks: impl IntoIterator<Item = RulerTask>, length: usize, seed: u64) -> RulerSource {
    let plan = RulerPlan { tasks: tasks.into_iter().collect(), lengths: vec![length], samples: 3, seed };
    RulerSource::new(plan, RulerData { questions: questions(), ..RulerData::default() }).unwrap()
}

fn made(source: &RulerSource, place: usize) -> Result<TaskSample> {
    source.make(source.places[place], &words, &|prompt| words(&text(prompt)))
}

/// How far below a length a prompt may stay: about a unit in words.
fn slack(task: RulerTask) -> usize {
    match task.kind() {
        TaskKind::Niah(parameters) => match parameters.haystack {
            super::super::niah::NeedleHaystack::Essay => 1,
            super::super::niah::NeedleHaystack::Repeat => 19,
            super::super::niah::NeedleHaystack::Needles => 10,
        },
        TaskKind::VariableTracking => 20,
        TaskKind::CommonWords => 6,
        // some more words of the vocabulary may appear at once
        TaskKind::FrequentWords => 4,
        TaskKind::QuestionAnswering(_) => 60,
    }
}

#[test]
fn prompts_are_as_long_as_they_may_be_and_hold_their_answers() {
    for length in [2000, 4096, 5500] {
        for task in RulerTask::all() {
            let source = source([task], length, 7);
            for place in 0..3 {
                let sample = made(&source, place).unwrap();
                assert_eq!(sample.name, source.names()[place]);
                let question = &sample.questions[0];
                let prompt = text(&question.prompt);
                let tokens = words(&prompt).unwrap() + task.max_tokens();
                assert!(
                    tokens <= length && tokens + slack(task) >= length,
                    "{}: {tokens} of {length}",
                    sample.name
                );
                let found = question.references.iter().filter(|answer| prompt.contains(*answer)).count();
                let all = question.references.len();
                assert!(if task.questions().is_some() { found > 0 } else { found == all }, "{}", sample.name);
                if let Some(depth) = question.depth {
                    let at = prompt.find(&question.references[0]).unwrap() as f64 / prompt.len() as f64;
                    // sentences differ in length
                    assert!((at - depth).abs() < 0.05, "{}: at {at}, expected {depth}", sample.name);
                }
            }
        }
    }
}

#[test]
fn a_sample_depends_on_nothing_but_its_name_and_the_seed() {
    let all = source(RulerTask::all(), 3000, 1);
    for place in [0, 4, 17, 25, 38] {
        let sample = made(&all, place).unwrap();
        let task = all.places[place].task;
        let (alone, other) = (source([task], 3000, 1), source([task], 3000, 2));
        assert_eq!(made(&alone, place % 3).unwrap(), sample);
        assert_ne!(made(&other, place % 3).unwrap().questions, sample.questions, "{}", sample.name);
        assert_ne!(made(&alone, (place + 1) % 3).unwrap().questions, sample.questions, "{}", sample.name);
    }
}

#[test]
fn few_texts_are_counted() {
    for task in RulerTask::all() {
        let source = source([task], 30_000, 3);
        let counts = std::cell::Cell::new(0);
        let mut of_samples = Vec::new();
        for place in 0..3 {
            counts.set(0);
            let count = |prompt: &QuestionPrompt| {
                counts.set(counts.get() + 1);
                words(&text(prompt))
            };
            source.make(source.places[place], &words, &count).unwrap();
            of_samples.push(counts.get());
        }
        assert!(of_samples[0] <= 12 && of_samples[1] <= 6 && of_samples[2] <= 6, "{task}: {of_samples:?}");
    }
}

#[test]
fn all_documents_are_used_where_there_are_no_more() {
    let sample = made(&source([RulerTask::Qa1], 100_000, 1), 0).unwrap();
    let prompt = text(&sample.questions[0].prompt);
    assert!(prompt.contains("\n\nDocument 120:\n") && !prompt.contains("Document 121:"));
}

#[test]
fn what_can_not_be_made_is_refused() {
    let plan = |tasks: &[RulerTask], lengths: &[usize], samples: usize| RulerPlan {
        tasks: tasks.to_vec(),
        lengths: lengths.to_vec(),
        samples,
        seed: 0,
    };
    let all = || RulerData { questions: questions(), ..RulerData::default() };
    let vt = &[RulerTask::Vt];
    for (plan, data, found) in [
        (plan(&[], &[4096], 1), all(), "tasks: expected at least one"),
        (plan(vt, &[], 1), all(), "lengths: expected"),
        (plan(vt, &[4096], 0), all(), "samples of each task: expected"),
        (plan(&[RulerTask::Qa2], &[4096], 1), RulerData::default(), "a JSON file of HotpotQA"),
        (plan(&[RulerTask::Qa1], &[4096], 121), all(), "at most 120, the questions of squad"),
    ] {
        let error = RulerSource::new(plan, data).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    for task in RulerTask::all() {
        let error = made(&source([task], 50, 0), 0).unwrap_err().to_string();
        assert!(error.contains(&format!("length of {task}")) && error.ends_with("found 50"), "{error}");
    }
    // names that are there twice are made once
    let twice = RulerSource::new(plan(&[RulerTask::Vt, RulerTask::Vt], &[4096, 4096], 2), all()).unwrap();
    assert_eq!(twice.names(), ["vt/4096/0", "vt/4096/1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn no_prompt_is_too_long(length in 0usize..6000, seed in any::<u64>(), task in 0usize..13) {
        let task = RulerTask::all().nth(task).unwrap();
        match made(&source([task], length, seed), 0) {
            Ok(sample) => {
                let tokens = words(&text(&sample.questions[0].prompt)).unwrap() + task.max_tokens();
                prop_assert!(tokens <= length);
            }
            Err(Error::Choice { what, .. }) => prop_assert!(what.contains(task.name()) && length < 1500),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
