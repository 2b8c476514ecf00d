//! Generated samples, with a tokenizer and a chat template.

use crate::tiny_model::model;
use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::sample::SampleSource;
use minference_eval::tasks::infinite_bench::{GeneratedSamples, InfiniteBenchTask};

#[test]
fn lengths_hold_with_and_without_a_chat_template() {
    let model = model();
    let tasks: Vec<InfiniteBenchTask> = InfiniteBenchTask::generated().collect();
    let samples = GeneratedSamples::new(&tasks, &[400, 2048, 8192], 2, 1).unwrap();
    for template in [PromptTemplate::Model, PromptTemplate::Raw] {
        let encoder = PromptEncoder::new(&model, template);
        for (number, name) in samples.names().iter().enumerate() {
            let sample = samples.sample(number, &encoder).unwrap();
            assert_eq!(&sample.name, name);
            let question = &sample.questions[0];
            let tokens = encoder.count(&question.prompt).unwrap() + question.max_tokens;
            // an entry of the JSON object has about 78 tokens
            assert!(tokens <= sample.length && tokens + 100 > sample.length, "{name}: {tokens}");
        }
    }
    let encoder = PromptEncoder::new(&model, PromptTemplate::Model);
    let beyond = samples.sample(samples.names().len(), &encoder).unwrap_err();
    assert!(beyond.to_string().contains("expected less than 24, found 24"), "{beyond}");
}
