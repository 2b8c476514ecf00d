//! Needles in a haystack: values of keys, hidden in a text.

use super::draw::{different, number, sample, shuffle, uuid};
use super::generator::{Draft, Generator};
use super::haystack_text::{HaystackText, sentences};
use super::words::WordList;
use crate::haystack::prose::REFRAIN;
use crate::sample::QuestionPrompt;
use crate::tasks::sample_seed::SampleSeed;
use crate::tasks::template::fill;
use minference_attention::synthetic::Random;

/// What needles lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NeedleHaystack {
    /// A line of the same sentences ([`REFRAIN`]), again and again.
    Repeat,
    /// A text.
    Essay,
    /// Lines like the needle, with other keys.
    Needles,
}

/// What keys and values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NeedlePart {
    Words,
    Numbers,
    Uuids,
}

/// What differs between the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NiahParameters {
    pub(super) haystack: NeedleHaystack,
    pub(super) keys: NeedlePart,
    pub(super) values: NeedlePart,
    pub(super) key_count: usize,
    pub(super) values_per_key: usize,
    /// Keys that are asked for.
    pub(super) queries: usize,
}

const NEEDLE: &str = "One of the special magic {type_needle_v} for {key} is: {value}.";

/// Task and beginning of the answer, for one value and for several.
const ONE: [&str; 2] = [
    "A special magic {type_needle_v} is hidden within the following text. Make sure to memorize it. I will quiz you about the \
     {type_needle_v} afterwards.\n{context}\nWhat is the special magic {type_needle_v} for {query} mentioned in the provided text?",
    " The special magic {type_needle_v} for {query} mentioned in the provided text is",
];
const SEVERAL: [&str; 2] = [
    "Some special magic {type_needle_v} are hidden within the following text. Make sure to memorize it. I will quiz you about the \
     {type_needle_v} afterwards.\n{context}\nWhat are all the special magic {type_needle_v} for {query} mentioned in the provided text?",
    " The special magic {type_needle_v} for {query} mentioned in the provided text are",
];

/// Depths at which needles lie in an essay.
const DEPTHS: usize = 40;

/// Parts of a sample with random numbers of their own.
const FACTS: u64 = 0;
const FILLER: u64 = 1;
const PLACES: u64 = 2;

impl NeedlePart {
    fn draw(self, words: &WordList, random: &mut Random) -> String {
        match self {
            Self::Words => words.pair(random),
            Self::Numbers => number(random),
            Self::Uuids => uuid(random),
        }
    }

    /// For one, and for several.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Words => ["word", "words"],
            Self::Numbers => ["number", "numbers"],
            Self::Uuids => ["uuid", "uuids"],
        }
    }
}

/// Makes the questions.
pub(super) struct Niah<'a> {
    pub(super) parameters: NiahParameters,
    pub(super) words: &'a WordList,
    pub(super) essay: &'a HaystackText,
}

impl Niah<'_> {
    fn needle(&self, key: &str, value: &str) -> String {
        let [_, names] = self.parameters.values.names();
        fill(NEEDLE, &[("type_needle_v", names), ("key", key), ("value", value)])
    }

    /// Lines or sentences with the needles among them. Lines of other needles have none of `keys`.
    fn lines(&self, size: usize, needles: &[String], keys: &[String], seed: SampleSeed) -> Vec<String> {
        let (mut filler, mut places) = (seed.random(FILLER), seed.random(PLACES));
        let lines = match self.parameters.haystack {
            NeedleHaystack::Essay => {
                let text = sentences(&self.essay.words(size, &mut filler));
                let mut depths = sample(DEPTHS, needles.len(), &mut places);
                depths.sort_unstable();
                let place = |depth: usize| {
                    let percent = (depth as f64 * 100.0 / (DEPTHS - 1) as f64).round_ties_even();
                    (text.len() as f64 * (percent / 100.0)) as usize
                };
                let places = depths.into_iter().map(place).collect::<Vec<_>>();
                return insert(&text, &places, needles);
            }
            NeedleHaystack::Repeat => vec![REFRAIN.to_string(); size],
            NeedleHaystack::Needles => (0..size)
                .map(|_| {
                    let mut draw = |part: NeedlePart| part.draw(self.words, &mut filler);
                    let mut key = draw(self.parameters.keys);
                    // a key that is asked for has the values that it should have, and no others
                    while keys.contains(&key) {
                        key = draw(self.parameters.keys);
                    }
                    self.needle(&key, &draw(self.parameters.values))
                })
                .collect(),
        };
        let mut places = sample(size, needles.len(), &mut places);
        places.sort_unstable();
        insert(&lines, &places, needles)
    }
}

/// The lines with each needle before the line of its place; places rise.
fn insert(lines: &[String], places: &[usize], needles: &[String]) -> Vec<String> {
    let mut all = Vec::with_capacity(lines.len() + needles.len());
    let mut start = 0;
    for (&place, needle) in places.iter().zip(needles) {
        all.extend_from_slice(&lines[start..place]);
        all.push(needle.clone());
        start = place;
    }
    all.extend_from_slice(&lines[start..]);
    all
}

impl Generator for Niah<'_> {
    fn least(&self) -> usize {
        self.parameters.key_count * self.parameters.values_per_key
    }

    fn draft(&self, size: usize, seed: SampleSeed) -> Draft {
        let NiahParameters { keys, values, key_count, values_per_key, queries, haystack } = self.parameters;
        let mut random = seed.random(FACTS);
        let keys = different(key_count, || keys.draw(self.words, &mut random));
        let drawn = different(key_count * values_per_key, || values.draw(self.words, &mut random));
        let values_of = |key: usize| &drawn[key * values_per_key..][..values_per_key];
        let mut needles: Vec<String> = (0..key_count)
            .flat_map(|key| values_of(key).iter().map(move |value| (key, value)))
            .map(|(key, value)| self.needle(&keys[key], value))
            .collect();
        shuffle(&mut needles, &mut random);
        let asked = sample(key_count, queries, &mut random);

        let lines = self.lines(size, &needles, &keys, seed);
        let context = lines.join(if haystack == NeedleHaystack::Essay { " " } else { "\n" });
        let references: Vec<String> = asked.iter().flat_map(|&key| values_of(key).to_vec()).collect();
        let depth = (references.len() == 1).then(|| {
            let needle = self.needle(&keys[asked[0]], &references[0]);
            let place = lines.iter().position(|line| *line == needle).unwrap_or_default();
            place as f64 / (lines.len() - 1).max(1) as f64
        });

        let query = listed(&asked.iter().map(|&key| keys[key].as_str()).collect::<Vec<_>>());
        let [name, names] = values.names();
        let ([task, answer_prefix], name) =
            if references.len() == 1 { (ONE, name) } else { (SEVERAL, names) };
        let places = [("type_needle_v", name), ("context", &context), ("query", &query)];
        let [user, answer_prefix] = [task, answer_prefix].map(|template| fill(template, &places));
        Draft { prompt: QuestionPrompt::Asked { user, answer_prefix }, references, depth }
    }
}

/// `a, b, and c`
fn listed(queries: &[&str]) -> String {
    match queries {
        [one] => (*one).to_string(),
        [others @ .., last] => format!("{}, and {last}", others.join(", ")),
        [] => String::new(),
    }
}
