//! The oracle: one row of attention in `f64` under [`KeyLayout::contains`], with softcap and sink
//! logit; and what a plain implementation in the elements' own type makes of it.

use minference_attention::KeyLayout;

/// One row's problem. Rows of keys and values are asked for by position.
pub(crate) struct Row<'a> {
    pub(crate) query: &'a [f32],
    /// Its position.
    pub(crate) position: usize,
    pub(crate) layout: &'a KeyLayout,
    pub(crate) key: &'a dyn Fn(usize, &mut [f32]),
    pub(crate) value: &'a dyn Fn(usize, &mut [f32]),
    pub(crate) scale: f32,
    pub(crate) softcap: Option<f32>,
    pub(crate) sink: Option<f32>,
}

/// The exact output, and the plain one.
pub(crate) struct Outputs {
    pub(crate) exact: Vec<f64>,
    pub(crate) plain: Vec<f32>,
}

impl Row<'_> {
    /// Both outputs; `round` rounds to the elements' type.
    pub(crate) fn outputs(&self, round: impl Fn(f32) -> f32) -> Outputs {
        let head_dim = self.query.len();
        let mut row = vec![0.0f32; head_dim];
        let keys: Vec<usize> =
            (0..=self.position).filter(|&key| self.layout.contains(self.position, key)).collect();
        let (mut exact_scores, mut plain_scores) = (Vec::new(), Vec::new());
        for &key in &keys {
            (self.key)(key, &mut row);
            let exact: f64 = self.query.iter().zip(&row).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
            let plain: f32 = self.query.iter().zip(&row).map(|(q, k)| q * k).sum();
            let (exact, plain) = (exact * f64::from(self.scale), plain * self.scale);
            let cap = self.softcap;
            exact_scores.push(cap.map_or(exact, |cap| f64::from(cap) * (exact / f64::from(cap)).tanh()));
            plain_scores.push(cap.map_or(plain, |cap| cap * (plain / cap).tanh()));
        }
        let sink = self.sink.map(f64::from);
        let largest = exact_scores.iter().copied().chain(sink).fold(f64::NEG_INFINITY, f64::max);
        let mut exact_sum = sink.map_or(0.0, |sink| (sink - largest).exp());
        let mut plain_sum = exact_sum as f32;
        let (mut exact, mut plain) = (vec![0.0f64; head_dim], vec![0.0f32; head_dim]);
        for (i, &key) in keys.iter().enumerate() {
            (self.value)(key, &mut row);
            let p = (exact_scores[i] - largest).exp();
            let rough = (plain_scores[i] - largest as f32).exp();
            exact_sum += p;
            plain_sum += rough;
            let rough = round(rough);
            for (d, &x) in row.iter().enumerate() {
                exact[d] += p * f64::from(x);
                plain[d] += rough * x;
            }
        }
        exact.iter_mut().for_each(|x| *x /= exact_sum);
        plain.iter_mut().for_each(|x| *x /= plain_sum);
        Outputs { exact, plain }
    }
}
