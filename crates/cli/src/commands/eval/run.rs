//! Asking the questions of a task, and printing what came out.

use crate::evaluation::{EvaluationSetup, print_answers};
use crate::terminal::notify;
use anyhow::Result;
use minference_eval::evaluate::{Evaluation, Protocol};
use minference_eval::prompt::PromptTemplate;
use minference_eval::results::{AnswerRecord, EvaluationKind};
use minference_eval::sample::SampleSource;
use minference_eval::summary::Lengths;
use std::collections::BTreeMap;

/// Asks, prints tables of all that the folder holds then, and gives it. After Ctrl-C what was found
/// is printed, too.
pub(super) fn ask(
    setup: &EvaluationSetup,
    kind: EvaluationKind,
    source: &dyn SampleSource,
    template: PromptTemplate,
    protocol: Protocol,
    mut settings: BTreeMap<String, String>,
) -> Result<Vec<AnswerRecord>> {
    settings.insert("template".into(), template.name().into());
    settings.extend(protocol.settings());
    let lengths = Lengths::of(kind, &settings);
    let mut folder = setup.folder::<AnswerRecord>(kind, settings)?;
    setup.preload()?;
    let outcome = Evaluation { protocol, ..setup.evaluation(template) }.run(source, &mut folder);
    setup.finish();
    if let Ok(times) = &outcome
        && !times.total.is_zero()
    {
        let share = 100.0 * (1.0 - times.outside.as_secs_f64() / times.total.as_secs_f64());
        notify(&format!("{:.0} s, {share:.1} % of it in the model", times.total.as_secs_f64()));
    }
    print_answers(&mut std::io::stdout().lock(), kind, lengths, folder.records())?;
    notify(&format!("results in {}", folder.path().display()));
    outcome?;
    Ok(folder.records().to_vec())
}
