//! Filters that minijinja lacks, or has otherwise than Jinja.

use super::conversions;
use super::json::to_json;
use super::python::{is_space, text};
use super::signature::{Given, bind, integer, pay, some, wrong};
use super::strings::{lines, strip};
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value};

pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("tojson", |state: &State<'_, '_>, value: &Value, options: Given| {
        to_json(state, value, options)
    });
    environment.add_filter("string", |value: &Value| text(value));
    environment.add_filter("trim", trim);
    environment.add_filter("join", join);
    environment.add_filter("title", title);
    environment.add_filter("center", center);
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordcount", wordcount);
    environment.add_filter("urlencode", urlencode);
    for name in ["default", "d"] {
        environment.add_filter(name, default);
    }
    environment.add_filter("int", conversions::int);
    environment.add_filter("float", conversions::float);
    environment.add_filter("dictsort", dictsort);
    environment.add_filter("indent", indent);
    for name in ["escape", "e"] {
        environment.add_filter(
            name,
            |value: &Value| {
                if value.is_safe() { Ok(value.clone()) } else { escaped(value) }
            },
        );
    }
    environment.add_filter("forceescape", |value: &Value| escaped(value));
}

/// Stands in for what is not defined, and if asked to for all that is false.
fn default(value: &Value, options: Given) -> Result<Value, Error> {
    let [other, replaces_false] = bind("default", &options.into_values(), ["default_value", "boolean"])?;
    let replaces_false = replaces_false.is_some_and(|replaces| replaces.is_true());
    let is_missing = value.is_undefined() || (replaces_false && !value.is_true());
    Ok(if is_missing { other.unwrap_or_else(|| Value::from("")) } else { value.clone() })
}

/// The pairs of a mapping by their keys, or values.
fn dictsort(map: &Value, options: Given) -> Result<Value, Error> {
    let names = ["case_sensitive", "by", "reverse"];
    let [case_sensitive, by, reverse] = bind("dictsort", &options.into_values(), names)?;
    let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (case_sensitive, reverse) = (is_true(case_sensitive), is_true(reverse));
    let place = match by.as_ref().and_then(Value::as_str) {
        None | Some("key") => 0,
        Some("value") => 1,
        Some(other) => return Err(wrong(format!("dictsort: expected key or value, found {other:?}"))),
    };
    if map.kind() != ValueKind::Map {
        return Err(wrong(format!("dictsort: expected a mapping, found {}", map.kind())));
    }
    let pairs = map.try_iter()?.map(|key| Ok([key.clone(), map.get_item(&key)?]));
    let mut pairs: Vec<[Value; 2]> = pairs.collect::<Result<_, Error>>()?;
    let order = |pair: &[Value; 2]| match pair[place].as_str() {
        Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => pair[place].clone(),
    };
    pairs.sort_by_cached_key(order);
    if reverse {
        pairs.reverse();
    }
    Ok(pairs.into_iter().map(|pair| Value::from(Tuple::from(pair))).collect())
}

/// All lines but the first, or all of them, moved to the right.
fn indent(state: &State<'_, '_>, value: &Value, options: Given) -> Result<String, Error> {
    let [width, first, blank] = bind("indent", &options.into_values(), ["width", "first", "blank"])?;
    let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (first, blank) = (is_true(first), is_true(blank));
    let before = match width {
        Some(width) if width.as_str().is_some() => text(&width)?,
        width => {
            let width = width.map_or(Ok(4), |width| integer("indent", &width))?;
            let width = usize::try_from(width).unwrap_or(0);
            pay(state, width)?;
            " ".repeat(width)
        }
    };
    let text = text(value)? + "\n";
    let mut indented = String::new();
    for (index, line) in lines(&text).enumerate() {
        let moves = if index == 0 { first } else { blank || !line.is_empty() };
        let before = if moves { before.as_str() } else { "" };
        pay(state, before.len() + line.len())?;
        indented.push_str(if index == 0 { "" } else { "\n" });
        indented.push_str(before);
        indented.push_str(line);
    }
    Ok(indented)
}

/// For HTML, as `markupsafe` writes it.
fn escaped(value: &Value) -> Result<Value, Error> {
    let mut escaped = String::new();
    for character in text(value)?.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&#34;"),
            _ => escaped.push(character),
        }
    }
    Ok(Value::from_safe_string(escaped))
}

fn trim(value: &Value, options: Given) -> Result<String, Error> {
    let [characters] = bind("trim", &options.into_values(), ["chars"])?;
    strip(&text(value)?, "strip", some(characters).as_ref()).map(str::to_owned)
}

