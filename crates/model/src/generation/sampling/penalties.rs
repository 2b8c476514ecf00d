//! [`Penalties`]: what changes logits before a token is chosen: a mask, biases, penalties for what
//! was there before.

use super::{SamplingOptions, TokenMask};
use crate::error::{Error, Result};

/// Changed logits, with buffers that serve again.
#[derive(Debug, Clone, Default)]
pub(super) struct Penalties {
    logits: Vec<f32>,
    /// How often each token is in the part of the history that counts.
    counts: Vec<u32>,
}

impl Penalties {
    /// The changed logits; none where nothing changes them.
    ///
    /// - `prompt`: so many tokens of the history are the prompt's, which penalties of presence and
    ///   frequency do not count
    pub(super) fn apply(
        &mut self,
        options: &SamplingOptions,
        logits: &[f32],
        history: &[u32],
        prompt: usize,
        allowed: Option<&TokenMask>,
    ) -> Result<Option<&[f32]>> {
        let window = options.repetition_window.unwrap_or(history.len()).min(history.len());
        let recent = if options.repetition_penalty == 1.0 { &[] } else { &history[history.len() - window..] };
        let has_additive = options.presence_penalty != 0.0 || options.frequency_penalty != 0.0;
        let answer = if has_additive { &history[prompt.min(history.len())..] } else { &[] };
        if recent.is_empty() && answer.is_empty() && options.bias.is_empty() && allowed.is_none() {
            return Ok(None);
        }
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        if let Some(allowed) = allowed {
            let ids = (0u32..).zip(&mut self.logits);
            ids.filter(|(id, _)| !allowed.allows(*id)).for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
        }
        for &(id, bias) in &options.bias {
            let vocabulary = logits.len();
            let logit = self.logits.get_mut(id as usize).ok_or(Error::UnknownToken { id, vocabulary })?;
            *logit += bias;
        }
        self.change(recent, |logit, _| {
            let penalty = options.repetition_penalty;
            let penalised = if logit > 0.0 { logit / penalty } else { logit * penalty };
            // A product beyond f32 must neither rule a token out nor make it certain.
            penalised.clamp(f32::MIN, f32::MAX)
        })?;
        self.change(answer, |logit, count| {
            logit - options.presence_penalty - options.frequency_penalty * count as f32
        })?;
        Ok(Some(&self.logits))
    }

    /// Changes the finite logits of tokens that are among `tokens`, by how often they are.
    fn change(&mut self, tokens: &[u32], change: impl Fn(f32, u32) -> f32) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        self.counts.clear();
        self.counts.resize(self.logits.len(), 0);
        for &id in tokens {
            let vocabulary = self.logits.len();
            *self.counts.get_mut(id as usize).ok_or(Error::UnknownToken { id, vocabulary })? += 1;
        }
        for (logit, &count) in self.logits.iter_mut().zip(&self.counts) {
            if count > 0 && logit.is_finite() {
                *logit = change(*logit, count);
            }
        }
        Ok(())
    }
}
