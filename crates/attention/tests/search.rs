//! The offline search, on heads with known structure.

use minference_attention::pattern::config::HeadEntry;
use minference_attention::pattern::provenance::Fit;
use minference_attention::search::{CalibrationSample, Objective, relative_errors, search_layer};
use minference_attention::synthetic::{Head, Planted, Random, normal, planted_head};
use minference_attention::{
    AttentionBackend, AttentionInputs, CpuBackend, Error, Geometry, HeadPattern, Lowering, SparseIndex,
    TensorView, TensorViewMut,
};

const TOKENS: usize = 2048;
const HEAD_DIM: usize = 32;
const TARGET: HeadPattern = HeadPattern::AShape { sink: 16, local: 400 };

/// Queries see the first 16 keys, and the nearest ones through a bell curve of 160 tokens. The last
/// 64 queries, which vote for columns and diagonals, look around 1,000 tokens back instead: only a
/// pattern that doesn't ask them is right.
fn a_shape_head() -> Head {
    const SINK: usize = 16;
    let angle = std::f32::consts::PI / TOKENS as f32;
    let strength = 1.0 / (160.0 * angle);
    let scale = (HEAD_DIM as f32).sqrt();
    let mut head = Head {
        q: vec![0.0; TOKENS * HEAD_DIM],
        k: vec![0.0; TOKENS * HEAD_DIM],
        v: normal(TOKENS * HEAD_DIM, 3),
    };
    for position in 0..TOKENS {
        let (q, k) = (&mut head.q[position * HEAD_DIM..], &mut head.k[position * HEAD_DIM..]);
        let (looked_at, strictly) =
            if position + 64 >= TOKENS { (position - 1000, 0.3) } else { (position, 1.0) };
        let (query, at) = (strictly * strength * scale, angle * looked_at as f32);
        (q[0], q[1]) = (query * at.cos(), query * at.sin());
        q[2] = query * strictly;
        if position < SINK {
            k[2] = strength;
        } else {
            (k[0], k[1]) =
                (strength * (angle * position as f32).cos(), strength * (angle * position as f32).sin());
        }
    }
    head
}

/// Every block of queries looks at its own and at two others, which follow no rule.
fn block_head() -> Head {
    let mut random = Random::new(5);
    let blocks = TOKENS / 64;
    let codes: Vec<Vec<f32>> = (0..blocks).map(|block| normal(HEAD_DIM, 100 + block as u64)).collect();
    let mut head = Head { q: vec![], k: vec![], v: normal(TOKENS * HEAD_DIM, 4) };
    for block in 0..blocks {
        let seen = [block, random.below(block + 1), random.below(block + 1)];
        for _ in 0..64 {
            head.q
                .extend((0..HEAD_DIM).map(|i| 2.0 * seen.iter().map(|&block| codes[block][i]).sum::<f32>()));
            head.k.extend(codes[block].iter().map(|x| x + 0.1 * random.normal()));
        }
    }
    head
}

fn vertical_slash_head(seed: u64) -> Head {
    planted_head(TOKENS, HEAD_DIM, &Planted::typical(TOKENS, seed), seed)
}

fn noise_head() -> Head {
    let noise = |seed| normal(TOKENS * HEAD_DIM, seed);
    Head { q: noise(1), k: noise(2), v: noise(3) }
}

/// Heads of a layer, each with keys and values of its own, and its dense output.
struct Layer {
    tokens: usize,
    heads: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    dense: Vec<f32>,
}

impl Layer {
    fn new(heads: &[Head]) -> Self {
        Self::cut(heads, TOKENS)
    }

    /// Its first tokens.
    fn cut(heads: &[Head], tokens: usize) -> Self {
        let join = |part: fn(&Head) -> &Vec<f32>| -> Vec<f32> {
            let row = |token: usize| {
                heads.iter().flat_map(move |head| part(head)[token * HEAD_DIM..][..HEAD_DIM].to_vec())
            };
            (0..tokens).flat_map(row).collect()
        };
        let (q, k, v) = (join(|head| &head.q), join(|head| &head.k), join(|head| &head.v));
        let dense = vec![0.0; q.len()];
        let mut layer = Self { tokens, heads: heads.len(), q, k, v, dense };
        let mut dense = std::mem::take(&mut layer.dense);
        let mut view = TensorViewMut::new(&mut dense, layer.shape()).unwrap();
        backend(2).attend(&layer.inputs(), &vec![SparseIndex::Dense; heads.len()], &mut view).unwrap();
        layer.dense = dense;
        layer
    }

