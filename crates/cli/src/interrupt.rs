//! Ctrl-C: the first asks the work in progress to stop, the second ends the program at once; or, where much would be lost with it, a later one
//! that comes when the work still goes on.

use crate::complain;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long work has to stop by itself, where the program does not end at the second Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether Ctrl-C was pressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    pressed: AtomicBool,
    /// When it was pressed first.
    since: Mutex<Option<Instant>>,
    /// No work is in progress that could stop by itself.
    is_waiting: AtomicBool,
    /// How long after the first press another one does not end the program.
    patience: Duration,
}

/// What a press of Ctrl-C leads to.
#[derive(Debug, PartialEq, Eq)]
enum Press {
    /// The work in progress is asked to stop.
    Stop,
    /// It was asked before, and gets some more time.
    Wait,
    /// The program ends.
    Exit,
}

impl State {
    fn press(&self, now: Instant) -> Press {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *since.get_or_insert(now);
        let is_again = self.pressed.swap(true, Ordering::Relaxed);
        if self.is_waiting.load(Ordering::Relaxed) || (is_again && now - first >= self.patience) {
            Press::Exit
        } else if is_again {
            Press::Wait
        } else {
            Press::Stop
        }
    }

    fn forget(&self) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = None;
        self.pressed.store(false, Ordering::Relaxed);
    }
}

impl Interrupt {
    /// Starts to listen. Once per program.
    pub(crate) fn listen() -> Result<Self> {
        Self::listen_with(Duration::ZERO)
    }

    /// The same for a program that somebody leads a conversation with, which an impatient second press must not end.
    pub(crate) fn listen_patiently() -> Result<Self> {
        Self::listen_with(PATIENCE)
    }

    fn listen_with(patience: Duration) -> Result<Self> {
        let interrupt = Self(Arc::new(State { patience, ..State::default() }));
        let state = interrupt.0.clone();
        ctrlc::set_handler(move || match state.press(Instant::now()) {
            Press::Stop => {}
            Press::Wait => complain("stopping; if that takes too long, one more Ctrl-C ends the program"),
            Press::Exit => std::process::exit(130),
        })
        .context("can't listen for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Whether to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.0.pressed.load(Ordering::Relaxed)
    }

    /// What was to stop has stopped; other work begins.
    pub(crate) fn forget(&self) {
        self.0.forget();
    }

    /// Waits for something that takes no notice of Ctrl-C, which meanwhile ends the program at once.
    pub(crate) fn exiting_at_once<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.0.is_waiting.store(true, Ordering::Relaxed);
        let result = wait();
        self.0.is_waiting.store(false, Ordering::Relaxed);
        result
    }

    /// An error if it is time to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() { Err(minference_attention::Error::Cancelled.into()) } else { Ok(()) }
    }
}

/// Whether an error is the answer to Ctrl-C.
pub(crate) fn is_cancellation(error: &anyhow::Error) -> bool {
    use minference_attention::Error::Cancelled;
    matches!(error.downcast_ref(), Some(Cancelled))
        || matches!(error.downcast_ref(), Some(minference_model::Error::Attention(Cancelled)))
        || matches!(
            error.downcast_ref(),
            Some(minference_eval::Error::Model(minference_model::Error::Attention(Cancelled)))
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What presses after so many milliseconds lead to.
    fn presses(state: &State, times: &[u64]) -> Vec<Press> {
        let start = Instant::now();
        times.iter().map(|time| state.press(start + Duration::from_millis(*time))).collect()
    }

    #[test]
    fn the_second_press_ends_the_program() {
        assert_eq!(presses(&State::default(), &[0, 0]), [Press::Stop, Press::Exit]);
    }

    #[test]
    fn where_much_would_be_lost_work_has_time_to_stop() {
        let state = State { patience: PATIENCE, ..State::default() };
        let times = [500, 600, 2400, 2500];
        assert_eq!(presses(&state, &times), [Press::Stop, Press::Wait, Press::Wait, Press::Exit]);
        // what has stopped is over: the next press is a first one
        state.forget();
        assert_eq!(presses(&state, &[9000, 9001]), [Press::Stop, Press::Wait]);
    }

    #[test]
    fn what_can_not_stop_is_ended_at_once() {
        let interrupt = Interrupt(Arc::new(State { patience: PATIENCE, ..State::default() }));
        let press = |interrupt: &Interrupt| interrupt.0.press(Instant::now());
        assert_eq!(interrupt.exiting_at_once(|| press(&interrupt)), Press::Exit);
        interrupt.forget();
        assert_eq!(press(&interrupt), Press::Stop);
        assert!(interrupt.is_set() && is_cancellation(&interrupt.check().unwrap_err()));
    }
}
