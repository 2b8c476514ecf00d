//! [`ChatCommand`]: the lines that are no questions.

use super::file_argument::file;
use crate::options::AttentionKind;
use anyhow::{Result, anyhow, bail, ensure};
use clap::ValueEnum;
use std::path::PathBuf;

/// What a line asks for, other than an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChatCommand {
    /// Lists the commands.
    Help,
    /// Shows how prompts are read, or changes it.
    Attention(Option<AttentionKind>),
    /// Shows what is in the context, and how long the last turn took.
    Stats,
    /// Reads one more document.
    Document(PathBuf),
    /// Takes back the last turn.
    Undo,
    /// Takes back all turns.
    Clear,
    /// Writes conversation and context to a file.
    Save(PathBuf),
    /// Goes on from such a file.
    Load(PathBuf),
    /// Ends the session.
    Quit,
}

/// What a command begins with.
const SIGN: char = '/';

/// What stands behind a command's name, and the command that comes of it.
enum Argument {
    Nothing(ChatCommand),
    MaybeKind(fn(Option<AttentionKind>) -> ChatCommand),
    File(fn(PathBuf) -> ChatCommand),
}

struct CommandEntry {
    name: &'static str,
    argument: Argument,
    about: &'static str,
}

/// All commands, in the order in which `/help` lists them.
const COMMANDS: [CommandEntry; 9] = [
    CommandEntry {
        name: "document",
        argument: Argument::File(ChatCommand::Document),
        about: "add a document; it is read at once",
    },
    CommandEntry {
        name: "undo",
        argument: Argument::Nothing(ChatCommand::Undo),
        about: "take back the last question and its answer",
    },
    CommandEntry {
        name: "clear",
        argument: Argument::Nothing(ChatCommand::Clear),
        about: "forget the conversation, keep the documents",
    },
    CommandEntry {
        name: "attention",
        argument: Argument::MaybeKind(ChatCommand::Attention),
        about: "show how prompts are read, or change it for what is read from now on",
    },
    CommandEntry {
        name: "stats",
        argument: Argument::Nothing(ChatCommand::Stats),
        about: "show what is in the context, and what the last turn took",
    },
    CommandEntry {
        name: "save",
        argument: Argument::File(ChatCommand::Save),
        about: "write the conversation, and what was read of it, to a file",
    },
    CommandEntry {
        name: "load",
        argument: Argument::File(ChatCommand::Load),
        about: "go on from such a file, without reading again",
    },
    CommandEntry { name: "help", argument: Argument::Nothing(ChatCommand::Help), about: "show this" },
    CommandEntry {
        name: "quit",
        argument: Argument::Nothing(ChatCommand::Quit),
        about: "end the session, as Ctrl-D does",
    },
];

impl ChatCommand {
    /// The command of a line; none for a question. A question that begins with a slash has a space
    /// before it.
    pub(super) fn parse(line: &str) -> Result<Option<Self>> {
        let Some(rest) = line.strip_prefix(SIGN) else { return Ok(None) };
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let Some(entry) = COMMANDS.iter().find(|entry| entry.name == name) else {
            let names: Vec<String> = COMMANDS.iter().map(|entry| format!("{SIGN}{}", entry.name)).collect();
            bail!(
                "expected one of {}, found {SIGN}{name}; a question that begins with a slash has a space before it",
                names.join(", ")
            );
        };
        entry.command(argument.trim()).map(Some)
    }

    /// A line for each command.
    pub(super) fn help() -> String {
        let lines = COMMANDS.iter().map(|entry| format!("  {:<19}{}\n", entry.usage(), entry.about));
        lines.collect()
    }

    /// The commands that begin like `start`, which is a line's beginning.
    pub(super) fn completions(start: &str) -> Vec<String> {
        let names = COMMANDS.iter().map(|entry| format!("{SIGN}{}", entry.name));
        names.filter(|name| name.starts_with(start)).collect()
    }

