//! Our own pattern files: named fields, one head per line, and what the search saw of each head.
//!
//! ```text
//! {
//!   "format": "minference-patterns",
//!   "version": 1,
//!   "search": { "model": ..., "calibration": [...], ... },
//!   "layers": [
//!     [
//!       {"pattern": "vertical-slash", "vertical": 30, "slash": 2048, "score": 0.04, "trials": [
//!         ["a-shape:1024,4096", 0.21, 0.31, "close"], ...]},
//! ```
//!
//! `search` and `trials` are there where a search wrote the file. A trial holds the pattern with
//! its fitted budget, its error, its computed share, and how near it came to the target ([`Fit`]).

use super::config::{HeadEntry, brief, budget, score, wrong};
use super::provenance::{Fit, Provenance, Trial};
use super::{HeadPattern, Notation};
use crate::error::Result;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The file format's name.
const FORMAT: &str = "minference-patterns";
/// The version that is written, and the latest that is read.
const VERSION: u64 = 1;

/// What a file holds.
pub(super) type Content = (Option<Provenance>, Vec<Vec<HeadEntry>>);

pub(super) fn parse(fields: &Map<String, Value>) -> Result<Content> {
    match fields.get("format") {
        Some(Value::String(format)) if format == FORMAT => {}
        other => {
            let found = other.map_or("no such field".into(), brief);
            return Err(wrong("field `format`", format!("\"{FORMAT}\""), found));
        }
    }
    match fields.get("version").and_then(Value::as_u64) {
        Some(1..=VERSION) => {}
        _ => {
            let found = fields.get("version").map_or("no such field".into(), brief);
            return Err(wrong("field `version`", format!("a version up to {VERSION}"), found));
        }
    }
    if let Some(unknown) =
        fields.keys().find(|name| !["format", "version", "search", "layers"].contains(&&***name))
    {
        let expected = "no fields but `format`, `version`, `search`, `layers`";
        return Err(wrong("top level", expected, format!("field `{unknown}`")));
    }
    let provenance = match fields.get("search") {
        None => None,
        Some(search) => Some(
            serde_json::from_value(search.clone())
                .map_err(|error| wrong("field `search`", "how the patterns were found", error.to_string()))?,
        ),
    };
    let Some(Value::Array(layers)) = fields.get("layers") else {
        let found = fields.get("layers").map_or("no such field".into(), brief);
        return Err(wrong("field `layers`", "a list of layers", found));
    };
    let layers = layers.iter().enumerate().map(|(layer, heads)| parse_layer(layer, heads));
    Ok((provenance, layers.collect::<Result<_>>()?))
}

fn parse_layer(layer: usize, heads: &Value) -> Result<Vec<HeadEntry>> {
    let Value::Array(heads) = heads else {
        return Err(wrong(format!("layer {layer}"), "a list of heads", brief(heads)));
    };
    let heads = heads.iter().enumerate();
    heads.map(|(head, value)| parse_head(value, &format!("layer {layer}, head {head}"))).collect()
}

