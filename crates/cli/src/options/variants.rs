//! Shorthands for variants of methods: `--kv` and `--chunk`.

use crate::options::{Length, sorted_lengths};
use anyhow::{Result, ensure};
use clap::Args;
use minference_eval::methods::{CompressionKind, Methods};

/// What listed methods are also run with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Evaluation")]
pub(crate) struct VariantOptions {
    /// Run each listed method also with these compressions of keys and values, such as
    /// snapkv,pyramidkv,streaming-llm
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    kv: Vec<CompressionKind>,
    /// Tokens of each layer that --kv keeps, such as 1K (of pyramidkv on average) [default: 4096]
    #[arg(long, value_name = "TOKENS", requires = "kv")]
    kv_capacity: Option<Length>,
    /// Run each listed method but dense, which is the same in chunks, also in chunks of so many
    /// tokens, such as 2K,8K,32K
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',')]
    chunk: Vec<Length>,
}

impl VariantOptions {
    /// The methods, with the variants that the options ask for.
    pub(crate) fn add_to(&self, methods: &Methods) -> Result<Methods> {
        let capacity = self.kv_capacity.map_or(CompressionKind::CAPACITY, |length| length.0);
        let compressions = self
            .kv
            .iter()
            .map(|kind| kind.with_capacity(capacity))
            .collect::<minference_eval::Result<Vec<_>>>()?;
        let in_chunks = methods.also_in_chunks(&sorted_lengths(&self.chunk))?;
        let compressed = methods.also_compressed(&compressions)?;
        ensure!(
            self.chunk.is_empty() || in_chunks.len() > methods.len(),
            "--chunk: expected a method in --methods that it changes, such as minference (dense is the same in chunks), found none"
        );
        ensure!(
            self.kv.is_empty() || compressed.len() > methods.len(),
            "--kv: expected a method in --methods that is not compressed in this way yet, found none"
        );
        Ok(in_chunks.with(&compressed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(flatten)]
        options: VariantOptions,
    }

    fn methods(arguments: &[&str]) -> anyhow::Result<String> {
        methods_of("dense,minference", arguments)
    }

    fn methods_of(list: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let command = TestCommand::try_parse_from([&["test"], arguments].concat())?;
        let methods = command.options.add_to(&list.parse()?)?;
        Ok(methods.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn shorthands_add_variants() {
        assert_eq!(methods(&[]).unwrap(), "dense minference");
        let chunks = methods(&["--chunk", "8K,2K"]).unwrap();
        assert_eq!(chunks, "dense minference minference+chunk:2048 minference+chunk:8192");
        let kept = methods(&["--kv", "snapkv,streaming-llm", "--kv-capacity", "1K"]).unwrap();
        let expected = "dense minference dense+snapkv:1024 minference+snapkv:1024 dense+streaming-llm:1024 \
                        minference+streaming-llm:1024";
        assert_eq!(kept, expected);
        let both = methods(&["--kv", "pyramidkv", "--chunk", "512"]).unwrap();
        let expected = "dense minference minference+chunk:512 dense+pyramidkv:4096 minference+pyramidkv:4096";
        assert_eq!(both, expected);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let refused = |arguments: &[&str], part: &str| {
            let error = methods(arguments).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(&["--kv", "h2o"], "possible values: streaming-llm, snapkv, pyramidkv");
        refused(&["--kv", "snapkv", "--kv-capacity", "20"], "more than the 32 last tokens");
        refused(&["--kv-capacity", "20"], "--kv");
        refused(&["--chunk", "0"], "16K");
        let adds_nothing = |list: &str, arguments: &[&str], part: &str| {
            let error = methods_of(list, arguments).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        adds_nothing("dense,dense+snapkv", &["--chunk", "1K"], "--chunk: expected a method in --methods");
        adds_nothing("minference+snapkv", &["--kv", "snapkv"], "--kv: expected a method in --methods");
    }
}
