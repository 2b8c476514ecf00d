//! [`Candidates`]: the tokens still in the draw.

use std::cmp::Ordering;

/// Tokens that were not ruled out. Only as many are ordered as the filters need: a vocabulary is
/// long, and its tail does not matter.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// Id and logit; at least one.
    tokens: Vec<(u32, f32)>,
    /// The largest logit.
    best: f32,
    weights: Vec<f64>,
}

/// The likelier first; ties by id, so that no order depends on how a sort works.
fn likelier(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

impl Candidates {
    /// The `count` likeliest tokens (none: all) that are not ruled out; at least one must not be.
    pub(super) fn fill(&mut self, logits: &[f32], count: Option<usize>) {
        self.tokens.clear();
        let possible = (0u32..).zip(logits.iter().copied()).filter(|(_, logit)| *logit > f32::NEG_INFINITY);
        // -0 becomes 0: they are equal, but total_cmp tells them apart.
        self.tokens.extend(possible.map(|(id, logit)| (id, logit + 0.0)));
        self.best = self.tokens.iter().fold(f32::NEG_INFINITY, |best, &(_, logit)| best.max(logit));
        if let Some(count) = count.filter(|&count| count < self.tokens.len()) {
            self.bring_forward(count);
            self.tokens.truncate(count);
        }
    }

    /// The fewest of the likeliest whose probabilities sum to `share`.
    pub(super) fn keep_top_p(&mut self, share: f32) {
        if share >= 1.0 {
            return;
        }
        let target = f64::from(share) * self.weigh(1.0);
        let mut ordered = 128;
        loop {
            ordered = (4 * ordered).min(self.tokens.len());
            self.bring_forward(ordered);
            let mut sum = 0.0;
            let last = self.tokens[..ordered].iter().position(|&(_, logit)| {
                sum += self.weight(logit, 1.0);
                sum >= target
            });
            if last.is_some() || ordered == self.tokens.len() {
                self.tokens.truncate(last.map_or(ordered, |last| last + 1));
                return;
            }
        }
    }

    /// Those at least `share` as likely as the likeliest.
    pub(super) fn keep_min_p(&mut self, share: f32) {
        let least = f64::from(self.best) + f64::from(share).ln();
        self.tokens.retain(|&(_, logit)| f64::from(logit) >= least);
    }

    /// One of them by a number in [0, 1).
    pub(super) fn draw(&mut self, temperature: f32, random: f64) -> u32 {
        let target = random * self.weigh(temperature);
        let mut sum = 0.0;
        let mut drawn = None;
        for (&(id, _), &weight) in self.tokens.iter().zip(&self.weights).filter(|(_, weight)| **weight > 0.0)
        {
            sum += weight;
            drawn = Some(id);
            if sum > target {
                break;
            }
        }
        // The best has the weight 1.
        drawn.unwrap_or(0)
    }

    /// The `count` likeliest first, in order.
    fn bring_forward(&mut self, count: usize) {
        if count < self.tokens.len() {
            self.tokens.select_nth_unstable_by(count, likelier);
        }
        self.tokens[..count].sort_unstable_by(likelier);
    }

    /// Probabilities relative to the likeliest; gives their sum.
    fn weigh(&mut self, temperature: f32) -> f64 {
        let mut weights = std::mem::take(&mut self.weights);
        weights.clear();
        weights.extend(self.tokens.iter().map(|&(_, logit)| self.weight(logit, temperature)));
        self.weights = weights;
        self.weights.iter().sum()
    }

    fn weight(&self, logit: f32, temperature: f32) -> f64 {
        ((f64::from(logit) - f64::from(self.best)) / f64::from(temperature)).exp()
    }
}
