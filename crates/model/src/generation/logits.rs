//! What logits say of a token.

/// The negative natural logarithm of a token's probability under the softmax of `logits`; its mean
/// over a text is the logarithm of the text's perplexity.
///
/// ```
/// use minference_model::generation::logits::surprise;
/// // four tokens, all alike
/// assert!((surprise(&[2.0; 4], 1) - 4f64.ln()).abs() < 1e-12);
/// ```
///
/// # Panics
/// If there is no such token.
pub fn surprise(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // single exponentials are exact enough, their sum would not be
    let sum: f64 = logits.iter().map(|x| f64::from((x - most).exp())).sum();
    sum.ln() - f64::from(logits[token as usize] - most)
}

/// Natural logarithms of the probabilities under the softmax of `logits`.
///
/// ```
/// use minference_model::generation::logits::{divergence, log_probabilities};
/// let (even, uneven) = (log_probabilities(&[1.0, 1.0]), log_probabilities(&[0.0, 3f32.ln()]));
/// assert!((even[0] - 0.5f32.ln()).abs() < 1e-6);
/// // half of ln(0.5 / 0.25) and half of ln(0.5 / 0.75)
/// assert!((divergence(&even, &uneven) - 0.143841).abs() < 1e-5);
/// assert_eq!(divergence(&even, &even), 0.0);
/// ```
pub fn log_probabilities(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from((x - most).exp())).sum();
    let shift = f64::from(most) + sum.ln();
    logits.iter().map(|&x| (f64::from(x) - shift) as f32).collect()
}

/// Kullback-Leibler divergence of a distribution from a reference, in nats; both as logarithms of
/// probabilities of the same tokens. Rounded inputs may give a sum just below zero, which counts as
/// zero.
pub fn divergence(reference: &[f32], other: &[f32]) -> f64 {
    let terms = reference.iter().zip(other).map(|(&p, &q)| f64::from(p).exp() * f64::from(p - q));
    terms.sum::<f64>().max(0.0)
}

/// The likeliest token; of several the first.
///
/// ```
/// assert_eq!(minference_model::generation::logits::likeliest(&[0.5, 2.0, 2.0]), 1);
/// ```
pub fn likeliest(logits: &[f32]) -> u32 {
    let best = (0..logits.len()).reduce(|best, i| if logits[i] > logits[best] { i } else { best });
    best.unwrap_or(0) as u32
}
