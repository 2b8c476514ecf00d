//! The header of a GGUF file, versions 2 and 3, little-endian: metadata, and where tensors lie.
//!
//! candle-core has a reader too. This one is separate because a header is where a hostile file
//! strikes: candle's divides by an alignment of zero, keeps the last of two tensors with one name,
//! and can say neither which tensor is stored in an unknown format nor which one lies outside the
//! file. A test compares what both read.

use super::gguf_cursor::GgufCursor;
use super::gguf_kind::require_language_model;
use super::gguf_value::GgufValue as Value;
use super::mistaken::in_place_of_gguf;
use super::regular_file::map;
use super::tensors::{StoredFormat, StoredTensor, Tensors};
use crate::device::matrix::WeightBytes;
use crate::device::weight_format::WeightFormat;
use crate::error::{Result, shown};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const MAGIC: u32 = u32::from_le_bytes(*b"GGUF");
/// Where tensor data start, and each tensor, unless `general.alignment` says otherwise.
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_DIMENSIONS: u32 = 4;
/// The least that a key with its value, or a tensor's entry, takes.
const KEY_BYTES: u64 = 8 + 4 + 1;
const TENSOR_BYTES: u64 = 8 + 4 + 4 + 8;

pub(super) struct GgufFile {
    pub(super) metadata: HashMap<String, Value>,
    pub(super) tensors: Tensors,
}

/// A tensor as the header describes it.
struct TensorEntry {
    name: String,
    shape: Vec<usize>,
    format: WeightFormat,
    offset: u64,
}

/// One file, which may be a part of a model.
pub(super) fn read(path: &Path) -> Result<GgufFile> {
    let map = map(path, "a model")?;
    let mut cursor = GgufCursor::new(path, &map);
    let (tensor_count, key_count) = read_counts(&mut cursor, &map)?;
    let mut metadata = HashMap::new();
    for index in 0..key_count {
        let key = cursor.name(&format!("metadata key {index}"))?;
        let value = cursor.value(&key)?;
        if metadata.contains_key(&key) {
            return Err(cursor.error(&key, "each key once", "it twice"));
        }
        metadata.insert(key, value);
    }
    // before tensors, whose formats matter less than what they are for
    require_language_model(path, &metadata)?;
    let alignment = alignment(&cursor, &metadata)?;
    let mut entries = Vec::new();
    for index in 0..tensor_count {
        entries.push(read_entry(&mut cursor, index)?);
    }
    let data_start = (cursor.position() as u64).next_multiple_of(alignment);
    let ranges = place(&cursor, &entries, data_start, alignment)?;
    let mut tensors = Tensors::new(path);
    let file: Arc<Path> = path.into();
    for (TensorEntry { name, shape, format, .. }, range) in entries.into_iter().zip(ranges) {
        let outside = || cursor.error(&format!("tensor {name}"), "bytes within the file", "others");
        let bytes = WeightBytes::mapped(Arc::clone(&map), range).ok_or_else(outside)?;
        let format = StoredFormat::Known(format);
        tensors.insert(name, StoredTensor { file: Arc::clone(&file), shape, format, bytes })?;
    }
    Ok(GgufFile { metadata, tensors })
}

/// Magic, version, and the counts of tensors and keys.
fn read_counts(cursor: &mut GgufCursor<'_>, bytes: &[u8]) -> Result<(u64, u64)> {
    if cursor.u32("magic").ok() != Some(MAGIC) {
        let expected = "a GGUF file, which begins with `GGUF`, or a folder with config.json";
        return Err(cursor.error("first bytes", expected, in_place_of_gguf(bytes)));
    }
    match cursor.u32("version")? {
        2 | 3 => {}
        version if matches!(version.swap_bytes(), 1..=3) => {
            let found = "a big-endian one: convert it with `gguf-convert-endian` of the Python package gguf";
            return Err(cursor.error("version", "a little-endian file", found));
        }
        1 => {
            let found = "1, of before August 2023: fetch the model anew";
            return Err(cursor.error("version", "GGUF version 2 or 3", found));
        }
        version => return Err(cursor.error("version", "GGUF version 2 or 3", version)),
    }
    let (tensors, keys) = (cursor.u64("number of tensors")?, cursor.u64("number of metadata keys")?);
    let least = tensors
        .checked_mul(TENSOR_BYTES)
        .and_then(|bytes| keys.checked_mul(KEY_BYTES).and_then(|more| bytes.checked_add(more)));
    if least.is_none_or(|least| least > cursor.remaining() as u64) {
        let expected = format!("no more than the file's other {} bytes can hold", cursor.remaining());
        return Err(cursor.error("header", expected, format!("{tensors} tensors and {keys} metadata keys")));
    }
    Ok((tensors, keys))
}

fn alignment(cursor: &GgufCursor<'_>, metadata: &HashMap<String, Value>) -> Result<u64> {
    match metadata.get("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(Value::U32(alignment)) if alignment.is_power_of_two() => Ok(u64::from(*alignment)),
        Some(other) => Err(cursor.error("general.alignment", "a power of two (as u32)", other.described())),
    }
}

