//! [`Listing`]: what the Hub says about a repository.

use crate::digest::{Digest, Expected};
use crate::http::{HttpResponse, header};
use crate::reference::{is_commit, is_file_name};
use crate::{FetchError, Result};
use serde_json::Value;

/// The files of a repository at a commit.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<ListedFile>,
}

/// One of them.
pub(super) struct ListedFile {
    pub(super) name: String,
    /// None from mirrors that list names only.
    pub(super) expected: Option<Expected>,
}

impl Listing {
    pub(super) fn parse(bytes: &[u8], url: &str) -> Result<Self> {
        let refuse = |expected: &str, found: String| FetchError::HttpResponse {
            url: url.to_string(),
            expected: expected.to_string(),
            found,
        };
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| refuse("a repository's description in JSON", error.to_string()))?;
        let commit = value["sha"].as_str().filter(|commit| is_commit(commit));
        let commit = commit.ok_or_else(|| refuse("a commit in `sha`", value["sha"].to_string()))?;
        let files =
            value["siblings"].as_array().ok_or_else(|| refuse("files in `siblings`", "none".into()))?;
        // names that lead out of the folder can't be wanted
        let files = files.iter().filter_map(|file| {
            let name = file["rfilename"].as_str().filter(|name| is_file_name(name))?;
            Some(ListedFile { name: name.to_string(), expected: expected(file) })
        });
        Ok(Self { commit: commit.to_ascii_lowercase(), files: files.collect() })
    }

    pub(super) fn find(&self, name: &str) -> Option<&ListedFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

fn expected(file: &Value) -> Option<Expected> {
    let large = &file["lfs"];
    let digest = large["sha256"].as_str().or_else(|| file["blobId"].as_str().filter(|_| large.is_null()))?;
    let bytes = large["size"].as_u64().or_else(|| file["size"].as_u64())?;
    Some(Expected { bytes, digest: Digest::parse(digest)? })
}

/// What the answer to a request for the file itself says about it.
pub(super) fn from_headers(answer: &HttpResponse) -> Option<Expected> {
    let etag = header(&answer.first, "x-linked-etag").or_else(|| header(&answer.first, "etag"))?;
    let bytes = header(&answer.first, "x-linked-size").or_else(|| header(&answer.last, "content-length"))?;
    Some(Expected { bytes: bytes.parse().ok()?, digest: Digest::parse(etag)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_from_the_right_place() {
        let (commit, sha256) = ("ab".repeat(20), "cd".repeat(32));
        let json = serde_json::json!({ "sha": commit, "siblings": [
            { "rfilename": "config.json", "size": 7, "blobId": commit },
            { "rfilename": "m.gguf", "size": 9, "blobId": commit, "lfs": { "sha256": sha256, "size": 9, "pointerSize": 130 } },
            { "rfilename": "plain" },
            { "rfilename": "../escape", "size": 1, "blobId": commit },
        ]});
        let listing = Listing::parse(json.to_string().as_bytes(), "u").unwrap();
        let names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["config.json", "m.gguf", "plain"]);
        let expected = |at: usize| listing.files[at].expected.clone();
        assert_eq!(expected(0), Some(Expected { bytes: 7, digest: Digest::GitBlob(commit.clone()) }));
        assert_eq!(expected(1), Some(Expected { bytes: 9, digest: Digest::Sha256(sha256) }));
        assert_eq!(expected(2), None);
        for bad in ["", "[]", "{\"sha\": \"main\"}", "<html>"] {
            assert!(Listing::parse(bad.as_bytes(), "u").is_err());
        }
    }
}
