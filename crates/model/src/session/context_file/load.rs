//! A file becomes a session, if it is one of the same model, positions and cache format.

use super::checksum::Checksum;
use super::header::{ModelRecord, Positions};
use super::opening::READ_AGAIN;
use super::{ContextFile, LoadOptions};
use crate::decoder::Decoder;
use crate::device::compute::Compute;
use crate::error::{Error, Result};
use crate::files::Fingerprint;
use crate::session::kv_cache::{KvCache, LayerCache};
use crate::session::{ReadingWay, Session, SessionOptions};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

pub(super) fn load(
    file: &ContextFile,
    decoder: Arc<Decoder>,
    compute: Compute,
    fingerprint: Fingerprint,
    options: &LoadOptions,
) -> Result<Session> {
    let kept = check_header(file, &decoder, fingerprint, options)?;
    let options = &options.session;
    let history = file.history()[..kept].to_vec();
    let compressed = if kept == 0 { 0 } else { file.header.compressed };
    let layers = compute.install(|| {
        let layers = (0..file.header.layers.len()).into_par_iter();
        layers.map(|layer| load_layer(file, layer, kept, &decoder, options)).collect::<Result<_>>()
    })?;
    let cache = KvCache::from_layers(layers, options.cache, [options.capacity, kept, compressed]);
    let mut readings = file.header.positions.readings.clone();
    readings.truncate(kept);
    Ok(Session { decoder, compute, cache, readings, history, last_way: ReadingWay::default() })
}

/// Everything that can be wrong, with the layers' checksums.
pub(super) fn check(
    file: &ContextFile,
    decoder: &Decoder,
    fingerprint: Fingerprint,
    options: &LoadOptions,
) -> Result<()> {
    let kept = check_header(file, decoder, fingerprint, options)?;
    (0..if kept == 0 { 0 } else { file.header.layers.len() })
        .into_par_iter()
        .try_for_each(|layer| check_layer(file, layer))
}

/// What the header says, held against model and options; how many tokens are loaded.
fn check_header(
    file: &ContextFile,
    decoder: &Decoder,
    fingerprint: Fingerprint,
    options: &LoadOptions,
) -> Result<usize> {
    let LoadOptions { session: options, tokens } = options;
    check_model(file, decoder, fingerprint)?;
    check_cache(file, options)?;
    check_positions(file, decoder)?;
    let kept = check_tokens(file, tokens.unwrap_or(file.tokens()), options.capacity)?;
    let vocabulary = decoder.config().vocabulary;
    if let Some(id) = file.history()[..kept].iter().find(|id| **id as usize >= vocabulary) {
        return Err(file.wrong("history", format!("ids below {vocabulary}, the model's tokens"), id));
    }
    Ok(kept)
}

fn check_layer(file: &ContextFile, layer: usize) -> Result<()> {
    let (record, section) = (&file.header.layers[layer], &file.sections.layers[layer]);
    file.check(&format!("layer {layer}"), record.checksum, Checksum::of([&file.map[section.whole.clone()]]))
}

fn check_model(file: &ContextFile, decoder: &Decoder, fingerprint: Fingerprint) -> Result<()> {
    let (expected, found) = (ModelRecord::of(decoder.config(), fingerprint), &file.header.model);
    if *found == expected {
        return Ok(());
    }
    let expected = format!("a context of this model ({expected})");
    let found = format!("one of another ({found}); use that model, or {READ_AGAIN}");
    Err(file.wrong("model", expected, found))
}

fn check_cache(file: &ContextFile, options: &SessionOptions) -> Result<()> {
    let (expected, found) = (options.cache.to_string(), file.cache_format());
    if found == expected {
        return Ok(());
    }
    let found = format!("{found}; ask for that type, or {READ_AGAIN}");
    Err(file.wrong("keys and values", format!("{expected}, the type of this session's"), found))
}

/// Refuses positions that were encoded in another way than this model's are here.
fn check_positions(file: &ContextFile, decoder: &Decoder) -> Result<()> {
    let found = &file.header.positions;
    let expected = Positions::of(decoder.config(), found.readings.clone());
    if *found == expected {
        return Ok(());
    }
    let expected = format!("those of this model as it is used here (RoPE {})", expected.fingerprint);
    let found =
        format!("others (RoPE {}); use the same base and scaling, or {READ_AGAIN}", found.fingerprint);
    Err(file.wrong("positions", expected, found))
}

/// How many tokens are loaded, if that many can be.
fn check_tokens(file: &ContextFile, kept: usize, capacity: usize) -> Result<usize> {
    let (tokens, compressed) = (file.tokens(), file.compressed_tokens());
    if kept > tokens || (1..compressed).contains(&kept) {
        let expected = match compressed {
            0 => format!("at most {tokens}, which it has"),
            _ => format!("0, or {compressed} (where it was compressed) to {tokens}"),
        };
        return Err(Error::shape(format!("tokens of {}", file.path.display()), expected, kept));
    }
    if capacity < kept.max(1) {
        let expected = format!("at least {}, for the tokens of {}", kept.max(1), file.path.display());
        return Err(Error::shape("capacity of a session", expected, capacity));
    }
    Ok(kept)
}

/// What `kept` tokens left in a layer. Nothing is looked at for none.
fn load_layer(
    file: &ContextFile,
    layer: usize,
    kept: usize,
    decoder: &Decoder,
    options: &SessionOptions,
) -> Result<LayerCache> {
    if kept == 0 {
        return LayerCache::new(decoder.config(), options.capacity, options.cache);
    }
    let (record, section) = (&file.header.layers[layer], &file.sections.layers[layer]);
    let bytes = |range: &Range<usize>| &file.map[range.clone()];
    let place = || format!("layer {layer}");
    check_layer(file, layer)?;
    let capacity = options.capacity - record.dropped;
    let mut cache = LayerCache::new(decoder.config(), capacity, options.cache)?;
    cache.dropped = record.dropped;
    let (rows, kept) = (file.tokens() - record.dropped, kept - record.dropped);
    for (to, parts) in [(&mut cache.keys, &section.keys), (&mut cache.values, &section.values)] {
        let parts: Vec<&[u8]> = parts.iter().map(bytes).collect();
        to.restore(&parts, rows, kept)
            .map_err(|error| file.wrong(&place(), format!("{rows} rows"), error))?;
    }
    Ok(cache)
}
