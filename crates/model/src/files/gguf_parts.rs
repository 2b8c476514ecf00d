//! Split GGUF files: whichever part is given, all of them are one model.
//!
//! llama.cpp's tools write the metadata into the first part, and into each part its number
//! (`split.no`, from 0 on), how many there are (`split.count`) and how many tensors all have
//! together (`split.tensors.count`). The parts find each other by their names.

use super::gguf::{self, GgufFile};
use super::gguf_value::GgufValue;
use super::mistaken;
use super::part_name::{PartName, part_name};
use super::tensors::Tensors;
use crate::error::{Error, Result, shown};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Links that are followed from one to the next, as systems do.
const MOST_LINKS: usize = 40;
/// Missing parts that an error names.
const MOST_NAMES: usize = 8;

/// All of a model: its metadata, and the tensors of all parts.
#[derive(Debug)]
pub(super) struct GgufModel {
    /// The file, or the first part.
    pub(super) path: PathBuf,
    pub(super) metadata: HashMap<String, GgufValue>,
    pub(super) tensors: Tensors,
}

/// Reads a file, and where it is a part, all the others.
pub(super) fn read(path: &Path) -> Result<GgufModel> {
    let given = gguf::read(path).map_err(|error| explained(error, path))?;
    let Some(split) = Split::of(path, &given.metadata)? else {
        if given.tensors.len() == 0 {
            return Err(Error::file(
                path,
                "tensors",
                "the weights of a model",
                "none: a vocabulary without weights",
            ));
        }
        return Ok(GgufModel { path: path.into(), metadata: given.metadata, tensors: given.tensors });
    };
    let paths = split.find_parts(path)?;
    let mut given = Some(given);
    let mut parts = Vec::with_capacity(paths.len());
    for (number, path) in paths.iter().enumerate() {
        let again = if number == split.number { given.take() } else { None };
        let part = again.map_or_else(|| gguf::read(path), Ok)?;
        split.check(path, number, &part.metadata)?;
        parts.push(part);
    }
    split.join(&paths, parts)
}

/// What is wrong with a file, or where other tools have cut it, that: no piece is a GGUF file.
fn explained(error: Error, path: &Path) -> Error {
    let piece = path.file_name().and_then(|name| mistaken::piece_of_a_file(name.to_str()?));
    match (error, piece) {
        (Error::File { .. }, Some(piece)) => Error::file(path, "file", "a whole GGUF file", piece),
        (error, _) => error,
    }
}

/// What a part says about the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Split {
    /// From 0 on.
    number: usize,
    count: usize,
    /// Of all parts; older tools don't say it.
    tensors: Option<usize>,
}

impl Split {
    /// None where the file is whole.
    fn of(path: &Path, metadata: &HashMap<String, GgufValue>) -> Result<Option<Self>> {
        let whole = |key: &str| match metadata.get(key) {
            None => Ok(None),
            Some(value) => match value.whole().and_then(|number| usize::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(Error::file(path, key, "a whole number", value.described())),
            },
        };
        let Some(count) = whole("split.count")?.filter(|count| *count > 1) else { return Ok(None) };
        let tensors = whole("split.tensors.count")?;
        match whole("split.no")? {
            Some(number) if number < count => Ok(Some(Self { number, count, tensors })),
            other => {
                let expected = format!("a number below split.count, {count}");
                let found = other.map_or("nothing".to_owned(), |number| number.to_string());
                Err(Error::file(path, "split.no", expected, found))
            }
        }
    }

