//! What the texts hold. Tokens are counted as three bytes each, so that nothing is known about
//! words.

use super::*;

#[expect(clippy::unnecessary_wraps, reason = "what counts tokens may fail")]
fn count(prompt: &QuestionPrompt) -> Result<usize> {
    let QuestionPrompt::Asked { user, answer_prefix } = prompt else { unreachable!("all are asked") };
    Ok((user.len() + answer_prefix.len()).div_ceil(3))
}

fn make(task: InfiniteBenchTask, length: usize, number: usize, seed: u64) -> TaskSample {
    super::make(SamplePlace { task, length, number }, seed, count).unwrap()
}

fn text(sample: &TaskSample) -> String {
    let QuestionPrompt::Asked { user, answer_prefix } = &sample.questions[0].prompt else { unreachable!() };
    format!("{user}{answer_prefix}")
}

#[test]
fn prompts_leave_room_for_the_answer_and_little_more() {
    for task in InfiniteBenchTask::generated() {
        for length in [300, 1000, 4096, 20_000, 131_072] {
            for number in 0..7 {
                let sample = make(task, length, number, 5);
                let tokens = count(&sample.questions[0].prompt).unwrap() + task.longest_answer();
                // the longest unit is a line of 90 bytes, a key with its value has 80
                assert!(tokens <= length && tokens + 40 > length, "{}: {tokens}", sample.name);
            }
        }
    }
}

#[test]
fn digits_hide_in_one_line_at_their_depth() {
    for (task, digits) in [(InfiniteBenchTask::Passkey, 5), (InfiniteBenchTask::NumberString, 10)] {
        for number in 0..20 {
            let sample = make(task, 20_000, number, 1);
            let (text, question) = (text(&sample), &sample.questions[0]);
            let answer = &question.references[0];
            assert!(answer.len() == digits && answer.bytes().all(|byte| byte.is_ascii_digit()));
            let lines: Vec<&str> = text.lines().filter(|line| line.ends_with('.')).skip(1).collect();
            let places: Vec<usize> = (0..lines.len()).filter(|&i| lines[i].contains(answer)).collect();
            assert_eq!(places.len(), 1);
            assert_eq!(text.matches(answer).count(), 2, "the line says it twice");
            let depth = places[0] as f64 / (lines.len() - 1) as f64;
            assert!((depth - question.depth.unwrap()).abs() < 0.01, "{depth}, {:?}", question.depth);
        }
    }
    // each of the ten digits of a string stands beside one like it or was there before
    let sample = make(InfiniteBenchTask::NumberString, 1000, 0, 1);
    let mut digits = sample.questions[0].references[0].clone().into_bytes();
    digits.dedup();
    assert!(digits.len() <= 5);
}

#[test]
fn depths_are_spread_over_the_text() {
    let mut depths: Vec<f64> = (0..10)
        .map(|number| make(InfiniteBenchTask::Passkey, 500, number, 3).questions[0].depth.unwrap())
        .collect();
    depths.sort_by(f64::total_cmp);
    assert!(depths.windows(2).all(|pair| pair[1] - pair[0] < 0.2), "{depths:?}");
    assert!(depths[0] < 0.2 && depths[9] > 0.8);
}

#[test]
fn the_key_that_is_asked_for_has_its_value() {
    for number in 0..5 {
        let sample = make(InfiniteBenchTask::KeyValueRetrieval, 8000, number, 9);
        let (text, question) = (text(&sample), &sample.questions[0]);
        let from = text.find("JSON data:\n{").unwrap() + "JSON data:\n".len();
        let object = &text[from..=text.find('}').unwrap()];
        let entries: serde_json::Map<String, serde_json::Value> = serde_json::from_str(object).unwrap();
        let key = text.rsplit_once("\nKey: \"").unwrap().1.split('"').next().unwrap();
        assert_eq!(entries[key], question.references[0].as_str());
        assert_eq!(text.matches(&question.references[0]).count(), 1);
        let at = object.find(key).unwrap() as f64 / object.len() as f64;
        assert!((at - question.depth.unwrap()).abs() < 0.01 && entries.len() > 250);
        assert!(text.ends_with("\nThe value associated with the specified key is: "));
    }
}

