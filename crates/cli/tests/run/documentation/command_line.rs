//! Command lines as a shell would cut them, as far as documentation needs it.

/// The words in front of this program's arguments.
const CALLS: [&[&str]; 4] =
    [&["minference"], &["$M"], &["target/release/minference"], &["cargo", "run", "--release", "--"]];

/// The arguments of each call of this program in a line, which may be a pipe or a list of commands.
pub(super) fn arguments_of_minference(line: &str) -> Vec<Vec<String>> {
    let commands = commands(line);
    let calls = commands.iter().filter_map(|words| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let arguments = CALLS.iter().find_map(|call| words.strip_prefix(*call))?;
        // what is no command but the program's name
        (!arguments.is_empty()).then(|| arguments.iter().map(ToString::to_string).collect())
    });
    calls.collect()
}

/// The words of each command of a line.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(mark)) if letter == mark => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().extend(letters.next()),
            ('|' | '&' | ';' | '<' | '>' | '(' | ')', None) => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    commands.push(words);
    commands
}

#[test]
fn lines_are_cut_as_a_shell_cuts_them() {
    let line = "printf 'a b\\n' | minference chat -p \"it's\" --x y\\ z > out && cargo run --release -- demo";
    let expected = [vec!["chat", "-p", "it's", "--x", "y z"], vec!["demo"]];
    assert_eq!(arguments_of_minference(line), expected);
    assert!(arguments_of_minference("minference").is_empty());
}
