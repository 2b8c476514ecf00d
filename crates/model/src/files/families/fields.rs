//! [`Fields`]: what both kinds of configuration have in common, typed access with errors that name
//! the field.

use crate::decoder::config::Activation;
use crate::error::{Error, Result, shown};
use std::ops::RangeInclusive;

/// Fields by name. A missing field, and null, is `None`.
pub(super) trait Fields {
    /// The field's full name, for errors.
    fn path(&self, name: &str) -> String;
    fn whole(&self, name: &str) -> Result<Option<u64>>;
    fn number(&self, name: &str) -> Result<Option<f64>>;
    fn text(&self, name: &str) -> Result<Option<&str>>;
    fn flag(&self, name: &str) -> Result<Option<bool>>;

    /// A size within limits, or the default where the field is missing.
    fn size(&self, name: &str, limits: RangeInclusive<usize>, default: Option<usize>) -> Result<usize> {
        let expected = || format!("a whole number from {} to {}", limits.start(), limits.end());
        let Some(found) = self.whole(name)? else {
            return default.ok_or_else(|| Error::config(self.path(name), expected(), "nothing"));
        };
        usize::try_from(found)
            .ok()
            .filter(|found| limits.contains(found))
            .ok_or_else(|| Error::config(self.path(name), expected(), found))
    }

    /// A number above 0, or the default where the field is missing.
    fn positive(&self, name: &str, default: f64) -> Result<f64> {
        match self.number(name)? {
            None => Ok(default),
            Some(number) if number > 0.0 && number.is_finite() => Ok(number),
            Some(number) => Err(Error::config(self.path(name), "a number above 0", number)),
        }
    }

    fn activation(&self, name: &str, default: Activation) -> Result<Activation> {
        match self.text(name)? {
            None => Ok(default),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some("gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
            Some(other) => {
                let known = "one of silu, gelu_pytorch_tanh";
                Err(Error::config(self.path(name), known, format!("\"{}\"", shown(other))))
            }
        }
    }
}
