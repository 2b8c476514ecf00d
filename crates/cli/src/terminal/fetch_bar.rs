//! [`FetchBar`]: the progress of fetching, as a bar, or as lines without a terminal.

use crate::terminal::{Interrupt, notify};
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use minference_fetch::{Activity, FetchProgress, FetchStep};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Cleared when it is dropped.
pub(crate) struct FetchBar {
    bar: ProgressBar,
    /// What the bar shows now.
    current: Mutex<String>,
    interrupt: Interrupt,
}

impl FetchBar {
    pub(crate) fn new(interrupt: &Interrupt) -> Self {
        Self { bar: ProgressBar::no_length(), current: Mutex::default(), interrupt: interrupt.clone() }
    }

    /// Begins anew: each step has its own speed.
    fn begin(&self, message: &str, step: &FetchStep<'_>) {
        let template = match step.total {
            Some(_) => {
                "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
            }
            None => "{msg} {spinner}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_message(message.to_string());
        // what an earlier run left did not come at today's speed
        self.bar.set_position(step.done);
        self.bar.reset_eta();
        self.bar.enable_steady_tick(Duration::from_millis(200));
        if self.bar.is_hidden() && step.activity != Activity::Checking {
            let size = step.total.map(|total| format!(" ({})", DecimalBytes(total))).unwrap_or_default();
            notify(&format!("{message}{size}"));
        }
    }
}

impl FetchProgress for FetchBar {
    fn advance(&self, step: &FetchStep<'_>) {
        let doing = match step.activity {
            Activity::Downloading => "downloading",
            Activity::DownloadingPackage => "downloading with pip:",
            Activity::Unpacking => "unpacking",
            Activity::Checking => "checking",
            Activity::Waiting => "waiting for another process that fetches",
            _ => "fetching",
        };
        let message = format!("{doing} {}", step.what);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != message {
            if let Some(total) = step.total {
                self.bar.set_length(total);
            }
            self.begin(&message, step);
            *current = message;
        }
        self.bar.set_position(step.done);
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

impl Drop for FetchBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
