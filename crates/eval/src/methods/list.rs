//! [`Methods`]: which variants of methods an evaluation compares.

use super::{AttentionMethod, Variant};
use crate::error::{Error, Result};
use minference_model::session::kv_cache::KvCompression;
use std::ops::Deref;
use std::str::FromStr;

/// Different variants of methods, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Methods(Vec<Variant>);

impl Methods {
    /// # Errors
    /// [`Error::Choice`] for none, for one twice, for a matched shape without `minference`, and for
    /// variants that can't be run: `static` in chunks or compressed, compression that lists can't
    /// write.
    pub fn new(variants: Vec<Variant>) -> Result<Self> {
        if variants.is_empty() {
            return Err(Error::choice("methods", "at least one", "none"));
        }
        for (i, variant) in variants.iter().enumerate() {
            variant.check()?;
            if variants[..i].contains(variant) {
                return Err(Error::choice("methods", "each once", format!("{variant} twice")));
            }
            if let AttentionMethod::Matched(shape) = variant.method
                && !variants.contains(&Variant::MINFERENCE)
            {
                let shape = shape.name();
                let expected = format!(
                    "minference beside {shape}, which computes as much as that does, or {shape} with its budget"
                );
                return Err(Error::choice("methods", expected, format!("{variant} without either")));
            }
        }
        Ok(Self(variants))
    }

    /// Each method but dense attention, which chunks don't change, also in each of some chunks,
    /// after all others.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn also_in_chunks(&self, chunks: &[usize]) -> Result<Self> {
        let in_chunks = |&chunk: &usize| move |variant| Variant { chunk: Some(chunk), ..variant };
        let can_change =
            |variant: &Variant| variant.chunk.is_none() && variant.method != AttentionMethod::Dense;
        self.also(can_change, chunks.iter().map(in_chunks))
    }

    /// Each method, dense attention too, also with each of some compressions, after all others.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn also_compressed(&self, compressions: &[KvCompression]) -> Result<Self> {
        let compressed = |&compression: &KvCompression| {
            move |variant| Variant { compression: Some(compression), ..variant }
        };
        self.also(|variant| variant.compression.is_none(), compressions.iter().map(compressed))
    }

    /// These and then those of another list that are not among them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(&self, others: &Self) -> Result<Self> {
        let added = others.iter().copied().filter(|variant| !self.contains(variant));
        Self::new(self.iter().copied().chain(added).collect())
    }

    /// With what `changes` make of the variants that can be changed, where it is not listed itself.
    fn also<C: Fn(Variant) -> Variant>(
        &self,
        can_change: impl Fn(&Variant) -> bool,
        changes: impl Iterator<Item = C>,
    ) -> Result<Self> {
        let mut all = self.0.clone();
        for change in changes {
            for &variant in self.0.iter().filter(|variant| can_change(variant)) {
                let changed = change(variant);
                if !all.contains(&changed) {
                    all.push(changed);
                }
            }
        }
        Self::new(all)
    }

    /// In the order in which they run: those first that others refer to.
    pub fn in_order_of_running(&self) -> Vec<Variant> {
        let mut variants = self.0.clone();
        variants.sort_by_key(|&variant| match variant {
            Variant::DENSE => 0,
            Variant::MINFERENCE => 1,
            _ => 2,
        });
        variants
    }
}

impl Deref for Methods {
    type Target = [Variant];

    fn deref(&self) -> &[Variant] {
        &self.0
    }
}

impl FromStr for Methods {
    type Err = Error;

    /// A list with commas; those within budgets part no methods.
    fn from_str(text: &str) -> Result<Self> {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(',') {
            match words.last_mut() {
                // a number goes on with the budget before it
                Some(last) if word.trim().starts_with(|c: char| c.is_ascii_digit()) => {
                    *last += ",";
                    *last += word;
                }
                _ => words.push(word.to_string()),
            }
        }
        Self::new(words.iter().map(|word| word.parse()).collect::<Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CompressionKind, MatchedShape};
    use super::*;

    fn names(methods: &Methods) -> String {
        methods.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn every_method_reads_back_as_it_is_written() {
        let list = "tri-shape,static,block-sparse:5,dense+snapkv:1024,dense,minference,vertical-slash,\
                    vertical-slash:30,800+chunk:2048+pyramidkv:4096,a-shape+chunk:64";
        let methods: Methods = list.parse().unwrap();
        assert_eq!(names(&methods), list);
        let order = methods.in_order_of_running();
        let shape = Variant::plain(AttentionMethod::Matched(MatchedShape::TriShape));
        assert_eq!(order[..3], [Variant::DENSE, Variant::MINFERENCE, shape]);
    }

    #[test]
    fn lists_that_mean_nothing_are_refused() {
        let refused = |list: &str, part: &str| {
            let error = list.parse::<Methods>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused("dense,sparse", "\"sparse\"");
        refused("", "method");
        refused("dense,dense", "dense twice");
        refused("dense+snapkv,dense+snapkv:4K", "dense+snapkv:4096 twice");
        refused("dense,block-sparse", "minference");
        // its share is that of a whole prompt
        refused("dense,minference+chunk:8K,a-shape+chunk:8K", "minference beside a-shape");
        refused("a-shape:3", "a-shape:3");
    }

    #[test]
    fn shorthands_leave_the_reference_as_it_is() {
        let methods: Methods = "dense,minference,minference+chunk:512,dense+snapkv:64".parse().unwrap();
        let chunked = methods.also_in_chunks(&[512, 1024]).unwrap();
        let expected = "dense,minference,minference+chunk:512,dense+snapkv:64,minference+chunk:1024";
        assert_eq!(names(&chunked), expected);
        let snap = CompressionKind::SnapKv.with_capacity(100).unwrap();
        let compressed = methods.also_compressed(&[snap]).unwrap();
        let added = ",dense+snapkv:100,minference+snapkv:100,minference+chunk:512+snapkv:100";
        assert_eq!(names(&compressed), names(&methods) + added);
        assert_eq!(methods.also_compressed(&[]).unwrap(), methods);
        assert!("dense,minference,static".parse::<Methods>().unwrap().also_in_chunks(&[512]).is_err());
    }
}
