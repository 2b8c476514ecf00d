//! Long prompts of our own making: much text, one fact in it, and a question about that fact.
//!
//! A model that reads the whole text answers right; sparse attention that loses the wrong keys does not. The same options give the
//! same text everywhere.
//!
//! ```
//! use minference_model::haystack::{Haystack, HaystackOptions, HaystackStyle};
//!
//! let options = HaystackOptions { style: HaystackStyle::Log, tokens: 500, depth: 0.4, similar_facts: 3, seed: 1 };
//! // a tokenizer's count; here one token per word
//! let haystack = Haystack::generate(&options, |text| Ok::<_, String>(text.split_whitespace().count()))?;
//! assert!(haystack.tokens <= 500 && haystack.text.contains(&haystack.fact));
//! assert!(haystack.question.contains("access code"));
//! assert!(haystack.is_answered_by(&format!("The code is {}.", haystack.answer)));
//! # Ok::<(), String>(())
//! ```

mod key_values;
mod log;
mod prose;

use minference_attention::synthetic::Random;

/// Lines that are counted to learn how long lines are.
const SAMPLE: usize = 32;

/// What the text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HaystackStyle {
    /// Lines of a server's log.
    Log,
    /// English sentences about nothing in particular.
    Prose,
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HaystackOptions {
    /// What the text looks like.
    pub style: HaystackStyle,
    /// The text has at most so many tokens, and no more than about a line less. The question comes on top.
    pub tokens: usize,
    /// Where the fact stands: 0 is the beginning, 1 the end. Values outside are moved to the nearer of these.
    pub depth: f32,
    /// Facts of the same form about other places, spread over the text; each makes the question harder.
    pub similar_facts: usize,
    /// Texts of different seeds differ in everything.
    pub seed: u64,
}

/// A long text, and a question about one of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Haystack {
    /// The text: lines, each with its end.
    pub text: String,
    /// The line that holds the fact.
    pub fact: String,
    /// What to ask, after the text.
    pub question: String,
    /// The answer: a number, or a value, that stands nowhere else in the text.
    pub answer: String,
    /// Tokens of the text, as the caller counts them.
    pub tokens: usize,
}

impl Haystack {
    /// Makes a text whose length `count_tokens` measures, which it does a few times.
    ///
    /// # Errors
    /// Those of `count_tokens`.
    pub fn generate<E>(
        options: &HaystackOptions,
        count_tokens: impl Fn(&str) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let style = options.style;
        let mut random = Random::new(options.seed);
        let facts = facts(options, &mut random);
        let (place, answer) = (facts[0].place, facts[0].code.clone());

        let text = |filler: &[String]| write(style, filler, &facts);
        let (filler, tokens) = fill(
            options.tokens,
            facts.len(),
            || style.filler(&mut random),
            |filler| count_tokens(&text(filler).0),
        )?;
        let (text, fact) = text(&filler);
        let question = format!("What is the access code of the {place} office?");
        Ok(Self { text, fact, question, answer, tokens })
    }

    /// A JSON object of random keys and values, and a question about the value in its middle, give or take a sixth. As the question belongs
    /// to the task, all of it has at most `tokens` tokens, and no more than about an entry less.
    ///
    /// # Errors
    /// Those of `count_tokens`.
    pub fn key_values<E>(
        tokens: usize,
        seed: u64,
        count_tokens: impl Fn(&str) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let mut random = Random::new(seed);
        let [key, value] = [0; 2].map(|_| key_values::identifier(&mut random));
        let depth = (random.below(1000) as f64 / 1000.0 + 1.0) / 3.0;
        let (fact, question) = (key_values::entry(&key, &value), key_values::question(&key));
        let text = |filler: &[String]| {
            let mut entries = filler.to_vec();
            entries.insert((depth * filler.len() as f64) as usize, fact.clone());
            key_values::text(&entries)
        };
        let mut entry = || {
            let [key, value] = [0; 2].map(|_| key_values::identifier(&mut random));
            key_values::entry(&key, &value)
        };
        let count = |filler: &[String]| count_tokens(&prompt(&text(filler), &question));
        let (filler, tokens) = fill(tokens, 1, &mut entry, count)?;
        Ok(Self { text: text(&filler), fact, question, answer: value, tokens })
    }

