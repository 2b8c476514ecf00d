use super::*;
use std::convert::Infallible;

#[expect(clippy::unnecessary_wraps, reason = "what counts tokens may fail")]
fn words(text: &str) -> Result<usize, Infallible> {
    Ok(text.split_whitespace().count())
}

const TEXT: &str = "It rained all day. Nobody went out! Was it cold?\n\nThe fire had gone out";

fn make(style: HaystackStyle<'_>, tokens: usize, depth: f32, similar_facts: usize, seed: u64) -> Haystack {
    let options = HaystackOptions { style, tokens, depths: &[depth], similar_facts, seed };
    Haystack::generate(&options, words).unwrap()
}

#[test]
fn the_fact_stands_once_where_it_should_in_a_text_of_the_right_length() {
    for style in [HaystackStyle::Log, HaystackStyle::Prose, HaystackStyle::Text(TEXT)] {
        for (depth, seed) in [(0.0, 1), (0.3, 2), (0.5, 3), (1.0, 4), (f32::NAN, 5)] {
            let made = make(style, 3000, depth, 5, seed);
            assert!((2950..=3000).contains(&made.tokens), "{} tokens", made.tokens);
            assert_eq!(made.tokens, words(&made.text).unwrap());
            assert_eq!(made.text.matches(&made.facts[0].answer).count(), 1);
            let at = made.text.find(&made.facts[0].line).unwrap() as f32 / made.text.len() as f32;
            if !depth.is_nan() {
                assert!((at - depth).abs() < 0.03, "at {at}, expected {depth}");
            }
            assert!(made.facts[0].line.contains(&made.facts[0].answer));
            assert_eq!(made.text.matches("access code").count(), 6);
        }
    }
}

#[test]
fn several_facts_are_asked_for_one_by_one() {
    let depths = [0.1, 0.3, 0.5, 0.7, 0.9];
    let options = HaystackOptions {
        style: HaystackStyle::Prose,
        tokens: 2000,
        depths: &depths,
        similar_facts: 4,
        seed: 3,
    };
    let made = Haystack::generate(&options, words).unwrap();
    assert_eq!(made.facts.len(), 5);
    // four about other places, of the first four kinds
    let kinds = [" office is", "tower of", "library of", "bridge of", "school of"];
    assert_eq!(kinds.map(|kind| made.text.matches(kind).count()), [2, 2, 2, 2, 1]);
    for (fact, depth) in made.facts.iter().zip(depths) {
        let at = made.text.find(&fact.line).unwrap() as f32 / made.text.len() as f32;
        assert!((at - depth).abs() < 0.03 && fact.depth == depth);
        assert!(made.prompt_about(fact).ends_with(&fact.question));
        assert!(fact.line.contains(&fact.answer) && made.text.matches(&fact.answer).count() == 1);
        assert_eq!(made.facts.iter().filter(|other| other.question == fact.question).count(), 1);
    }
    let all = HaystackOptions { depths: &[0.5; 30], similar_facts: 9, ..options };
    assert_eq!(Haystack::generate(&all, words).unwrap().facts.len(), 24);
}

#[test]
fn the_seed_decides_everything() {
    for style in [HaystackStyle::Log, HaystackStyle::Prose, HaystackStyle::Text(TEXT)] {
        let one = make(style, 500, 0.5, 2, 7);
        assert_eq!(one, make(style, 500, 0.5, 2, 7));
        assert_ne!(one.text, make(style, 500, 0.5, 2, 8).text);
    }
}

#[test]
fn objects_of_keys_and_values_hold_the_one_that_is_asked_for() {
    let count = |text: &str| Ok::<_, Infallible>(text.len() / 2);
    for (tokens, seed) in [(200, 1), (5000, 2), (30_000, 3)] {
        let made = Haystack::key_values(tokens, seed, count).unwrap();
        assert!(made.tokens <= tokens && made.tokens + 60 > tokens, "{} of {tokens}", made.tokens);
        assert_eq!(made.tokens, count(&made.prompt()).unwrap());
        assert_eq!(made.text.matches(&made.facts[0].answer).count(), 1);
        assert!(made.facts[0].line.contains(&made.facts[0].answer));
        let object = &made.text[made.text.find('{').unwrap()..];
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(object).unwrap();
        let key = made.facts[0].question.split('"').nth(1).unwrap();
        assert_eq!(object[key], *made.facts[0].answer);
        assert!(object.len() * 41 > tokens - 100 && key.len() == 36);
        assert!(made.facts[0].is_answered_by(&format!("It is \"{}\".", made.facts[0].answer)));
        assert!(
            !made.facts[0].is_answered_by(&made.facts[0].answer[1..]) && !made.facts[0].is_answered_by(key)
        );
        assert_ne!(made, Haystack::key_values(tokens, seed + 1, count).unwrap());
    }
    assert!(Haystack::key_values(0, 1, count).unwrap().text.contains('{'));
}

#[test]
fn extremes_end() {
    for style in [HaystackStyle::Log, HaystackStyle::Prose, HaystackStyle::Text(TEXT)] {
        assert!(make(style, 0, 0.5, 0, 1).text.contains("access code"));
        make(style, 2000, 0.5, 1000, 1);
        let options = HaystackOptions { style, tokens: 20, depths: &[0.5], similar_facts: 0, seed: 1 };
        Haystack::generate(&options, |_| Ok::<_, Infallible>(0)).unwrap();
    }
    let refused = Haystack::generate(
        &HaystackOptions { style: HaystackStyle::Log, tokens: 9, depths: &[], similar_facts: 0, seed: 1 },
        |_| Err("no tokenizer"),
    );
    assert_eq!(refused, Err("no tokenizer"));
}

#[test]
fn replies_are_judged_by_the_number() {
    let mut made = make(HaystackStyle::Log, 100, 0.5, 0, 1);
    made.facts[0].answer = "4827".into();
    assert!(made.facts[0].is_answered_by("4827") && made.facts[0].is_answered_by("It is **4827**."));
    assert!(
        !made.facts[0].is_answered_by("14827")
            && !made.facts[0].is_answered_by("482")
            && !made.facts[0].is_answered_by("")
    );
}
