//! RULER: thirteen tasks on long texts of any length (arXiv 2404.06654), with its parameters, its
//! words and its scores.
//!
//! | module | what it holds |
//! |---|---|
//! | `task` | [`RulerTask`]: the thirteen as a table |
//! | `niah` | needles in a haystack, eight of the tasks |
//! | `variable_tracking` | `vt`: variables that were assigned each other |
//! | `common_words`, `frequent_words` | `cwe`, `fwe`: words that occur most often |
//! | `question_answering` | `qa_1`, `qa_2`: questions about documents |
//! | `source` | [`RulerSource`]: samples of chosen tasks and lengths |
//! | `words`, `haystack_text`, `documents` | what samples are made of |
//! | `sample_files`, `sample_line`, `sample_writer`, `predictions`, `line_writer` | the benchmark's own files, read and written |
//! | `scores` | the effective length |
//!
//! What the samples are made of differs from the official generator where that needs data: keys and
//! listed words come from the EFF's long word list (a key is two words with a hyphen, where the
//! official one is an adjective and a noun), and essays are generated English sentences unless a
//! text is given. A sample is determined by seed, task, length and number alone, so that further
//! samples can be added.
//!
//! A length holds the prompt (with its template and the beginning of the answer, counted by the
//! model's tokenizer) and the longest answer, as in the official generator. That goes up in steps
//! (500 words of an essay, 25 lines, 10 words or documents) and may stay that far below; here it is
//! about one unit: a word of an essay, a line, a listed word, a document.
//!
//! ```
//! use minference_eval::sample::SampleSource;
//! use minference_eval::tasks::ruler::{RulerData, RulerPlan, RulerSource, RulerTask};
//!
//! let task: RulerTask = "niah_multikey_1".parse()?;
//! let plan = RulerPlan { tasks: vec![task], lengths: vec![4096, 8192], samples: 2, seed: 0 };
//! let source = RulerSource::new(plan, RulerData::default())?;
//! assert_eq!(source.names()[2], "niah_multikey_1/8192/0");
//! # Ok::<(), minference_eval::Error>(())
//! ```

mod common_words;
mod documents;
mod draw;
mod frequent_words;
mod generator;
mod haystack_text;
mod line_writer;
mod niah;
mod predictions;
mod question_answering;
mod sample_files;
mod sample_line;
mod sample_writer;
mod scores;
mod source;
mod task;
mod variable_tracking;
mod words;

pub use documents::{DocumentQuestions, QuestionFormat};
pub use haystack_text::HaystackText;
pub use predictions::write_predictions;
pub use sample_files::{SampleFiles, SampleForm};
pub use sample_writer::write_samples;
pub use scores::{EFFECTIVE_SCORE, effective_length};
pub use source::{RulerData, RulerPlan, RulerSource};
pub use task::RulerTask;
pub use words::WordList;
