//! [`FactKind`]: what a fact is about. All are numbers of some place.

/// A sentence that states a number, and a question that asks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FactKind {
    /// As far as the place, and then as far as the number; a full stop follows.
    sentence: [&'static str; 2],
    /// As far as the place, and what follows it.
    question: [&'static str; 2],
}

/// The first is asked for where a text holds a single fact.
pub(super) const KINDS: [FactKind; 12] = [
    kind(["The access code of the ", " office is "], ["What is the access code of the ", " office?"]),
    kind(["The number of steps of the tower of ", " is "], ["How many steps does the tower of ", " have?"]),
    kind(["The number of books in the library of ", " is "], ["How many books are in the library of ", "?"]),
    kind(["The length in metres of the bridge of ", " is "], ["How many metres long is the bridge of ", "?"]),
    kind(
        ["The number of pupils of the school of ", " is "],
        ["How many pupils does the school of ", " have?"],
    ),
    kind(
        ["The number of paintings in the museum of ", " is "],
        ["How many paintings are in the museum of ", "?"],
    ),
    kind(["The number of beds in the hotel of ", " is "], ["How many beds are in the hotel of ", "?"]),
    kind(
        ["The telephone number of the theatre of ", " is "],
        ["What is the telephone number of the theatre of ", "?"],
    ),
    kind(["The number of trees in the park of ", " is "], ["How many trees are in the park of ", "?"]),
    kind(["The price in euros of the boat of ", " is "], ["What does the boat of ", " cost in euros?"]),
    kind(["The number of seats in the stadium of ", " is "], ["How many seats are in the stadium of ", "?"]),
    kind(
        ["The weight in kilograms of the bell of ", " is "],
        ["How many kilograms does the bell of ", " weigh?"],
    ),
];

const fn kind(sentence: [&'static str; 2], question: [&'static str; 2]) -> FactKind {
    FactKind { sentence, question }
}

impl FactKind {
    /// The sentence, without the full stop at its end.
    pub(super) fn sentence(&self, place: &str, number: &str) -> String {
        let [before, between] = self.sentence;
        format!("{before}{place}{between}{number}")
    }

    pub(super) fn question(&self, place: &str) -> String {
        let [before, after] = self.question;
        format!("{before}{place}{after}")
    }
}