    /// Whether a line's beginning is a command that a file follows.
    pub(super) fn expects_file(start: &str) -> bool {
        let name = start.strip_prefix(SIGN).and_then(|rest| rest.split_once(char::is_whitespace));
        name.is_some_and(|(name, _)| {
            COMMANDS.iter().any(|entry| entry.name == name && matches!(entry.argument, Argument::File(_)))
        })
    }
}

impl CommandEntry {
    fn usage(&self) -> String {
        let argument = match self.argument {
            Argument::Nothing(_) => "",
            Argument::MaybeKind(_) => " [KIND]",
            Argument::File(_) => " FILE",
        };
        format!("{SIGN}{}{argument}", self.name)
    }

    fn command(&self, argument: &str) -> Result<ChatCommand> {
        let name = self.name;
        match &self.argument {
            Argument::Nothing(command) => {
                ensure!(argument.is_empty(), "{SIGN}{name}: expected nothing behind it, found {argument}");
                Ok(command.clone())
            }
            Argument::MaybeKind(command) if argument.is_empty() => Ok(command(None)),
            Argument::MaybeKind(command) => {
                let kind = AttentionKind::from_str(argument, false).map_err(|_| {
                    let kinds: Vec<&str> =
                        AttentionKind::value_variants().iter().map(|kind| kind.name()).collect();
                    anyhow!("{SIGN}{name}: expected one of {}, found {argument}", kinds.join(", "))
                })?;
                Ok(command(Some(kind)))
            }
            Argument::File(command) => {
                ensure!(!argument.is_empty(), "{SIGN}{name}: expected a file behind it, found nothing");
                Ok(command(file(argument)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_attention::pattern::PatternKind;

    fn refusal(line: &str) -> String {
        ChatCommand::parse(line).unwrap_err().to_string()
    }

    #[test]
    fn commands_begin_with_a_slash() {
        for (line, expected) in [
            ("/help", ChatCommand::Help),
            ("/quit  ", ChatCommand::Quit),
            ("/attention", ChatCommand::Attention(None)),
            ("/attention a-shape", ChatCommand::Attention(Some(AttentionKind::Uniform(PatternKind::AShape)))),
            ("/document my notes.txt", ChatCommand::Document("my notes.txt".into())),
            (r"/document my\ notes.txt", ChatCommand::Document("my notes.txt".into())),
            ("/save\tbook.chat", ChatCommand::Save("book.chat".into())),
        ] {
            assert_eq!(ChatCommand::parse(line).unwrap(), Some(expected), "{line}");
        }
        for question in ["who?", " /etc/hosts is what?", "", "is it 1/2?"] {
            assert_eq!(ChatCommand::parse(question).unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_command_is_told_what_there_is() {
        let unknown = refusal("/hlep me");
        assert!(unknown.contains("found /hlep") && COMMANDS.iter().all(|entry| unknown.contains(entry.name)));
        assert_eq!(refusal("/undo twice"), "/undo: expected nothing behind it, found twice");
        assert_eq!(refusal("/load "), "/load: expected a file behind it, found nothing");
        let kind = refusal("/attention sparse");
        assert!(kind.contains("dense, a-shape") && kind.ends_with("found sparse"), "{kind}");
    }

    #[test]
    fn help_lists_every_command_once() {
        let help = ChatCommand::help();
        assert_eq!(help.lines().count(), COMMANDS.len());
        assert!(
            help.contains("  /attention [KIND]  show how") && help.contains("  /load FILE         go on")
        );
        assert_eq!(ChatCommand::completions("/s"), ["/stats", "/save"]);
        assert!(ChatCommand::completions("save").is_empty());
        assert!(ChatCommand::expects_file("/load ") && ChatCommand::expects_file("/save a b"));
        assert!(!["/load", "/stats ", "load x"].into_iter().any(ChatCommand::expects_file));
    }
}
