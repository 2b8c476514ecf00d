//! `minference chat`: questions about documents that are read once.
//!
//! | module | what it holds |
//! |---|---|
//! | `input`, `completion` | lines from a terminal or a script |
//! | `command`, `file_argument` | the lines that are no questions, and the files that they name |
//! | `dialogue` | what happens for each line |
//! | `conversation` | questions and answers so far, and their tokens |
//! | `session` | the session that has read it |
//! | `statistics` | what is in the context, and what the last turn took |

mod command;
mod completion;
mod conversation;
mod dialogue;
mod file_argument;
mod input;
mod session;
mod statistics;

use crate::options::{AnswerSettings, AnsweringOptions, ChatTemplateOptions, ModelOptions, checked};
use crate::terminal::{Interrupt, is_cancellation, is_closed_pipe, notify};
use anyhow::{Result, bail};
use clap::Args;
use conversation::Conversation;
use dialogue::{read_document, report_reading, respond};
use input::{InputLine, LineSource};
use minference_model::text::chat_template::LocalTime;
use session::{ChatSession, ChatSetting};
use std::path::PathBuf;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
How it works:
  The documents are read before the first question, with sparse attention, and stay in the key-value cache.
  A question is read on top of them, and so is each further one: the second answer about a long document
  begins at once. The model sees the documents first, then the conversation. It must have a chat template;
  one that has none goes on from texts, with `minference run --raw`.

At the prompt:
  Type a question, or a command; /help lists the commands, Tab completes them and the names of files. A line
  that ends with a backslash goes on in the next one. Ctrl-C stops an answer, or clears the line; Ctrl-D ends.
  What has not stopped two seconds after Ctrl-C is ended by another one, and the program with it.
  Earlier lines come back with the arrow keys, also those of earlier sessions. Names of files are written as
  for a shell: spaces may be escaped, names be quoted, and ~/ is the home folder.

Examples:
  Ask about a book:
    minference chat --model demo --document book.txt

  Two documents and an instruction; answers of at most 100 tokens:
    minference chat --model demo --document a.txt --document b.txt --system \"Be brief.\" --max-tokens 100

  Long documents in less memory, and faster answers about them:
    minference chat --model demo --document book.txt --kv snapkv --kv-capacity 1024

  From a script: a line is a question or a command, answers alone go to standard output:
    printf 'Who is Emma?\\n/stats\\n/quit\\n' | minference chat --model demo --document book.txt

Files:
  /save writes the conversation with the keys and values of all that was read, /load goes on from there. A
  file is for one model, one --dtype and one way of encoding positions; it holds the documents' text, too.

With --kv:
  The documents are compressed once, as soon as they are read; what is said later is kept as a whole. A
  document that is added later is compressed with all that is there. Without any, --kv has no effect.

Exit status:
  0 at the end, 1 for an error (in a script also if any line failed; the lines after it are still
  answered), 2 for options that are wrong whatever the model, 130 after Ctrl-C in a script";

/// What to talk about.
#[derive(Debug, Args)]
pub(crate) struct ChatArguments {
    #[command(flatten)]
    model: ModelOptions,
    /// A file of UTF-8 text that questions will be about; may be given several times
    #[arg(long, short, value_name = "FILE", help_heading = "Conversation")]
    document: Vec<PathBuf>,
    /// Instructions for the whole conversation
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "Conversation")]
    system: Option<String>,
    #[command(flatten)]
    template: ChatTemplateOptions,
    #[command(flatten)]
    answering: AnsweringOptions,
}

pub(crate) fn run(options: &ChatArguments) -> Result<()> {
    // Wrong options or documents are refused before a model is fetched.
    let AnswerSettings { generation, compression } = options.answering.check()?;
    checked(options.model.check())?;
    checked(options.template.check())?;
    let (compute, patterns) = options.answering.prepare()?;
    let documents: Vec<String> =
        options.document.iter().map(|path| read_document(path)).collect::<Result<_>>()?;
    let conversation = Conversation::new(options.system.clone(), documents);
    let mut input = LineSource::open()?;
    let interrupt = if input.is_script() { Interrupt::listen()? } else { Interrupt::listen_patiently()? };
    let model = options.model.load(&interrupt)?;
    let render = options.template.render_options(model.model.tokenizer(), LocalTime::now())?;
    let setting = ChatSetting {
        model: &model,
        compute: &compute,
        generation: &generation,
        interrupt: &interrupt,
        patterns,
        compression,
        is_dated: options.template.date().is_some(),
    };
    let mut session = ChatSession::open(setting, options.answering.attention.clone(), render, conversation)?;
    if !options.document.is_empty() {
        report_reading(&session);
    }
    if compression.is_some() && options.document.is_empty() {
        notify("--kv has no effect until a document is added: what is said is kept as a whole.");
    }
    if !input.is_script() {
        notify("/help lists what can be done here besides asking.");
    }
    talk(&mut session, &mut input, &interrupt)
}

/// Answers line by line to the end. A line that fails is reported, and the next one follows.
fn talk(session: &mut ChatSession<'_>, input: &mut LineSource, interrupt: &Interrupt) -> Result<()> {
    let mut failed = 0;
    loop {
        let line = match input.next(interrupt)? {
            InputLine::Text(line) => line,
            InputLine::NoText(place) => {
                notify(&format!("error: expected a line of text in UTF-8, found other bytes at {place}"));
                failed += 1;
                continue;
            }
            InputLine::Cleared => continue,
            InputLine::End => break,
        };
        if !input.is_script() {
            // whatever came before is not about this line
            interrupt.forget();
        }
        match respond(session, &line) {
            Ok(flow) if flow.is_break() => break,
            Ok(_) => {}
            Err(error) if is_closed_pipe(&error) => return Err(error),
            Err(error) if is_cancellation(&error) => {
                if !input.is_script() {
                    notify("stopped");
                }
            }
            Err(error) => {
                notify(&format!("error: {error:#}"));
                failed += 1;
            }
        }
        if input.is_script() {
            interrupt.check()?;
        } else {
            // at the prompt Ctrl-C clears the line; it is no second press
            interrupt.forget();
        }
    }
    match failed {
        0 => Ok(()),
        1.. if !input.is_script() => Ok(()),
        1 => bail!("a line failed"),
        _ => bail!("{failed} lines failed"),
    }
}
