//! The recordings that other tests compare with say what they should.

#[path = "support/golden.rs"]
mod golden;

use golden::GoldenModel;

fn best(logits: &[f32]) -> u32 {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32
}

fn check(model: &GoldenModel) {
    let name = &model.name;
    assert!(model.path.exists(), "{name}");
    assert!(model.other_config.as_ref().is_none_or(|path| path.exists()), "{name}");
    assert!(model.tolerance > 0.0 && model.tolerance < 5e-4, "{name}: {}", model.tolerance);
    let lengths: Vec<usize> = model.prompts.iter().map(|prompt| prompt.tokens.len()).collect();
    assert_eq!(lengths, [1, 63, 64, 65, 300], "{name}");
    for prompt in &model.prompts {
        assert!(prompt.tokens.iter().all(|&id| (id as usize) < prompt.last.len()), "{name}");
        if let Some(greedy) = &prompt.greedy {
            assert_eq!(greedy.tokens.len(), 8, "{name}");
            assert_eq!(greedy.tokens[0], best(&prompt.last), "{name}");
            assert!(greedy.margin > 10.0 * model.tolerance, "{name}");
        }
        if let Some(all) = &prompt.all {
            assert_eq!(all.len(), prompt.tokens.len() * prompt.last.len(), "{name}");
            assert_eq!(all[all.len() - prompt.last.len()..], prompt.last, "{name}");
        }
    }
}

#[test]
fn recordings_of_tiny_models_are_whole() {
    let folders = golden::folders();
    for model in folders.iter().chain(&golden::gguf_files()).chain(&golden::quantized_files()) {
        check(model);
    }
    let unanswered: Vec<(&str, usize)> = folders
        .iter()
        .flat_map(|model| model.prompts.iter().map(move |prompt| (model.name.as_str(), prompt)))
        .filter(|(_, prompt)| prompt.greedy.is_none())
        .map(|(name, prompt)| (name, prompt.tokens.len()))
        .collect();
    assert_eq!(unanswered, [("llama_dynamic", 300)]);
    assert!(folders.iter().all(|model| model.prompts[3].all.is_some()));
}

#[test]
fn recordings_of_real_models_are_whole() {
    let models = golden::real_models();
    assert_eq!(models.len(), 2);
    for model in models {
        assert_eq!(model.sha256.len(), 64);
        assert_eq!(model.prompts.len(), 10);
        let longest = model.prompts.iter().map(|prompt| prompt.tokens.len()).max().unwrap();
        assert!((3500..=4200).contains(&longest), "{}: {longest}", model.file);
        for prompt in &model.prompts {
            let answer = &prompt.answer.tokens;
            let ended = answer.last().is_some_and(|id| model.end.contains(id));
            assert!(answer.len() == 24 || ended, "{}, {}: {answer:?}", model.file, prompt.name);
            assert!(prompt.answer.margin >= 0.02 && !prompt.text.is_empty());
        }
        // here or not, the file is no part of this test
        let _ = model.path();
    }
}
