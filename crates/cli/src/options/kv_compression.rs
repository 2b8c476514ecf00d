//! What stays of the prompt's keys and values.

use crate::options::Length;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use minference_model::session::kv_cache::{KvCompression, Pooling, PyramidKv, SnapKv, StreamingLlm};

/// Ways of compressing the key-value cache, as the command line spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KvKind {
    /// All keys and values stay
    Full,
    /// The first tokens and the last
    StreamingLlm,
    /// What the prompt's last queries attend to, head by head
    #[value(name = "snapkv")]
    SnapKv,
    /// The same, with more room in the first layers and less in the last
    #[value(name = "pyramidkv")]
    PyramidKv,
}

/// How votes for neighbouring keys become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PoolingChoice {
    Average,
    Maximum,
}

impl From<PoolingChoice> for Pooling {
    fn from(choice: PoolingChoice) -> Self {
        match choice {
            PoolingChoice::Average => Self::Average,
            PoolingChoice::Maximum => Self::Maximum,
        }
    }
}

/// What stays in the cache once the prompt was read.
#[derive(Debug, Args)]
pub(crate) struct KvCompressionOptions {
    /// What stays of the prompt's keys and values: the answer's tokens attend to that only
    #[arg(long, value_enum, value_name = "KIND", default_value = "full", help_heading = "Key-value cache")]
    kv: KvKind,
    #[command(flatten)]
    sizes: KvCompressionSizes,
}

impl KvCompressionOptions {
    /// What is to stay; none if that is everything.
    pub(crate) fn compression(&self) -> Result<Option<KvCompression>> {
        self.sizes.check_effect(&[self.kv])?;
        self.sizes.compression(self.kv)
    }
}

/// How much stays, and how it is chosen.
#[derive(Debug, Args)]
#[command(next_help_heading = "Key-value cache")]
pub(crate) struct KvCompressionSizes {
    /// Tokens of each layer that stay, such as 4096 or 4K (pyramidkv: on average over layers)
    /// [default: 4K]
    #[arg(long, value_name = "TOKENS")]
    kv_capacity: Option<Length>,
    /// First tokens that always stay, for streaming-llm [default: 4]
    #[arg(long, value_name = "TOKENS")]
    kv_sink: Option<usize>,
    /// Last queries that vote, and whose tokens always stay, for snapkv and pyramidkv [default: 32]
    #[arg(long, value_name = "QUERIES")]
    kv_window: Option<usize>,
    /// Neighbouring keys whose votes are pooled, for snapkv and pyramidkv [default: 5]
    #[arg(long, value_name = "KEYS")]
    kv_kernel: Option<usize>,
    /// How they are pooled [default: average]
    #[arg(long, value_enum, value_name = "KIND")]
    kv_pooling: Option<PoolingChoice>,
}

impl KvCompressionSizes {
    /// What is to stay, of a kind; none if that is everything.
    pub(crate) fn compression(&self, kind: KvKind) -> Result<Option<KvCompression>> {
        let capacity = self.kv_capacity.map_or(SnapKv::CAPACITY, |length| length.0);
        let snap = || {
            let (window, kernel) =
                (self.kv_window.unwrap_or(SnapKv::WINDOW), self.kv_kernel.unwrap_or(SnapKv::KERNEL));
            let pooling = self.kv_pooling.map_or(Pooling::default(), Pooling::from);
            SnapKv::new(capacity, window, kernel, pooling)
                .context("wrong --kv-capacity, --kv-window or --kv-kernel")
        };
        Ok(Some(match kind {
            KvKind::Full => return Ok(None),
            KvKind::StreamingLlm => KvCompression::StreamingLlm(
                StreamingLlm::with_capacity(capacity, self.kv_sink.unwrap_or(StreamingLlm::SINK))
                    .context("wrong --kv-capacity or --kv-sink")?,
            ),
            KvKind::SnapKv => KvCompression::SnapKv(snap()?),
            KvKind::PyramidKv => KvCompression::PyramidKv(PyramidKv::new(snap()?)),
        }))
    }

    /// Refuses what would have no effect on any of some kinds.
    pub(crate) fn check_effect(&self, found: &[KvKind]) -> Result<()> {
        use KvKind::{PyramidKv, SnapKv, StreamingLlm};
        let uses: [(&str, bool, &[KvKind]); 5] = [
            ("--kv-capacity", self.kv_capacity.is_some(), &[StreamingLlm, SnapKv, PyramidKv]),
            ("--kv-sink", self.kv_sink.is_some(), &[StreamingLlm]),
            ("--kv-window", self.kv_window.is_some(), &[SnapKv, PyramidKv]),
            ("--kv-kernel", self.kv_kernel.is_some(), &[SnapKv, PyramidKv]),
            ("--kv-pooling", self.kv_pooling.is_some(), &[SnapKv, PyramidKv]),
        ];
        for (option, is_given, kinds) in uses {
            if is_given && !kinds.iter().any(|kind| found.contains(kind)) {
                let list = |kinds: &[KvKind], between: &str| {
                    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(between)
                };
                bail!("{option}: expected --kv {}, found --kv {}", list(kinds, " or "), list(found, ","));
            }
        }
        Ok(())
    }
}

impl KvKind {
    /// As the command line spells it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_eval::methods::CompressionKind;

    #[test]
    fn evaluations_spell_kinds_in_the_same_way() {
        for kind in CompressionKind::ALL {
            assert!(KvKind::from_str(kind.name(), false).is_ok(), "{}", kind.name());
        }
        assert_eq!(CompressionKind::ALL.len() + 1, KvKind::value_variants().len());
    }
}
