//! [`Comparison`]: an answer beside the dense one, and the object that `--json` prints.

use crate::answer::{EarlierCompression, TimedAnswer};
use minference_model::generation::Finish;
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

    /// Whether the answers read the same. (The last token of one that ends at a stop string may
    /// differ behind it.)
    pub(crate) fn answers_agree(&self) -> Option<bool> {
        self.dense.map(|dense| dense.answer.text == self.answer.answer.text)
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
    let mut object = json!({
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
        "kv_compression": answer.cache.compression.map(|compression| compression.to_string()),
        "kv_cache_bytes": answer.cache.bytes,
        "kv_cache_full_bytes": answer.cache.full_bytes,
        "answer_tokens": answer.answer.tokens.len(),
        "finish": finish(&answer.answer.finish),
        "computed_share_per_layer": layers,
        "prefill_seconds": {
            "projections": times.projections.as_secs_f64(),
            "index": times.index.as_secs_f64(),
            "attention": times.attention.as_secs_f64(),
            "mlp": times.mlp.as_secs_f64(),
            "compression": times.compression.as_secs_f64(),
        },
    });
    if let Some(reused) = &answer.reused {
        object["reused_tokens"] = json!(reused.tokens);
        object["context_load_s"] = json!(reused.load.as_secs_f64());
        if let Some(EarlierCompression { tokens, by }) = &reused.compressed {
            object["reused_kv_compression"] = json!(by);
            object["reused_kv_compressed_tokens"] = json!(tokens);
        }
    }
    if let Some(Ok(saved)) = &answer.saved {
        object["saved_context_bytes"] = json!(saved.bytes);
        object["context_save_s"] = json!(saved.save.as_secs_f64());
    }
    object
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop(_) => "stop",
        Finish::MaxTokens => "max-tokens",
        Finish::ContextFull => "context",
        Finish::Interrupted => "interrupted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::PromptCache;
    use crate::model::NamedPlan;
    use minference_model::decoder::ForwardReport;
    use minference_model::generation::Answer;
    use minference_model::text::text_stream::StreamEnd;
    use std::time::Duration;

    fn answer(text: &str, tokens: &[u32]) -> TimedAnswer {
        TimedAnswer {
            plan: NamedPlan::dense(),
            prompt_tokens: 1,
            answer: Answer {
                text: text.into(),
                tokens: tokens.into(),
                finish: Finish::Stop(StreamEnd::StopString("\n".into())),
                first_token: Duration::ZERO,
                decoded: (0, Duration::ZERO),
            },
            first_token: Duration::from_secs(1),
            report: ForwardReport::default(),
            cache: PromptCache { compression: None, bytes: 1, full_bytes: 1 },
            reused: None,
            saved: None,
            peak_memory: None,
        }
    }

    #[test]
    fn answers_agree_when_they_read_the_same() {
        let one = answer("yes", &[1, 2]);
        let agree =
            |dense: &TimedAnswer| Comparison { model: "m", answer: &one, dense: Some(dense) }.answers_agree();
        // the same text up to the stop string, whatever else stands in the token that holds it
        assert_eq!(agree(&answer("yes", &[1, 3])), Some(true));
        assert_eq!(agree(&answer("no", &[1, 2])), Some(false));
        assert_eq!(Comparison { model: "m", answer: &one, dense: None }.answers_agree(), None);
    }
}
