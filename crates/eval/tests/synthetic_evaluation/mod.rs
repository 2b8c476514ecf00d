//! Results of evaluations as real runs leave them, from made-up methods.

// each test uses a part of it
#![allow(dead_code)]

use minference_attention::synthetic::Random;
use minference_eval::results::{
    AnswerRecord, AnswerSeconds, DenseAgreement, EvaluationKind, EvaluationRun, FORMAT, LatencyRecord,
    LatencySeconds, LatencySource, LossBucket, PerplexityRecord, RunHeader, RunRecords,
};

/// Methods, with what they compute of 32,768 tokens and how often they miss what lies in the
/// middle.
pub(crate) const METHODS: [(&str, f64, f64); 4] =
    [("dense", 1.0, 0.0), ("minference", 0.3, 0.03), ("a-shape", 0.3, 0.7), ("static", 0.28, 0.3)];

/// A right answer of dense attention to one question, to be changed.
pub(crate) fn answer(method: &str, sample: &str, question: usize) -> AnswerRecord {
    let dense =
        (method != "dense").then_some(DenseAgreement { same: 1.0, same_score: Some(1.0), divergence: 0.01 });
    AnswerRecord {
        questions: 1,
        fixed_by: None,
        sample: sample.into(),
        question,
        task: "single".into(),
        length: 4096,
        depth: Some(0.5),
        method: method.into(),
        pattern: method.into(),
        prompt_tokens: 4090,
        answer: "The code is 7041.".into(),
        references: vec!["7041".into()],
        score: 1.0,
        dense,
        computed_share: if method == "dense" { 1.0 } else { 0.4 },
        cache: None,
        decode_tokens: None,
        seconds: AnswerSeconds { context: 2.0, question: 0.5, decode: 0.3, outside: 0.01 },
    }
}

/// Questions about facts at many lengths and depths, by the first `methods` of [`METHODS`].
pub(crate) fn needle(lengths: &[usize], depths: usize, methods: usize) -> Vec<AnswerRecord> {
    let mut random = Random::new(11);
    let mut uniform = move || random.below(10_000) as f64 / 10_000.0;
    let mut records = Vec::new();
    for &length in lengths {
        for round in 0..4 {
            for depth in 0..depths {
                let depth = depth as f64 / (depths.max(2) - 1) as f64;
                let dense_score = f64::from(u8::from(uniform() > 0.02 * length as f64 / 32_768.0));
                for &(method, share, misses) in &METHODS[..methods] {
                    let middle = 1.0 - (2.0 * depth - 1.0).abs();
                    let is_missed =
                        uniform() < misses * (0.3 + 0.7 * middle) * (length as f64 / 32_768.0).min(1.0);
                    let score = if is_missed { 0.0 } else { dense_score };
                    let same = f64::from(u8::from(score == dense_score));
                    let size = length as f64 / 4096.0;
                    records.push(AnswerRecord {
                        length,
                        depth: Some(depth),
                        answer: if score > 0.0 {
                            "The code is 7041.".into()
                        } else {
                            "The code is 1111.".into()
                        },
                        score,
                        computed_share: share.powf(((length as f64) / 32_768.0).sqrt()),
                        dense: (method != "dense").then_some(DenseAgreement {
                            same,
                            same_score: Some(same),
                            divergence: 0.02 * misses,
                        }),
                        seconds: AnswerSeconds {
                            context: size * (0.5 + 0.2 * size * share),
                            question: 0.1,
                            decode: 0.2,
                            outside: 0.001,
                        },
                        ..answer(method, &format!("{length}/{round}/{depth:.2}"), 0)
                    });
                }
            }
        }
    }
    records
}

/// Several tasks at some lengths.
pub(crate) fn ruler(lengths: &[usize]) -> Vec<AnswerRecord> {
    let mut records = Vec::new();
    for (place, task) in
        ["niah_single_1", "niah_multikey_1", "vt", "cwe", "fwe", "qa_1"].into_iter().enumerate()
    {
        for mut record in needle(lengths, 5, 4) {
            record.task = task.into();
            record.depth = None;
            record.sample = format!("{task}/{}", record.sample);
            record.score *= 1.0 - 0.08 * place as f64 * record.length as f64 / 32_768.0;
            records.push(record);
        }
    }
    records
}

