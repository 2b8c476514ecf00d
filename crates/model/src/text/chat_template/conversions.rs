//! The filters `int` and `float`: what is no number becomes the default.

use super::signature::{Given, bind, integer, some};
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

/// - `options`: the default, 0 without one, and the base of texts
pub(super) fn int(value: &Value, options: Given) -> Result<Value, Error> {
    let [default, base] = bind("int", &options.into_values(), ["default", "base"])?;
    let base = some(base).map_or(Ok(10), |base| integer("int", &base))?;
    let parsed = match value.as_str() {
        Some(text) => u32::try_from(base).ok().and_then(|base| parse_int(text, base)),
        None if value.is_integer() => return Ok(value.clone()),
        None => None,
    };
    let whole =
        || parse_float(value).filter(|number| number.is_finite()).map(|number| number.trunc() as i128);
    Ok(parsed.or_else(whole).map_or_else(|| default.unwrap_or_else(|| Value::from(0)), Value::from))
}

/// - `options`: the default, 0.0 without one
pub(super) fn float(value: &Value, options: Given) -> Result<Value, Error> {
    let [default] = bind("float", &options.into_values(), ["default"])?;
    Ok(parse_float(value).map_or_else(|| default.unwrap_or_else(|| Value::from(0.0)), Value::from))
}

/// As Python's `int` reads a text: with white space around it, a sign, underscores, and the prefix
/// of its base.
fn parse_int(text: &str, base: u32) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefix = |name: &str| digits.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)];
    let named = prefixed.into_iter().find(|&(name, of)| prefix(name) && (base == of || base == 0));
    let (base, digits) = match (named, base) {
        (Some((_, of)), _) => (of, &digits[2..]),
        (None, 0) => (10, digits),
        (None, base) => (base, digits),
    };
    if !(2..=36).contains(&base)
        || digits.starts_with(['+', '-', '_'])
        || digits.ends_with('_')
        || digits.contains("__")
    {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), base).ok().map(|number| sign * number)
}

fn parse_float(value: &Value) -> Option<f64> {
    match (value.as_str(), value.kind()) {
        (Some(text), _) => text.trim().parse().ok(),
        (None, ValueKind::Bool) => Some(f64::from(u8::from(value.is_true()))),
        (None, ValueKind::Number) => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}
