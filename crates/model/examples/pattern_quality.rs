//! How good a model's patterns are on a text that the search did not see.
//!
//! ```text
//! cargo run --release -p minference-model --example pattern_quality -- errors MODEL PATTERNS TEXT TOKENS [START] [CALIBRATION]
//! cargo run --release -p minference-model --example pattern_quality -- perplexity MODEL PATTERNS TEXT TOKENS [START]
//! ```
//!
//! `errors` walks through the model densely, and in each layer compares the heads' outputs with
//! dense attention's: under the file's patterns; under one vertical-slash pattern for all heads,
//! (1000, s), with s so that the layer computes as many pairs; and under the file's patterns with
//! the index that they had on another text (CALIBRATION), which is what a static index would be. No
//! head runs dense for speed.
//!
//! `perplexity` scores the last 2,000 tokens of the text, each after all before it: dense, with the
//! file's patterns, and with the default.
//!
//! The text is cut to TOKENS tokens from its token START on.

use minference_attention::files::{TEXT_BYTES, read_text};
use minference_attention::pattern::config::PatternConfig;
use minference_attention::pattern::vertical_slash::{self, LAST_QUERIES};
use minference_attention::search::attention_errors;
use minference_attention::{AttentionBackend, AttentionInputs, HeadPattern, Lowering, SparseIndex};
use minference_model::generation::logits::surprise;
use minference_model::patterns::layer_walk::{WalkedLayer, walk_layers};
use minference_model::text::tokenizer::SpecialTokens;
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Model, Result, Session, SessionOptions,
};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// Columns of the pattern that all heads share.
const VERTICAL: usize = 1000;
/// Tokens whose perplexity is taken.
const SCORED: usize = 2000;

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [what, model, patterns, text, tokens, more @ ..] = &arguments[..] else {
        return Err(
            "expected: errors or perplexity, a model, a pattern file, a text, and a number of tokens".into(),
        );
    };
    let model = Model::load(model)?;
    let patterns = PatternConfig::read(Path::new(patterns))?;
    let compute = Compute::new(ComputeOptions::default())?;
    let start = more.first().map_or(Ok(0), |start| start.parse())?;
    let text = part_of(&model, text, start, tokens.parse()?)?;
    match *what {
        "errors" => {
            let other = more.get(1).map(|path| part_of(&model, path, 0, text.len())).transpose()?;
            errors(&model, &compute, &patterns, &text, other.as_deref())
        }
        "perplexity" => perplexity(&model, &compute, patterns, &text),
        other => Err(format!("expected errors or perplexity, found {other}").into()),
    }
}

fn part_of(model: &Model, path: &str, start: usize, tokens: usize) -> Outcome<Vec<u32>> {
    let all = model.tokenizer().encode(&read_text(path.as_ref(), TEXT_BYTES)?, SpecialTokens::AsText)?;
    let prefix = model.tokenizer().prompt_prefix();
    let part: Vec<u32> = all.into_iter().skip(start).take(tokens.saturating_sub(prefix.len())).collect();
    if part.len() + prefix.len() < tokens {
        return Err(format!("{path}: expected {tokens} tokens after {start}, found {}", part.len()).into());
    }
    Ok([prefix, &part].concat())
}

/// Mean error of a layer's heads, and the share that they computed.
#[derive(Clone, Copy, Default)]
struct Quality {
    error: f64,
    share: f64,
}

fn errors(
    model: &Model,
    compute: &Compute,
    patterns: &PatternConfig,
    text: &[u32],
    other: Option<&[u32]>,
) -> Outcome<()> {
    let backend = &compute.backend();
    let of_layer = |layer: usize| -> Result<Vec<HeadPattern>> {
        Ok(patterns.layer(layer)?.iter().map(|head| head.pattern).collect())
    };
    let mut elsewhere: Vec<Vec<SparseIndex>> = Vec::new();
    if let Some(other) = other {
        walk_layers(model.decoder(), compute, other, CacheFormat::F16, None, &mut |walked| {
            elsewhere.push(select(backend, &walked.inputs, &of_layer(walked.layer)?)?);
            Ok(())
        })?;
    }
    println!(
        "layer  patterns: error, share    uniform ({VERTICAL}, s): error, share, s    static index: error, share"
    );
    let mut all = Vec::new();
    walk_layers(model.decoder(), compute, text, CacheFormat::F16, None, &mut |walked| {
        let indices = select(backend, &walked.inputs, &of_layer(walked.layer)?)?;
        let searched = quality(backend, walked, &indices)?;
        let (slash, indices) = uniform(backend, &walked.inputs, searched.share)?;
        let uniform = quality(backend, walked, &indices)?;
        let fixed =
            elsewhere.get(walked.layer).map(|indices| quality(backend, walked, indices)).transpose()?;
        let fixed = fixed.unwrap_or_default();
        println!(
            "{:5}  {:.4} {:5.1} %    {:.4} {:5.1} % {slash:6}    {:.4} {:5.1} %",
            walked.layer,
            searched.error,
            100.0 * searched.share,
            uniform.error,
            100.0 * uniform.share,
            fixed.error,
            100.0 * fixed.share
        );
        all.push([searched, uniform, fixed]);
        Ok(())
    })?;
    let mean = |of: &dyn Fn(&[Quality; 3]) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    for (i, name) in ["patterns", "uniform", "static index"].iter().enumerate() {
        let (error, share) = (mean(&|layer| layer[i].error), mean(&|layer| layer[i].share));
        println!("{name}: mean error {error:.4}, share {:.1} %", 100.0 * share);
    }
    let better = all.iter().filter(|layer| layer[0].error < layer[1].error).count();
    println!("patterns are better than uniform in {better} of {} layers", all.len());
    Ok(())
}

