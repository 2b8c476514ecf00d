//! [`Page`]: what the tests read of a Markdown file.

use std::path::{Path, PathBuf};

/// A Markdown file, its fenced blocks apart from the text around them.
pub(super) struct Page {
    pub(super) path: PathBuf,
    blocks: Vec<Block>,
    /// Everything outside of blocks.
    prose: String,
}

/// A fenced block.
struct Block {
    /// What stands behind the opening fence, such as `console run`.
    mark: String,
    text: String,
}

impl Block {
    fn is_session(&self) -> bool {
        self.mark.split_whitespace().next() == Some("console")
    }

    fn is_run(&self) -> bool {
        self.mark == "console run"
    }

    /// The command lines behind a `$`, each with the lines that go on with it.
    fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let Some(first) = line.strip_prefix("$ ") else { continue };
            let mut command = first.to_string();
            while let Some(begun) = command.strip_suffix('\\') {
                command = format!("{begun} {}", lines.next().unwrap_or_default().trim_start());
            }
            commands.push(command);
        }
        commands
    }
}

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (mut blocks, mut prose, mut open) = (Vec::new(), String::new(), None);
        for line in text.lines() {
            let mark = line.trim_start().strip_prefix("```");
            match (mark, open.take()) {
                (Some(mark), None) => open = Some(Block { mark: mark.trim().into(), text: String::new() }),
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.text += line;
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {
                    prose += line;
                    prose.push('\n');
                }
            }
        }
        assert!(open.is_none(), "{}: a block that is not closed", path.display());
        Self { path: path.into(), blocks, prose }
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }

    /// Command lines of terminal sessions, and pieces of code in the text, which may be commands.
    pub(super) fn commands(&self) -> Vec<String> {
        let sessions = self.blocks.iter().filter(|block| block.is_session()).flat_map(Block::commands);
        // brackets around what may be left out
        let pieces =
            self.pieces().filter(|(is_code, _)| *is_code).map(|(_, code)| code.replace(['[', ']'], " "));
        sessions.chain(pieces).collect()
    }

    pub(super) fn commands_to_run(&self) -> Vec<String> {
        self.blocks.iter().filter(|block| block.is_run()).flat_map(Block::commands).collect()
    }

    /// Targets of links and images, but for addresses of the web.
    pub(super) fn links(&self) -> Vec<String> {
        let text: String =
            self.pieces().map(|(is_code, piece)| if is_code { "code" } else { piece }).collect::<String>();
        let ends = text.split("](").skip(1);
        let targets = ends.map(|rest| rest.split([')', ' ']).next().unwrap_or_default().to_string());
        targets.filter(|target| !target.contains("://")).collect()
    }

    /// The anchors of headings, as code hosts and mdBook make them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The text outside of blocks, cut at its backticks: whether it is code, and the piece.
    /// Paragraphs are cut each by itself, so that a lone backtick does no harm in the next one.
    fn pieces(&self) -> impl Iterator<Item = (bool, &str)> {
        let paragraphs = self.prose.split("\n\n");
        paragraphs.flat_map(|text| text.split('`').enumerate().map(|(i, piece)| (i % 2 == 1, piece)))
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

#[test]
fn a_page_is_taken_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.md");
    let text = "# It's `this`: *one*\n\nSee [x](a.md#b), ![y](c.png) or [z](https://example.org); not `[u](v)`.\n\n\
                ```console run\n$ minference run \\\n    --raw\nout [n](o)\n```\n\nType `minference\nbench [--x]`.\n";
    std::fs::write(&path, text).unwrap();
    let page = Page::read(&path);
    assert_eq!(page.links(), ["a.md#b", "c.png"]);
    assert_eq!(page.anchors(), ["its-this-one"]);
    assert_eq!(page.commands_to_run(), ["minference run  --raw"]);
    assert!(page.commands().contains(&"minference\nbench  --x ".to_string()));
}
