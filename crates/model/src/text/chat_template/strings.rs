//! Methods of Python's `str` that minijinja's `pycompat` lacks, or has otherwise.

use super::characters::{is_capital, is_cased, is_decimal, is_digit, title_case};
use super::python::{is_printable, is_space};
use super::signature::{bind, integer, pay, required, some, string, wrong};
use minijinja::formatting::{FormatStyle, format};
use minijinja::value::Tuple;
use minijinja::{Error, State, Value};

/// Calls a method; none where it is left to `pycompat`.
pub(super) fn call(
    state: &State<'_, '_>,
    text: &str,
    method: &str,
    given: &[Value],
) -> Result<Option<Value>, Error> {
    let call = Call { state, text, method, given };
    let value: Value = match method {
        "strip" | "lstrip" | "rstrip" => call.strip()?.into(),
        "split" => strings(call.split()?),
        "rsplit" => strings(call.rsplit()?),
        "splitlines" => strings(call.lines()?),
        "partition" | "rpartition" => call.partition()?,
        "find" | "rfind" | "index" | "rindex" => call.find()?,
        "count" => call.count()?,
        "startswith" | "endswith" => call.begins_or_ends()?.into(),
        "removeprefix" | "removesuffix" => call.remove()?.into(),
        "ljust" | "rjust" | "center" => call.pad()?.into(),
        "zfill" => call.fill_with_zeros()?.into(),
        "expandtabs" => call.expand_tabs()?.into(),
        "format_map" => call.format_map()?.into(),
        "title" | "capitalize" | "swapcase" | "casefold" => call.change_case()?.into(),
        _ if method.starts_with("is") => match call.is()? {
            Some(answer) => answer.into(),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(value))
}

struct Call<'a, 'b, 'c> {
    state: &'a State<'b, 'c>,
    text: &'a str,
    method: &'a str,
    given: &'a [Value],
}

impl<'a> Call<'a, '_, '_> {
    fn bind<const N: usize>(&self, parameters: [&str; N]) -> Result<[Option<Value>; N], Error> {
        bind(self.method, self.given, parameters)
    }

    /// The text between two positions, which may be counted from its end, and where it begins, in
    /// characters.
    fn window(&self, start: Option<Value>, end: Option<Value>) -> Result<Option<(usize, &'a str)>, Error> {
        let length = self.text.chars().count();
        let position = |value: Option<Value>, default: usize| -> Result<usize, Error> {
            let Some(value) = some(value) else { return Ok(default) };
            let position = integer(self.method, &value)?;
            let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
            Ok(if position < 0 { length.saturating_sub(distance) } else { distance })
        };
        let (start, end) = (position(start, 0)?, position(end, length)?.min(length));
        if start > end {
            return Ok(None);
        }
        let byte =
            |place: usize| self.text.char_indices().nth(place).map_or(self.text.len(), |(byte, _)| byte);
        Ok(Some((start, &self.text[byte(start)..byte(end)])))
    }

