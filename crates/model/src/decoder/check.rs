//! What a pass relies on: a configuration that does not contradict itself, and numbers that are
//! finite.

use crate::decoder::config::ModelConfig;
use crate::error::{Error, Result};

/// A [`ModelConfig`] may have been built wrong; a pass would then index beyond a row
/// or an array.
pub(super) fn check_config(config: &ModelConfig) -> Result<()> {
    let ModelConfig { heads, kv_heads, head_dim, .. } = *config;
    if kv_heads == 0 || heads == 0 || !heads.is_multiple_of(kv_heads) {
        return Err(Error::config("kv_heads", format!("a divisor of heads, {heads}, above 0"), kv_heads));
    }
    for (i, rope) in config.ropes.iter().enumerate() {
        let dim = rope.rotary_dim;
        if dim > head_dim || !dim.is_multiple_of(2) {
            let expected = format!("an even number up to head_dim, {head_dim}");
            return Err(Error::config(format!("ropes[{i}].rotary_dim"), expected, dim));
        }
    }
    for (i, layer) in config.layers.iter().enumerate() {
        if layer.rope >= config.ropes.len() {
            let expected = format!("less than {}, the number of ropes", config.ropes.len());
            return Err(Error::config(format!("layers[{i}].rope"), expected, layer.rope));
        }
    }
    Ok(())
}

/// Weights that are not finite, or too large for `f32`, show in the logits, `[tokens, vocabulary]`,
/// of the tokens from `first` on: in the last layer nothing looks at them before.
pub(super) fn check_logits(logits: &[f32], vocabulary: usize, first: usize) -> Result<()> {
    match logits.iter().position(|x| !x.is_finite()) {
        Some(at) => {
            let token = first + at / vocabulary;
            Err(minference_attention::Error::NotFinite { tensor: "logits", token, head: 0 }.into())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::config::test_config;

    #[test]
    fn configurations_that_contradict_themselves_are_refused() {
        check_config(&test_config()).unwrap();
        type Change = fn(&mut ModelConfig);
        let cases: [(Change, &str); 6] = [
            (|config| config.kv_heads = 3, "kv_heads: expected a divisor of heads, 4"),
            (|config| config.kv_heads = 0, "kv_heads"),
            (|config| config.ropes[0].rotary_dim = 18, "ropes[0].rotary_dim"),
            (|config| config.ropes[0].rotary_dim = 7, "ropes[0].rotary_dim: expected an even number"),
            (|config| config.layers[1].rope = 1, "layers[1].rope: expected less than 1"),
            (|config| config.ropes.clear(), "layers[0].rope"),
        ];
        for (change, part) in cases {
            let mut config = test_config();
            change(&mut config);
            let error = check_config(&config).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn logits_that_are_not_finite_name_the_token() {
        check_logits(&[0.0; 6], 3, 0).unwrap();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = check_logits(&[0.0, 0.0, 0.0, 0.0, bad, 0.0], 3, 7).unwrap_err().to_string();
            assert!(error.contains("logits holds NaN or infinity at token 8"), "{error}");
        }
    }
}
