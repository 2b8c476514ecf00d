//! The files of a folder, read with types.

use crate::error::{Error, Result, shown};
use crate::files::folder::no_tokenizer;
use crate::files::mistaken::recognise;
use crate::files::regular_file::{SIDE_FILE_BYTES, VOCABULARY_BYTES, read};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

/// `tokenizer.json`.
#[derive(Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedEntry>,
    pub(super) normalizer: Option<NormalizerWrapper>,
    pub(super) pre_tokenizer: Option<PreTokenizerWrapper>,
    pub(super) post_processor: Option<Value>,
    pub(super) decoder: Option<Value>,
    pub(super) model: ModelEntry,
}

/// A token that is found in a text before words are cut.
#[derive(Deserialize)]
pub(super) struct AddedEntry {
    #[serde(default)]
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) special: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) single_word: bool,
    pub(super) normalized: Option<bool>,
}

impl AddedEntry {
    /// A token of which nothing is known but its name.
    fn named(name: impl Into<String>, special: bool) -> Self {
        Self {
            id: 0,
            content: name.into(),
            special,
            lstrip: false,
            rstrip: false,
            single_word: false,
            normalized: Some(!special),
        }
    }
}

/// Roles of special tokens, in transformers' order.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The vocabulary proper.
#[derive(Deserialize)]
pub(super) struct ModelEntry {
    pub(super) vocab: HashMap<String, u32>,
    pub(super) merges: Vec<Merge>,
    pub(super) unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(super) fuse_unk: bool,
    #[serde(default)]
    pub(super) byte_fallback: bool,
    #[serde(default)]
    pub(super) ignore_merges: bool,
}

/// A merge, in the newer or the older way of writing it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Merge {
    Pair((String, String)),
    Line(String),
}

#[derive(Deserialize)]
struct KindOnly {
    model: ModelKind,
}

#[derive(Deserialize)]
struct ModelKind {
    r#type: Option<String>,
}

/// What ends a text, a turn, and a message to a tool, as fields call it.
const ENDS: [&str; 3] = ["eos", "eot", "eom"];

/// A folder's files about tokens; those that are not there are null.
pub(super) struct Folder {
    path: PathBuf,
    tokenizer: Vec<u8>,
    config: Value,
    special_tokens: Value,
    added_tokens: Value,
    generation: Value,
    /// `config.json`.
    model: Value,
    template: Option<String>,
}

