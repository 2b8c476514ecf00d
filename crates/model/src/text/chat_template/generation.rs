//! `{% generation %}`, by which transformers marks what the assistant wrote.
//!
//! Marks are for training; what stands between them is rendered as everywhere else, with variables
//! of its own. That is what `with` means, so the statement's name is replaced by that before
//! minijinja reads the template.

use std::borrow::Cow;

/// A template's source in minijinja's words.
pub(super) fn without_generation(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return Cow::Borrowed(source);
    }
    let (mut text, mut rest) = (String::with_capacity(source.len()), source);
    let mut is_raw = false;
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let (length, name) = if let Some(statement) = rest.strip_prefix("{%") {
            let gap = statement.strip_prefix(['-', '+']).unwrap_or(statement);
            let before = rest.len() - gap.trim_start().len();
            let end = rest[before..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            (before, &rest[before..end.map_or(rest.len(), |end| before + end)])
        } else {
            (1, "")
        };
        if is_raw {
            is_raw = name != "endraw";
            text.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        is_raw = name == "raw";
        let replaced = match name {
            "generation" => "with",
            "endgeneration" => "endwith",
            other => other,
        };
        text.push_str(&rest[..length]);
        text.push_str(replaced);
        let end = end_of(rest, length + name.len());
        text.push_str(&rest[length + name.len()..end]);
        rest = &rest[end..];
    }
    Cow::Owned(text + rest)
}

/// Where a statement, an expression or a comment ends.
///
/// - `text`: begins with its mark, or with another brace
/// - `from`: behind what was read of it
fn end_of(text: &str, from: usize) -> usize {
    let close = match text.as_bytes().get(1) {
        Some(b'#') => return text.find("#}").map_or(text.len(), |at| at + 2),
        Some(b'%') => "%}",
        Some(b'{') => "}}",
        _ => return from,
    };
    let (mut at, mut quote, mut braces) = (from.max(2), None, 0_usize);
    while let Some(character) = text[at..].chars().next() {
        match (quote, character) {
            // the character behind a backslash ends no text
            (Some(_), '\\') => at += text[at + 1..].chars().next().map_or(0, char::len_utf8),
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, _) if braces == 0 && text[at..].starts_with(close) => return at + 2,
            (None, '{') => braces += 1,
            (None, '}') => braces = braces.saturating_sub(1),
            (None, _) => {}
        }
        at += character.len_utf8();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_renamed_and_nothing_else() {
        for (source, expected) in [
            ("{% generation %}a{% endgeneration %}", "{% with %}a{% endwith %}"),
            ("{%- generation -%}a{%+endgeneration+%}", "{%- with -%}a{%+endwith+%}"),
            ("{%\n  generation\n%}a", "{%\n  with\n%}a"),
            ("{% set generation = 1 %}{{ generation }}", "{% set generation = 1 %}{{ generation }}"),
            ("{% generations %}generation", "{% generations %}generation"),
            ("{{ '{% generation %}' }}", "{{ '{% generation %}' }}"),
            (r#"{{ "\"{% generation %}" }}"#, r#"{{ "\"{% generation %}" }}"#),
            ("{{ '}}{% generation %}' }}{% generation %}", "{{ '}}{% generation %}' }}{% with %}"),
            ("{# {% generation %} #}{% generation %}", "{# {% generation %} #}{% with %}"),
            ("{% raw %}{% generation %}{% endraw %}", "{% raw %}{% generation %}{% endraw %}"),
            (
                "{% raw -%}{{ {% generation %}{%- endraw %}{% generation %}",
                "{% raw -%}{{ {% generation %}{%- endraw %}{% with %}",
            ),
            ("{{ {'a': {}}}}{% generation %}", "{{ {'a': {}}}}{% with %}"),
            ("{ {% generation", "{ {% with"),
            ("{{ 'generation", "{{ 'generation"),
            ("generation {", "generation {"),
            ("{% generation 'ü\\", "{% with 'ü\\"),
        ] {
            assert_eq!(without_generation(source), expected, "{source}");
        }
    }
}