    fn strip(&self) -> Result<&'a str, Error> {
        let [characters] = self.bind(["chars"])?;
        strip(self.text, self.method, some(characters).as_ref())
    }

    /// How many pieces there may be; none where that is not bounded.
    fn pieces(&self, splits: Option<Value>) -> Result<Option<usize>, Error> {
        let splits = splits.map_or(Ok(-1), |splits| integer(self.method, &splits))?;
        Ok(usize::try_from(splits).ok().map(|splits| splits.saturating_add(1)))
    }

    fn separator(&self, separator: Option<Value>) -> Result<Option<String>, Error> {
        let Some(separator) = some(separator) else { return Ok(None) };
        match string(self.method, &separator)? {
            "" => Err(wrong(format!("{}: expected a separator, found an empty text", self.method))),
            separator => Ok(Some(separator.to_owned())),
        }
    }

    fn split(&self) -> Result<Vec<String>, Error> {
        let [separator, splits] = self.bind(["sep", "maxsplit"])?;
        let pieces = self.pieces(splits)?;
        if let Some(separator) = self.separator(separator)? {
            let separator = separator.as_str();
            return Ok(match pieces {
                Some(pieces) => self.text.splitn(pieces, separator).map(String::from).collect(),
                None => self.text.split(separator).map(String::from).collect(),
            });
        }
        let (mut found, mut rest) = (Vec::new(), self.text.trim_start_matches(is_space));
        while !rest.is_empty() {
            let end = match pieces {
                Some(pieces) if found.len() + 1 >= pieces => rest.len(),
                _ => rest.find(is_space).unwrap_or(rest.len()),
            };
            found.push(rest[..end].to_owned());
            rest = rest[end..].trim_start_matches(is_space);
        }
        Ok(found)
    }

    fn rsplit(&self) -> Result<Vec<String>, Error> {
        let [separator, splits] = self.bind(["sep", "maxsplit"])?;
        let pieces = self.pieces(splits)?;
        let mut found = Vec::new();
        if let Some(separator) = self.separator(separator)? {
            let separator = separator.as_str();
            match pieces {
                Some(pieces) => found.extend(self.text.rsplitn(pieces, separator).map(String::from)),
                None => found.extend(self.text.rsplit(separator).map(String::from)),
            }
        } else {
            let mut rest = self.text.trim_end_matches(is_space);
            while !rest.is_empty() {
                let start = match pieces {
                    Some(pieces) if found.len() + 1 >= pieces => 0,
                    _ => rest
                        .rfind(is_space)
                        .map_or(0, |at| at + rest[at..].chars().next().map_or(0, char::len_utf8)),
                };
                found.push(rest[start..].to_owned());
                rest = rest[..start].trim_end_matches(is_space);
            }
        }
        found.reverse();
        Ok(found)
    }

    fn lines(&self) -> Result<Vec<String>, Error> {
        let [ends] = self.bind(["keepends"])?;
        let keeps = ends.is_some_and(|ends| ends.is_true());
        Ok(lines_and_ends(self.text)
            .map(|(line, end)| line.to_owned() + if keeps { end } else { "" })
            .collect())
    }

    /// What stands before a separator, the separator, and what stands behind it.
    fn partition(&self) -> Result<Value, Error> {
        let [separator] = self.bind(["sep"])?;
        let separator = self.separator(Some(required(self.method, "sep", separator)?))?;
        let separator =
            separator.ok_or_else(|| wrong(format!("{}: expected a text, found none", self.method)))?;
        let separator = separator.as_str();
        let parts = match (self.method, self.text.split_once(separator), self.text.rsplit_once(separator)) {
            ("partition", Some((before, after)), _) => [before, separator, after],
            ("partition", None, _) => [self.text, "", ""],
            (_, _, Some((before, after))) => [before, separator, after],
            (_, _, None) => ["", "", self.text],
        };
        Ok(Value::from(Tuple::from(parts.map(Value::from))))
    }

    fn find(&self) -> Result<Value, Error> {
        let [what, start, end] = self.bind(["sub", "start", "end"])?;
        let what = required(self.method, "sub", what)?;
        let what = string(self.method, &what)?;
        let place = self.window(start, end)?.and_then(|(start, window)| {
            let byte = if self.method.starts_with('r') { window.rfind(what) } else { window.find(what) }?;
            Some(start + window[..byte].chars().count())
        });
        match place {
            Some(place) => Ok(Value::from(place)),
            None if self.method.ends_with("find") => Ok(Value::from(-1)),
            None => Err(wrong(format!("{}: expected a text that holds {what:?}", self.method))),
        }
    }

    fn count(&self) -> Result<Value, Error> {
        let [what, start, end] = self.bind(["sub", "start", "end"])?;
        let what = required(self.method, "sub", what)?;
        let what = string(self.method, &what)?;
        let count = self.window(start, end)?.map_or(0, |(_, window)| window.matches(what).count());
        Ok(Value::from(count))
    }

    fn begins_or_ends(&self) -> Result<bool, Error> {
        let [what, start, end] = self.bind(["prefix", "start", "end"])?;
        let what = required(self.method, "prefix", what)?;
        let choices: Vec<Value> = if what.is_tuple() { what.try_iter()?.collect() } else { vec![what] };
        let Some((_, window)) = self.window(start, end)? else { return Ok(false) };
        for choice in &choices {
            let choice = string(self.method, choice)?;
            let is_it = if self.method == "startswith" {
                window.starts_with(choice)
            } else {
                window.ends_with(choice)
            };
            if is_it {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn remove(&self) -> Result<&'a str, Error> {
        let [what] = self.bind(["prefix"])?;
        let what = required(self.method, "prefix", what)?;
        let what = string(self.method, &what)?;
        let rest = if self.method == "removeprefix" {
            self.text.strip_prefix(what)
        } else {
            self.text.strip_suffix(what)
        };
        Ok(rest.unwrap_or(self.text))
    }

    /// How many characters are missing to a width.
    fn missing(&self, width: Option<Value>) -> Result<usize, Error> {
        let width = integer(self.method, &required(self.method, "width", width)?)?;
        let missing = usize::try_from(width).unwrap_or(0).saturating_sub(self.text.chars().count());
        pay(self.state, missing)?;
        Ok(missing)
    }

    fn pad(&self) -> Result<String, Error> {
        let [width, fill] = self.bind(["width", "fillchar"])?;
        let missing = self.missing(width)?;
        let fill = fill.unwrap_or_else(|| Value::from(" "));
        let fill = string(self.method, &fill)?;
        if fill.chars().count() != 1 {
            return Err(wrong(format!(
                "{}: expected one character to fill with, found {fill:?}",
                self.method
            )));
        }
        let before = match self.method {
            "ljust" => 0,
            "rjust" => missing,
            // the odd one is on the left of texts of odd width, as in Python
            _ => missing / 2 + (missing & (missing + self.text.chars().count()) & 1),
        };
        Ok(fill.repeat(before) + self.text + &fill.repeat(missing - before))
    }

    fn fill_with_zeros(&self) -> Result<String, Error> {
        let [width] = self.bind(["width"])?;
        let missing = self.missing(width)?;
        let (sign, digits) = self.text.split_at(usize::from(self.text.starts_with(['+', '-'])));
        Ok(format!("{sign}{}{digits}", "0".repeat(missing)))
    }

    fn expand_tabs(&self) -> Result<String, Error> {
        let [size] = self.bind(["tabsize"])?;
        let size = usize::try_from(size.map_or(Ok(8), |size| integer(self.method, &size))?).unwrap_or(0);
        let (mut expanded, mut column) = (String::new(), 0);
        for character in self.text.chars() {
            match character {
                '\t' if size > 0 => {
                    let blanks = size - column % size;
                    pay(self.state, blanks)?;
                    expanded.push_str(&" ".repeat(blanks));
                    column += blanks;
                }
                '\t' => {}
                '\n' | '\r' => {
                    expanded.push(character);
                    column = 0;
                }
                _ => {
                    expanded.push(character);
                    column += 1;
                }
            }
        }
        Ok(expanded)
    }

    /// As `format` with the mapping's items by their names.
    fn format_map(&self) -> Result<String, Error> {
        let [map] = self.bind(["mapping"])?;
        let map = required(self.method, "mapping", map)?;
        let pairs: Result<Vec<(String, Value)>, Error> = map
            .try_iter()?
            .map(|key| Ok((string(self.method, &key)?.to_owned(), map.get_item(&key)?)))
            .collect();
        let named: minijinja::value::Kwargs = pairs?.into_iter().collect();
        format(FormatStyle::StrFormat, self.text, &[Value::from(named)])
    }

    fn change_case(&self) -> Result<String, Error> {
        let [] = self.bind([])?;
        Ok(match self.method {
            "title" => {
                let (mut titled, mut is_within) = (String::new(), false);
                for character in self.text.chars() {
                    if is_within {
                        titled.extend(character.to_lowercase());
                    } else {
                        titled.push_str(&title_case(character));
                    }
                    is_within = is_cased(character);
                }
                titled
            }
            "capitalize" => {
                let mut characters = self.text.chars();
                let first = characters.next().map(title_case).unwrap_or_default();
                first + &characters.as_str().to_lowercase()
            }
            "casefold" => self.text.to_lowercase().replace('ß', "ss").replace('ς', "σ"),
            _ => {
                let swap = |c: char| -> String {
                    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
                };
                self.text.chars().map(swap).collect()
            }
        })
    }

    /// Questions about all characters; none for those that `pycompat` answers.
    fn is(&self) -> Result<Option<bool>, Error> {
        let every = |rule: fn(char) -> bool| !self.text.is_empty() && self.text.chars().all(rule);
        let some = |rule: fn(char) -> bool| self.text.chars().any(rule);
        let answer = match self.method {
            "isspace" => every(is_space),
            "isdecimal" => every(is_decimal),
            "isdigit" => every(is_digit),
            "isnumeric" => every(char::is_numeric),
            "isprintable" => self.text.chars().all(is_printable),
            "islower" => some(char::is_lowercase) && !some(is_capital),
            "isupper" => some(char::is_uppercase) && !some(|c| is_cased(c) && !c.is_uppercase()),
            "istitle" => self.is_title(),
            "isidentifier" => {
                every(|c| c.is_alphanumeric() || c == '_') && !self.text.starts_with(char::is_numeric)
            }
            _ => return Ok(None),
        };
        let [] = self.bind([])?;
        Ok(Some(answer))
    }

    /// Words of one capital, and small letters behind it.
    fn is_title(&self) -> bool {
        let (mut is_within, mut has_words) = (false, false);
        for character in self.text.chars() {
            if is_cased(character) && is_capital(character) == is_within {
                return false;
            }
            is_within = is_cased(character);
            has_words |= is_within;
        }
        has_words
    }
}

/// Lines without their ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    lines_and_ends(text).map(|(line, _)| line)
}

/// Lines and what ends them. Python knows more ends than Rust.
fn lines_and_ends(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_end =
        |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        let end = if after.starts_with("\r\n") { 2 } else { after.chars().next().map_or(0, char::len_utf8) };
        rest = &after[end..];
        Some((line, &after[..end]))
    })
}

/// Without white space, or the given characters, at one end or both.
///
/// - `method`: `strip`, `lstrip` or `rstrip`
pub(super) fn strip<'a>(text: &'a str, method: &str, characters: Option<&Value>) -> Result<&'a str, Error> {
    let characters = characters.map(|characters| string(method, characters)).transpose()?;
    let goes = |c: char| characters.map_or_else(|| is_space(c), |characters| characters.contains(c));
    Ok(match method {
        "lstrip" => text.trim_start_matches(goes),
        "rstrip" => text.trim_end_matches(goes),
        _ => text.trim_matches(goes),
    })
}

fn strings(found: Vec<String>) -> Value {
    found.into_iter().map(Value::from).collect()
}
