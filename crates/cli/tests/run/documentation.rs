//! The pages of the documentation: what they link to exists, and what they tell people to type
//! works.
//!
//! Every `minference` command of a page must be one that the program understands. Those of blocks
//! marked `console run` are run, page by page, with a tiny model of random weights in the place of
//! the demo model. Which mark says what stands in the book's first page.

mod command_line;
mod markdown;

use super::{TinyModel, Workplace, long_text};
use markdown::Page;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the pages lie, relative to the repository; folders hold nothing but pages below
/// themselves.
const PLACES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "benchmarks", "docs/src"];
/// The pages whose commands are run.
const BOOK: &str = "docs/src";
/// Tokens that the tiny model is made for: as many as the demo model.
const CONTEXT: usize = 8192;
/// Bytes of the texts that commands name: enough for a search, which counts errors from token 2,500
/// on.
const TEXT: usize = 3000;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The Markdown files at or below a path, in order.
fn markdown_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return if path.extension().is_some_and(|ending| ending == "md") {
            vec![path.into()]
        } else {
            vec![]
        };
    }
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| markdown_files(path)).collect()
}

fn pages() -> Vec<Page> {
    let files = PLACES.iter().flat_map(|place| markdown_files(&repository().join(place)));
    files.map(|file| Page::read(&file)).collect()
}

fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin!("minference").into()
}

fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in page.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.path.clone() } else { page.folder().join(file) };
            let is_there = target.exists()
                && (anchor.is_empty() || Page::read(&target).anchors().iter().any(|found| found == anchor));
            if !is_there {
                broken.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_table_of_contents_names_every_page_of_the_book() {
    let summary = Page::read(&repository().join(BOOK).join("SUMMARY.md"));
    let mut named: Vec<PathBuf> = summary.links().iter().map(|link| summary.folder().join(link)).collect();
    named.push(summary.path.clone());
    named.sort();
    assert_eq!(named, markdown_files(&repository().join(BOOK)));
}

/// Options are read in their order, and `--help` at the end is reached only if all before it exist
/// and have values that they take.
#[test]
fn every_command_is_understood() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        for line in page.commands() {
            for arguments in command_line::arguments_of_minference(&line) {
                count += 1;
                let output = Command::new(program()).args(&arguments).arg("--help").output().unwrap();
                if !output.status.success() {
                    let file = page.path.display();
                    wrong.push(format!(
                        "{file}: minference {}\n{}",
                        arguments.join(" "),
                        complaints(&output)
                    ));
                }
            }
        }
    }
    assert!(count > 50, "only {count} commands were found");
    assert!(wrong.is_empty(), "commands that are not understood:\n{}", wrong.join("\n"));
}

/// A page's commands run one after the other in one folder, so that a later one may use what an
/// earlier one wrote.
#[cfg(unix)]
#[test]
fn commands_that_need_no_large_model_run() {
    let path = [program().parent().unwrap().into(), std::env::var_os("PATH").unwrap_or_default()];
    let path: OsString = path.join(std::ffi::OsStr::new(":"));
    let (mut failed, mut count) = (Vec::new(), 0);
    for file in markdown_files(&repository().join(BOOK)) {
        let commands = Page::read(&file).commands_to_run();
        if commands.is_empty() {
            continue;
        }
        let workplace = Workplace::with(&TinyModel { context: CONTEXT, ..TinyModel::default() });
        for name in ["book.txt", "report.txt", "austen.txt"] {
            workplace.write(name, long_text(TEXT));
        }
        for command in commands {
            count += 1;
            let tiny = command.replace("--model demo", "--model model.gguf");
            let output = Command::new("sh")
                .args(["-c", &tiny])
                .current_dir(workplace.path())
                .env("PATH", &path)
                .env("MINFERENCE_CACHE", workplace.path().join("cache"))
                .output()
                .unwrap();
            if !output.status.success() {
                failed.push(format!("{}: {command}\n{}", file.display(), complaints(&output)));
            }
        }
    }
    assert!(count > 10, "only {count} commands were run");
    assert!(failed.is_empty(), "commands that fail:\n{}", failed.join("\n"));
}
