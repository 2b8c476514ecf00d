//! What can be wrong with a model.

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a model's configuration.
    #[error("{field}: expected {expected}, found {found}")]
    Config {
        /// The field's path, such as `rope_scaling.factor`.
        field: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl Error {
    pub(crate) fn config(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Config { field: field.into(), expected: expected.into(), found: found.to_string() }
    }
}
