//! [`LineSource`]: lines from a person at a terminal, or from a script.

use crate::model::cache_folder;
use crate::terminal::{Interrupt, notify};
use anyhow::{Context, Result};
use minference_attention::files;
use minference_attention::files::text_without_mark;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Behavior, Config, Editor};
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use super::completion::Completion;

/// Stands before a line, and before one that goes on.
const PROMPTS: [&str; 2] = ["> ", "… "];
/// At the end of a line that goes on.
const GOES_ON: char = '\\';
/// Lines that are remembered from session to session.
const HISTORY: usize = 1000;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InputLine {
    /// A question or a command; several lines where all but the last ended with a backslash.
    Text(String),
    /// A script's line that is no text in UTF-8: where other bytes stand.
    NoText(usize),
    /// Ctrl-C: what was typed is not meant.
    Cleared,
    /// There is nothing more.
    End,
}

/// Where lines come from.
pub(super) enum LineSource {
    /// A person, who edits them.
    Terminal {
        editor: Box<Editor<Completion, FileHistory>>,
        /// Earlier lines.
        history: Option<PathBuf>,
    },
    /// Standard input that is no terminal.
    Script,
}

impl LineSource {
    /// From standard input, whatever that is.
    pub(super) fn open() -> Result<Self> {
        if !io::stdin().is_terminal() {
            return Ok(Self::Script);
        }
        // Answers may go to a file; the line that is edited stays on the terminal.
        let builder = Config::builder().behavior(Behavior::PreferTerm).max_history_size(HISTORY)?;
        let mut editor = Editor::with_config(builder.build()).context("can't use this terminal")?;
        editor.set_helper(Some(Completion::default()));
        let history = cache_folder().map(|folder| folder.join("chat_history"));
        let history = history.filter(|path| is_history(path));
        // the first session has none
        let _ = history.as_ref().map(|path| editor.load_history(path));
        Ok(Self::Terminal { editor: Box::new(editor), history })
    }

    /// Whether lines come from a script.
    pub(super) fn is_script(&self) -> bool {
        matches!(self, Self::Script)
    }

    /// The next question or command.
    pub(super) fn next(&mut self, interrupt: &Interrupt) -> Result<InputLine> {
        let line = joined(|prompt| self.line(prompt, interrupt))?;
        if let (Self::Terminal { editor, history }, InputLine::Text(text)) = (self, &line)
            && editor.add_history_entry(text)?
            && let Some(path) = history
        {
            // A history that can't be kept is no reason not to answer.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = editor.append_history(path);
        }
        Ok(line)
    }

    fn line(&mut self, prompt: &str, interrupt: &Interrupt) -> Result<InputLine> {
        match self {
            Self::Terminal { editor, .. } => match interrupt.while_editing(|| editor.readline(prompt)) {
                Ok(text) => Ok(InputLine::Text(text)),
                Err(ReadlineError::Interrupted) => Ok(InputLine::Cleared),
                Err(ReadlineError::Eof) => Ok(InputLine::End),
                Err(error) => Err(error).context("can't read from the terminal"),
            },
            Self::Script => {
                let line = interrupt.while_waiting(|| script_line(io::stdin().lock()))?;
                if let InputLine::Text(text) = &line {
                    // messages stand below the line that they are about
                    notify(&format!("{prompt}{text}"));
                }
                Ok(line)
            }
        }
    }
}

/// Whether a file of earlier lines is there, or may be made. Others are left alone.
fn is_history(path: &Path) -> bool {
    files::check_regular_or_absent(path).is_ok()
        && path.metadata().map_or(true, |metadata| metadata.len() <= files::SETTINGS_BYTES)
}

fn script_line(mut input: impl BufRead) -> Result<InputLine> {
    let mut bytes = Vec::new();
    if input.read_until(b'\n', &mut bytes).context("can't read standard input")? == 0 {
        return Ok(InputLine::End);
    }
    Ok(match String::from_utf8(bytes) {
        // a script begins with a byte-order mark, or several that were joined do
        Ok(text) => InputLine::Text(text_without_mark(text).trim_end_matches(['\n', '\r']).to_string()),
        Err(error) => InputLine::NoText(error.utf8_error().valid_up_to()),
    })
}

/// Joins lines that end with a backslash with the ones that follow.
fn joined(mut next: impl FnMut(&str) -> Result<InputLine>) -> Result<InputLine> {
    let mut text: Option<String> = None;
    loop {
        match (next(PROMPTS[usize::from(text.is_some())])?, &mut text) {
            (InputLine::Text(line), before) => {
                let whole = before.get_or_insert_default();
                let Some(part) = line.strip_suffix(GOES_ON) else {
                    whole.push_str(&line);
                    return Ok(InputLine::Text(std::mem::take(whole)));
                };
                whole.push_str(part);
                whole.push('\n');
            }
            (InputLine::End, Some(unfinished)) => return Ok(InputLine::Text(std::mem::take(unfinished))),
            (other, _) => return Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut script: &[u8]) -> Vec<InputLine> {
        let mut lines = Vec::new();
        loop {
            match joined(|_| script_line(&mut script)).unwrap() {
                InputLine::End => return lines,
                line => lines.push(line),
            }
        }
    }

    fn text(text: &str) -> InputLine {
        InputLine::Text(text.into())
    }

    #[test]
    fn a_backslash_at_the_end_makes_the_line_go_on() {
        assert_eq!(lines(b"one\ntwo\r\n\nlast"), [text("one"), text("two"), text(""), text("last")]);
        assert_eq!(lines(b"one\\\n two\\\n\nnext\n"), [text("one\n two\n"), text("next")]);
        assert_eq!(lines(b"unfinished\\\n"), [text("unfinished\n")]);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\xef\xbb\xbf/help\nnext"), [text("/help"), text("next")]);
    }

    #[test]
    fn ctrl_c_clears_all_of_it() {
        let mut script = vec![InputLine::Cleared, text("one\\")];
        let mut prompts = Vec::new();
        let line = joined(|prompt| {
            prompts.push(prompt.to_string());
            Ok(script.pop().unwrap())
        });
        assert_eq!((line.unwrap(), prompts), (InputLine::Cleared, PROMPTS.map(String::from).to_vec()));
    }

    #[test]
    fn other_bytes_than_text_are_lines_too() {
        assert_eq!(lines(b"ab\xff\nnext\n"), [InputLine::NoText(2), text("next")]);
        assert_eq!(lines(b"one\\\n\xff\nnext\n"), [InputLine::NoText(0), text("next")]);
    }
}
