//! [`ModelReference`]: what people give to `--model`.

use super::FetchError;
use super::known::{self, KnownModel};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which model is meant.
///
/// ```
/// use minference_fetch::ModelReference;
///
/// let hub: ModelReference = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:qwen2.5-0.5b-instruct-q4_k_m.gguf".parse()?;
/// assert!(matches!(hub, ModelReference::Hub(_)));
/// let known: ModelReference = "demo".parse()?;
/// assert!(matches!(known, ModelReference::Known(_)));
/// let local: ModelReference = "./demo".parse()?;   // whether it exists is found out when it is resolved
/// assert!(matches!(local, ModelReference::Local(_)));
/// assert!("hf:Qwen".parse::<ModelReference>().is_err());
/// # Ok::<(), minference_fetch::FetchError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelReference {
    /// A file or folder.
    Local(PathBuf),
    /// A repository of the Hugging Face Hub.
    Hub(HubReference),
    /// A model that this program knows by a short name. These win over files of the same name:
    /// write `./demo` for those.
    Known(&'static KnownModel),
}

/// A repository of the Hugging Face Hub, or one of its files. All parts are safe in paths and
/// addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubReference {
    /// `owner/name`
    pub(super) repository: String,
    /// Branch, tag or commit.
    pub(super) revision: String,
    /// A file of it, which stands for all parts if it is one of a split file; none means all that a
    /// model in safetensors needs.
    pub(super) file: Option<String>,
}

impl HubReference {
    /// `owner/name`
    pub fn repository(&self) -> &str {
        &self.repository
    }
    /// Branch, tag or commit; `main` unless given.
    pub fn revision(&self) -> &str {
        &self.revision
    }
    /// The file, if only one is meant.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
    /// Whether the revision is a commit, which never changes.
    pub(super) fn is_pinned(&self) -> bool {
        is_commit(&self.revision)
    }
}

/// Whether a revision is a commit's hash.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl FromStr for ModelReference {
    type Err = FetchError;

    fn from_str(given: &str) -> Result<Self, FetchError> {
        let refuse = |problem: &str| {
            Err(FetchError::Reference { given: given.to_string(), problem: problem.to_string() })
        };
        if given.trim().is_empty() {
            return refuse("no model is given");
        }
        if let Some(rest) = given.strip_prefix("hf:") {
            return match parse_hub(rest) {
                Ok(reference) => Ok(Self::Hub(reference)),
                Err(problem) => refuse(problem),
            };
        }
        if let Some((_, page)) = given.split_once("://") {
            let mut parts = page.split('/').skip(1);
            return match (parts.next(), parts.next()) {
                (Some(owner), Some(name)) if !owner.is_empty() && !name.is_empty() => refuse(&format!(
                    "a web address; for a model of the Hugging Face Hub write hf:{owner}/{name}"
                )),
                _ => refuse("a web address"),
            };
        }
        Ok(known::find(given).map_or_else(|| Self::Local(given.into()), Self::Known))
    }
}

fn parse_hub(text: &str) -> Result<HubReference, &'static str> {
    let (repository, file) = match text.split_once(':') {
        Some((repository, file)) => (repository, Some(file)),
        None => (text, None),
    };
    let (repository, revision) = repository.split_once('@').unwrap_or((repository, "main"));
    let Some((owner, name)) = repository.split_once('/') else {
        return Err("expected an owner and a name, as in hf:owner/name");
    };
    if !is_word(owner) || !is_word(name) {
        return Err("owner and name of a repository hold letters, digits, `-`, `_` and `.` only");
    }
    // a branch may hold slashes
    if !revision.split('/').all(is_word) {
        return Err("expected a branch, tag or commit after `@`");
    }
    if file.is_some_and(|file| !is_file_name(file)) {
        return Err("expected a file of the repository after `:`, without `..`");
    }
    Ok(HubReference {
        repository: repository.to_string(),
        revision: revision.to_string(),
        file: file.map(str::to_string),
    })
}

/// Letters, digits, `-`, `_` and `.`, but no parent folder.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether a name from outside stays within its folder, on any system.
pub(super) fn is_file_name(text: &str) -> bool {
    let forbidden = |letter: char| letter.is_control() || "\\:*?\"<>|".contains(letter);
    text.split('/').all(|part| !part.is_empty() && part != "." && part != "..") && !text.contains(forbidden)
}

/// As it would be given.
impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Hub(reference) => write!(f, "{reference}"),
            Self::Known(model) => f.write_str(model.name),
        }
    }
}

/// As it would be given.
impl fmt::Display for HubReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repository)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        self.file.as_ref().map_or(Ok(()), |file| write!(f, ":{file}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_references_are_read_and_written() {
        for text in [
            "hf:Qwen/Qwen2.5-0.5B",
            "hf:Qwen/Qwen2.5-0.5B@refs/pr/1",
            "hf:a/b:folder/model-q4.gguf",
            "hf:a/b@v1.0:m.gguf",
        ] {
            let reference: ModelReference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
        let ModelReference::Hub(reference) = "hf:a/b@v1:c d.gguf".parse().unwrap() else { panic!() };
        assert_eq!(
            (reference.repository(), reference.revision(), reference.file()),
            ("a/b", "v1", Some("c d.gguf"))
        );
    }

    #[test]
    fn what_is_wrong_is_refused_with_the_forms() {
        for text in [
            "",
            "hf:",
            "hf:name",
            "hf:/name",
            "hf:../b",
            "hf:a/b/c",
            "hf:a/b@",
            "hf:a/b@../x",
            "hf:a/b:",
            "hf:a/b:../x",
            "hf:a/b:/etc/passwd",
            "hf:a/b:c\\d",
            "hf:a b/c",
            "https://huggingface.co/a/b",
        ] {
            let message = text.parse::<ModelReference>().unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")) && message.contains("hf:owner/name"), "{message}");
        }
        let message =
            "https://huggingface.co/a/b/tree/main".parse::<ModelReference>().unwrap_err().to_string();
        assert!(message.contains("write hf:a/b"), "{message}");
    }

    #[test]
    fn short_names_and_paths() {
        let known = |text: &str| match text.parse().unwrap() {
            ModelReference::Known(model) => Some(model.name),
            _ => None,
        };
        assert_eq!(known("demo"), Some("demo"));
        assert_eq!(known("smollm2-135m"), Some("demo"));
        assert_eq!(known("./demo"), None);
        assert_eq!(known("models/x.gguf"), None);
    }
}
