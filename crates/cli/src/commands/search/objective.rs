//! What is tried, and what wins, as the command line says it.

use anyhow::{Result, ensure};
use clap::Args;
use minference_attention::HeadPattern;
use minference_attention::pattern::Notation;
use minference_attention::search::Objective;

/// What is tried, and what wins.
#[derive(Debug, Args)]
#[command(next_help_heading = "Objective")]
pub(super) struct ObjectiveOptions {
    /// The cheapest pattern whose output is at most so far from dense attention's wins, such as
    /// 0.05 for 5 % [default: the pattern with the smallest error at the target's cost]
    #[arg(long, value_name = "ERROR", conflicts_with_all = ["target", "candidate"])]
    max_error: Option<f64>,
    /// A pattern whose computed pairs every candidate gets [default: a-shape:1024,4096]
    #[arg(long, value_name = "PATTERN")]
    target: Option<Notation>,
    /// A pattern to try, its last budget being fitted to the target; give several [default: the
    /// paper's: a-shape:1024,4096, vertical-slash:30,2048, :100,1800, :500,1500 and :3000,200,
    /// block-sparse:100]
    #[arg(long, value_name = "PATTERN")]
    candidate: Vec<Notation>,
}

impl ObjectiveOptions {
    /// What they say, if that makes sense.
    pub(super) fn objective(&self) -> Result<Objective> {
        let objective = match (self.max_error, Objective::paper()) {
            (Some(bound), _) => {
                ensure!(
                    bound.is_finite() && bound > 0.0,
                    "--max-error: expected a number above 0, such as 0.05, found {bound}"
                );
                Objective::max_error(bound)
            }
            (None, Objective::SamePairs { target, candidates }) => {
                let own: Vec<HeadPattern> = self.candidate.iter().map(|notation| notation.0).collect();
                Objective::SamePairs {
                    target: self.target.map_or(target, |notation| notation.0),
                    candidates: if own.is_empty() { candidates } else { own },
                }
            }
            (None, other) => other,
        };
        objective.check()?;
        Ok(objective)
    }
}