fn select(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    patterns: &[HeadPattern],
) -> Result<Vec<SparseIndex>> {
    let select = |(head, pattern): (usize, &HeadPattern)| Ok(pattern.select(backend, inputs, head)?);
    patterns.iter().enumerate().map(select).collect()
}

fn pairs(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    indices: &[SparseIndex],
) -> Result<u64> {
    let pairs = |index: &SparseIndex| Ok(backend.pairs(&Lowering::new(index, inputs.geometry())?));
    indices.iter().map(pairs).sum()
}

fn share(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    indices: &[SparseIndex],
) -> Result<f64> {
    let causal = inputs.geometry().causal_pairs() * indices.len() as u64;
    Ok(pairs(backend, inputs, indices)? as f64 / causal as f64)
}

fn quality(
    backend: &impl AttentionBackend,
    walked: &WalkedLayer<'_>,
    indices: &[SparseIndex],
) -> Result<Quality> {
    let inputs = &walked.inputs;
    let (errors, _) = attention_errors(backend, inputs, indices, walked.dense, 0)?;
    let error = errors.iter().sum::<f64>() / errors.len() as f64;
    Ok(Quality { error, share: share(backend, inputs, indices)? })
}

/// One pattern for all heads that computes as much as `wanted`: the most diagonals that don't
/// compute more.
fn uniform(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    wanted: f64,
) -> Result<(usize, Vec<SparseIndex>)> {
    let scores = |head| backend.last_query_scores(inputs, head, LAST_QUERIES);
    let scores = (0..inputs.heads()).map(scores).collect::<std::result::Result<Vec<_>, _>>()?;
    let with = |slash: usize| -> Result<Vec<SparseIndex>> {
        scores.iter().map(|scores| Ok(vertical_slash::index(scores, VERTICAL, slash)?)).collect()
    };
    let (mut below, mut above) = (0, inputs.geometry().keys() + 1);
    while above - below > 1 {
        let middle = below.midpoint(above);
        if share(backend, inputs, &with(middle)?)? <= wanted { below = middle } else { above = middle }
    }
    Ok((below, with(below)?))
}

fn perplexity(model: &Model, compute: &Compute, patterns: PatternConfig, text: &[u32]) -> Outcome<()> {
    let plans = [
        ("dense", AttentionPlan::Dense),
        ("patterns", AttentionPlan::PerHead(Arc::new(patterns))),
        ("default", AttentionPlan::Default),
    ];
    let mut dense = None;
    for (name, plan) in plans {
        let options = SessionOptions::for_tokens(text.len());
        let mut session = Session::new(model.decoder().clone(), compute.clone(), options)?;
        let forward = session.forward(&text[..text.len() - 1], SCORED, &plan, None)?;
        let scored = forward.logits.chunks_exact(model.decoder().config().vocabulary);
        let surprises =
            scored.zip(&text[text.len() - SCORED..]).map(|(logits, &next)| surprise(logits, next));
        let perplexity = (surprises.sum::<f64>() / SCORED as f64).exp();
        let change = 100.0 * (perplexity / *dense.get_or_insert(perplexity) - 1.0);
        let (share, times) = (100.0 * forward.report.computed_share(), forward.report.times);
        println!(
            "{name}: perplexity {perplexity:.4} ({change:+.2} %), {share:.1} % of attention computed, {:.1} s of which attention {:.1} s",
            times.total().as_secs_f64(),
            (times.index + times.attention).as_secs_f64()
        );
    }
    Ok(())
}