fn read_entry(cursor: &mut GgufCursor<'_>, index: u64) -> Result<TensorEntry> {
    let name = cursor.name(&format!("name of tensor {index}"))?;
    let place = format!("tensor {name}");
    let dimensions = cursor.u32(&place)?;
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return Err(cursor.error(&place, format!("1 to {MAX_DIMENSIONS} dimensions"), dimensions));
    }
    let mut shape = Vec::with_capacity(dimensions as usize);
    for _ in 0..dimensions {
        let size = cursor.u64(&place)?;
        match usize::try_from(size) {
            Ok(size) if size > 0 => shape.push(size),
            _ => return Err(cursor.error(&place, "dimensions above 0", size)),
        }
    }
    // GGUF names the dimension first whose elements are neighbours.
    shape.reverse();
    let kind = cursor.u32(&place)?;
    let Some(format) = format_of(kind) else {
        let known = WeightFormat::ALL.map(WeightFormat::name).join(", ");
        let found = unsupported_name(kind).map_or_else(|| format!("type {kind}"), str::to_owned);
        return Err(cursor.error(&place, format!("one of the formats {known}"), found));
    };
    Ok(TensorEntry { name, shape, format, offset: cursor.u64(&place)? })
}

/// Where each tensor's bytes lie: within the file, aligned, apart from each other.
fn place(
    cursor: &GgufCursor<'_>,
    entries: &[TensorEntry],
    start: u64,
    alignment: u64,
) -> Result<Vec<Range<usize>>> {
    let file_end = (cursor.position() + cursor.remaining()) as u64;
    let mut ranges = Vec::with_capacity(entries.len());
    for TensorEntry { name, shape, format, offset } in entries {
        let place = format!("tensor {name}");
        if !offset.is_multiple_of(alignment) {
            return Err(cursor.error(&place, format!("an offset that is a multiple of {alignment}"), offset));
        }
        let bytes = super::tensors::byte_len(shape, *format).ok_or_else(|| {
            let expected = format!("rows of whole blocks of {} elements ({format})", format.block_len());
            cursor.error(&place, expected, format!("shape {shape:?}"))
        })?;
        let range = start.checked_add(*offset).and_then(|first| {
            let last = first.checked_add(bytes as u64).filter(|last| *last <= file_end)?;
            Some(usize::try_from(first).ok()?..usize::try_from(last).ok()?)
        });
        let Some(range) = range else {
            let expected = format!("{bytes} bytes of data within the file's {file_end}; is it complete?");
            return Err(cursor.error(&place, expected, format!("data at {start} + {offset}")));
        };
        ranges.push(range);
    }
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|&i| ranges[i].start);
    for pair in order.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        if ranges[before].end > ranges[after].start {
            let place = format!("tensor {}", entries[after].name);
            let expected = format!(
                "data after those of {}, which end at {}",
                shown(&entries[before].name),
                ranges[before].end
            );
            return Err(cursor.error(&place, expected, format!("data at {}", ranges[after].start)));
        }
    }
    Ok(ranges)
}

fn format_of(kind: u32) -> Option<WeightFormat> {
    Some(match kind {
        0 => WeightFormat::F32,
        1 => WeightFormat::F16,
        2 => WeightFormat::Q4_0,
        3 => WeightFormat::Q4_1,
        6 => WeightFormat::Q5_0,
        7 => WeightFormat::Q5_1,
        8 => WeightFormat::Q8_0,
        10 => WeightFormat::Q2K,
        11 => WeightFormat::Q3K,
        12 => WeightFormat::Q4K,
        13 => WeightFormat::Q5K,
        14 => WeightFormat::Q6K,
        20 => WeightFormat::Iq4Nl,
        23 => WeightFormat::Iq4Xs,
        30 => WeightFormat::Bf16,
        _ => return None,
    })
}

/// Names of formats that exist and are not supported.
fn unsupported_name(kind: u32) -> Option<&'static str> {
    const NAMES: [(u32, &str); 28] = [
        (4, "Q4_2"),
        (5, "Q4_3"),
        (9, "Q8_1"),
        (15, "Q8_K"),
        (16, "IQ2_XXS"),
        (17, "IQ2_XS"),
        (18, "IQ3_XXS"),
        (19, "IQ1_S"),
        (21, "IQ3_S"),
        (22, "IQ2_S"),
        (24, "I8"),
        (25, "I16"),
        (26, "I32"),
        (27, "I64"),
        (28, "F64"),
        (29, "IQ1_M"),
        (31, "Q4_0_4_4"),
        (32, "Q4_0_4_8"),
        (33, "Q4_0_8_8"),
        (34, "TQ1_0"),
        (35, "TQ2_0"),
        (36, "IQ4_NL_4_4"),
        (37, "IQ4_NL_4_8"),
        (38, "IQ4_NL_8_8"),
        (39, "MXFP4"),
        (40, "NVFP4"),
        (41, "Q1_0"),
        (42, "Q2_0"),
    ];
    NAMES.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}
