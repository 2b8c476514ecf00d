//! `minference demo`: hides a fact in a long generated text, asks a small model for it, and shows
//! sparse attention against dense.

use crate::answer::{AnswerRequest, Comparison, answer_prompt, print_summary};
use crate::model::{NamedPlan, SessionRequirements};
use crate::options::{MachineOptions, MatmulOptions, ModelOptions, checked};
use crate::prompt::PromptText;
use crate::terminal::Interrupt;
use anyhow::{Result, anyhow, ensure};
use clap::Args;
use minference_eval::haystack::{Haystack, HaystackFact, HaystackOptions};
use minference_eval::tasks::needle::NeedleText;
use minference_fetch::ModelReference;
use minference_model::generation::GenerationOptions;
use minference_model::memory;
use minference_model::text::chat_template::RenderOptions;
use minference_model::text::tokenizer::SpecialTokens;
use std::io::{self, Write};

/// Tokens of the answer: a sentence.
const ANSWER_TOKENS: usize = 32;
/// Tokens that the chat template and the question take at most.
const TEMPLATE_TOKENS: usize = 100;

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The model that answers: a short name, a file, a folder, or hf:owner/name[@revision][:file]
    #[arg(long, short, value_name = "MODEL", default_value = "demo")]
    model: ModelReference,
    /// Length of the prompt; it is no longer than this
    #[arg(long, value_name = "TOKENS", default_value_t = 7500)]
    tokens: usize,
    /// What the text looks like
    #[arg(long, value_enum, value_name = "STYLE", default_value = "prose")]
    style: NeedleText,
    /// Which text is generated, and where the fact lies in it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    matmul: MatmulOptions,
    #[command(flatten)]
    machine: MachineOptions,
}

pub(crate) fn run(options: &DemoArguments) -> Result<()> {
    let minimum = 2 * TEMPLATE_TOKENS;
    if options.tokens < minimum {
        return checked(Err(anyhow!("--tokens: expected at least {minimum}, found {}", options.tokens)));
    }
    let interrupt = Interrupt::listen()?;
    let compute = options.machine.compute(options.matmul)?;
    let model = ModelOptions::named(options.model.clone()).load(&interrupt)?;
    let maximum = model.context.saturating_sub(ANSWER_TOKENS);
    ensure!(
        options.tokens <= maximum,
        "--tokens: expected at most {maximum}, the model's context less an answer, found {}",
        options.tokens
    );
    let tokenizer = model.model.tokenizer();
    let haystack = Haystack::generate(&haystack_options(options, &[depth(options.seed)]), |text| {
        tokenizer.encode(text, SpecialTokens::AsText).map(|tokens| tokens.len())
    })?;
    let render = RenderOptions::reproducible();
    let prompt = PromptText::new(haystack.prompt()).tokens(&model.model, &render)?;
    let plan = NamedPlan::minference(&model, prompt.len())?;
    let requirements = SessionRequirements {
        prompt: prompt.len(),
        known: 0,
        max_tokens: ANSWER_TOKENS,
        chunk: None,
        compression: None,
        plan: &plan.plan,
        compute: &compute,
    };
    let capacity = model.capacity(&requirements)?;
    let generation = GenerationOptions::greedy(ANSWER_TOKENS);
    let request = AnswerRequest {
        model: &model,
        compute: &compute,
        prompt: &prompt,
        date: render.time,
        capacity,
        generation: &generation,
        chunk: None,
        compression: None,
        context_file: None,
        save_context: None,
        interrupt: &interrupt,
    };
    let mut out = io::stdout().lock();
    writeln!(out, "A generated text of {} tokens. Somewhere in it:", haystack.tokens)?;
    writeln!(out, "  {}", haystack.facts[0].line)?;
    writeln!(out, "{}", haystack.facts[0].question)?;
    model.preload(&interrupt)?;
    memory::reset_peak();
    let sparse = answer_prompt(&request, plan, |_| Ok(()))?;
    writeln!(out, "  sparse: {}", sparse.answer.text.trim())?;
    memory::reset_peak();
    // the sparse answer is reported also after Ctrl-C in the dense one
    let (dense, outcome) = match answer_prompt(&request, NamedPlan::dense(), |_| Ok(())) {
        Ok(dense) => (Some(dense), Ok(())),
        Err(error) => (None, Err(error)),
    };
    if let Some(dense) = &dense {
        writeln!(out, "  dense:  {}", dense.answer.text.trim())?;
    }
    print_summary(&mut out, &Comparison { model: &model.name, answer: &sparse, dense: dense.as_ref() })?;
    outcome?;
    judge(&haystack.facts[0], &sparse.answer.text, sparse.report.computed_share())
}

/// What was to be shown: the right answer from a part of attention.
///
/// - `share`: how much of attention was computed, 0 to 1
fn judge(fact: &HaystackFact, answer: &str, share: f64) -> Result<()> {
    let expected = &fact.answer;
    ensure!(fact.is_answered_by(answer), "the sparse answer is wrong: expected {expected}, found {answer:?}");
    ensure!(
        share < 1.0,
        "nothing was sparse: expected less than 100 % of attention, found all of it; a longer text (--tokens) pays"
    );
    Ok(())
}

fn haystack_options<'a>(options: &'a DemoArguments, depths: &'a [f32]) -> HaystackOptions<'a> {
    let tokens = options.tokens - TEMPLATE_TOKENS;
    HaystackOptions { style: options.style.style(), tokens, depths, similar_facts: 0, seed: options.seed }
}

/// The fact lies where the seed says, not always in the middle.
fn depth(seed: u64) -> f32 {
    0.15 + 0.7 * (seed.wrapping_mul(0x9e37_79b9) % 1000) as f32 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_eval::haystack::HaystackStyle;

    #[test]
    fn only_a_right_answer_from_sparse_attention_will_do() {
        let options = HaystackOptions {
            style: HaystackStyle::Log,
            tokens: 100,
            depths: &[0.5],
            similar_facts: 0,
            seed: 1,
        };
        let count = |text: &str| Ok::<_, std::convert::Infallible>(text.split_whitespace().count());
        let fact = Haystack::generate(&options, count).unwrap().facts.remove(0);
        let right = format!("It is {}.", fact.answer);
        judge(&fact, &right, 0.4).unwrap();
        let message = |answer: &str, share| judge(&fact, answer, share).unwrap_err().to_string();
        assert!(message("It is 12.", 0.4).contains(&fact.answer));
        assert!(message("It is 12.", 1.0).contains("wrong"));
        assert!(message(&right, 1.0).contains("nothing was sparse"));
    }
}