fn parse_head(value: &Value, place: &str) -> Result<HeadEntry> {
    let Value::Object(fields) = value else {
        return Err(wrong(place, "an object with `pattern` and its budget", brief(value)));
    };
    let field = |name: &str| budget(fields.get(name).unwrap_or(&Value::Null), place, &format!("`{name}`"));
    let kind = fields.get("pattern").and_then(Value::as_str);
    let (pattern, budgets): (HeadPattern, &[&str]) = match kind {
        Some("dense") => (HeadPattern::Dense, &[]),
        Some("a-shape") => {
            (HeadPattern::AShape { sink: field("sink")?, local: field("local")? }, &["sink", "local"])
        }
        Some("tri-shape") => {
            let (sink, local, last) = (field("sink")?, field("local")?, field("last")?);
            (HeadPattern::TriShape { sink, local, last }, &["sink", "local", "last"])
        }
        Some("vertical-slash") => {
            let (vertical, slash) = (field("vertical")?, field("slash")?);
            (HeadPattern::VerticalSlash { vertical, slash }, &["vertical", "slash"])
        }
        Some("block-sparse") => (HeadPattern::BlockSparse { top_k: field("top_k")? }, &["top_k"]),
        _ => {
            let found = fields.get("pattern").map_or("no field `pattern`".into(), brief);
            let kinds = "a `pattern` of dense, a-shape, tri-shape, vertical-slash, block-sparse";
            return Err(wrong(place, kinds, found));
        }
    };
    // A misspelt budget must not become a default: every field has to be known.
    let known = |name: &str| ["pattern", "score", "trials"].contains(&name) || budgets.contains(&name);
    if let Some(unknown) = fields.keys().find(|name| !known(name)) {
        return Err(wrong(place, format!("no fields but those of {pattern}"), format!("field `{unknown}`")));
    }
    let trials = match fields.get("trials") {
        None => Vec::new(),
        Some(Value::Array(trials)) => {
            trials.iter().map(|trial| parse_trial(trial, place)).collect::<Result<_>>()?
        }
        Some(other) => return Err(wrong(place, "a list of trials", brief(other))),
    };
    Ok(HeadEntry { pattern, score: score(fields.get("score"), place)?, trials })
}

fn parse_trial(value: &Value, place: &str) -> Result<Trial> {
    let parts = value.as_array().map(Vec::as_slice);
    if let Some([Value::String(pattern), error, share, Value::String(fit)]) = parts
        && let (Ok(Notation(pattern)), Some(error), Some(share), Some(fit)) =
            (pattern.parse(), error.as_f64(), share.as_f64(), Fit::from_name(fit))
    {
        return Ok(Trial { pattern, error, share, fit });
    }
    let expected =
        "trials as [\"pattern:budgets\", error, share, \"close\", \"nearest\", \"least\" or \"most\"]";
    Err(wrong(place, expected, brief(value)))
}

pub(super) fn to_text(provenance: Option<&Provenance>, layers: &[Vec<HeadEntry>]) -> String {
    let mut text = format!("{{\n  \"format\": \"{FORMAT}\",\n  \"version\": {VERSION},\n");
    if let Some(provenance) = provenance {
        // an object of texts and numbers: nothing in it can fail to be written
        let search = format!("{:#}", json!(provenance)).replace('\n', "\n  ");
        let _ = writeln!(text, "  \"search\": {search},");
    }
    text.push_str("  \"layers\": [\n");
    for (layer, heads) in layers.iter().enumerate() {
        let heads: Vec<String> = heads.iter().map(|head| format!("      {}", head_value(head))).collect();
        let end = if layer + 1 == layers.len() { "" } else { "," };
        let _ = writeln!(text, "    [\n{}\n    ]{end}", heads.join(",\n"));
    }
    text.push_str("  ]\n}\n");
    text
}

fn head_value(entry: &HeadEntry) -> Value {
    let mut fields = match entry.pattern {
        HeadPattern::Dense => json!({}),
        HeadPattern::AShape { sink, local } => json!({ "sink": sink, "local": local }),
        HeadPattern::TriShape { sink, local, last } => json!({ "sink": sink, "local": local, "last": last }),
        HeadPattern::VerticalSlash { vertical, slash } => json!({ "vertical": vertical, "slash": slash }),
        HeadPattern::BlockSparse { top_k } => json!({ "top_k": top_k }),
    };
    fields["pattern"] = json!(entry.pattern.name());
    if let Some(score) = entry.score {
        fields["score"] = json!(score);
    }
    if !entry.trials.is_empty() {
        let trial = |trial: &Trial| {
            json!([Notation(trial.pattern).to_string(), trial.error, trial.share, trial.fit.name()])
        };
        fields["trials"] = entry.trials.iter().map(trial).collect();
    }
    fields
}