    /// Where all parts lie: beside the given one by their names, or, where that is a link, beside
    /// the file that it leads to.
    fn find_parts(&self, given: &Path) -> Result<Vec<PathBuf>> {
        let mut refusal = None;
        let mut place = given.to_path_buf();
        for _ in 0..MOST_LINKS {
            match self.parts_beside(&place) {
                Ok(paths) => return Ok(paths),
                // of several reasons, that a part is missing says more than that a name tells
                // nothing
                Err(Absent::Parts(names)) => refusal = refusal.or(Some((place.clone(), names))),
                Err(Absent::Name) => {}
            }
            let Ok(target) = std::fs::read_link(&place) else { break };
            place = place.parent().map_or(target.clone(), |folder| folder.join(&target));
        }
        Err(match refusal {
            Some((path, names)) => {
                let expected = format!("all {} parts of the model in one folder", self.count);
                Error::file(&path, "split.count", expected, missing(&names))
            }
            None => {
                let name = given.file_stem().unwrap_or_default().to_string_lossy();
                let prefix =
                    PartName::parse(&format!("{name}.gguf")).map_or(&*name, |part| part.prefix).to_owned();
                let expected = format!(
                    "a name such as {}, by which the other parts are found",
                    shown(&part_name(&prefix, self.number + 1, self.count))
                );
                let found = format!("part {} of {} under another name", self.number + 1, self.count);
                Error::file(given, "split.no", expected, found)
            }
        })
    }

    fn parts_beside(&self, path: &Path) -> std::result::Result<Vec<PathBuf>, Absent> {
        let part = path.file_name().and_then(|name| PartName::parse(name.to_str()?));
        let fits = |part: &PartName<'_>| (part.number, part.count) == (self.number + 1, self.count);
        let part = part.filter(fits).ok_or(Absent::Name)?;
        let paths: Vec<PathBuf> = part.all().map(|name| path.with_file_name(name)).collect();
        // what else is wrong with a path is told when it is read
        let absent = |path: &&PathBuf| matches!(path.try_exists(), Ok(false));
        let names: Vec<String> = paths.iter().filter(absent).map(|path| file_name(path)).collect();
        if names.is_empty() { Ok(paths) } else { Err(Absent::Parts(names)) }
    }

    /// Whether a part, by its place in the names, belongs to this model.
    fn check(&self, path: &Path, number: usize, metadata: &HashMap<String, GgufValue>) -> Result<()> {
        let expected = Self { number, ..*self };
        match Self::of(path, metadata)? {
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(Error::file(path, "split", expected.to_string(), found)),
            None => Err(Error::file(path, "split.count", expected.to_string(), "a whole file")),
        }
    }

    fn join(&self, paths: &[PathBuf], parts: Vec<GgufFile>) -> Result<GgufModel> {
        let first = &paths[0];
        let mut metadata = HashMap::new();
        let mut tensors = Tensors::new(first);
        for (path, part) in paths.iter().zip(parts) {
            if path == first {
                metadata = part.metadata;
            } else {
                agrees(path, &part.metadata, &metadata)?;
            }
            tensors.append(part.tensors)?;
        }
        if let Some(expected) = self.tensors.filter(|expected| *expected != tensors.len()) {
            let expected = format!("{expected} tensors in all {} parts", self.count);
            return Err(Error::file(first, "split.tensors.count", expected, tensors.len()));
        }
        Ok(GgufModel { path: first.clone(), metadata, tensors })
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "part {} of {}", self.number + 1, self.count)?;
        self.tensors.map_or(Ok(()), |tensors| write!(f, " of a model with {tensors} tensors"))
    }
}

/// Why the parts are not found by a path.
enum Absent {
    /// It is not the name of the part that the file is.
    Name,
    /// These are not there.
    Parts(Vec<String>),
}

/// Whether what a part says is what the first one says. Each has its own number and alignment.
fn agrees(path: &Path, part: &HashMap<String, GgufValue>, first: &HashMap<String, GgufValue>) -> Result<()> {
    let own = |key: &str| key.starts_with("split.") || key == "general.alignment";
    let mut differing: Vec<&String> =
        part.keys().filter(|key| !own(key) && first.get(*key) != part.get(*key)).collect();
    differing.sort();
    match differing.first() {
        Some(key) => {
            let described =
                |value: Option<&GgufValue>| value.map_or("nothing".to_owned(), GgufValue::described);
            let expected = format!("{}, as the first part says", described(first.get(*key)));
            let found = format!("{}: is it a part of another model?", described(part.get(*key)));
            Err(Error::file(path, key.as_str(), expected, found))
        }
        None => Ok(()),
    }
}

fn missing(names: &[String]) -> String {
    let shown_names: Vec<String> = names.iter().take(MOST_NAMES).map(|name| shown(name)).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("no {}{rest}", shown_names.join(", no "))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
