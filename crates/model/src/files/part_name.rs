//! [`PartName`]: names of the parts of a split GGUF file.

use std::path::{Path, PathBuf};

/// Digits of a part's number, and of their count.
const DIGITS: usize = 5;

/// The name of one part of a split GGUF file, as llama.cpp's tools write it:
/// `model-00002-of-00003.gguf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartName<'a> {
    /// What all parts begin with, folders included, if there were some.
    pub prefix: &'a str,
    /// Which part it is, from 1 on.
    pub number: usize,
    /// How many there are, at least 2.
    pub count: usize,
}

impl<'a> PartName<'a> {
    /// None for a name of another form: that of a whole file, or of one that was cut in another
    /// way.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let whole = |text: &str| {
            let fits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| fits)
        };
        let (number, count) = (whole(number)?, whole(count)?);
        (count >= 2 && (1..=count).contains(&number)).then_some(Self { prefix, number, count })
    }

    /// The names of all parts, in order.
    pub fn all(self) -> impl Iterator<Item = String> {
        let Self { prefix, count, .. } = self;
        (1..=count).map(move |number| part_name(prefix, number, count))
    }
}

/// The name of a part, whose number counts from 1.
pub(crate) fn part_name(prefix: &str, number: usize, count: usize) -> String {
    format!("{prefix}-{number:0DIGITS$}-of-{count:0DIGITS$}.gguf")
}

/// The files of a model that is given by one of them: all parts of a split GGUF file, in order, by
/// their names alone; or the file itself.
pub fn part_files(path: &Path) -> Vec<PathBuf> {
    match path.file_name().and_then(|name| PartName::parse(name.to_str()?)) {
        Some(part) => part.all().map(|name| path.with_file_name(name)).collect(),
        None => vec![path.to_path_buf()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_tools() {
        let part = PartName::parse("a/model-q4-00002-of-00003.gguf").unwrap();
        assert_eq!((part.prefix, part.number, part.count), ("a/model-q4", 2, 3));
        let names: Vec<String> = part.all().collect();
        assert_eq!(names[0], "a/model-q4-00001-of-00003.gguf");
        assert_eq!((names[2].as_str(), names.len()), ("a/model-q4-00003-of-00003.gguf", 3));
        for other in [
            "model.gguf",
            "model-00001-of-00001.gguf",
            "model-00000-of-00003.gguf",
            "model-00004-of-00003.gguf",
            "model-1-of-3.gguf",
            "model-+0001-of-00003.gguf",
            "model-00001-of-00003.safetensors",
            "00001-of-00003.gguf",
        ] {
            assert_eq!(PartName::parse(other), None, "{other}");
        }
        let files = part_files(Path::new("x/m-00001-of-00002.gguf"));
        assert_eq!(files, [Path::new("x/m-00001-of-00002.gguf"), Path::new("x/m-00002-of-00002.gguf")]);
        assert_eq!(part_files(Path::new("x/m.gguf")), [Path::new("x/m.gguf")]);
    }
}