    /// What a model is asked: the text, and then the question.
    pub fn prompt(&self) -> String {
        prompt(&self.text, &self.question)
    }

    /// Whether a model's reply holds the answer, as a number or a word of its own.
    pub fn is_answered_by(&self, reply: &str) -> bool {
        reply
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
            .any(|word| word == self.answer)
    }
}

fn prompt(text: &str, question: &str) -> String {
    format!("{text}\n{question}")
}

/// As many lines of filler as fit beside `others`, and the tokens of all. Few texts are counted.
fn fill<E>(
    limit: usize,
    others: usize,
    mut line: impl FnMut() -> String,
    count_tokens: impl Fn(&[String]) -> Result<usize, E>,
) -> Result<(Vec<String>, usize), E> {
    let mut filler = Vec::new();
    let mut is_trimmed = false;
    loop {
        let tokens = count_tokens(&filler)?;
        if filler.is_empty() && !is_trimmed && tokens < limit {
            // these say how long lines are
            filler.extend((0..SAMPLE.min(limit)).map(|_| line()));
            continue;
        }
        let line_tokens = (tokens / (filler.len() + others)).max(1);
        if tokens > limit && !filler.is_empty() {
            // what is too much goes
            let surplus = (tokens - limit) / line_tokens;
            filler.truncate(filler.len() - surplus.clamp(1, filler.len()));
            is_trimmed = true;
            continue;
        }
        let missing = limit.saturating_sub(tokens) / line_tokens;
        // lines that count as nothing must not fill for ever
        if is_trimmed || missing == 0 || filler.len() >= limit {
            return Ok((filler, tokens));
        }
        filler.extend((0..missing).map(|_| line()));
    }
}

struct Fact {
    /// From 0, the beginning, to 1, the end.
    depth: f64,
    place: &'static str,
    code: String,
}

/// The fact that is asked for, and then those that look like it.
fn facts(options: &HaystackOptions, random: &mut Random) -> Vec<Fact> {
    let mut places = PLACES.to_vec();
    // more would name a place twice
    let similar = options.similar_facts.min(places.len() - 1);
    let mut codes: Vec<String> = Vec::new();
    let mut facts = Vec::new();
    for i in 0..=similar {
        let place = places.swap_remove(random.below(places.len()));
        let mut code = String::new();
        // four digits; all other numbers of the text have fewer
        while code.is_empty() || codes.contains(&code) {
            code = (1000 + random.below(9000)).to_string();
        }
        codes.push(code.clone());
        let depth = match i {
            0 => f64::from(options.depth.clamp(0.0, 1.0)),
            _ => (i as f64 - 0.5) / similar as f64,
        };
        facts.push(Fact { depth, place, code });
    }
    facts
}

/// The text, and the line of the first fact in it.
fn write(style: HaystackStyle, filler: &[String], facts: &[Fact]) -> (String, String) {
    let mut lines: Vec<(f64, String)> =
        filler.iter().enumerate().map(|(i, line)| (i as f64 + 0.5, line.clone())).collect();
    let asked = style.fact(facts[0].place, &facts[0].code);
    for fact in facts {
        lines.push((fact.depth * filler.len() as f64, style.fact(fact.place, &fact.code)));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lines = lines.iter().enumerate().map(|(i, (_, line))| style.line(i, line));
    let lines: Vec<String> = lines.collect();
    let fact = lines.iter().find(|line| line.contains(&asked)).map(|line| line.trim().to_string());
    (lines.concat(), fact.unwrap_or(asked))
}

impl HaystackStyle {
    /// A line or sentence without a fact, without its end.
    pub fn filler(self, random: &mut Random) -> String {
        match self {
            Self::Log => log::entry(random),
            Self::Prose => prose::sentence(random),
        }
    }

    fn fact(self, place: &str, code: &str) -> String {
        match self {
            Self::Log => log::fact(place, code),
            Self::Prose => format!("The access code of the {place} office is {code}."),
        }
    }

    /// The line as it stands in the text, with its end.
    fn line(self, at: usize, line: &str) -> String {
        match self {
            Self::Log => log::line(at, line),
            Self::Prose => prose::line(at, line),
        }
    }
}

fn choose<'a>(words: &[&'a str], random: &mut Random) -> &'a str {
    words[random.below(words.len())]
}

