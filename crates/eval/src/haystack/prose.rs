//! English sentences about nothing in particular.

use super::choose;
use minference_attention::synthetic::Random;

const PERSONS: [&str; 16] = [
    "The gardener",
    "A young teacher",
    "The old captain",
    "My neighbour",
    "The baker's son",
    "A tired traveller",
    "The librarian",
    "Our cousin",
    "The postman",
    "A retired clockmaker",
    "The painter",
    "The miller's daughter",
    "A quiet student",
    "The ferryman",
    "The choir's conductor",
    "A shepherd",
];
const ACTIONS: [&str; 18] = [
    "walked along the river",
    "repaired a wooden chair",
    "wrote a long letter",
    "counted the ships in the harbour",
    "sang an old song",
    "looked for a lost umbrella",
    "planted three apple trees",
    "read the morning paper",
    "painted the garden fence",
    "waited for the last train",
    "baked bread for the whole street",
    "fed the ducks",
    "told a story about the mountains",
    "carried a basket of plums",
    "opened the windows",
    "swept the yard",
    "mended a fishing net",
    "drew a map of the valley",
];
const TIMES: [&str; 14] = [
    "before breakfast",
    "late in the evening",
    "on a rainy afternoon",
    "at the end of summer",
    "every second Sunday",
    "after the market closed",
    "while the bells were ringing",
    "in the first days of spring",
    "when the snow had melted",
    "just before midnight",
    "during the long holidays",
    "as soon as the sun came out",
    "a week after the fair",
    "without telling anyone",
];
const THINGS: [&str; 14] = [
    "The bridge",
    "The weather",
    "The old mill",
    "The harbour",
    "The school garden",
    "The village square",
    "The lighthouse",
    "The orchard",
    "The narrow road",
    "The town hall",
    "The tea house",
    "The forest path",
    "The railway station",
    "The stone wall",
];
const STATES: [&str; 14] = [
    "was covered with leaves",
    "looked different from the hill",
    "had been built by two brothers",
    "stayed quiet until noon",
    "smelled of rain and wood",
    "was full of visitors",
    "needed a new coat of paint",
    "seemed smaller than before",
    "was closed for the winter",
    "shone in the evening light",
    "belonged to nobody in particular",
    "was known for its echo",
    "had changed very little",
    "could be seen from far away",
];
const REMARKS: [&str; 10] = [
    "Nobody was surprised",
    "It did not matter much",
    "Most people had forgotten why",
    "The children found it funny",
    "That was how things were done",
    "There was no hurry",
    "The dog slept through all of it",
    "Someone had made tea",
    "The wind had turned again",
    "The clock on the tower was slow",
];

/// What passkey retrieval repeats around the key, and RULER and InfiniteBench after it.
pub const REFRAIN: &str =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

/// One sentence.
pub fn sentence(random: &mut Random) -> String {
    let (person, action, time) = (choose(&PERSONS, random), choose(&ACTIONS, random), choose(&TIMES, random));
    let (thing, state) = (choose(&THINGS, random), choose(&STATES, random));
    match random.below(6) {
        0 | 1 => format!("{person} {action} {time}."),
        2 => format!("{thing} {state}."),
        3 => format!("{thing} {state}, and {} {action}.", lower(person)),
        4 => format!("{}, but {} {state}.", choose(&REMARKS, random), lower(thing)),
        _ => format!("{person} {action} {time}; {} {state}.", lower(thing)),
    }
}

/// Six sentences make a paragraph.
pub(super) fn line(at: usize, sentence: &str) -> String {
    format!("{sentence}{}", if at % 6 == 5 { "\n" } else { " " })
}

/// As it stands within a sentence.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + letters.as_str())
}