/// The texts of all items, or of an attribute of each.
fn join(state: &State<'_, '_>, list: &Value, options: Given) -> Result<String, Error> {
    let [between, attribute] = bind("join", &options.into_values(), ["d", "attribute"])?;
    let between = between.map_or(Ok(String::new()), |between| text(&between))?;
    if list.is_none() {
        return Err(wrong("join: expected a list, found none"));
    }
    let mut joined = String::new();
    for (index, item) in list.try_iter()?.enumerate() {
        if index > 0 {
            joined.push_str(&between);
        }
        let item = match some(attribute.clone()) {
            Some(path) => text(&item_of(&item, &text(&path)?)?)?,
            None => text(&item)?,
        };
        pay(state, between.len() + item.len())?;
        joined.push_str(&item);
    }
    Ok(joined)
}

/// What a path such as `a.0.b` leads to.
fn item_of(value: &Value, path: &str) -> Result<Value, Error> {
    path.split('.').try_fold(value.clone(), |value, name| match name.parse::<usize>() {
        Ok(index) => value.get_item(&Value::from(index)),
        Err(_) => value.get_attr(name),
    })
}

/// Words begin behind white space, hyphens and opening brackets, not behind an apostrophe.
fn title(value: &Value) -> Result<String, Error> {
    let (mut titled, mut begins) = (String::new(), true);
    for character in text(value)?.chars() {
        if begins {
            titled.extend(character.to_uppercase());
        } else {
            titled.extend(character.to_lowercase());
        }
        begins = is_space(character) || matches!(character, '-' | '(' | '{' | '[' | '<');
    }
    Ok(titled)
}

fn center(state: &mut State<'_, '_>, value: &Value, options: Given) -> Result<Value, Error> {
    let [width] = bind("center", &options.into_values(), ["width"])?;
    let width = width.unwrap_or_else(|| Value::from(80));
    Value::from(text(value)?).call_method(state, "center", &[width])
}

/// A text's beginning and an end mark, together of some length, if it is longer than that by more
/// than a little.
fn truncate(value: &Value, options: Given) -> Result<String, Error> {
    let [length, cuts_words, end, leeway] =
        bind("truncate", &options.into_values(), ["length", "killwords", "end", "leeway"])?;
    let number = |value: Option<Value>, default: i64| -> Result<usize, Error> {
        let number = some(value).map_or(Ok(default), |value| integer("truncate", &value))?;
        usize::try_from(number).map_err(|_| wrong(format!("truncate: expected a length, found {number}")))
    };
    let (length, leeway) = (number(length, 255)?, number(leeway, 5)?);
    let end = end.map_or(Ok("...".to_owned()), |end| text(&end))?;
    let text = text(value)?;
    let Some(kept) = length.checked_sub(end.chars().count()) else {
        return Err(wrong(format!(
            "truncate: expected a length of at least that of {end:?}, found {length}"
        )));
    };
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let begin: String = text.chars().take(kept).collect();
    let is_cut = cuts_words.is_some_and(|cuts| cuts.is_true());
    let begin =
        if is_cut { &begin } else { begin.rsplit_once(' ').map_or(begin.as_str(), |(begin, _)| begin) };
    Ok(begin.to_owned() + &end)
}

/// Runs of letters, digits and underscores.
fn wordcount(value: &Value) -> Result<usize, Error> {
    let is_apart = |c: char| !(c.is_alphanumeric() || c == '_');
    Ok(text(value)?.split(is_apart).filter(|word| !word.is_empty()).count())
}

/// A text as part of an address, or pairs as its query.
fn urlencode(value: &Value) -> Result<String, Error> {
    if value.kind() == ValueKind::String || value.try_iter().is_err() {
        return Ok(quoted(&text(value)?, true));
    }
    let pair = |key: &Value, value: &Value| Ok(format!("{}={}", query(key)?, query(value)?));
    let pairs: Result<Vec<String>, Error> = value
        .try_iter()?
        .map(|item| match value.kind() {
            ValueKind::Map => pair(&item, &value.get_item(&item)?),
            _ => {
                let items: Vec<Value> = item.try_iter()?.collect();
                let [key, value] = items.as_slice() else {
                    return Err(wrong(format!("urlencode: expected pairs, found {} values", items.len())));
                };
                pair(key, value)
            }
        })
        .collect();
    Ok(pairs?.join("&"))
}

fn query(value: &Value) -> Result<String, Error> {
    Ok(quoted(&text(value)?, false).replace("%20", "+"))
}

fn quoted(text: &str, keeps_slashes: bool) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                quoted.push(char::from(byte));
            }
            b'/' if keeps_slashes => quoted.push('/'),
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}
