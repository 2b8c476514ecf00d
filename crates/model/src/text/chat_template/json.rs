//! `tojson`, which in transformers is Python's `json.dumps` with `ensure_ascii` off: nothing is
//! escaped for HTML.

use super::predicates::is_namespace;
use super::python::{MAX_DEPTH, float};
use super::signature::{Given, bind, integer, pay, some, string, wrong};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

/// The filter.
pub(super) fn to_json(state: &State<'_, '_>, value: &Value, options: Given) -> Result<Value, Error> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ensure_ascii, indent, separators, sort_keys] = bind("tojson", &options.into_values(), names)?;
    let indent = some(indent).map(|indent| indentation(&indent)).transpose()?;
    let between = if indent.is_some() { "," } else { ", " };
    let (between, colon) = match some(separators) {
        Some(separators) => pair(&separators)?,
        None => (between.to_owned(), ": ".to_owned()),
    };
    let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let style = JsonStyle {
        indent,
        between,
        colon,
        ensure_ascii: is_true(ensure_ascii),
        sort_keys: is_true(sort_keys),
    };
    let mut writer = Writer { state, style, out: String::new(), paid: 0 };
    writer.value(value, 0)?;
    Ok(Value::from(writer.out))
}

/// A number of blanks, or what stands for them.
fn indentation(indent: &Value) -> Result<String, Error> {
    match indent.as_str() {
        Some(text) => Ok(text.to_owned()),
        // a template must not fill memory with blanks
        None => Ok(" ".repeat(usize::try_from(integer("tojson", indent)?.clamp(0, 64)).unwrap_or(0))),
    }
}

/// What stands between items, and between a key and its value.
fn pair(separators: &Value) -> Result<(String, String), Error> {
    let items: Vec<Value> = separators.try_iter()?.collect();
    match items.as_slice() {
        [between, colon] => Ok((string("tojson", between)?.into(), string("tojson", colon)?.into())),
        _ => Err(wrong(format!("tojson: expected two separators, found {}", items.len()))),
    }
}

struct JsonStyle {
    /// What a level is indented with; none where all is one line.
    indent: Option<String>,
    between: String,
    colon: String,
    ensure_ascii: bool,
    sort_keys: bool,
}

struct Writer<'a, 'b, 'c> {
    state: &'a State<'b, 'c>,
    style: JsonStyle,
    out: String,
    /// Bytes of `out` that were paid for: a sequence may be far longer than the memory that
    /// describes it.
    paid: usize,
}

impl Writer<'_, '_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(wrong(format!("tojson: expected a value of at most {MAX_DEPTH} levels, found more")));
        }
        if self.out.len() - self.paid >= 64 {
            pay(self.state, self.out.len() - self.paid)?;
            self.paid = self.out.len();
        }
        match value.kind() {
            ValueKind::String => self.text(value.as_str().unwrap_or_default()),
            ValueKind::Seq => self.list(value, depth)?,
            ValueKind::Map if !is_namespace(value) => self.map(value, depth)?,
            _ => {
                let atom = atom(value).ok_or_else(|| {
                    let found = value.kind();
                    wrong(format!("tojson: expected texts, numbers, true, false, none, lists and mappings, found {found}"))
                })?;
                self.out.push_str(&atom);
            }
        }
        Ok(())
    }

    fn list(&mut self, list: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('[');
        let mut is_empty = true;
        for item in list.try_iter()? {
            self.begin_item(is_empty, depth + 1);
            is_empty = false;
            self.value(&item, depth + 1)?;
        }
        self.end(is_empty, depth);
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, map: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('{');
        let mut keys: Vec<Value> = map.try_iter()?.collect();
        if self.style.sort_keys {
            if keys.iter().any(|key| key.kind() != keys[0].kind()) {
                return Err(wrong("tojson: expected keys of one kind to sort, found several"));
            }
            keys.sort();
        }
        let is_empty = keys.is_empty();
        for (index, key) in keys.iter().enumerate() {
            self.begin_item(index == 0, depth + 1);
            match key.as_str().map(str::to_owned).or_else(|| atom(key)) {
                Some(name) => self.text(&name),
                None => {
                    return Err(wrong(format!("tojson: expected keys that are texts, found {}", key.kind())));
                }
            }
            self.out.push_str(&self.style.colon);
            self.value(&map.get_item(key)?, depth + 1)?;
        }
        self.end(is_empty, depth);
        self.out.push('}');
        Ok(())
    }

    fn begin_item(&mut self, is_first: bool, depth: usize) {
        if !is_first {
            self.out.push_str(&self.style.between);
        }
        self.line(depth);
    }

    fn end(&mut self, is_empty: bool, depth: usize) {
        if !is_empty {
            self.line(depth);
        }
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.style.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(depth));
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\0'..='\u{1f}' => self.code(character),
                '\u{7f}'.. if self.style.ensure_ascii => self.code(character),
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }

    /// A character by its number, in one or two units of UTF-16.
    fn code(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            self.out.push_str(&format!("\\u{unit:04x}"));
        }
    }
}

/// What is neither a text nor has parts.
fn atom(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::None => Some("null".into()),
        ValueKind::Bool => Some(if value.is_true() { "true".into() } else { "false".into() }),
        ValueKind::Number if value.is_integer() => Some(value.to_string()),
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).ok()?;
            Some(match number {
                _ if number.is_nan() => "NaN".into(),
                _ if number.is_infinite() && number > 0.0 => "Infinity".into(),
                _ if number.is_infinite() => "-Infinity".into(),
                _ => float(number),
            })
        }
        _ => None,
    }
}
