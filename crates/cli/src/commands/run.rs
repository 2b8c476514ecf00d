//! `minference run`: a model, a long prompt, an answer, and where the time went.

use crate::answer::{
    AnswerRequest, Comparison, TimedAnswer, answer_prompt, date_of, print_summary, print_text,
    print_truncation,
};
use crate::model::{NamedPlan, SessionRequirements};
use crate::options::{
    AnswerSettings, AnsweringOptions, ContextOptions, ModelOptions, PromptOptions, checked,
};
use crate::terminal::Interrupt;
use anyhow::{Context, Result};
use clap::Args;
use minference_model::text::chat_template::LocalTime;
use minference_model::{AttentionPlan, memory};
use std::io::{self, IsTerminal, Write};

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
How it works:
  The prompt is read layer by layer. In each layer every head attends only to the keys that its pattern
  picks: some columns and diagonals, or blocks, found from a cheap sample of the prompt. A head for which
  that would not pay runs dense. The answer's tokens attend to everything. The summary says which share of
  attention was computed; --compare says what that cost in agreement, and what it brought.

Examples:
  Ask about a document, with the demo model:
    minference run --model demo --prompt-file report.txt --prompt \"What was decided?\"

  A GGUF file of your own, sparse and dense compared:
    minference run --model qwen2.5-0.5b-q4_k_m.gguf --prompt-file book.txt --prompt \"Who is Emma?\" --compare

  From a pipe, with more context than the model was made for, as one JSON object:
    journalctl | minference run --model demo --prompt-file - --prompt \"What failed?\" \\
      --context 16384 --rope-scaling yarn --json

  Fewer keys and values in memory, and a faster answer after a long prompt:
    minference run --model demo -f report.txt --prompt \"What was decided?\" --kv snapkv --kv-capacity 1024

  Read a book once, and ask again: the second question begins where the book ends:
    minference run --model demo -f book.txt --prompt \"Who is Emma?\" --save-context book.ctx
    minference run --model demo -f book.txt --prompt \"Whom does she marry?\" --context-file book.ctx

  A prompt that a chat template has written elsewhere, names of special tokens and all:
    minference run --model model.gguf -f rendered.txt --special

  Another pattern, or patterns of single heads from a file:
    minference run --model demo -f report.txt --attention a-shape --sink 128 --local 2048
    minference run --model demo -f report.txt --patterns patterns.json

Pattern files:
  --patterns names one. Otherwise the model's own is used, which is the first of these that is there:
  model.patterns.json beside model.gguf, or patterns.json in a folder; what `minference search` left in
  the cache; a file that comes with this program, for a few small models. The summary says which. Without
  any, all heads get vertical-slash with budgets that grow with the prompt.

Context files:
  --save-context keeps the keys and values of the prompt's tokens, not of the answer's. --context-file needs the
  same model, --dtype and RoPE options, and uses what both prompts begin with: the text that is the same must come
  first, as it does above. It was attended to as it was when it was saved, whatever --attention says now. With both
  options a context grows. A chat template that writes the date is told the context's, unless --date says another.
  A file that was saved with --kv can be used only by a prompt that begins with all of it, which no question in a
  chat template does: it needs --raw. `minference chat --kv` saves documents without that.

JSON:
  model, attention, prompt_tokens, answer, time_to_first_token_s, prefill_tokens_per_s,
  decode_tokens_per_s (null for one token), computed_share (0 to 1), peak_memory_bytes; with --compare also
  dense (an object with the same fields), speedup, answers_agree; with --context-file also
  reused_tokens, context_load_s, and of a compressed context reused_kv_compression (computed_share is
  then that of what was read now). These stay; other fields may change.

Comparing:
  The other answer is that of dense attention with all keys and values, whatever --attention and --kv say.
  With --compare all weights are brought into memory before the first answer, whose time does not hold that.
  Peak memory is each answer's own on Linux; elsewhere the second is never below the first.
  After Ctrl-C in the dense answer the other one is still reported.

