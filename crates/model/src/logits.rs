//! What logits say of a token.

/// The negative natural logarithm of a token's probability under the softmax of `logits`; its mean over a text is the logarithm of the
/// text's perplexity.
///
/// ```
/// use minference_model::logits::surprise;
/// // four tokens, all alike
/// assert!((surprise(&[2.0; 4], 1) - 4f64.ln()).abs() < 1e-12);
/// ```
///
/// # Panics
/// If there is no such token.
pub fn surprise(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
    sum.ln() - f64::from(logits[token as usize] - most)
}
