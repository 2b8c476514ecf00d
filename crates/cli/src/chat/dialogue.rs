//! What happens for each line: a question is answered, a command is carried out.

use super::command::Command;
use super::reader::Reader;
use crate::complain;
use crate::run::{print, print_what_was_cut, read_text};
use anyhow::{Result, ensure};
use minference_attention::Error::Cancelled;
use minference_model::generation::Finish;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// Does what a line asks for; breaks off where that is the session's end.
pub(super) fn respond(reader: &mut Reader<'_>, line: &str) -> Result<ControlFlow<()>> {
    match Command::parse(line)? {
        Some(Command::Quit) => return Ok(ControlFlow::Break(())),
        Some(command) => carry_out(reader, command)?,
        None if line.trim().is_empty() => {}
        None => answer(reader, line.trim())?,
    }
    Ok(ControlFlow::Continue(()))
}

/// A document's text, which is not blank.
pub(super) fn read_document(path: &Path) -> Result<String> {
    let text = read_text(path, "document")?;
    ensure!(!text.trim().is_empty(), "{}: expected a text, found white space only", path.display());
    Ok(text)
}

/// Answers to standard output, as the answer grows; an answer that Ctrl-C cut is an error.
fn answer(reader: &mut Reader<'_>, question: &str) -> Result<()> {
    let mut has_begun = false;
    let result = reader.ask(question, |text| {
        has_begun = true;
        print(text)
    });
    // also after a part of an answer, so that what follows stands in a line of its own
    if has_begun {
        print("\n")?;
    }
    let answer = result?;
    ensure!(answer.finish != Finish::Interrupted, Cancelled);
    Ok(print_what_was_cut(&mut io::stderr(), &answer)?)
}

fn carry_out(reader: &mut Reader<'_>, command: Command) -> Result<()> {
    match command {
        Command::Help => complain(&help()),
        Command::Attention(None) => complain(&reader.attention()?),
        Command::Attention(Some(kind)) => {
            reader.set_attention(kind)?;
            complain(&format!("{}; what was read stays as it is", reader.attention()?));
        }
        Command::Stats => complain(reader.statistics()?.trim_end()),
        Command::Document(path) => {
            reader.add_document(read_document(&path)?)?;
            report_reading(reader);
        }
        Command::Undo => {
            ensure!(reader.undo()?, "/undo: expected a turn to take back, found none");
        }
        Command::Clear => reader.clear()?,
        Command::Save(path) => {
            reader.save(&path)?;
            complain(&format!("saved to {}", path.display()));
        }
        Command::Load(path) => {
            reader.load(&path)?;
            complain(&reader.contents());
        }
        Command::Quit => {}
    }
    Ok(())
}

/// Says what reading a document took.
pub(super) fn report_reading(reader: &Reader<'_>) {
    if let Some(reading) = reader.last_reading() {
        complain(&format!("{reading}."));
    }
}

fn help() -> String {
    let commands = Command::help();
    format!(
        "A line is a question, or one of these commands:\n{commands}A line that ends with a backslash goes on in the next one."
    )
}
