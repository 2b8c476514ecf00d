//! Files that people name: what is read is regular and bounded, what is written is there as a whole
//! or not at all. All crates read and write through here.
//!
//! A path may name anything: a pipe without a writer would be waited for, and a device without
//! an end be read until memory is full. Only standard input is meant to be waited for, and it is
//! not opened by name. A file that is replaced keeps what people gave it, its permissions and the
//! symbolic link that leads to it.
//!
//! Errors are [`std::io::Error`]s that do not name the path: their report does, once.

mod byte_order_mark;
mod problem;
mod reading;
mod writing;

pub use byte_order_mark::{bytes_without_mark, text_without_mark};
pub use problem::{FileKind, FileProblem};
pub use reading::{open, read, read_text};
pub use writing::{
    WholeFile, check_regular_or_absent, check_writable, make_folder_of, write_bytes, write_whole,
};

/// More bytes than any file has that describes something: a configuration, an index, settings. JSON
/// takes many times its length in memory.
pub const SETTINGS_BYTES: u64 = 16 << 20;

/// More bytes than any text has that a model could read: a prompt, a document, a list of token ids.
pub const TEXT_BYTES: u64 = 1 << 30;
