//! A session becomes a file.

use super::checksum::Checksum;
use super::header::Header;
use super::opening;
use super::sections::padding;
use crate::error::{Error, Result};
use crate::files::Fingerprint;
use crate::session::Session;
use crate::session::kv_cache::LayerCache;
use minference_attention::files::write_whole;
use rayon::prelude::*;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;

pub(super) fn save(session: &Session, path: &Path, fingerprint: Fingerprint, about: Value) -> Result<()> {
    if session.history.is_empty() {
        return Err(Error::shape("tokens of a session that is saved", "at least 1", 0));
    }
    let layers = session.cache.layers();
    let history = bytemuck::cast_slice(&session.history);
    let checksums = session.compute.install(|| {
        let layers = layers.par_iter().map(|layer| checksum(&parts(layer)));
        (checksum(&[history]), layers.collect())
    });
    let beginning = opening::write(path, &Header::of(session, fingerprint, checksums, about))?;
    write_whole(path, |out| {
        out.write_all(&beginning)?;
        for part in std::iter::once(history).chain(layers.iter().flat_map(parts)) {
            out.write_all(part)?;
            out.write_all(padding(part.len()))?;
        }
        Ok(())
    })
    .map_err(Error::io(path))
}

/// Keys, then values.
fn parts(layer: &LayerCache) -> Vec<&[u8]> {
    [layer.keys.parts(), layer.values.parts()].concat()
}

fn checksum(parts: &[&[u8]]) -> Checksum {
    Checksum::of(parts.iter().flat_map(|part| [*part, padding(part.len())]))
}
