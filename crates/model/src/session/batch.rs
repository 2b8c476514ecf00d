//! [`Decoder::decode_batch`]: several sessions go on by one token each.

use super::Session;
use crate::decoder::{BatchToken, Decoder, decode_rows_on};
use crate::error::{Error, Result};
use std::sync::Arc;

impl Decoder {
    /// Reads one token in each of several sessions of one model, densely, as
    /// [`Session::decode`] does in one; gives each session's logits. Weights are read once for all:
    /// where they are what decoding waits for, several sessions take little longer than one. Each
    /// session's logits are to the bit what they would be without the others.
    ///
    /// The threads are those of the first session.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of tokens than sessions, or for sessions of several
    /// models; otherwise as [`Session::decode`]. Sessions are then as they were, but for one that
    /// has lost what was to be read again.
    pub fn decode_batch(sessions: &mut [&mut Session], tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        check(sessions, tokens)?;
        let before: Vec<usize> = sessions.iter().map(|session| session.tokens()).collect();
        let result = decode(sessions, tokens);
        if result.is_err() {
            sessions.iter_mut().zip(before).for_each(|(session, tokens)| session.go_back(tokens));
        }
        result
    }
}

fn check(sessions: &[&mut Session], tokens: &[u32]) -> Result<()> {
    if sessions.len() != tokens.len() {
        let expected = format!("{}, one for each session", sessions.len());
        return Err(Error::shape("tokens of a batch", expected, tokens.len()));
    }
    for (session, token) in sessions.iter().zip(tokens) {
        if !Arc::ptr_eq(&session.decoder, &sessions[0].decoder) {
            return Err(Error::shape("sessions of a batch", "one model for all", "several models"));
        }
        session.decoder.check_tokens(std::slice::from_ref(token))?;
        if session.tokens() == session.capacity() {
            let expected = "at most 0, which the key-value cache has room for".into();
            return Err(Error::Prompt { tokens: 1, expected });
        }
    }
    Ok(())
}

fn decode(sessions: &mut [&mut Session], tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
    let mut all: Vec<Option<Vec<f32>>> = vec![None; sessions.len()];
    let mut together = Vec::with_capacity(sessions.len());
    for (i, session) in sessions.iter_mut().enumerate() {
        let (before, config) = (session.tokens(), session.decoder.config());
        if session.readings.reusable(config, before, before + 1) < before {
            // its angles change, and with them what the cache must hold
            all[i] = Some(session.decode(tokens[i])?);
        } else {
            together.push((i, session));
        }
    }
    let Some((_, first)) = together.first() else { return Ok(all.into_iter().flatten().collect()) };
    let (decoder, compute) = (first.decoder.clone(), first.compute.clone());
    let vocabulary = decoder.config().vocabulary;
    let dropped: Vec<usize> = together.iter().map(|(_, session)| session.cache.dropped()).collect();
    let mut batch = Vec::with_capacity(together.len());
    for (i, session) in &mut together {
        let position = session.tokens();
        let rotations = decoder.config().rotations(position + 1)?;
        let caches = session.cache.layers_mut();
        batch.push(BatchToken { token: tokens[*i], position, rotations, caches });
    }
    let result = decode_rows_on(&decoder, &compute, &mut batch);
    drop(batch);
    for ((i, session), dropped) in together.iter_mut().zip(dropped) {
        match &result {
            Ok(_) => session.finish_pass(&[tokens[*i]], dropped, session.tokens() + 1),
            Err(_) => session.undo_pass(dropped),
        }
    }
    for ((i, _), logits) in together.iter().zip(result?.chunks_exact(vocabulary)) {
        all[*i] = Some(logits.to_vec());
    }
    Ok(all.into_iter().flatten().collect())
}
