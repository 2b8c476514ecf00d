//! A line with digits among many lines that are all the same: `passkey` and `number_string`.

use super::GeneratedContext;
use crate::haystack::prose::REFRAIN;
use minference_attention::synthetic::Random;

/// What hides where.
pub(super) struct HiddenLine {
    digits: String,
    /// What the digits are called.
    name: &'static str,
    depth: f64,
}

impl HiddenLine {
    /// Five digits.
    pub(super) fn passkey(random: &mut Random, depth: f64) -> Self {
        let digits = (0..5).map(|_| digit(random)).collect();
        Self { digits, name: "pass key", depth }
    }

    /// Five digits, five times one of them repeated beside itself.
    pub(super) fn number_string(random: &mut Random, depth: f64) -> Self {
        let mut digits: Vec<char> = (0..5).map(|_| digit(random)).collect();
        for _ in 0..5 {
            let at = random.below(digits.len());
            digits.insert(at, digits[at]);
        }
        Self { digits: digits.into_iter().collect(), name: "sequence of digits", depth }
    }
}

impl GeneratedContext for HiddenLine {
    fn input(&self) -> String {
        format!("What is the {}?", self.name)
    }

    fn context(&mut self, lines: usize) -> String {
        let before = (self.depth * lines as f64).round() as usize;
        let Self { digits, name, .. } = self;
        let line = format!("The {name} is {digits}. Remember it. {digits} is the {name}.\n");
        let filler = format!("{REFRAIN}\n");
        [filler.repeat(before), line, filler.repeat(lines - before)].concat()
    }

    fn references(&mut self, _lines: usize) -> Vec<String> {
        vec![self.digits.clone()]
    }

    fn depth(&self) -> Option<f64> {
        Some(self.depth)
    }
}

fn digit(random: &mut Random) -> char {
    char::from(b'0' + random.below(10) as u8)
}
