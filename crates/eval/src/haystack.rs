//! Long prompts of our own making: much text, one fact in it or several, and a question about each.
//!
//! A model that reads the whole text answers right; sparse attention that loses the wrong keys does
//! not. The same options give the same text everywhere.
//!
//! ```
//! use minference_eval::haystack::{Haystack, HaystackOptions, HaystackStyle};
//!
//! let options = HaystackOptions { style: HaystackStyle::Log, tokens: 500, depths: &[0.4], similar_facts: 3, seed: 1 };
//! // a tokenizer's count; here one token per word
//! let haystack = Haystack::generate(&options, |text| Ok::<_, String>(text.split_whitespace().count()))?;
//! let fact = &haystack.facts[0];
//! assert!(haystack.tokens <= 500 && haystack.text.contains(&fact.line));
//! assert!(fact.question.contains("access code"));
//! assert!(fact.is_answered_by(&format!("The code is {}.", fact.answer)));
//! # Ok::<(), String>(())
//! ```

pub mod key_values;
mod kind;
mod log;
pub mod prose;
mod sentences;

use crate::scoring::has_word;
use kind::{FactKind, KINDS};
use minference_attention::synthetic::Random;
use sentences::Sentences;

/// Lines that are counted to learn how long lines are.
const SAMPLE: usize = 32;

/// What the text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HaystackStyle<'a> {
    /// Lines of a server's log.
    Log,
    /// English sentences about nothing in particular.
    Prose,
    /// Sentences of this text, from a place that the seed chooses. It should hold no access codes.
    Text(&'a str),
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HaystackOptions<'a> {
    /// What the text looks like.
    pub style: HaystackStyle<'a>,
    /// The text has at most so many tokens, and no more than about a line less. The question comes
    /// on top.
    pub tokens: usize,
    /// Where the facts stand that are asked for, of 24 at most: 0 is the beginning, 1 the end.
    /// Values outside are moved to the nearer of these. A single one is an access code; several are
    /// about different things, as far as there are enough.
    pub depths: &'a [f32],
    /// Facts of the same forms about other places, which no question asks for, spread over the
    /// text; each makes the questions harder. With the others 24 at most.
    pub similar_facts: usize,
    /// Texts of different seeds differ in everything.
    pub seed: u64,
}

/// A long text, and questions about some of its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Haystack {
    /// The text: lines, each with its end.
    pub text: String,
    /// What is asked for; at least one.
    pub facts: Vec<HaystackFact>,
    /// Tokens of the text, as the caller counts them.
    pub tokens: usize,
}

/// A line of a text, and a question about it.
#[derive(Debug, Clone, PartialEq)]
pub struct HaystackFact {
    /// The line that holds the fact.
    pub line: String,
    /// What to ask, after the text.
    pub question: String,
    /// The answer: a number, or a value, that stands nowhere else in the text.
    pub answer: String,
    /// Where it stands: 0 is the beginning, 1 the end.
    pub depth: f32,
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
        let mut filler = Filler::new(style, &mut random);
        let text = |filler: &[String]| write(style, filler, &facts);
        let count = |filler: &[String]| count_tokens(&text(filler).0);
        let (filler, tokens) = fill(options.tokens, facts.len(), || filler.line(&mut random), count)?;
        let (text, lines) = text(&filler);
        let asked = facts.iter().zip(lines).take(options.depths.len().max(1));
        let facts = asked.map(|(fact, line)| HaystackFact {
            line,
            question: fact.kind.question(fact.place),
            answer: fact.code.clone(),
            depth: fact.depth as f32,
        });
        Ok(Self { facts: facts.collect(), text, tokens })
    }

    /// A JSON object of random keys and values, and a question about the value in its middle, give
    /// or take a sixth. As the question belongs to the task, all of it has at most `tokens` tokens,
    /// and no more than about an entry less.
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
        let fact = HaystackFact {
            line: fact.clone(),
            question: question.clone(),
            answer: value,
            depth: depth as f32,
        };
        Ok(Self { text: text(&filler), facts: vec![fact], tokens })
    }

    /// What a model is asked: the text, and then the question about the first fact.
    pub fn prompt(&self) -> String {
        self.prompt_about(&self.facts[0])
    }

    /// What a model is asked about one of the facts.
    pub fn prompt_about(&self, fact: &HaystackFact) -> String {
        prompt(&self.text, &fact.question)
    }
}