impl Folder {
    pub(super) fn read(path: &Path) -> Result<Self> {
        if !path.join("tokenizer.json").exists() {
            return Err(no_tokenizer(path));
        }
        let template = optional(&path.join("chat_template.jinja"))?;
        let template = template.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Self {
            tokenizer: read(&path.join("tokenizer.json"), VOCABULARY_BYTES)?,
            config: json(&path.join("tokenizer_config.json"))?,
            special_tokens: json(&path.join("special_tokens_map.json"))?,
            added_tokens: json(&path.join("added_tokens.json"))?,
            model: json(&path.join("config.json"))?,
            generation: json(&path.join("generation_config.json"))?,
            template,
            path: path.to_owned(),
        })
    }

    pub(super) fn tokenizer(&self) -> Result<TokenizerFile> {
        let kind: Option<KindOnly> = serde_json::from_slice(&self.tokenizer).ok();
        if let Some(kind) = kind.and_then(|kind| kind.model.r#type).filter(|kind| kind != "BPE") {
            return Err(self.wrong("model", "`BPE`", format!("`{kind}`")));
        }
        let file: TokenizerFile = serde_json::from_slice(&self.tokenizer).map_err(|e| {
            self.wrong(
                &format!("line {}", e.line()),
                "a tokenizer of the type `BPE`",
                named(&self.tokenizer, &e),
            )
        })?;
        let affixes = [&file.model.continuing_subword_prefix, &file.model.end_of_word_suffix];
        if let Some(affix) = affixes.into_iter().flatten().find(|affix| !affix.is_empty()) {
            let expected = "no continuing_subword_prefix and no end_of_word_suffix";
            return Err(self.wrong("model", expected, format!("`{affix}`")));
        }
        Ok(file)
    }

    /// Tokens that `tokenizer_config.json` adds, or describes in its own way, in the order of their
    /// ids.
    pub(super) fn more_added_tokens(&self) -> Result<Vec<AddedEntry>> {
        let Some(entries) = self.config["added_tokens_decoder"].as_object() else { return Ok(Vec::new()) };
        let entry = |(id, entry): (&String, &Value)| {
            let wrong = |found: String| {
                self.wrong_setting(&format!("added_tokens_decoder.{id}"), "an id and a token", found)
            };
            let mut token = AddedEntry::deserialize(entry).map_err(|e| wrong(e.to_string()))?;
            token.id = id.parse().map_err(|_| wrong(id.clone()))?;
            Ok(token)
        };
        let mut added: Vec<AddedEntry> = entries.iter().map(entry).collect::<Result<_>>()?;
        added.sort_by_key(|token| token.id);
        Ok(added)
    }

    /// Tokens of `added_tokens.json`, which counts where `tokenizer_config.json` describes none. It
    /// has names and ids; `tokenizer.json` knows more of those that it holds too.
    pub(super) fn older_added_tokens(&self) -> Result<Vec<AddedEntry>> {
        let Some(entries) = self.added_tokens.as_object().filter(|_| !self.describes_added_tokens()) else {
            return Ok(Vec::new());
        };
        let entry = |(name, id): (&String, &Value)| {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| Error::File {
                path: self.path.join("added_tokens.json"),
                place: shown(name),
                expected: "a token's id".to_owned(),
                found: id.to_string(),
            })?;
            // Lists of `special_tokens_map.json` are read too late to count here.
            let special = ROLES.iter().any(|role| name_of(self.setting(role)) == Some(name.as_str()))
                || ["extra_special_tokens", "additional_special_tokens"]
                    .iter()
                    .filter_map(|group| self.config[*group].as_array())
                    .any(|list| list.iter().any(|token| name_of(token) == Some(name.as_str())));
            Ok(AddedEntry { id, ..AddedEntry::named(name.as_str(), special) })
        };
        let mut added: Vec<AddedEntry> = entries.iter().map(entry).collect::<Result<_>>()?;
        added.sort_by_key(|token| token.id);
        Ok(added)
    }

    /// A field of `tokenizer_config.json`, or of `special_tokens_map.json`, which goes first where
    /// the former doesn't describe the added tokens, and is not read at all where it does.
    fn setting(&self, name: &str) -> &Value {
        let older = &self.special_tokens[name];
        if older.is_null() || self.describes_added_tokens() { &self.config[name] } else { older }
    }

    fn describes_added_tokens(&self) -> bool {
        self.config["added_tokens_decoder"].is_object()
    }

    /// The name of a special token, such as `bos_token`.
    pub(super) fn special_token(&self, role: &str) -> Option<String> {
        name_of(self.setting(role)).or_else(|| name_of(&self.special_tokens[role])).map(str::to_owned)
    }

    /// Special tokens that the files beside `tokenizer.json` name, in the order in which new ones
    /// get ids: those with a role, and the others.
    pub(super) fn named_tokens(&self) -> Result<Vec<AddedEntry>> {
        let mut found = Vec::new();
        for role in ROLES {
            found.extend(self.named_token(role, self.setting(role))?);
        }
        let files = [Some(&self.config), (!self.describes_added_tokens()).then_some(&self.special_tokens)];
        let fields = files.into_iter().flatten().filter_map(Value::as_object).flatten();
        for (name, value) in
            fields.filter(|(name, _)| name.ends_with("_token") && !ROLES.contains(&name.as_str()))
        {
            // Some settings are called like tokens: `add_bos_token`.
            if name_of(value).is_some() {
                found.extend(self.named_token(name, value)?);
            }
        }
        for group in ["model_specific_special_tokens", "extra_special_tokens", "additional_special_tokens"] {
            let newer_is_there =
                self.setting("extra_special_tokens").as_array().is_some_and(|list| !list.is_empty());
            if group == "additional_special_tokens" && newer_is_there {
                continue;
            }
            let values: Vec<&Value> = match self.setting(group) {
                Value::Null => Vec::new(),
                Value::Array(values) => values.iter().collect(),
                Value::Object(values) => values.values().collect(),
                other => return Err(self.wrong_setting(group, "a list of tokens", other.to_string())),
            };
            for value in values {
                found.extend(self.named_token(group, value)?);
            }
        }
        Ok(found)
    }

    /// A special token as a setting writes it: its name alone, or with what belongs to it.
    fn named_token(&self, setting: &str, value: &Value) -> Result<Option<AddedEntry>> {
        let wrong = |found: String| self.wrong_setting(setting, "a token", found);
        match value {
            Value::Null => Ok(None),
            Value::String(name) if name.is_empty() => Ok(None),
            Value::String(name) => Ok(Some(AddedEntry::named(name.as_str(), true))),
            other => {
                let token = AddedEntry::deserialize(other).map_err(|e| wrong(e.to_string()))?;
                Ok(Some(AddedEntry { special: true, ..token }))
            }
        }
    }

    /// A switch of `tokenizer_config.json`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match &self.config[name] {
            Value::Null => Ok(None),
            Value::Bool(flag) => Ok(Some(*flag)),
            other => Err(self.wrong_setting(name, "true or false", other.to_string())),
        }
    }

    /// The class that the folder names for its tokenizer.
    pub(super) fn class(&self) -> Option<&str> {
        self.config["tokenizer_class"].as_str().or(self.model["tokenizer_class"].as_str())
    }

    /// A text of `config.json`, if it is there.
    pub(super) fn model_text(&self, name: &str) -> Option<&str> {
        self.model[name].as_str()
    }

    /// The ids of tokens that end an answer: all that any file names.
    pub(super) fn end_ids(&self) -> Result<Vec<u32>> {
        let files = [
            ("generation_config.json", "", &self.generation),
            ("config.json", "", &self.model),
            ("config.json", "text_config.", &self.model["text_config"]),
            ("tokenizer_config.json", "", &self.config),
        ];
        let mut found = Vec::new();
        for (file, object, fields) in files {
            for end in ENDS {
                let field = format!("{end}_token_id");
                let ids = match &fields[&field] {
                    Value::Null => &[],
                    Value::Array(ids) => ids.as_slice(),
                    id => std::slice::from_ref(id),
                };
                for id in ids {
                    found.extend(end_id(id).ok_or_else(|| Error::File {
                        path: self.path.join(file),
                        place: format!("{object}{field}"),
                        expected: "a token's id, or several".to_owned(),
                        found: shown(&id.to_string()),
                    })?);
                }
            }
        }
        Ok(found)
    }

    /// The names of tokens that end an answer: all that any file has.
    pub(super) fn end_names(&self) -> Vec<String> {
        let objects = [
            &self.config,
            &self.config["extra_special_tokens"],
            &self.config["model_specific_special_tokens"],
            &self.special_tokens,
        ];
        let names = objects.into_iter().flat_map(|object| {
            ENDS.iter().filter_map(move |end| {
                let field = &object[&format!("{end}_token")];
                field.as_str().or(field["content"].as_str()).map(str::to_owned)
            })
        });
        names.collect()
    }

    /// `chat_template.jinja`, or the default template of `tokenizer_config.json`.
    pub(super) fn chat_template(&self) -> Option<String> {
        let named = |templates: &Vec<Value>| {
            let default = templates.iter().find(|template| template["name"] == "default")?;
            default["template"].as_str().map(str::to_owned)
        };
        let field = &self.config["chat_template"];
        self.template
            .clone()
            .or_else(|| field.as_str().map(str::to_owned))
            .or_else(|| field.as_array().and_then(named))
    }

    /// Something wrong in `tokenizer_config.json`.
    pub(super) fn wrong_setting(&self, place: &str, expected: &str, found: impl std::fmt::Display) -> Error {
        Error::File {
            path: self.path.join("tokenizer_config.json"),
            place: place.to_owned(),
            expected: expected.to_owned(),
            found: shown(&found.to_string()),
        }
    }

    /// Something wrong in `tokenizer.json`.
    pub(super) fn wrong(&self, place: &str, expected: &str, found: impl std::fmt::Display) -> Error {
        Error::File {
            path: self.path.join("tokenizer.json"),
            place: place.to_owned(),
            expected: expected.to_owned(),
            found: found.to_string(),
        }
    }
}

/// Nothing for a negative one, by which some files say that there is none; an error's `None` for
/// what is no id.
fn end_id(value: &Value) -> Option<Option<u32>> {
    match value.as_i64() {
        Some(..0) => Some(None),
        _ => value.as_u64().and_then(|id| u32::try_from(id).ok()).map(Some),
    }
}

/// The name of a special token as a setting writes it: alone, or with what belongs to it.
fn name_of(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

fn optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match read(path, SIDE_FILE_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn json(path: &Path) -> Result<Value> {
    let Some(bytes) = optional(path)? else { return Ok(Value::Null) };
    serde_json::from_slice(&bytes).map_err(|e| Error::File {
        path: path.to_owned(),
        place: format!("line {}", e.line()),
        expected: "JSON".to_owned(),
        found: named(&bytes, &e),
    })
}

/// What is wrong with a file that is no JSON of the right form: what it is, or what the parser
/// says.
fn named(bytes: &[u8], error: &serde_json::Error) -> String {
    recognise(bytes).unwrap_or_else(|| error.to_string())
}
