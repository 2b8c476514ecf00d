//! Ctrl-C, and the system's request to end (SIGTERM): the first asks the work in progress to stop,
//! the second ends the program at once; or, where much would be lost with it, a later one that
//! comes when the work still goes on.
//!
//! The first press suffices in every state of the program. While the program only waits, it ends at
//! once. Work that has not checked for some time, such as behind a disk or a pipe that does not
//! answer, is ended then.

use crate::terminal::notify;
use anyhow::{Context, Result};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long work has to check whether to stop. In a chat there is no such limit.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long work has to stop in a chat, where a second Ctrl-C before does not end the program.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether Ctrl-C was pressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<InterruptState>);

#[derive(Debug, Default)]
struct InterruptState {
    pressed: AtomicBool,
    /// Whether the work in progress has seen it.
    noticed: AtomicBool,
    /// When it was pressed first.
    since: Mutex<Option<Instant>>,
    program_state: Mutex<ProgramState>,
    /// How long after the first press another one does not end the program.
    patience: Duration,
}

/// What the program does when Ctrl-C comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ProgramState {
    /// Work, which checks whether to stop.
    #[default]
    Work,
    /// Waiting for something that does not check.
    Waiting,
    /// Waiting for a line that is edited on a terminal, which is then in raw mode: every key is
    /// handed on at once, and none is shown.
    Editing,
}

/// What a press of Ctrl-C leads to.
#[derive(Debug, PartialEq, Eq)]
enum PressOutcome {
    /// The work in progress is asked to stop.
    Stop,
    /// It was asked before, and gets some more time.
    Wait,
    /// The program ends.
    Exit,
}

impl InterruptState {
    fn press(&self, now: Instant) -> PressOutcome {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *since.get_or_insert(now);
        let is_again = self.pressed.swap(true, Ordering::Relaxed);
        if self.program_state() != ProgramState::Work || (is_again && now - first >= self.patience) {
            PressOutcome::Exit
        } else if is_again {
            PressOutcome::Wait
        } else {
            PressOutcome::Stop
        }
    }

    fn forget(&self) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = None;
        self.pressed.store(false, Ordering::Relaxed);
        self.noticed.store(false, Ordering::Relaxed);
    }

    fn program_state(&self) -> ProgramState {
        *self.program_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to stop. Asking counts as having noticed.
    fn is_set(&self) -> bool {
        let is_set = self.pressed.load(Ordering::Relaxed);
        if is_set {
            self.noticed.store(true, Ordering::Relaxed);
        }
        is_set
    }

    /// Whether Ctrl-C was pressed, and the work has not checked since.
    fn is_unnoticed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed) && !self.noticed.load(Ordering::Relaxed)
    }

    fn exit(&self) -> ! {
        if self.program_state() == ProgramState::Editing {
            // where there is no such command, there is no such terminal
            let _ = Command::new("stty").arg("sane").status();
            notify("");
        }
        std::process::exit(130)
    }
}

impl Interrupt {
    /// Starts to listen. Once per program.
    pub(crate) fn listen() -> Result<Self> {
        Self::listen_with(Duration::ZERO)
    }

    /// The same for a chat, which an impatient second press must not end.
    pub(crate) fn listen_patiently() -> Result<Self> {
        Self::listen_with(PATIENCE)
    }

    fn listen_with(patience: Duration) -> Result<Self> {
        let interrupt = Self(Arc::new(InterruptState { patience, ..InterruptState::default() }));
        let state = interrupt.0.clone();
        ctrlc::set_handler(move || match state.press(Instant::now()) {
            PressOutcome::Stop if state.patience == Duration::ZERO => {
                let state = state.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(NOTICE_TIMEOUT);
                    if state.is_unnoticed() {
                        notify("stopped");
                        state.exit();
                    }
                });
            }
            PressOutcome::Stop => {}
            PressOutcome::Wait => {
                notify("stopping; if that takes too long, one more Ctrl-C ends the program");
            }
            PressOutcome::Exit => state.exit(),
        })
        .context("can't listen for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Whether to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Forgets the press: the work has stopped, and other work begins.
    pub(crate) fn forget(&self) {
        self.0.forget();
    }

    /// Waits for something that takes no notice of Ctrl-C, which meanwhile ends the program at
    /// once.
    pub(crate) fn while_waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.while_in_state(ProgramState::Waiting, wait)
    }

    /// The same for a line that is edited: the terminal is taken out of raw mode.
    pub(crate) fn while_editing<T>(&self, edit: impl FnOnce() -> T) -> T {
        self.while_in_state(ProgramState::Editing, edit)
    }

    fn while_in_state<T>(&self, program_state: ProgramState, wait: impl FnOnce() -> T) -> T {
        let set = |state| *self.0.program_state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        set(program_state);
        let result = wait();
        set(ProgramState::Work);
        result
    }

    /// An error if Ctrl-C was pressed.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() { Err(minference_attention::Error::Cancelled.into()) } else { Ok(()) }
    }
}

/// Whether an error says that Ctrl-C stopped the work.
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

    /// The outcomes of presses at these times in milliseconds.
    fn presses(state: &InterruptState, times: &[u64]) -> Vec<PressOutcome> {
        let start = Instant::now();
        times.iter().map(|time| state.press(start + Duration::from_millis(*time))).collect()
    }

    #[test]
    fn the_second_press_ends_the_program() {
        assert_eq!(presses(&InterruptState::default(), &[0, 0]), [PressOutcome::Stop, PressOutcome::Exit]);
    }

    #[test]
    fn where_much_would_be_lost_work_has_time_to_stop() {
        let state = InterruptState { patience: PATIENCE, ..InterruptState::default() };
        let times = [500, 600, 2400, 2500];
        assert_eq!(
            presses(&state, &times),
            [PressOutcome::Stop, PressOutcome::Wait, PressOutcome::Wait, PressOutcome::Exit]
        );
        // what has stopped is over: the next press is a first one
        state.forget();
        assert_eq!(presses(&state, &[9000, 9001]), [PressOutcome::Stop, PressOutcome::Wait]);
    }

    #[test]
    fn work_that_never_asks_is_told_from_work_that_stops() {
        let state = InterruptState::default();
        assert!(!state.is_set() && !state.is_unnoticed());
        presses(&state, &[0]);
        assert!(state.is_unnoticed());
        assert!(state.is_set() && !state.is_unnoticed());
        state.forget();
        assert!(!state.is_unnoticed());
    }

    #[test]
    fn what_can_not_stop_is_ended_at_once() {
        let interrupt =
            Interrupt(Arc::new(InterruptState { patience: PATIENCE, ..InterruptState::default() }));
        let press = |interrupt: &Interrupt| interrupt.0.press(Instant::now());
        assert_eq!(interrupt.while_waiting(|| press(&interrupt)), PressOutcome::Exit);
        interrupt.forget();
        assert_eq!(interrupt.while_editing(|| press(&interrupt)), PressOutcome::Exit);
        interrupt.forget();
        assert_eq!(press(&interrupt), PressOutcome::Stop);
        assert!(interrupt.is_set() && is_cancellation(&interrupt.check().unwrap_err()));
    }
}
