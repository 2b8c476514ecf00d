//! Files that are given in place of a model's by mistake, recognised by their first bytes and named
//! for what they are, with what to do.

use crate::error::shown;

/// Beginnings that tell what a file is: where they stand, and what to say.
const BEGINNINGS: [(usize, &[u8], &str); 29] = [
    (0, b"GGUF", "a GGUF file: give that file itself as the model, not the folder"),
    (0, b"FUGG", "a big-endian GGUF file: convert it with `gguf-convert-endian` of the Python package gguf"),
    (0, b"lmgg", OLD_GGML),
    (0, b"fmgg", OLD_GGML),
    (0, b"tjgg", OLD_GGML),
    (
        0,
        b"algg",
        "an adapter (LoRA) in llama.cpp's format before GGUF: merge it into its model, and give that",
    ),
    (0, b"nsgg", "a session of llama.cpp: give the model that it was saved with"),
    (0, b"qsgg", "a session of llama.cpp: give the model that it was saved with"),
    (
        0,
        b"%PDF-",
        "a PDF document: to ask about it, give its text with --prompt-file, and a model with --model",
    ),
    (0, b"\x1f\x8b", COMPRESSED),
    (0, b"BZh", COMPRESSED),
    (0, b"\xfd7zXZ\0", COMPRESSED),
    (0, b"\x28\xb5\x2f\xfd", COMPRESSED),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it, and give the model in it"),
    (0, b"Rar!", "a RAR archive: unpack it, and give the model in it"),
    (257, b"ustar", "a tar archive: unpack it, and give the model in it"),
    (
        0,
        b"\x89HDF",
        "an HDF5 file, as Keras and TensorFlow write them: give a GGUF file or the safetensors of the model",
    ),
    (4, b"TFL3", "a model for TensorFlow Lite: give a GGUF file or the safetensors of the model"),
    (0, b"\x93NUMPY", "an array of NumPy"),
    (0, b"\x89PNG", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
    (0, b"\x7fELF", "a program for Linux"),
    (
        0,
        b"MZ",
        "a program; a llamafile holds its GGUF file as a zip archive (`unzip model.llamafile '*.gguf'`)",
    ),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"\x80\x02", PICKLED),
    (0, b"\x80\x03", PICKLED),
    (0, b"\x80\x04", PICKLED),
    (0, b"\x80\x05", PICKLED),
    (0, &[0; 64], "zeros: it looks like a download that has not come that far; fetch the file again"),
];

const OLD_GGML: &str = "a file of llama.cpp's format before GGUF (ggml, ggmf or ggjt): fetch the model as GGUF, or convert it \
                        with `convert_llama_ggml_to_gguf.py` of llama.cpp";
const COMPRESSED: &str = "a compressed file: unpack it, and give the model in it";
/// Also what folders of such weights are told.
pub(crate) const PICKLED: &str = "pickled weights of PyTorch, which can run code and are not read: convert them to safetensors \
                                  (`from_pretrained` and `save_pretrained` of transformers do)";
/// What a safetensors file given alone is told.
const SAFETENSORS: &str =
    "a safetensors file alone: give the folder that holds it beside config.json and tokenizer.json";

/// What a file is that is no GGUF file.
pub(super) fn in_place_of_gguf(bytes: &[u8]) -> String {
    if is_safetensors(bytes) {
        return SAFETENSORS.to_owned();
    }
    recognise_any(bytes).unwrap_or_else(|| "something else".to_owned())
}

/// What a file is that should hold tensors; of texts that are not known, their beginning. None
/// where the beginning tells nothing.
pub(super) fn recognise_any(bytes: &[u8]) -> Option<String> {
    recognise(bytes).or_else(|| beginning_as_text(bytes).map(quoted))
}

/// What a file is that should hold a text of some form, such as JSON; none where its beginning
/// tells nothing.
pub(crate) fn recognise(bytes: &[u8]) -> Option<String> {
    let starts = |(at, beginning, _): &&(usize, &[u8], &str)| {
        bytes.get(*at..).is_some_and(|bytes| bytes.starts_with(beginning))
    };
    let known = || BEGINNINGS.iter().find(starts).map(|(_, _, found)| (*found).to_owned());
    git_lfs_pointer(bytes)
        .or_else(|| zip_archive(bytes))
        .or_else(known)
        .or_else(|| beginning_as_text(bytes).and_then(page))
}

