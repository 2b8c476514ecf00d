//! Weights that were quantised for another program: named by what made them, with what to give
//! instead.

use super::tensors::Tensors;
use crate::error::{Error, Result, shown};
use serde_json::Value;
use std::path::Path;

const EXPECTED: &str = "weights in F32, F16 or BF16: give the model as it was before, or a GGUF file of it";

/// Values of `quantization_config.quant_method`, with the names of what they stand for.
const METHODS: [(&str, &str); 22] = [
    ("gptq", "GPTQ"),
    ("awq", "AWQ"),
    ("bitsandbytes", "bitsandbytes"),
    ("compressed-tensors", "compressed-tensors (llm-compressor)"),
    ("exl2", "EXL2 (ExLlamaV2)"),
    ("exl3", "EXL3 (ExLlamaV3)"),
    ("fp8", "FP8"),
    ("fbgemm_fp8", "FP8 (FBGEMM)"),
    ("mxfp4", "MXFP4"),
    ("nvfp4", "NVFP4"),
    ("modelopt", "ModelOpt"),
    ("torchao", "torchao"),
    ("auto-round", "AutoRound"),
    ("aqlm", "AQLM"),
    ("hqq", "HQQ"),
    ("quanto", "Quanto"),
    ("eetq", "EETQ"),
    ("higgs", "HIGGS"),
    ("vptq", "VPTQ"),
    ("spqr", "SpQR"),
    ("bitnet", "BitNet"),
    ("quark", "Quark"),
];

/// Endings of tensors' names that only one way of quantising has.
const ENDINGS: [(&str, &str); 16] = [
    (".q_weight", "EXL2 (ExLlamaV2)"),
    (".trellis", "EXL3 (ExLlamaV3)"),
    (".qweight", "GPTQ or AWQ"),
    (".qzeros", "GPTQ or AWQ"),
    (".weight_packed", "compressed-tensors (llm-compressor)"),
    (".weight_scale_inv", "FP8"),
    (".weight_scale", "FP8 or INT8"),
    (".weight.absmax", "bitsandbytes"),
    (".weight.quant_map", "bitsandbytes"),
    (".SCB", "bitsandbytes"),
    (".W_q", "HQQ"),
    (".codebooks", "AQLM"),
    ("_blocks", "MXFP4"),
    (".weight._data", "Quanto"),
    (".scales", "MLX"),
    (".biases", "MLX"),
];

/// Refuses what a `config.json` says was quantised by a tool of a known name.
pub fn refuse_by_config(config_path: &Path, config: &Value) -> Result<()> {
    let refuse = |place: &str, tool: &str| Err(Error::file(config_path, place, EXPECTED, quantised(tool)));
    // MLX writes its own field, and a copy of it without a method
    if config["quantization"].as_object().is_some_and(|object| object.contains_key("bits")) {
        return refuse("quantization", "MLX");
    }
    if config["compression_config"].is_object() {
        return refuse("compression_config", "compressed-tensors (llm-compressor)");
    }
    let places = ["quantization_config", "text_config.quantization_config"];
    let objects = [&config["quantization_config"], &config["text_config"]["quantization_config"]];
    for (place, object) in places.into_iter().zip(objects) {
        if let Some(method) = object["quant_method"].as_str() {
            let method = method.to_ascii_lowercase();
            let known = METHODS.iter().find(|(name, _)| method.replace('_', "-") == name.replace('_', "-"));
            let name = known.map_or_else(|| shown(&method), |(_, name)| (*name).to_owned());
            return refuse(&format!("{place}.quant_method"), &name);
        }
        if ["load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type"]
            .iter()
            .any(|field| !object[*field].is_null())
        {
            return refuse(place, "bitsandbytes");
        }
    }
    Ok(())
}

/// Refuses tensors that a tool has left where the configuration says nothing about it, and those of
/// an adapter.
pub(super) fn refuse_by_tensors(tensors: &Tensors) -> Result<()> {
    for (name, tensor) in tensors.iter() {
        let refuse =
            |found: String| Err(Error::file(&tensor.file, format!("tensor {name}"), EXPECTED, found));
        if name.contains(".lora_A.") || name.contains(".lora_B.") {
            return refuse(
                "an adapter (LoRA): merge it into its model (`merge_and_unload` of peft)".to_owned(),
            );
        }
        if let Some((_, tool)) = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)) {
            return refuse(quantised(tool));
        }
    }
    Ok(())
}

fn quantised(tool: &str) -> String {
    format!("weights quantised for other programs, with {tool}")
}
