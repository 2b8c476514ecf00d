//! Digests of what sessions compute, to see that a change of the code changed no result by a bit.
//!
//! ```text
//! cargo run --release -p minference-model --example result_digests -- MODEL... > before.txt
//! ```
//!
//! Each line names a model, an instruction set, a cache's format, a plan, a chunk length and a
//! compression, and gives a digest of all logits of a course of calls: a prompt, an answer, a way
//! back, a second prompt. Two versions of the program on one machine must print the same lines.

use minference_attention::{HeadPattern, InstructionSet};
use minference_model::session::kv_cache::{KvCompression, PyramidKv, SnapKv, StreamingLlm};
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Decoder, MatmulArithmetic, ModelFiles,
    PrefillOptions, Result, Session, SessionOptions,
};
use std::sync::Arc;

const PROMPT: usize = 1500;

/// FNV-1a over the bits of numbers.
struct Digest(u64);

impl Digest {
    fn add(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn add_all(&mut self, values: &[f32]) {
        values.iter().for_each(|value| self.add(u64::from(value.to_bits())));
    }
}

/// Tokens that are the same everywhere, with repetitions, so that heads have something to find.
fn tokens(count: usize, vocabulary: usize, seed: u64) -> Vec<u32> {
    let mut state = seed;
    let mut tokens: Vec<u32> = Vec::with_capacity(count);
    for i in 0..count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (state >> 33) as usize;
        let again = i > 200 && random.is_multiple_of(3);
        tokens.push(if again { tokens[i - 97] } else { (random % vocabulary) as u32 });
    }
    tokens
}

fn plans() -> Vec<(&'static str, AttentionPlan)> {
    let uniform = AttentionPlan::Uniform;
    vec![
        ("dense", AttentionPlan::Dense),
        ("default", AttentionPlan::Default),
        ("a-shape", uniform(HeadPattern::AShape { sink: 64, local: 192 })),
        ("tri-shape", uniform(HeadPattern::TriShape { sink: 64, local: 192, last: 70 })),
        ("vertical-slash", uniform(HeadPattern::VerticalSlash { vertical: 60, slash: 60 })),
        ("block-sparse", uniform(HeadPattern::BlockSparse { top_k: 5 })),
    ]
}

fn compressions() -> Result<Vec<(&'static str, Option<KvCompression>)>> {
    let snap = SnapKv::with_capacity(256)?;
    Ok(vec![
        ("all", None),
        ("snapkv", Some(KvCompression::SnapKv(snap))),
        ("pyramidkv", Some(KvCompression::PyramidKv(PyramidKv::new(snap)))),
        ("streaming", Some(KvCompression::StreamingLlm(StreamingLlm::with_capacity(256, 4)?))),
    ])
}

/// The whole course of one session.
fn course(mut session: Session, options: &PrefillOptions, vocabulary: usize) -> Result<u64> {
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    let forward = session.prefill(&tokens(PROMPT, vocabulary, 1), options)?;
    digest.add_all(&forward.logits);
    forward.report.layers.iter().for_each(|layer| digest.add(layer.pairs));
    for token in [3, 5, 7] {
        digest.add_all(&session.decode(token)?);
    }
    let mut fork = session.fork()?;
    digest.add_all(&fork.decode(11)?);
    session.truncate(PROMPT)?;
    let second = PrefillOptions { compression: None, ..options.clone() };
    digest.add_all(&session.prefill(&tokens(130, vocabulary, 2), &second)?.logits);
    let scored = session.forward(&tokens(70, vocabulary, 3), 9, &options.plan, None)?;
    digest.add_all(&scored.logits);
    digest.add(session.cache().bytes() as u64);
    Ok(digest.0)
}

fn main() -> Result<()> {
    let formats =
        [CacheFormat::F32, CacheFormat::F16, CacheFormat::Bf16, CacheFormat::Int8, CacheFormat::Int4];
    for path in std::env::args().skip(1) {
        let (config, weights) = ModelFiles::open(&path)?.load()?;
        let vocabulary = config.vocabulary;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let decoder = Arc::new(Decoder::new(config, weights)?);
        for set in InstructionSet::available() {
            for matmul in [MatmulArithmetic::F32, MatmulArithmetic::Int8] {
                let options =
                    ComputeOptions { instruction_set: Some(set), matmul, ..ComputeOptions::default() };
                let compute = Compute::new(options)?;
                for cache in formats {
                    for (plan_name, plan) in plans() {
                        for chunk in [None, Some(512)] {
                            for (kept, compression) in compressions()? {
                                let capacity = PROMPT + 300;
                                let options =
                                    PrefillOptions { plan: plan.clone(), chunk, compression, progress: None };
                                let session = SessionOptions { capacity, cache };
                                let session = Session::new(decoder.clone(), compute.clone(), session)?;
                                let digest = course(session, &options, vocabulary)?;
                                println!(
                                    "{name} {set} {matmul:?} {cache:?} {plan_name} {chunk:?} {kept} {digest:016x}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
