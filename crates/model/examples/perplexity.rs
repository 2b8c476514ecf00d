//! Perplexity of a text by a model, with prefill's products in `f32` and in 8 bits.
//!
//! ```text
//! cargo run --release -p minference-model --example perplexity -- model.gguf text.txt [WINDOWS]
//! ```
//!
//! The text is cut into windows of 2,048 tokens; the last 1,024 of each are scored, each after at
//! least 1,024 others.

use minference_attention::files::{TEXT_BYTES, read_text};
use minference_model::generation::logits::surprise;
use minference_model::text::tokenizer::SpecialTokens;
use minference_model::{
    AttentionPlan, Compute, ComputeOptions, MatmulArithmetic, Model, Session, SessionOptions,
};
use std::error::Error;

/// Tokens of a window, and those that are scored.
const WINDOW: usize = 2048;
const SCORED: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, text, windows) = match &arguments[..] {
        [path, text] => (path, text, 10),
        [path, text, windows] => (path, text, windows.parse()?),
        _ => return Err("expected a model, a text and, if you like, a number of windows".into()),
    };
    let model = Model::load(path)?;
    let tokens = model.tokenizer().encode(&read_text(text.as_ref(), TEXT_BYTES)?, SpecialTokens::AsText)?;
    let prefix = model.tokenizer().prompt_prefix();
    let mut before = None;
    for matmul in [MatmulArithmetic::F32, MatmulArithmetic::Int8] {
        let compute = Compute::new(ComputeOptions { matmul, ..ComputeOptions::default() })?;
        let (mut sum, mut count) = (0.0, 0);
        for window in tokens.chunks_exact(WINDOW - prefix.len()).take(windows) {
            let window = [prefix, window].concat();
            let mut session =
                Session::new(model.decoder().clone(), compute.clone(), SessionOptions::for_tokens(WINDOW))?;
            let forward = session.forward(&window[..WINDOW - 1], SCORED, &AttentionPlan::Dense, None)?;
            let vocabulary = model.decoder().config().vocabulary;
            for (logits, &next) in forward.logits.chunks_exact(vocabulary).zip(&window[WINDOW - SCORED..]) {
                sum += surprise(logits, next);
                count += 1;
            }
        }
        let perplexity = (sum / f64::from(count)).exp();
        let change = before.map_or(0.0, |before: f64| 100.0 * (perplexity / before - 1.0));
        println!("{matmul:?}: perplexity {perplexity:.4} over {count} tokens ({change:+.3} %)");
        before = before.or(Some(perplexity));
    }
    Ok(())
}
