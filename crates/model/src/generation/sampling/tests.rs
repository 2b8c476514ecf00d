use super::*;
use proptest::prelude::*;

fn sampled(options: &SamplingOptions, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(options.clone()).unwrap();
    (0..count).map(|_| sampler.sample(logits, &[]).unwrap()).collect()
}

#[test]
fn greedy_takes_the_lowest_id_among_equals() {
    let mut sampler = Sampler::new(SamplingOptions::default()).unwrap();
    assert_eq!(sampler.sample(&[f32::NEG_INFINITY, 1.0, 3.0, 3.0], &[]).unwrap(), 2);
    assert_eq!(sampler.sample(&[-0.0, 0.0], &[]).unwrap(), 0);
    for length in [1, 15, 16, 17, 100] {
        for place in [0, length / 2, length - 1] {
            let mut logits = vec![-1.0; length];
            logits[place] = 2.0;
            assert_eq!(sampler.sample(&logits, &[]).unwrap() as usize, place);
        }
    }
}

#[test]
fn logits_without_a_meaning_are_refused() {
    for temperature in [0.0, 1.0] {
        let options = SamplingOptions { temperature, ..SamplingOptions::default() };
        let mut sampler = Sampler::new(options).unwrap();
        for logits in [&[0.0, f32::NAN][..], &[f32::INFINITY, 0.0], &[f32::NEG_INFINITY; 3], &[]] {
            let error = sampler.sample(logits, &[]).unwrap_err();
            assert!(matches!(error, Error::Logits { .. }), "{logits:?}: {error}");
        }
        let error = sampler.sample(&[0.0; 20], &[]).map(|_| ());
        assert!(error.is_ok());
    }
}

#[test]
fn penalties_count_a_token_once_and_push_down() {
    let options = SamplingOptions { repetition_penalty: 2.0, ..SamplingOptions::default() };
    let mut sampler = Sampler::new(options.clone()).unwrap();
    // 4 / 2 < 3; twice seen is still 4 / 2 > 1.5.
    assert_eq!(sampler.sample(&[4.0, 3.0], &[0]).unwrap(), 1);
    assert_eq!(sampler.sample(&[4.0, 1.5], &[0, 0, 0]).unwrap(), 0);
    // -1 * 2 < -1.5.
    assert_eq!(sampler.sample(&[-1.0, -1.5], &[0]).unwrap(), 1);
    assert!(matches!(sampler.sample(&[0.0], &[1]), Err(Error::UnknownToken { id: 1, vocabulary: 1 })));
    let mut recent = Sampler::new(SamplingOptions { repetition_window: Some(1), ..options }).unwrap();
    assert_eq!(recent.sample(&[4.0, 3.0], &[0, 1]).unwrap(), 0);
}