    fn shape(&self) -> [usize; 3] {
        [self.tokens, self.heads, HEAD_DIM]
    }

    fn inputs(&self) -> AttentionInputs<'_> {
        let view = |data| TensorView::new(data, self.shape()).unwrap();
        AttentionInputs::new(view(&self.q), view(&self.k), view(&self.v)).unwrap()
    }

    fn sample(&self) -> CalibrationSample<'_> {
        CalibrationSample {
            inputs: self.inputs(),
            dense: TensorView::new(&self.dense, self.shape()).unwrap(),
        }
    }
}

fn backend(threads: usize) -> CpuBackend {
    CpuBackend::builder().threads(threads).build().unwrap()
}

fn search(samples: &[CalibrationSample<'_>], objective: &Objective) -> Vec<HeadEntry> {
    search_layer(&backend(2), samples, objective, 500, &mut || ()).unwrap()
}

fn same_pairs() -> Objective {
    Objective::SamePairs {
        target: TARGET,
        candidates: vec![
            TARGET,
            HeadPattern::VerticalSlash { vertical: 30, slash: 100 },
            HeadPattern::VerticalSlash { vertical: 62, slash: 100 },
            HeadPattern::BlockSparse { top_k: 9 },
        ],
    }
}

#[test]
fn planted_heads_get_their_patterns() {
    let layer = Layer::new(&[a_shape_head(), vertical_slash_head(1), block_head()]);
    let found = search(&[layer.sample()], &same_pairs());
    let kinds: Vec<&str> = found.iter().map(|head| head.pattern.name()).collect();
    assert_eq!(kinds, ["a-shape", "vertical-slash", "block-sparse"], "{found:#?}");
    assert_eq!(found[0].pattern, TARGET);
    for head in &found {
        let winner = head.trials.iter().find(|trial| trial.pattern == head.pattern).unwrap();
        assert_eq!(head.score, Some(winner.error));
        assert!(head.trials.iter().all(|trial| trial.error >= winner.error));
    }
}

#[test]
fn budgets_are_fitted_or_say_why_not() {
    let layer = Layer::new(&[a_shape_head(), vertical_slash_head(2), block_head()]);
    let geometry = Geometry::prefill(TOKENS);
    let target =
        Lowering::new(TARGET.select(&backend(1), &layer.inputs(), 0).unwrap(), geometry).unwrap().pairs();
    for (head, entry) in search(&[layer.sample()], &same_pairs()).iter().enumerate() {
        assert_eq!(entry.trials.len(), 4);
        for trial in &entry.trials {
            let index = trial.pattern.select(&backend(1), &layer.inputs(), head).unwrap();
            let pairs = Lowering::new(&index, geometry).unwrap().pairs();
            let share = pairs as f64 / geometry.causal_pairs() as f64;
            assert!((trial.share - share).abs() < 1e-5, "{trial:?}: its pattern computes {share}");
            let off = pairs as f64 / target as f64 - 1.0;
            match trial.fit {
                Fit::Close => assert!(off.abs() <= 0.02, "{trial:?} is {off} off"),
                Fit::AtLeast => assert!(off > 0.02, "{trial:?} is {off} off"),
                Fit::AtMost => assert!(off < -0.02, "{trial:?} is {off} off"),
                Fit::Nearest => {
                    let neighbours = match trial.pattern {
                        HeadPattern::BlockSparse { top_k } => {
                            [top_k - 1, top_k + 1].map(|top_k| HeadPattern::BlockSparse { top_k })
                        }
                        HeadPattern::VerticalSlash { vertical, slash } => {
                            [slash - 1, slash + 1].map(|slash| HeadPattern::VerticalSlash { vertical, slash })
                        }
                        other => panic!("every {} can be met", other.name()),
                    };
                    for other in neighbours {
                        let index = other.select(&backend(1), &layer.inputs(), head).unwrap();
                        let other = Lowering::new(&index, geometry).unwrap().pairs();
                        assert!(other.abs_diff(target) >= pairs.abs_diff(target));
                    }
                }
            }
        }
    }
}

#[test]
fn of_equal_errors_the_first_candidate_wins() {
    let layer = Layer::new(&[vertical_slash_head(3)]);
    let blocks = |top_k| HeadPattern::BlockSparse { top_k };
    let objective =
        Objective::SamePairs { target: TARGET, candidates: vec![blocks(20), blocks(1), blocks(500)] };
    let found = search(&[layer.sample()], &objective);
    let [first, second, third] = &found[0].trials[..] else { panic!("{found:?}") };
    assert!(first == second && second == third);
    assert_eq!(found[0].pattern, first.pattern);
    // whole heads without any difference: every candidate is exact
    let objective = Objective::SamePairs {
        target: HeadPattern::AShape { sink: 0, local: 1000 },
        candidates: vec![HeadPattern::VerticalSlash { vertical: 30, slash: 0 }, blocks(9)],
    };
    let mut constant = vertical_slash_head(3);
    constant.v.fill(0.25);
    let found = search(&[Layer::new(&[constant]).sample()], &objective);
    assert_eq!(found[0].pattern.name(), "vertical-slash", "{found:?}");
}

#[test]
fn threads_change_nothing() {
    let layer = Layer::new(&[a_shape_head(), block_head()]);
    for objective in [same_pairs(), Objective::max_error(0.2)] {
        let [one, three] = [1, 3].map(|threads| {
            search_layer(&backend(threads), &[layer.sample()], &objective, 0, &mut || ()).unwrap()
        });
        assert_eq!(one, three);
    }
}

#[test]
fn within_a_bound_the_cheapest_wins_and_dense_if_none_is_within() {
    let layer = Layer::new(&[vertical_slash_head(4), noise_head(), block_head()]);
    for bound in [0.02, 0.1, 0.3] {
        let objective = Objective::max_error(bound);
        let mut calls = 0;
        let found =
            search_layer(&backend(2), &[layer.sample()], &objective, 500, &mut || calls += 1).unwrap();
        assert_eq!(calls, objective.trials());
        for head in &found {
            let within = || head.trials.iter().filter(|trial| trial.error <= bound);
            let Some(winner) = head.trials.iter().find(|trial| trial.pattern == head.pattern) else {
                assert_eq!((head.pattern, head.score), (HeadPattern::Dense, Some(0.0)));
                assert!(within().next().is_none());
                continue;
            };
            assert!(winner.error <= bound && head.score == Some(winner.error));
            let cheapest = within().map(|trial| trial.share).fold(f64::INFINITY, f64::min);
            assert!(winner.share <= 1.04 * cheapest, "{winner:?}, but {cheapest} would do");
        }
        // no part of noise is like the whole
        assert_eq!(found[1].pattern, HeadPattern::Dense);
        assert_eq!(found[2].pattern.name(), "block-sparse", "{:#?}", found[2]);
    }
}

#[test]
fn winners_are_refined() {
    let layer = Layer::new(&[vertical_slash_head(4), vertical_slash_head(9), block_head()]);
    let Objective::MaxError { shares, families, .. } = Objective::max_error(0.1) else { panic!() };
    let shares = |refinements| -> Vec<f64> {
        let objective = Objective::MaxError {
            bound: 0.1,
            shares: shares.clone(),
            families: families.clone(),
            refinements,
        };
        let found = search(&[layer.sample()], &objective);
        let share = |head: &HeadEntry| {
            let winner = head.trials.iter().find(|trial| trial.pattern == head.pattern);
            winner.map_or(1.0, |trial| trial.share)
        };
        found.iter().map(share).collect()
    };
    let (coarse, fine) = (shares(0), shares(3));
    assert!(coarse.iter().zip(&fine).all(|(coarse, fine)| *fine <= 1.04 * coarse), "{coarse:?}, {fine:?}");
    assert!(fine.iter().sum::<f64>() < 0.95 * coarse.iter().sum::<f64>(), "{coarse:?}, {fine:?}");
}

#[test]
fn several_prompts_are_averaged() {
    let layers = [vertical_slash_head(5), vertical_slash_head(6)].map(|head| Layer::new(&[head]));
    let samples = [layers[0].sample(), layers[1].sample()];
    let objective = Objective::SamePairs { target: TARGET, candidates: vec![TARGET] };
    let alone = samples.map(|sample| search(&[sample], &objective)[0].score.unwrap());
    let both = search(&samples, &objective)[0].score.unwrap();
    assert!((both - (alone[0] + alone[1]) / 2.0).abs() < 1e-5, "{both} of {alone:?}");
}

#[test]
fn errors_count_from_a_row_on() {
    let (dense, mut sparse) = (vec![1.0f32; 10 * 2 * 8], vec![1.0f32; 10 * 2 * 8]);
    sparse[5 * 16] = 3.0; // token 5, head 0
    sparse[2 * 16 + 8] = 2.0; // token 2, head 1
    let errors = |from| {
        let view = |data| TensorView::new(data, [10, 2, 8]).unwrap();
        relative_errors(view(&dense), view(&sparse), from).unwrap()
    };
    assert_eq!(errors(0), [(4.0f64 / 80.0).sqrt(), (1.0f64 / 80.0).sqrt()]);
    assert_eq!(errors(3), [(4.0f64 / 56.0).sqrt(), 0.0]);
    assert_eq!(errors(6), [0.0, 0.0]);
    // a prompt that is not longer counts as a whole
    assert_eq!(errors(10), errors(0));
}

#[test]
fn where_the_target_is_nearly_everything_heads_are_dense() {
    let layer = Layer::new(&[vertical_slash_head(7)]);
    let found = search(&[layer.sample()], &Objective::paper());
    assert_eq!(found, [HeadEntry { pattern: HeadPattern::Dense, score: Some(0.0), trials: vec![] }]);
}

#[test]
fn what_can_not_be_searched_is_refused() {
    let layer = Layer::cut(&[vertical_slash_head(8)], 63);
    let refused = |samples: &[CalibrationSample<'_>], objective: &Objective, parts: &[&str]| {
        let error = search_layer(&backend(1), samples, objective, 0, &mut || ()).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    refused(&[layer.sample()], &same_pairs(), &["calibration", "64", "63 tokens"]);
    refused(&[], &same_pairs(), &["at least one prompt"]);
    let with = |bound, shares: &[f64], families: &[HeadPattern]| Objective::MaxError {
        bound,
        shares: shares.to_vec(),
        families: families.to_vec(),
        refinements: 0,
    };
    refused(&[], &with(0.0, &[0.1], &[TARGET]), &["error bound", "above 0"]);
    refused(&[], &with(f64::NAN, &[0.1], &[TARGET]), &["error bound", "NaN"]);
    refused(&[], &with(0.1, &[], &[TARGET]), &["shares"]);
    refused(&[], &with(0.1, &[0.2, 0.1], &[TARGET]), &["shares", "0.2, 0.1"]);
    refused(&[], &with(0.1, &[0.2, 1.5], &[TARGET]), &["shares"]);
    refused(&[], &with(0.1, &[0.2], &[]), &["candidates"]);
    let dense = Objective::SamePairs { target: HeadPattern::Dense, candidates: vec![TARGET] };
    refused(&[], &dense, &["sparse patterns", "dense"]);
    let wrong = relative_errors(
        TensorView::new(&[0.0f32; 16], [2, 1, 8]).unwrap(),
        TensorView::new(&[0.0f32; 16], [1, 2, 8]).unwrap(),
        0,
    );
    assert!(matches!(wrong, Err(Error::Shape { .. })));
}

#[test]
fn objectives_say_what_they_are() {
    assert_eq!(
        Objective::paper().to_string(),
        "same pairs as a-shape:1024,4096: a-shape:1024,4096 vertical-slash:30,2048 vertical-slash:100,1800 \
         vertical-slash:500,1500 vertical-slash:3000,200 block-sparse:100"
    );
    assert_eq!(
        Objective::max_error(0.05).to_string(),
        "at most 0.05 error at 2, 5, 10, 20, 40 % of pairs, refined 2 times: a-shape:128,* vertical-slash:30,* vertical-slash:200,* \
         vertical-slash:1000,* block-sparse:*"
    );
}
