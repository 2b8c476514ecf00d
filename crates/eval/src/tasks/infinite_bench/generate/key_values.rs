//! A JSON object of random keys and values: `kv_retrieval`.

use super::GeneratedContext;
use crate::haystack::key_values::{entry, identifier};
use minference_attention::synthetic::Random;

/// The entry that is asked for, and the others.
pub(super) struct KeyValues {
    random: Random,
    asked: [String; 2],
    /// As many as were needed so far.
    others: Vec<String>,
    depth: f64,
}

impl KeyValues {
    pub(super) fn new(mut random: Random, depth: f64) -> Self {
        let asked = [0; 2].map(|_| identifier(&mut random));
        Self { random, asked, others: Vec::new(), depth }
    }
}

impl GeneratedContext for KeyValues {
    fn input(&self) -> String {
        format!("\nKey: \"{}\"\nThe value associated with the specified key is: ", self.asked[0])
    }

    fn context(&mut self, others: usize) -> String {
        while self.others.len() < others {
            let [key, value] = [0; 2].map(|_| identifier(&mut self.random));
            self.others.push(entry(&key, &value));
        }
        let mut entries: Vec<&str> = self.others[..others].iter().map(String::as_str).collect();
        let asked = entry(&self.asked[0], &self.asked[1]);
        entries.insert((self.depth * others as f64).round() as usize, &asked);
        format!("JSON data:\n{{{}}}", entries.join(", "))
    }

    fn references(&mut self, _others: usize) -> Vec<String> {
        vec![self.asked[1].clone()]
    }

    fn depth(&self) -> Option<f64> {
        Some(self.depth)
    }
}