#[test]
fn filters_leave_what_they_say() {
    // Probabilities 0.5, 0.25, 0.125, 0.125 in another order.
    let logits = [0.125f32.ln(), 0.5f32.ln(), 0.125f32.ln(), 0.25f32.ln()];
    let base = SamplingOptions { temperature: 1.0, ..SamplingOptions::default() };
    let kept = |options: SamplingOptions| {
        let mut ids = sampled(&options, &logits, 400);
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    assert_eq!(kept(base.clone()), [0, 1, 2, 3]);
    assert_eq!(kept(SamplingOptions { top_k: Some(1), ..base.clone() }), [1]);
    assert_eq!(kept(SamplingOptions { top_k: Some(3), ..base.clone() }), [0, 1, 3]);
    assert_eq!(kept(SamplingOptions { top_p: 0.4, ..base.clone() }), [1]);
    assert_eq!(kept(SamplingOptions { top_p: 0.7, ..base.clone() }), [1, 3]);
    assert_eq!(kept(SamplingOptions { min_p: 0.4, ..base.clone() }), [1, 3]);
    assert_eq!(kept(SamplingOptions { min_p: 1.0, ..base.clone() }), [1]);
    // The temperature comes after top-p: it does not change what is kept.
    assert_eq!(kept(SamplingOptions { top_p: 0.7, temperature: 100.0, ..base }), [1, 3]);
}

#[test]
fn draws_follow_the_probabilities() {
    let options = SamplingOptions { temperature: 1.0, seed: 3, ..SamplingOptions::default() };
    let ids = sampled(&options, &[0.7f32.ln(), 0.2f32.ln(), 0.1f32.ln()], 20_000);
    for (id, share) in [(0, 0.7), (1, 0.2), (2, 0.1)] {
        let found = ids.iter().filter(|&&x| x == id).count() as f64 / 20_000.0;
        assert!((found - share).abs() < 0.012, "{id}: {found}");
    }
}

/// A change of the generator, or of how its numbers are used, must not go unnoticed: people write
/// seeds down.
#[test]
fn a_seed_gives_the_same_tokens_for_ever() {
    let logits: Vec<f32> = (0..1000).map(|i| ((i * 37) % 101) as f32 / 20.0).collect();
    let options = SamplingOptions { temperature: 1.0, seed: 42, ..SamplingOptions::default() };
    assert_eq!(sampled(&options, &logits, 8), [229, 240, 764, 532, 969, 376, 188, 526]);
    assert_eq!(sampled(&options, &logits, 50), sampled(&options, &logits, 50));
    let other = SamplingOptions { seed: 43, ..options.clone() };
    assert_ne!(sampled(&options, &logits, 50), sampled(&other, &logits, 50));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let base = SamplingOptions::default();
    let cases = [
        ("temperature", SamplingOptions { temperature: -1.0, ..base.clone() }),
        ("temperature", SamplingOptions { temperature: f32::NAN, ..base.clone() }),
        ("temperature", SamplingOptions { temperature: f32::INFINITY, ..base.clone() }),
        ("top_k", SamplingOptions { top_k: Some(0), ..base.clone() }),
        ("top_p", SamplingOptions { top_p: 0.0, ..base.clone() }),
        ("top_p", SamplingOptions { top_p: 1.5, ..base.clone() }),
        ("min_p", SamplingOptions { min_p: -0.1, ..base.clone() }),
        ("min_p", SamplingOptions { min_p: f32::NAN, ..base.clone() }),
        ("repetition_penalty", SamplingOptions { repetition_penalty: 0.0, ..base.clone() }),
        ("repetition_penalty", SamplingOptions { repetition_penalty: f32::INFINITY, ..base }),
    ];
    for (field, options) in cases {
        let error = Sampler::new(options).unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
}

proptest! {
    /// Whatever the logits, a sampled token is one that was not ruled out, and top-k 1 is greedy.
    #[test]
    fn samples_are_possible_tokens(
        logits in prop::collection::vec(prop_oneof![4 => -1e30f32..1e30, 4 => -9f32..9.0, 1 => Just(f32::NEG_INFINITY)], 1..60),
        top_k in prop::option::of(1usize..70),
        top_p in 0.01f32..=1.0,
        min_p in 0f32..=1.0,
        temperature in 1e-3f32..10.0,
        seed in any::<u64>(),
    ) {
        prop_assume!(logits.iter().any(|x| x.is_finite()));
        let options = SamplingOptions { temperature, top_k, top_p, min_p, seed, ..SamplingOptions::default() };
        let id = Sampler::new(options.clone()).unwrap().sample(&logits, &[]).unwrap();
        prop_assert!(logits[id as usize].is_finite());
        let greedy = Sampler::new(SamplingOptions::default()).unwrap().sample(&logits, &[]).unwrap();
        let one = SamplingOptions { top_k: Some(1), ..options };
        prop_assert_eq!(Sampler::new(one).unwrap().sample(&logits, &[]).unwrap(), greedy);
    }
}

#[test]
fn biases_come_before_penalties_and_masks_before_all() {
    let logits = [0.0, 3.0, 2.0, -1.0];
    let greedy = SamplingOptions::default();
    let sample = |options: &SamplingOptions, history: &[u32], prompt, mask: Option<&TokenMask>| {
        Sampler::new(options.clone()).unwrap().sample_among(&logits, history, prompt, mask)
    };
    let biased = SamplingOptions { bias: vec![(1, -100.0), (3, 4.0)], ..greedy.clone() };
    assert_eq!(sample(&biased, &[], 0, None).unwrap(), 3);
    let mut mask = TokenMask::none(4);
    mask.allow(0);
    mask.allow(1);
    mask.allow(99);
    assert_eq!(sample(&biased, &[], 0, Some(&mask)).unwrap(), 0);
    // what is in the prompt has no presence; what is in the answer twice, twice the frequency
    let present = SamplingOptions { presence_penalty: 1.5, ..greedy.clone() };
    assert_eq!(sample(&present, &[1], 1, None).unwrap(), 1);
    assert_eq!(sample(&present, &[1], 0, None).unwrap(), 2);
    assert_eq!(sample(&present, &[1, 1, 1, 2], 0, None).unwrap(), 1);
    let frequent = SamplingOptions { frequency_penalty: 0.6, ..greedy.clone() };
    assert_eq!(sample(&frequent, &[1], 0, None).unwrap(), 1);
    assert_eq!(sample(&frequent, &[1, 1], 0, None).unwrap(), 2);
    // drawn tokens obey the mask, too
    for seed in 0..50 {
        let drawn = SamplingOptions { temperature: 3.0, seed, ..greedy.clone() };
        assert!(sample(&drawn, &[], 0, Some(&mask)).unwrap() < 2);
    }
    for temperature in [0.0, 1.0] {
        let options = SamplingOptions { temperature, ..greedy.clone() };
        assert!(sample(&options, &[], 0, Some(&TokenMask::none(4))).is_err());
    }
    let unknown = SamplingOptions { bias: vec![(4, 1.0)], ..greedy.clone() };
    assert!(sample(&unknown, &[], 0, None).unwrap_err().to_string().contains('4'));
    for (field, wrong) in [
        ("presence_penalty", SamplingOptions { presence_penalty: 2.5, ..greedy.clone() }),
        ("frequency_penalty", SamplingOptions { frequency_penalty: f32::NAN, ..greedy.clone() }),
        ("bias", SamplingOptions { bias: vec![(0, 101.0)], ..greedy }),
    ] {
        assert!(Sampler::new(wrong).unwrap_err().to_string().contains(field));
    }
}
