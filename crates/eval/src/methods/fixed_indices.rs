//! [`fix_indices`]: what the heads of a model attend to in one prompt, as a plan for others: the
//! paper's ablation "static".

use crate::error::Result;
use minference_attention::plan::{FixedIndex, PlannedHead, plan_layer};
use minference_attention::{HeadPlan, Progress};
use minference_model::patterns::layer_walk::walk_layers;
use minference_model::{AttentionPlan, CacheFormat, Compute, Decoder};
use std::sync::Arc;

/// What a plan chooses in a whole prompt. The prompt goes through the model densely, so that what
/// is chosen in one layer does not depend on what was in another.
///
/// # Errors
/// As for [`walk_layers`], and a plan for another model.
pub fn fix_indices(
    decoder: &Decoder,
    compute: &Compute,
    tokens: &[u32],
    plan: &AttentionPlan,
    cache: CacheFormat,
    progress: Option<&Arc<dyn Progress>>,
) -> Result<AttentionPlan> {
    let mut layers = Vec::with_capacity(decoder.config().layers.len());
    walk_layers(decoder, compute, tokens, cache, progress, &mut |walked| {
        let plan = plan.layer(walked.layer, walked.inputs.heads(), tokens.len(), 0)?;
        let heads = plan_layer(&compute.backend(), &walked.inputs, plan)?;
        layers.push(heads.into_iter().map(fixed).collect());
        Ok(())
    })?;
    Ok(AttentionPlan::Layers(Arc::new(layers)))
}

fn fixed(head: PlannedHead) -> HeadPlan {
    let PlannedHead { lowering, report } = head;
    HeadPlan::Fixed(FixedIndex { pattern: report.pattern, index: lowering.into_index() })
}
