//! [`SearchOutput`]: the pattern file that a search writes, and what it saves on the way.

use crate::terminal::notify;
use anyhow::{Context, Result, bail, ensure};
use minference_attention::files;
use minference_attention::pattern::config::{FileFormat, HeadEntry, PatternConfig};
use minference_attention::pattern::provenance::Provenance;
use minference_model::ModelConfig;
use std::path::PathBuf;

/// Where a search leaves what it found. Layers are saved under the name of the output with
/// `.partial` behind it, until all are there.
pub(super) struct SearchOutput {
    output: PathBuf,
    partial: PathBuf,
    provenance: Provenance,
    saved: Option<PatternConfig>,
}

impl SearchOutput {
    /// Reads what an interrupted search of the same kind left.
    pub(super) fn open(output: PathBuf, provenance: Provenance, restart: bool) -> Result<Self> {
        let mut partial = output.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        if let Some(folder) = output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            ensure!(
                folder.is_dir(),
                "--output: expected a file in a folder that is there, found {}",
                output.display()
            );
        }
        // found out now rather than after the search
        files::check_writable(&output).with_context(|| format!("can't write {}", output.display()))?;
        let mut output = Self { output, partial, provenance, saved: None };
        if restart || !output.partial.try_exists().unwrap_or(true) {
            return Ok(output);
        }
        let advice = "delete it, or begin anew with --restart";
        let saved = PatternConfig::read(&output.partial)
            .with_context(|| format!("can't go on with what an interrupted search left; {advice}"))?;
        if saved.provenance() != Some(&output.provenance) {
            bail!(
                "{}: expected layers that the same search found (model, objective, calibration), found those of another; {advice}",
                output.partial.display()
            );
        }
        output.saved = Some(saved);
        Ok(output)
    }

    /// Layers that are there already.
    pub(super) fn found(&self, config: &ModelConfig) -> Result<Vec<Vec<HeadEntry>>> {
        let Some(saved) = &self.saved else { return Ok(Vec::new()) };
        ensure!(
            saved.layers() <= config.layers.len() && saved.heads() == config.heads,
            "{}: expected at most {} layers of {} heads, found {} of {}; delete it, or begin anew with --restart",
            self.partial.display(),
            config.layers.len(),
            config.heads,
            saved.layers(),
            saved.heads()
        );
        (0..saved.layers()).map(|layer| Ok(saved.layer(layer)?.to_vec())).collect()
    }

    /// Saves the layers found so far.
    pub(super) fn save(&mut self, found: &[Vec<HeadEntry>]) -> minference_model::Result<()> {
        let saved = PatternConfig::new(found.to_vec())?.with_provenance(self.provenance.clone());
        saved.write(&self.partial, FileFormat::Native)?;
        self.saved = Some(saved);
        Ok(())
    }

    /// After a search that ended early.
    pub(super) fn report_saved_layers(&self) {
        if let Some(saved) = &self.saved {
            let layers = saved.layers();
            notify(&format!("{layers} layers are saved; the same command goes on from there."));
        }
    }

    /// Writes the file.
    pub(super) fn finish(self, patterns: PatternConfig) -> Result<(PathBuf, PatternConfig)> {
        let patterns = patterns.with_provenance(self.provenance);
        patterns.write(&self.output, FileFormat::Native)?;
        // it is in the output now; if it can't be removed, the next search says so
        let _ = std::fs::remove_file(&self.partial);
        Ok((self.output, patterns))
    }
}