Exit status:
  0 for an answer, 1 for an error, 2 for options that are wrong whatever the model, 130 after Ctrl-C";

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    prompt: PromptOptions,
    #[command(flatten)]
    context: ContextOptions,
    #[command(flatten)]
    answering: AnsweringOptions,
    /// Answer again with dense attention, and print the speed-up and whether the answers agree
    #[arg(long, help_heading = "Output")]
    compare: bool,
    /// Print one JSON object instead of the answer and the summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub(crate) fn run(options: &RunArguments) -> Result<()> {
    // Wrong options or prompts are refused before a model is fetched.
    let AnswerSettings { generation, compression } = options.answering.check()?;
    checked(options.context.check(options.compare))?;
    checked(options.context.check_use(&options.prompt, compression))?;
    checked(options.model.check())?;
    checked(options.prompt.check())?;
    let (compute, patterns) = options.answering.prepare()?;
    let context_file = options.context.open()?;
    let save_context = options.context.target()?;
    let text = options.prompt.read()?;
    // From here on: while standard input is read, Ctrl-C must end the program by itself.
    let interrupt = Interrupt::listen()?;
    let model = options.model.load(&interrupt)?;
    let time = context_file.as_ref().and_then(date_of).unwrap_or_else(LocalTime::now);
    let render = options.prompt.render_options(&model.model, time)?;
    let prompt = text.tokens(&model.model, &render)?;
    text.note_names_read_as_text(&model.model);
    interrupt.check()?;
    let chunk = options.answering.attention.chunk();
    let plan = options.answering.attention.plan(&model, prompt.len(), patterns)?;
    let requirements = SessionRequirements {
        prompt: prompt.len(),
        known: context_file.as_ref().map_or(0, |file| file.reusable(&prompt, model.model.decoder().config())),
        max_tokens: generation.max_tokens,
        chunk,
        compression,
        plan: &plan.plan,
        compute: &compute,
    };
    let capacity = model.capacity(&requirements)?;
    if options.compare {
        let dense = SessionRequirements { compression: None, plan: &AttentionPlan::Dense, ..requirements };
        model.capacity(&dense).context("--compare answers again, with all keys and values")?;
    }
    let request = AnswerRequest {
        model: &model,
        compute: &compute,
        prompt: &prompt,
        date: render.time,
        capacity,
        generation: &generation,
        chunk,
        compression,
        context_file: context_file.as_ref(),
        save_context,
        interrupt: &interrupt,
    };
    if options.compare {
        model.preload(&interrupt)?;
        memory::reset_peak();
    }
    let sparse =
        if options.json { answer_prompt(&request, plan, |_| Ok(()))? } else { stream(&request, plan)? };
    // An answer that is there is reported, whatever becomes of the other one.
    let (dense, outcome) = match options.compare.then(|| answer_densely(&request, options.json)).transpose() {
        Ok(dense) => (dense, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let comparison = Comparison { model: &model.name, answer: &sparse, dense: dense.as_ref() };
    if options.json {
        writeln!(io::stdout(), "{:#}", comparison.to_json())?;
    } else {
        report(&comparison)?;
    }
    // the answer was worth having, too
    sparse.saved.transpose().context("the prompt's context was not saved")?;
    outcome
}

/// To standard error: the dense answer where it differs, and what was measured.
fn report(comparison: &Comparison<'_>) -> Result<()> {
    let mut out = io::stderr().lock();
    if io::stdout().is_terminal() {
        writeln!(out)?;
    }
    if let (Some(dense), Some(false)) = (comparison.dense, comparison.answers_agree()) {
        writeln!(out, "with dense attention: {}\n", dense.answer.text)?;
    }
    print_summary(&mut out, comparison)?;
    print_truncation(&mut out, &comparison.answer.answer)?;
    Ok(())
}

/// Prints the answer as it grows.
fn stream(request: &AnswerRequest<'_>, plan: NamedPlan) -> Result<TimedAnswer> {
    let mut has_begun = false;
    let result = answer_prompt(request, plan, |text| {
        has_begun = true;
        print_text(text)
    });
    // also after a part of an answer, so that an error stands in a line of its own
    if result.is_ok() || (has_begun && request.interrupt.is_set()) {
        print_text("\n")?;
    }
    result
}

/// The answer that others are held against: dense attention, and all keys and values. Standard
/// output holds one answer; the report shows this one where it differs.
fn answer_densely(request: &AnswerRequest<'_>, quietly: bool) -> Result<TimedAnswer> {
    if !quietly && io::stderr().is_terminal() {
        writeln!(io::stderr(), "\nthe same with dense attention")?;
    }
    memory::reset_peak();
    let request = AnswerRequest { compression: None, save_context: None, ..*request };
    answer_prompt(&request, NamedPlan::dense(), |_| Ok(()))
}
