//! GGUF files that hold something else than a language model.

use super::gguf_value::GgufValue;
use crate::error::{Error, Result, shown};
use std::collections::HashMap;
use std::path::Path;

/// Refuses what the metadata say is no language model, by what it is. (Whether an architecture is
/// supported is another question.)
pub(super) fn require_language_model(path: &Path, metadata: &HashMap<String, GgufValue>) -> Result<()> {
    let text = |key: &str| match metadata.get(key) {
        Some(GgufValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let refuse = |key: &str, found: String| Err(Error::file(path, key, "a language model", found));
    match (text("general.type"), text("general.architecture")) {
        (Some("adapter"), architecture) => refuse("general.type", adapter(architecture)),
        (_, architecture) if metadata.contains_key("adapter.type") => {
            refuse("adapter.type", adapter(architecture))
        }
        (Some("mmproj"), _) => refuse("general.type", vision("mmproj")),
        (_, Some("clip")) => refuse("general.architecture", vision("clip")),
        (Some("imatrix"), _) => {
            let found =
                "an importance matrix (imatrix), with which models are quantised: give the model itself";
            refuse("general.type", found.to_owned())
        }
        (_, Some("controlvector")) => {
            let found = "a control vector (controlvector): give the model that it was made for";
            refuse("general.architecture", found.to_owned())
        }
        (Some("vocab"), _) => refuse("general.type", "a vocabulary (vocab) without weights".to_owned()),
        (None | Some("model"), _) => Ok(()),
        (Some(other), _) => refuse("general.type", format!("\"{}\"", shown(other))),
    }
}

fn adapter(architecture: Option<&str>) -> String {
    let of = architecture.map(|name| format!(" of a {} model", shown(name))).unwrap_or_default();
    format!(
        "an adapter (LoRA){of}, which is no model by itself: merge it into its model (`llama-export-lora` of llama.cpp does), \
         and give the merged file"
    )
}

fn vision(name: &str) -> String {
    format!(
        "the part of a model that sees or hears ({name}), which no text needs: give the GGUF file of the language model beside it"
    )
}