const PLACES: [&str; 24] = [
    "Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Athens", "Madrid", "Warsaw", "Helsinki", "Geneva",
    "Hamburg", "Turin", "Bergen", "Seville", "Antwerp", "Krakow", "Bristol", "Lyon", "Zagreb", "Tallinn",
    "Malmo", "Porto", "Leeds", "Basel",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn words(text: &str) -> Result<usize, Infallible> {
        Ok(text.split_whitespace().count())
    }

    fn make(style: HaystackStyle, tokens: usize, depth: f32, similar_facts: usize, seed: u64) -> Haystack {
        let options = HaystackOptions { style, tokens, depth, similar_facts, seed };
        Haystack::generate(&options, words).unwrap()
    }

    #[test]
    fn the_fact_stands_once_where_it_should_in_a_text_of_the_right_length() {
        for style in [HaystackStyle::Log, HaystackStyle::Prose] {
            for (depth, seed) in [(0.0, 1), (0.3, 2), (0.5, 3), (1.0, 4), (f32::NAN, 5)] {
                let made = make(style, 3000, depth, 5, seed);
                assert!((2950..=3000).contains(&made.tokens), "{} tokens", made.tokens);
                assert_eq!(made.tokens, words(&made.text).unwrap());
                assert_eq!(made.text.matches(&made.answer).count(), 1);
                let at = made.text.find(&made.fact).unwrap() as f32 / made.text.len() as f32;
                if !depth.is_nan() {
                    assert!((at - depth).abs() < 0.03, "at {at}, expected {depth}");
                }
                assert!(made.fact.contains(&made.answer));
                assert_eq!(made.text.matches("access code").count(), 6);
            }
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        for style in [HaystackStyle::Log, HaystackStyle::Prose] {
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
            assert_eq!(made.text.matches(&made.answer).count(), 1);
            assert!(made.fact.contains(&made.answer));
            let object = &made.text[made.text.find('{').unwrap()..];
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(object).unwrap();
            let key = made.question.split('"').nth(1).unwrap();
            assert_eq!(object[key], *made.answer);
            assert!(object.len() * 41 > tokens - 100 && key.len() == 36);
            assert!(made.is_answered_by(&format!("It is \"{}\".", made.answer)));
            assert!(!made.is_answered_by(&made.answer[1..]) && !made.is_answered_by(key));
            assert_ne!(made, Haystack::key_values(tokens, seed + 1, count).unwrap());
        }
        assert!(Haystack::key_values(0, 1, count).unwrap().text.contains('{'));
    }

    #[test]
    fn extremes_end() {
        for style in [HaystackStyle::Log, HaystackStyle::Prose] {
            assert!(make(style, 0, 0.5, 0, 1).text.contains("access code"));
            make(style, 2000, 0.5, 1000, 1);
            let options = HaystackOptions { style, tokens: 20, depth: 0.5, similar_facts: 0, seed: 1 };
            Haystack::generate(&options, |_| Ok::<_, Infallible>(0)).unwrap();
        }
        let refused = Haystack::generate(
            &HaystackOptions { style: HaystackStyle::Log, tokens: 9, depth: 0.0, similar_facts: 0, seed: 1 },
            |_| Err("no tokenizer"),
        );
        assert_eq!(refused, Err("no tokenizer"));
    }

    #[test]
    fn replies_are_judged_by_the_number() {
        let mut made = make(HaystackStyle::Log, 100, 0.5, 0, 1);
        made.answer = "4827".into();
        assert!(made.is_answered_by("4827") && made.is_answered_by("It is **4827**."));
        assert!(!made.is_answered_by("14827") && !made.is_answered_by("482") && !made.is_answered_by(""));
    }
}
