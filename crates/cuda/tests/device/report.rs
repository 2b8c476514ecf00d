//! [`Report`]: which cases passed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// Runs cases and counts them.
pub(crate) struct Report {
    filter: String,
    passed: usize,
    failed: Vec<String>,
}

/// What a case says when it has passed, or why it has not.
pub(crate) type Outcome = Result<String, Box<dyn std::error::Error>>;

impl Report {
    pub(crate) fn new(filter: String) -> Self {
        Self { filter, passed: 0, failed: Vec::new() }
    }

    /// Runs one case, if the filter lets it.
    pub(crate) fn case(&mut self, name: &str, run: impl FnOnce() -> Outcome) {
        if !name.contains(&self.filter) {
            return;
        }
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("it panicked".into()));
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(text) => {
                self.passed += 1;
                println!("ok      {name}: {text} ({seconds:.1} s)");
            }
            Err(error) => {
                println!("FAILED  {name}: {error}");
                self.failed.push(name.to_owned());
            }
        }
    }

    /// The last lines.
    pub(crate) fn close(self) -> ExitCode {
        self.failed.iter().for_each(|name| println!("failed: {name}"));
        println!("{} passed, {} failed", self.passed, self.failed.len());
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
