//! Hugging Face folders: `model.safetensors`, or shards that `model.safetensors.index.json` names.

use super::folder::no_model;
use super::mistaken::{recognise, recognise_any};
use super::regular_file::{SIDE_FILE_BYTES, map, read};
use super::tensors::{StoredFormat, StoredTensor, Tensors};
use crate::device::matrix::WeightBytes;
use crate::device::weight_format::WeightFormat;
use crate::error::{Error, Result, shown};
use ::safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A JSON file whose top is an object.
pub(super) fn read_json(path: &Path) -> Result<Value> {
    let text = read(path, SIDE_FILE_BYTES)?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| {
        let found = recognise(&text).unwrap_or_else(|| error.to_string());
        Error::file(path, "file", "JSON", found)
    })?;
    match value {
        Value::Object(_) => Ok(value),
        other => Err(Error::file(path, "file", "an object", kind_of(&other))),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// All tensors of a folder.
pub(super) fn read_folder(folder: &Path) -> Result<Tensors> {
    let mut tensors = Tensors::new(folder);
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    if single.exists() {
        read_file(&single, &mut tensors)?;
    } else if index.exists() {
        read_shards(folder, &index, &mut tensors)?;
    } else {
        return Err(no_model(folder, "model.safetensors"));
    }
    Ok(tensors)
}

fn read_shards(folder: &Path, index: &Path, tensors: &mut Tensors) -> Result<()> {
    let json = read_json(index)?;
    let map = json.get("weight_map").unwrap_or(&Value::Null);
    let Some(map) = map.as_object().filter(|map| !map.is_empty()) else {
        return Err(Error::file(index, "weight_map", "an object of tensors and their files", kind_of(map)));
    };
    let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tensor, shard) in map {
        let place = || format!("weight_map.{tensor}");
        let Some(name) = shard.as_str() else {
            return Err(Error::file(index, place(), "a file's name", kind_of(shard)));
        };
        let mut components = Path::new(name).components();
        let plain = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
        if !plain || name.contains(['/', '\\']) || !name.ends_with(".safetensors") {
            let expected = "the name of a .safetensors file in the same folder";
            return Err(Error::file(index, place(), expected, format!("\"{}\"", shown(name))));
        }
        shards.entry(name).or_default().push(tensor);
    }
    for (name, expected) in shards {
        let path = folder.join(name);
        if !path.exists() {
            let place = format!("weight_map.{}", expected[0]);
            return Err(Error::file(
                index,
                place,
                format!("{} in the same folder", shown(name)),
                "no such file",
            ));
        }
        read_file(&path, tensors)?;
        if let Some(missing) =
            expected.iter().find(|tensor| tensors.get(tensor).is_none_or(|found| *found.file != *path))
        {
            let place = format!("tensor {missing}");
            return Err(Error::file(&path, place, "it in this file, as the index says", "no such tensor"));
        }
    }
    Ok(())
}

fn read_file(path: &Path, tensors: &mut Tensors) -> Result<()> {
    let map = map(path, "a model")?;
    let header = map.first_chunk().map(|length| u64::from_le_bytes(*length));
    if let Some(length) = header.filter(|length| *length > SIDE_FILE_BYTES) {
        let expected = format!("a safetensors file, whose header has at most {SIDE_FILE_BYTES} bytes");
        let found = recognise_any(&map).unwrap_or_else(|| format!("{length} bytes"));
        return Err(Error::file(path, "header", expected, found));
    }
    let (header_len, metadata) = SafeTensors::read_metadata(&map).map_err(|error| {
        let expected = "a safetensors header that describes all of the file's bytes; is it complete?";
        // of a file that is all there, and is another one
        let found = recognise(&map).unwrap_or_else(|| error.to_string());
        Error::file(path, "header", expected, found)
    })?;
    let (file, start): (Arc<Path>, usize) = (path.into(), 8 + header_len);
    for (name, info) in metadata.tensors() {
        let (first, last) = info.data_offsets;
        let place = || format!("tensor {name}");
        let range = start.checked_add(first).zip(start.checked_add(last));
        let bytes = range.and_then(|(first, last)| WeightBytes::mapped(Arc::clone(&map), first..last));
        let Some(bytes) = bytes else {
            return Err(Error::file(path, place(), "bytes within the file", format!("{first}..{last}")));
        };
        let format = match info.dtype {
            Dtype::F32 => StoredFormat::Known(WeightFormat::F32),
            Dtype::F16 => StoredFormat::Known(WeightFormat::F16),
            Dtype::BF16 => StoredFormat::Known(WeightFormat::Bf16),
            other => StoredFormat::Other(format!("{other:?}")),
        };
        let shape = info.shape.clone();
        tensors.insert(name, StoredTensor { file: Arc::clone(&file), shape, format, bytes })?;
    }
    Ok(())
}
