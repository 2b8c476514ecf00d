//! [`Comparison`]: an answer beside the dense one, and the object that `--json` prints.

use super::answer::TimedAnswer;
use minference_model::generate::Finish;
use serde_json::{Value, json};

/// An answer, and the dense one if it was asked for.
pub(crate) struct Comparison<'a> {
    pub(crate) model: &'a str,
    pub(crate) answer: &'a TimedAnswer,
    pub(crate) dense: Option<&'a TimedAnswer>,
}

impl Comparison<'_> {
    /// How many times sooner the first token came than with dense attention.
    pub(crate) fn speedup(&self) -> Option<f64> {
        self.dense.map(|dense| dense.first_token.as_secs_f64() / self.answer.first_token.as_secs_f64())
    }

    /// Whether the answers are the same, token by token.
    pub(crate) fn answers_agree(&self) -> Option<bool> {
        self.dense.map(|dense| dense.answer.tokens == self.answer.answer.tokens)
    }

    /// The stable fields, and some more that may change.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = fields(self.model, self.answer);
        if let Some(dense) = self.dense {
            object["dense"] = fields(self.model, dense);
            object["speedup"] = json!(self.speedup());
            object["answers_agree"] = json!(self.answers_agree());
        }
        object
    }
}

fn fields(model: &str, answer: &TimedAnswer) -> Value {
    let layers: Vec<f64> = answer.report.layers.iter().map(|layer| layer.computed_share()).collect();
    let times = answer.report.times;
    json!({
        "model": model,
        "attention": answer.plan.kind.name(),
        "prompt_tokens": answer.prompt_tokens,
        "answer": answer.answer.text,
        "time_to_first_token_s": answer.first_token.as_secs_f64(),
        "prefill_tokens_per_s": answer.prefill_tokens_per_second(),
        "decode_tokens_per_s": answer.answer.decode_tokens_per_second(),
        "computed_share": answer.report.computed_share(),
        "peak_memory_bytes": answer.peak_memory,
        // not promised to stay
        "pattern": answer.plan.pattern,
        "answer_tokens": answer.answer.tokens.len(),
        "finish": finish(&answer.answer.finish),
        "computed_share_per_layer": layers,
        "prefill_seconds": {
            "projections": times.projections.as_secs_f64(),
            "index": times.index.as_secs_f64(),
            "attention": times.attention.as_secs_f64(),
            "mlp": times.mlp.as_secs_f64(),
        },
    })
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop(_) => "stop",
        Finish::MaxTokens => "max-tokens",
        Finish::ContextFull => "context",
        Finish::Interrupted => "interrupted",
    }
}
