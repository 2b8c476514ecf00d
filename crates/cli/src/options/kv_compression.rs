//! What stays of the prompt's keys and values.

use crate::options::{Length, choice_or};
use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::TypedValueParser;
use minference_eval::methods::CompressionKind;
use minference_model::session::kv_cache::{KvCompression, Pooling, PyramidKv, SnapKv, StreamingLlm};

/// A compression, or none where all keys and values stay.
pub(crate) type KvKind = Option<CompressionKind>;

/// As the command line spells [`KvKind`]'s none.
const FULL: &str = "full";

/// A parser of [`KvKind`].
pub(crate) fn parse_kv_kind() -> impl TypedValueParser<Value = KvKind> {
    choice_or(FULL, "All keys and values stay")
}

/// As the command line spells it.
pub(crate) fn kv_kind_name(kind: KvKind) -> &'static str {
    kind.map_or(FULL, CompressionKind::name)
}

/// What stays in the cache once the prompt was read.
#[derive(Debug, Args)]
pub(crate) struct KvCompressionOptions {
    /// What stays of the prompt's keys and values: the answer's tokens attend to that only
    #[arg(
        long,
        value_parser = parse_kv_kind(),
        value_name = "KIND",
        default_value = FULL,
        help_heading = "Key-value cache"
    )]
    kv: KvKind,
    #[command(flatten)]
    sizes: KvCompressionSizes,
}

impl KvCompressionOptions {
    /// The compression; none if all keys and values stay.
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
    kv_pooling: Option<Pooling>,
}

impl KvCompressionSizes {
    /// The compression of a kind; none if all keys and values stay.
    pub(crate) fn compression(&self, kind: KvKind) -> Result<Option<KvCompression>> {
        let capacity = self.kv_capacity.map_or(SnapKv::CAPACITY, |length| length.0);
        let snap = || {
            let (window, kernel) =
                (self.kv_window.unwrap_or(SnapKv::WINDOW), self.kv_kernel.unwrap_or(SnapKv::KERNEL));
            let pooling = self.kv_pooling.unwrap_or_default();
            SnapKv::new(capacity, window, kernel, pooling)
                .context("wrong --kv-capacity, --kv-window or --kv-kernel")
        };
        let Some(kind) = kind else { return Ok(None) };
        Ok(Some(match kind {
            CompressionKind::StreamingLlm => KvCompression::StreamingLlm(
                StreamingLlm::with_capacity(capacity, self.kv_sink.unwrap_or(StreamingLlm::SINK))
                    .context("wrong --kv-capacity or --kv-sink")?,
            ),
            CompressionKind::SnapKv => KvCompression::SnapKv(snap()?),
            CompressionKind::PyramidKv => KvCompression::PyramidKv(PyramidKv::new(snap()?)),
        }))
    }

    /// Refuses options that have no effect on any of these kinds.
    pub(crate) fn check_effect(&self, found: &[KvKind]) -> Result<()> {
        use CompressionKind::{PyramidKv, SnapKv, StreamingLlm};
        let uses: [(&str, bool, &[CompressionKind]); 5] = [
            ("--kv-capacity", self.kv_capacity.is_some(), &[StreamingLlm, SnapKv, PyramidKv]),
            ("--kv-sink", self.kv_sink.is_some(), &[StreamingLlm]),
            ("--kv-window", self.kv_window.is_some(), &[SnapKv, PyramidKv]),
            ("--kv-kernel", self.kv_kernel.is_some(), &[SnapKv, PyramidKv]),
            ("--kv-pooling", self.kv_pooling.is_some(), &[SnapKv, PyramidKv]),
        ];
        for (option, is_given, kinds) in uses {
            if is_given && !kinds.iter().any(|kind| found.contains(&Some(*kind))) {
                let expected: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                let found: Vec<&str> = found.iter().map(|kind| kv_kind_name(*kind)).collect();
                bail!("{option}: expected --kv {}, found --kv {}", expected.join(" or "), found.join(","));
            }
        }
        Ok(())
    }
}
