//! Messages to the person at the terminal.

use std::io::{self, Write};

/// Writes a line to standard error. If standard error is closed, the message is lost.
pub(crate) fn notify(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Whether an error says that the reader of a pipe has closed it.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe)
}