#[test]
fn lists_hold_the_number_that_is_asked_for() {
    let mut inputs = Vec::new();
    for number in 0..7 {
        let sample = make(InfiniteBenchTask::MathFind, 3000, number, 2);
        let (text, question) = (text(&sample), &sample.questions[0]);
        let list = &text[text.find('[').unwrap()..=text.find(']').unwrap()];
        let numbers: Vec<u32> = serde_json::from_str(list).unwrap();
        assert!(numbers.len() > 1500 && numbers.iter().all(|&number| number < 100));
        let answer: f64 = question.references[0].parse().unwrap();
        let is_in = numbers.iter().any(|&number| (f64::from(number) - answer).abs() < 0.51);
        assert!(is_in && question.depth.is_none());
        if number == 0 {
            assert_eq!(answer, f64::from(*numbers.iter().max().unwrap()));
            assert!(
                text.starts_with("What is the largest number in the following list?\n\n[") && answer >= 75.0
            );
        }
        inputs.push(text[text.find(']').unwrap()..].to_string());
    }
    inputs.sort();
    inputs.dedup();
    assert_eq!(inputs.len(), 7);
}

#[test]
fn samples_depend_on_seed_task_length_and_number_alone() {
    let few = GeneratedSamples::new(&[InfiniteBenchTask::Passkey], &[1000], 1, 4).unwrap();
    let many = GeneratedSamples::new(
        &[InfiniteBenchTask::MathFind, InfiniteBenchTask::Passkey, InfiniteBenchTask::Passkey],
        &[500, 1000, 500],
        3,
        4,
    )
    .unwrap();
    assert_eq!(many.places.len(), 12);
    let at = many.names().iter().position(|name| name == "passkey/1000/0").unwrap();
    let sample = super::make(few.places[0], few.seed, count).unwrap();
    assert_eq!(sample, super::make(many.places[at], many.seed, count).unwrap());
    assert_eq!(
        (sample.name.as_str(), sample.task.as_str(), sample.length),
        ("passkey/1000/0", "passkey", 1000)
    );
    for task in InfiniteBenchTask::generated() {
        let one = text(&make(task, 1000, 3, 1));
        for other in [make(task, 1000, 3, 2), make(task, 1000, 4, 1), make(task, 1100, 3, 1)] {
            assert_ne!(one, text(&other));
        }
    }
    let answers = [InfiniteBenchTask::Passkey, InfiniteBenchTask::NumberString]
        .map(|task| make(task, 1000, 3, 1).questions[0].references[0].clone());
    assert!(!answers[1].starts_with(&answers[0][..3]), "tasks don't share their digits: {answers:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let message = |error: Error| error.to_string();
    let refused =
        GeneratedSamples::new(&[InfiniteBenchTask::CodeDebug], &[1000], 1, 0).map_err(message).unwrap_err();
    assert!(refused.contains("passkey, number_string, kv_retrieval, math_find"), "{refused}");
    assert!(refused.ends_with("found code_debug"), "{refused}");
    for (tasks, lengths, samples) in [
        (&[][..], &[1000][..], 1),
        (&[InfiniteBenchTask::Passkey], &[], 1),
        (&[InfiniteBenchTask::Passkey], &[1000], 0),
        (&[InfiniteBenchTask::Passkey], &[1000], usize::MAX),
    ] {
        let refused = GeneratedSamples::new(tasks, lengths, samples, 0).map_err(message).unwrap_err();
        assert!(refused.contains("expected"), "{refused}");
    }
    for task in InfiniteBenchTask::generated() {
        let refused =
            super::make(SamplePlace { task, length: 10, number: 0 }, 0, count).map_err(message).unwrap_err();
        assert!(refused.starts_with(&format!("length of {task}: expected at least ")), "{refused}");
        assert!(refused.ends_with("tokens, found 10"), "{refused}");
    }
}
