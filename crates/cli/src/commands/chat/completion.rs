//! [`Completion`]: what the Tab key completes: names of commands, and files behind them.

use super::command::ChatCommand;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

/// Completes commands. The editor's other services are not used.
#[derive(Default)]
pub(super) struct Completion {
    files: FilenameCompleter,
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        place: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..place];
        if ChatCommand::expects_file(before) {
            return self.files.complete(line, place, context);
        }
        let names = ChatCommand::completions(before).into_iter();
        let pair = |name: String| Pair { display: name.clone(), replacement: name };
        Ok((0, names.map(pair).collect()))
    }
}

impl Helper for Completion {}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Hinter for Completion {
    type Hint = String;
}