/// What Git leaves in place of a large file until Git LFS fetches it.
fn git_lfs_pointer(bytes: &[u8]) -> Option<String> {
    /// Pointers are shorter.
    const LONGEST: usize = 1024;
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    if !bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
    let size = size.map(|size| format!(" of {size} bytes")).unwrap_or_default();
    Some(format!(
        "a Git LFS pointer, which stands for a file{size}: fetch that with `git lfs pull` in its repository, or download it"
    ))
}

/// Zip archives are what PyTorch and NumPy write, too.
fn zip_archive(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    // the first entry's name stands after a header of fixed length, its own length within that
    let length =
        bytes.get(26..28).map_or(0, |length| usize::from(u16::from_le_bytes([length[0], length[1]])));
    let name = bytes.get(30..).map_or(&[][..], |rest| &rest[..rest.len().min(length)]);
    let found = if name.ends_with(b"data.pkl") || name.ends_with(b".format_version") {
        PICKLED
    } else if name.ends_with(b".npy") {
        "arrays of NumPy, as older versions of MLX write them: give a GGUF file or the safetensors of the model"
    } else {
        "a zip archive: unpack it, and give the model in it"
    };
    Some(found.to_owned())
}

/// Whether a file begins as safetensors do: with a length, and JSON.
fn is_safetensors(bytes: &[u8]) -> bool {
    /// The format's own limit.
    const LONGEST: u64 = 100_000_000;
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    length.is_some_and(|length| (2..=LONGEST).contains(&length)) && bytes.get(8) == Some(&b'{')
}

/// The beginning of a text, without blanks; none for other files.
fn beginning_as_text(bytes: &[u8]) -> Option<&str> {
    /// As many bytes are looked at.
    const BEGINNING: usize = 4096;
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    let valid = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        // the last character may be cut
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&beginning[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return None,
    };
    let text = valid.trim_start_matches('\u{feff}').trim_start();
    let is_text = |c: char| !c.is_control() || c.is_whitespace();
    (!text.is_empty() && text.chars().all(is_text)).then_some(text)
}

/// What a server has sent in place of a file, and what other programs keep of one.
fn page(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let found = if ["<!doctype html", "<html", "<head", "<?xml"].iter().any(|tag| lower.starts_with(tag)) {
        "a web page in place of the file: download the file itself (on the Hugging Face Hub, `resolve` in place of `blob` in \
         its address)"
    } else if lower.contains("application/vnd.ollama.image") {
        "a manifest of Ollama: give the file in its folder `blobs` that the manifest names as `image.model`"
    } else {
        return None;
    };
    Some(found.to_owned())
}

/// A text that is not known, by its first characters.
fn quoted(text: &str) -> String {
    const CHARACTERS: usize = 40;
    let first: String = text.chars().take(CHARACTERS).collect();
    let shown = shown(first.trim_end());
    if text.starts_with(['{', '[']) {
        format!("JSON that begins with `{shown}`: give the folder of the model, or its GGUF file")
    } else {
        format!("a text that begins with `{shown}`: it may be what a server said in place of the file")
    }
}

/// What to say about a file whose name says that it is a piece of one that was cut; all pieces but
/// the first tell nothing.
pub(super) fn piece_of_a_file(name: &str) -> Option<String> {
    let (stem, piece) = name.rsplit_once(".gguf")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_piece = piece.starts_with(".part")
        || piece.starts_with("-split-")
        || piece.starts_with(".split-")
        || piece
            .strip_prefix('.')
            .is_some_and(|piece| digits(piece) || (piece.len() == 2 && piece.starts_with('a')));
    is_piece.then(|| {
        let stem = shown(stem);
        format!("a piece of a file that was cut: join all pieces in their order (`cat {stem}.gguf?* > {stem}.gguf`)")
    })
}

#[cfg(test)]
mod tests;