impl HaystackFact {
    /// Whether a model's reply holds the answer, as a number or a word of its own.
    pub fn is_answered_by(&self, reply: &str) -> bool {
        has_word(reply, &self.answer, |letter| letter.is_ascii_alphanumeric())
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
    kind: FactKind,
    place: &'static str,
    code: String,
}

/// The facts that are asked for, one at least, and then those that look like them.
fn facts(options: &HaystackOptions<'_>, random: &mut Random) -> Vec<Fact> {
    let mut places = PLACES.to_vec();
    let depths = if options.depths.is_empty() { &[0.5] } else { options.depths };
    // more would name a place twice
    let asked = depths.len().min(places.len());
    let similar = options.similar_facts.min(places.len() - asked);
    let mut kinds = KINDS.to_vec();
    kinds.truncate(asked);
    let mut codes: Vec<String> = Vec::new();
    let mut facts = Vec::new();
    for i in 0..asked + similar {
        let place = places.swap_remove(random.below(places.len()));
        let mut code = String::new();
        // four digits; all other numbers of the text have fewer
        while code.is_empty() || codes.contains(&code) {
            code = (1000 + random.below(9000)).to_string();
        }
        codes.push(code.clone());
        let depth = match depths.get(i) {
            Some(depth) => f64::from(depth.clamp(0.0, 1.0)),
            None => ((i - asked) as f64 + 0.5) / similar as f64,
        };
        facts.push(Fact { depth, kind: kinds[i % kinds.len()], place, code });
    }
    facts
}

/// The text, and the line of each fact in it.
fn write(style: HaystackStyle<'_>, filler: &[String], facts: &[Fact]) -> (String, Vec<String>) {
    // a line, and the fact that it is
    let mut lines: Vec<(f64, Option<usize>, String)> =
        filler.iter().enumerate().map(|(i, line)| (i as f64 + 0.5, None, line.clone())).collect();
    for (i, fact) in facts.iter().enumerate() {
        lines.push((
            fact.depth * filler.len() as f64,
            Some(i),
            style.fact(&fact.kind.sentence(fact.place, &fact.code)),
        ));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut text, mut fact_lines) = (String::new(), vec![String::new(); facts.len()]);
    for (at, (_, fact, line)) in lines.iter().enumerate() {
        let line = style.line(at, line);
        if let Some(fact) = fact {
            fact_lines[*fact] = line.trim().to_string();
        }
        text += &line;
    }
    (text, fact_lines)
}

/// Where lines about something else come from.
enum Filler<'a> {
    Log,
    Prose,
    Text(Sentences<'a>),
}

impl<'a> Filler<'a> {
    fn new(style: HaystackStyle<'a>, random: &mut Random) -> Self {
        match style {
            HaystackStyle::Log => Self::Log,
            HaystackStyle::Prose => Self::Prose,
            HaystackStyle::Text(text) => Self::Text(Sentences::new(text, random)),
        }
    }

    fn line(&mut self, random: &mut Random) -> String {
        match self {
            Self::Log => log::entry(random),
            Self::Prose => prose::sentence(random),
            Self::Text(sentences) => sentences.next(),
        }
    }
}

impl HaystackStyle<'_> {
    /// A sentence as the text says it.
    fn fact(self, sentence: &str) -> String {
        match self {
            Self::Log => log::fact(sentence),
            Self::Prose | Self::Text(_) => format!("{sentence}."),
        }
    }

    /// The line as it stands in the text, with its end.
    fn line(self, at: usize, line: &str) -> String {
        match self {
            Self::Log => log::line(at, line),
            Self::Prose | Self::Text(_) => prose::line(at, line),
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
mod tests;
