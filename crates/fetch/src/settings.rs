//! [`FetchSettings`]: where models are kept and where they come from.

use super::{FetchError, Result};
use minference_attention::files;
use minference_attention::files::text_without_mark;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where models are kept, and where they come from.
#[derive(Clone)]
pub struct FetchSettings {
    /// Folder of models with short names.
    pub models: PathBuf,
    /// Folder of models of the Hub, which other programs share (`.../huggingface/hub`).
    pub hub: PathBuf,
    /// The Hub's address, without a slash at the end.
    pub endpoint: String,
    /// Sent to the Hub alone.
    pub token: Option<String>,
    /// Use what is in the cache, and nothing else.
    pub offline: bool,
    /// Certificates to trust instead of the built-in ones (Mozilla's): a PEM file.
    pub certificates: Option<PathBuf>,
    /// Python interpreters whose pip may fetch packages, in order.
    pub interpreters: Vec<PathBuf>,
    /// How long a server may be silent.
    pub silence: Duration,
    /// The pause before the first retry; each further one is twice as long.
    pub pause: Duration,
}

impl FetchSettings {
    /// What the environment says:
    ///
    /// | variable | for | otherwise |
    /// |---|---|---|
    /// | `MINFERENCE_CACHE` | `models` | `minference/models` in the system's cache folder |
    /// | `HF_HUB_CACHE`, `HF_HOME` | `hub` (`$HF_HOME/hub`) | `~/.cache/huggingface/hub` |
    /// | `HF_ENDPOINT` | `endpoint` | `https://huggingface.co` |
    /// | `HF_TOKEN`, `HF_TOKEN_PATH` | `token` | the file `$HF_HOME/token`, if there is one |
    /// | `HF_HUB_OFFLINE` | `offline` | online |
    /// | `SSL_CERT_FILE` | `certificates` | the built-in ones |
    ///
    /// # Errors
    /// [`FetchError::NoCacheFolder`] if neither these nor the system say where caches go.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(|name| std::env::var_os(name), dirs::cache_dir(), dirs::home_dir())
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        cache: Option<PathBuf>,
        home: Option<PathBuf>,
    ) -> Result<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let is_set = |name: &str| {
            text(name).is_some_and(|value| {
                ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
            })
        };
        let folder = |name: &str| variable(name).map(PathBuf::from);

        let shared = folder("HF_HOME")
            .or_else(|| folder("XDG_CACHE_HOME").map(|folder| folder.join("huggingface")))
            .or_else(|| home.map(|home| home.join(".cache/huggingface")));
        let hub = folder("HF_HUB_CACHE").or_else(|| shared.as_ref().map(|folder| folder.join("hub")));
        let token_file =
            folder("HF_TOKEN_PATH").or_else(|| shared.as_ref().map(|folder| folder.join("token")));
        let token = text("HF_TOKEN").or_else(|| {
            if is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN") { None } else { read_token(token_file.as_deref()?) }
        });
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        Ok(Self {
            models: folder("MINFERENCE_CACHE")
                .or_else(|| cache.map(|cache| cache.join("minference").join("models")))
                .ok_or(FetchError::NoCacheFolder)?,
            hub: hub.ok_or(FetchError::NoCacheFolder)?,
            endpoint: endpoint.trim().trim_end_matches('/').to_string(),
            token: token.map(|token| token.trim().to_string()).filter(|token| !token.is_empty()),
            offline: is_set("HF_HUB_OFFLINE"),
            certificates: folder("SSL_CERT_FILE"),
            interpreters: vec!["python3".into(), "python".into()],
            silence: Duration::from_secs(10),
            pause: Duration::from_millis(500),
        })
    }
}

/// A token file that can't be read is like none: most models need none, and the Hub says when one
/// is missing.
fn read_token(path: &Path) -> Option<String> {
    files::read_text(path, files::SETTINGS_BYTES).ok().map(text_without_mark)
}

/// Without the token.
impl fmt::Debug for FetchSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchSettings")
            .field("models", &self.models)
            .field("hub", &self.hub)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> FetchSettings {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        FetchSettings::from_variables(find, Some("/cache".into()), Some("/home/me".into())).unwrap()
    }

    #[test]
    fn folders_follow_the_variables() {
        let folders = |variables: &[(&str, &str)]| {
            let settings = settings(variables);
            (settings.models.display().to_string(), settings.hub.display().to_string())
        };
        let usual = "/cache/minference/models".to_string();
        assert_eq!(folders(&[]), (usual.clone(), "/home/me/.cache/huggingface/hub".into()));
        assert_eq!(folders(&[("XDG_CACHE_HOME", "/x")]).1, "/x/huggingface/hub");
        assert_eq!(folders(&[("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).1, "/h/hub");
        assert_eq!(folders(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]).1, "/c");
        assert_eq!(folders(&[("MINFERENCE_CACHE", "/m")]).0, "/m");
        assert_eq!(folders(&[("MINFERENCE_CACHE", "")]).0, usual);
        let nowhere = FetchSettings::from_variables(|_| None, None, None);
        assert!(matches!(nowhere, Err(FetchError::NoCacheFolder)));
    }

    #[test]
    fn endpoint_token_and_offline() {
        assert_eq!(settings(&[]).endpoint, "https://huggingface.co");
        assert_eq!(settings(&[("HF_ENDPOINT", "http://mirror/")]).endpoint, "http://mirror");
        assert!(!settings(&[("HF_HUB_OFFLINE", "0")]).offline);
        assert!(settings(&[("HF_HUB_OFFLINE", "1")]).offline);

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from-file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        let token = |variables: &[(&str, &str)]| settings(variables).token;
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("HF_HOME", home)]).as_deref(), Some("from-file"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN", "given")]).as_deref(), Some("given"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        let shown = format!("{:?}", settings(&[("HF_TOKEN", "secret")]));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
