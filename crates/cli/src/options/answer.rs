//! How the answer is made: its length, and how tokens are chosen.

use anyhow::{Result, bail};
use clap::Args;
use minference_model::Error;
use minference_model::generation::GenerationOptions;
use minference_model::generation::sampling::SamplingOptions;

/// Length and sampling.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answer")]
pub(crate) struct AnswerOptions {
    /// Longest answer, in tokens
    #[arg(long, short = 'n', value_name = "TOKENS", default_value_t = 256)]
    max_tokens: usize,
    /// End the answer before this text; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// How freely tokens are drawn: 0 takes the likeliest, 1 draws them as likely as the model
    /// finds them
    #[arg(long, short, value_name = "NUMBER", default_value_t = 0.0)]
    temperature: f32,
    /// Draw only from so many of the likeliest tokens [default: all]
    #[arg(long, alias = "sample-top-k", value_name = "TOKENS")]
    top_k: Option<usize>,
    /// Draw only from the likeliest tokens that have this share of the probability together
    /// [default: 1]
    #[arg(long, value_name = "SHARE")]
    top_p: Option<f32>,
    /// Draw only from tokens that are at least this share as likely as the likeliest [default: 0]
    #[arg(long, value_name = "SHARE")]
    min_p: Option<f32>,
    /// Make tokens less likely that were there before, in the prompt or the answer; 1 is no penalty
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Take this from the logit of each token that the answer holds already, -2 to 2; 0 is no
    /// penalty
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    presence_penalty: f32,
    /// Take this for each time that the answer holds the token, -2 to 2; 0 is no penalty
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    frequency_penalty: f32,
    /// Add a number to the logit of the token with this id: -100 rules it out, 100 all but forces
    /// it; may be given several times
    #[arg(long, value_name = "ID=NUMBER", value_parser = bias)]
    logit_bias: Vec<(u32, f32)>,
    /// Where the random numbers start: the same seed draws the same answer [default: 0]
    #[arg(long)]
    seed: Option<u64>,
}

impl AnswerOptions {
    /// The options of generation, checked before a model is fetched.
    pub(crate) fn generation(&self) -> Result<GenerationOptions> {
        if self.max_tokens == 0 {
            bail!("--max-tokens: expected at least 1, found 0");
        }
        if self.stop.iter().any(String::is_empty) {
            bail!("--stop: expected a text, found an empty one");
        }
        let sampling = SamplingOptions {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p.unwrap_or(1.0),
            min_p: self.min_p.unwrap_or(0.0),
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            bias: self.logit_bias.clone(),
            seed: self.seed.unwrap_or(0),
            ..SamplingOptions::default()
        };
        match sampling.validate() {
            Ok(()) => {}
            Err(Error::Config { field, expected, found }) => {
                let option = if field == "bias" { "logit-bias" } else { &field.replace('_', "-") };
                bail!(
                    "--{option}: expected {expected}, found {found}{}",
                    self.meant(&field).unwrap_or_default()
                );
            }
            Err(other) => return Err(other.into()),
        }
        self.check_effect()?;
        Ok(GenerationOptions {
            stops: self.stop.clone(),
            sampling,
            ..GenerationOptions::greedy(self.max_tokens)
        })
    }
}

/// A token's id and what is added to its logit.
fn bias(text: &str) -> std::result::Result<(u32, f32), String> {
    let parsed = text.split_once('=').and_then(|(id, number)| {
        Some((id.trim().parse().ok()?, number.trim().parse().ok().filter(|x: &f32| x.is_finite())?))
    });
    parsed.ok_or_else(|| "expected the id of a token, an equals sign and a number, such as 42=-100".into())
}

impl AnswerOptions {
    /// Refuses options of drawing at temperature 0, where nothing is drawn.
    fn check_effect(&self) -> Result<()> {
        let options = [
            ("--top-k", self.top_k.is_some()),
            ("--top-p", self.top_p.is_some()),
            ("--min-p", self.min_p.is_some()),
            ("--seed", self.seed.is_some()),
        ];
        match options.iter().find(|(_, is_given)| *is_given && self.temperature == 0.0) {
            Some((option, _)) => bail!(
                "{option}: expected a --temperature above 0 beside it, found 0, at which the likeliest token is taken \
                 and nothing is drawn{}",
                // --blocks was named --top-k in an earlier version
                if *option == "--top-k" { "; blocks of block-sparse attention are --blocks" } else { "" }
            ),
            None => Ok(()),
        }
    }

    /// What was probably meant by a share beyond 1.
    fn meant(&self, field: &str) -> Option<String> {
        let share = match field {
            "top_p" => self.top_p,
            "min_p" => self.min_p,
            _ => None,
        };
        let share = share.filter(|share| (1.0..=100.0).contains(share))?;
        Some(format!("; {share} % is {}", f64::from(share) / 100.0))
    }
}
