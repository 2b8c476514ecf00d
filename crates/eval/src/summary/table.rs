//! [`Table`]: a summary as text, which a page or a terminal puts into its form.

use crate::numbers::count;

/// A column, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What stands above it.
    pub name: &'static str,
    /// What it is, in a few words; empty where the name says it.
    pub meaning: &'static str,
}

/// What a row is about.
pub(super) const METHOD: Column = Column::new("method", "");

impl Column {
    pub(super) const fn new(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning }
    }
}

/// A cell's text; a dash where there is no value.
pub(super) fn cell<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".into(), text)
}

/// A summary as text. The first `words` columns are words, the others numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// What stands above each column.
    pub head: Vec<String>,
    /// What columns are, where their names don't say it.
    pub meanings: Vec<Column>,
    /// How many of the first columns are words.
    pub words: usize,
    /// Cells, as many as there are columns.
    pub rows: Vec<Vec<String>>,
    /// What a reader must know of these numbers: samples that are left out, extrapolated times.
    pub notes: Vec<String>,
}

impl Table {
    /// Without rows.
    pub(super) fn new(title: impl Into<String>, words: usize, columns: &[Column]) -> Self {
        Self {
            title: title.into(),
            head: columns.iter().map(|column| column.name.to_string()).collect(),
            meanings: columns.iter().copied().filter(|column| !column.meaning.is_empty()).collect(),
            words,
            ..Self::default()
        }
    }

    /// Says of how many samples the table says nothing, as only some methods have `done` them.
    pub(super) fn note_left_out(&mut self, samples: &str, done: &str, number: usize) {
        if number > 0 {
            self.notes.push(format!(
                "{samples} left out, as not all methods have {done} them yet: {}. The same command goes on with them.",
                count(number)
            ));
        }
    }

    /// Without columns in which no row has anything, such as agreement where dense attention was
    /// not run.
    pub(super) fn without_empty_columns(mut self) -> Self {
        let is_empty =
            |column: usize| self.rows.iter().all(|row| row[column].is_empty() || row[column] == "-");
        let kept: Vec<bool> =
            (0..self.head.len()).map(|column| column < self.words || !is_empty(column)).collect();
        for cells in std::iter::once(&mut self.head).chain(&mut self.rows) {
            let mut is_kept = kept.iter();
            cells.retain(|_| is_kept.next().copied().unwrap_or(false));
        }
        self.meanings.retain(|column| self.head.iter().any(|name| name == column.name));
        self
    }
}