/// Losses on documents.
pub(crate) fn perplexity(length: usize, documents: usize) -> Vec<PerplexityRecord> {
    let mut records = Vec::new();
    for document in 0..documents {
        for &(method, share, misses) in &METHODS {
            let mut buckets = Vec::new();
            let mut from = 1;
            while from < length {
                let to = (from * 2).max(64).min(length);
                let far = (to as f64 / length as f64).powi(2);
                let loss = 3.4 - 0.12 * (to as f64).ln() + 0.05 * misses * far + 0.02 * document as f64;
                buckets.push(LossBucket { from, to, loss });
                from = to;
            }
            records.push(PerplexityRecord {
                fixed_by: None,
                document: format!("novel {document}"),
                length,
                method: method.into(),
                pattern: method.into(),
                buckets,
                dense: (method != "dense").then_some(DenseAgreement {
                    same: 1.0 - 0.1 * misses,
                    same_score: None,
                    divergence: 0.02 * misses,
                }),
                computed_share: share,
                seconds: 30.0 * (0.4 + 0.6 * share),
            });
        }
    }
    records
}

/// Times; dense attention's of the greatest length is extrapolated.
pub(crate) fn latency(lengths: &[usize]) -> Vec<LatencyRecord> {
    let mut records = Vec::new();
    for (place, &length) in lengths.iter().enumerate() {
        for &(method, share, _) in &METHODS {
            let is_extrapolated = method == "dense" && place + 1 == lengths.len() && place > 1;
            for repeat in 0..if is_extrapolated { 1 } else { 3 } {
                let size = length as f64 / 4096.0 * (1.0 + 0.01 * repeat as f64);
                let seconds = LatencySeconds {
                    projections: 0.3 * size,
                    index: if method == "dense" { 0.0 } else { 0.02 * size },
                    attention: 0.2 * size * size * share.powf((length as f64 / 32_768.0).sqrt()),
                    mlp: 0.7 * size,
                    compression: 0.0,
                    total: 0.0,
                };
                let total = 1.02 * (seconds.projections + seconds.index + seconds.attention + seconds.mlp);
                records.push(LatencyRecord {
                    length,
                    method: method.into(),
                    pattern: method.into(),
                    repeat,
                    seconds: LatencySeconds { total, ..seconds },
                    computed_share: share.powf((length as f64 / 32_768.0).sqrt()),
                    peak_memory: Some(2_000_000_000 + length as u64 * 12_288),
                    cache: None,
                    source: if is_extrapolated {
                        LatencySource::Extrapolated { from: lengths[..place].to_vec() }
                    } else {
                        LatencySource::Measured
                    },
                });
            }
        }
    }
    records
}

/// Records with what a folder says of them.
pub(crate) fn run(evaluation: EvaluationKind, records: RunRecords) -> EvaluationRun {
    let settings = [("seed", "0"), ("dtype", "f16"), ("haystack", "prose")];
    EvaluationRun {
        folder: "results/one".into(),
        header: RunHeader {
            format: FORMAT,
            evaluation,
            model: "qwen2.5-0.5b-instruct-q4_k_m".into(),
            fingerprint: "5f3a9c0e71d2".into(),
            settings: settings.map(|(name, value)| (name.into(), value.into())).into(),
        },
        records,
        cut_line: None,
    }
}

/// One run of each kind.
pub(crate) fn runs() -> Vec<EvaluationRun> {
    let lengths = [4096, 8192, 16_384, 32_768];
    vec![
        run(EvaluationKind::Needle, RunRecords::Answers(needle(&lengths, 6, 4))),
        run(EvaluationKind::Ruler, RunRecords::Answers(ruler(&lengths[..3]))),
        run(EvaluationKind::InfiniteBench, RunRecords::Answers(ruler(&[100_000]))),
        run(EvaluationKind::Perplexity, RunRecords::Perplexity(perplexity(31_000, 3))),
        run(EvaluationKind::Latency, RunRecords::Latency(latency(&[4096, 8192, 16_384, 32_768, 131_072]))),
    ]
}
