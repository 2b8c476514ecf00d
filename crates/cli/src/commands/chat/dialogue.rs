//! What happens for each line: a question is answered, a command is carried out.

use super::command::ChatCommand;
use super::session::ChatSession;
use crate::answer::{print_text, print_truncation};
use crate::prompt::read_text;
use crate::terminal::notify;
use anyhow::{Result, ensure};
use minference_attention::Error::Cancelled;
use minference_model::generation::Finish;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// Does what a line asks for; breaks off where that is the session's end.
pub(super) fn respond(session: &mut ChatSession<'_>, line: &str) -> Result<ControlFlow<()>> {
    match ChatCommand::parse(line)? {
        Some(ChatCommand::Quit) => return Ok(ControlFlow::Break(())),
        Some(command) => carry_out(session, command)?,
        None if line.trim().is_empty() => {}
        None => answer(session, line.trim())?,
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
fn answer(session: &mut ChatSession<'_>, question: &str) -> Result<()> {
    let mut has_begun = false;
    let result = session.ask(question, |text| {
        has_begun = true;
        print_text(text)
    });
    // also after a part of an answer, so that what follows stands in a line of its own
    if has_begun {
        print_text("\n")?;
    }
    let answer = result?;
    ensure!(answer.finish != Finish::Interrupted, Cancelled);
    Ok(print_truncation(&mut io::stderr(), &answer)?)
}

fn carry_out(session: &mut ChatSession<'_>, command: ChatCommand) -> Result<()> {
    match command {
        ChatCommand::Help => notify(&help()),
        ChatCommand::Attention(None) => notify(&session.attention()?),
        ChatCommand::Attention(Some(kind)) => {
            session.set_attention(kind)?;
            notify(&format!("{}; what was read stays as it is", session.attention()?));
        }
        ChatCommand::Stats => notify(session.statistics()?.trim_end()),
        ChatCommand::Document(path) => {
            session.add_document(read_document(&path)?)?;
            report_reading(session);
        }
        ChatCommand::Undo => {
            ensure!(session.undo()?, "/undo: expected a turn to take back, found none");
        }
        ChatCommand::Clear => session.clear()?,
        ChatCommand::Save(path) => {
            session.save(&path)?;
            notify(&format!("saved to {}", path.display()));
        }
        ChatCommand::Load(path) => {
            session.load(&path)?;
            notify(&session.contents());
        }
        ChatCommand::Quit => {}
    }
    Ok(())
}

/// Says what reading a document took.
pub(super) fn report_reading(session: &ChatSession<'_>) {
    if let Some(reading) = session.last_reading() {
        notify(&format!("{reading}."));
    }
}

fn help() -> String {
    let commands = ChatCommand::help();
    format!(
        "A line is a question, or one of these commands:\n{commands}A line that ends with a backslash goes on in the next one."
    )
}
