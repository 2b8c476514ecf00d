//! The format of the published pattern files: positional, one map per layer.

use super::HeadPattern;
use super::config::{HeadEntry, brief, budget, score, wrong};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// What `block_sparse` means there, whatever its numbers say.
const BLOCKS: usize = 100;

pub(super) fn parse(layers: &[Value]) -> Result<Vec<Vec<HeadEntry>>> {
    layers.iter().enumerate().map(|(layer, heads)| parse_layer(layer, heads)).collect()
}

fn parse_layer(layer: usize, heads: &Value) -> Result<Vec<HeadEntry>> {
    let Value::Object(heads) = heads else {
        return Err(wrong(format!("layer {layer}"), "a map from head index to pattern", brief(heads)));
    };
    (0..heads.len())
        .map(|head| {
            let place = format!("layer {layer}, head {head}");
            match heads.get(&head.to_string()) {
                Some(entry) => parse_head(entry, &place),
                None => {
                    let expected = format!("heads \"0\" to \"{}\"", heads.len() - 1);
                    let stray = heads.keys().find(|key| {
                        key.parse::<usize>()
                            .map_or(true, |index| index >= heads.len() || index.to_string() != **key)
                    });
                    let stray = stray.map_or(String::new(), |key| format!(", but a head \"{key}\""));
                    Err(wrong(place, expected, format!("no such head{stray}")))
                }
            }
        })
        .collect()
}

fn parse_head(entry: &Value, place: &str) -> Result<HeadEntry> {
    let Some([kind, first, second, rest @ ..]) = entry.as_array().map(Vec::as_slice) else {
        return Err(wrong(place, "[type, first, second, score]", brief(entry)));
    };
    if rest.len() > 1 {
        return Err(wrong(place, "[type, first, second, score]", brief(entry)));
    }
    let pattern = match kind.as_str() {
        Some("vertical_and_slash") => HeadPattern::VerticalSlash {
            vertical: budget(first, place, "the number of columns")?,
            slash: budget(second, place, "the number of diagonals")?,
        },
        Some("stream_llm") => HeadPattern::AShape {
            sink: budget(first, place, "the number of first keys")?,
            local: budget(second, place, "the number of nearest keys")?,
        },
        Some("block_sparse") => HeadPattern::BlockSparse { top_k: BLOCKS },
        _ => return Err(wrong(place, "a type of vertical_and_slash, stream_llm, block_sparse", brief(kind))),
    };
    Ok(HeadEntry { pattern, score: score(rest.first(), place)?, trials: Vec::new() })
}

pub(super) fn to_value(layers: &[Vec<HeadEntry>]) -> Result<Value> {
    let mut value = Vec::with_capacity(layers.len());
    for (layer, heads) in layers.iter().enumerate() {
        let mut map = Map::new();
        for (head, entry) in heads.iter().enumerate() {
            let (kind, first, second) = match entry.pattern {
                HeadPattern::VerticalSlash { vertical, slash } => ("vertical_and_slash", vertical, slash),
                HeadPattern::AShape { sink, local } => ("stream_llm", sink, local),
                HeadPattern::BlockSparse { top_k: BLOCKS } => ("block_sparse", BLOCKS, 0),
                other => {
                    return Err(wrong(
                        format!("layer {layer}, head {head}"),
                        "a pattern that the original's format has: vertical-slash, a-shape, or 100 blocks",
                        other.to_string(),
                    ));
                }
            };
            map.insert(head.to_string(), json!([kind, first, second, entry.score]));
        }
        value.push(Value::Object(map));
    }
    Ok(Value::Array(value))
}
