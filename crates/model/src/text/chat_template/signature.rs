//! Arguments of functions, filters and methods, bound as Python binds them.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value};

/// Arguments of a function or filter, behind those that it names itself.
pub(super) type Given = Rest<ValueOrKwargs>;

/// Binds arguments to parameters, by place and by name. What is not given is None.
///
/// # Errors
/// Too many of them, a name that no parameter has, one given twice.
pub(super) fn bind<const N: usize>(
    function: &str,
    given: &[Value],
    parameters: [&str; N],
) -> Result<[Option<Value>; N], Error> {
    let (named, placed) = match given.split_last() {
        Some((last, before)) if last.is_kwargs() => (Some(Kwargs::try_from(last.clone())?), before),
        _ => (None, given),
    };
    let too_many = |message: String| Error::new(ErrorKind::TooManyArguments, message);
    if placed.len() > N {
        return Err(too_many(format!("{function}: expected at most {N} arguments, found {}", placed.len())));
    }
    let mut bound: [Option<Value>; N] = std::array::from_fn(|place| placed.get(place).cloned());
    let Some(named) = named else { return Ok(bound) };
    for name in named.args() {
        let Some(place) = parameters.iter().position(|parameter| *parameter == name) else {
            return Err(too_many(format!("{function}: expected no argument `{name}`, found one")));
        };
        if bound[place].is_some() {
            return Err(too_many(format!("{function}: expected `{name}` once, found it twice")));
        }
        bound[place] = Some(named.peek(name)?);
    }
    Ok(bound)
}

/// An argument that has to be there.
pub(super) fn required(function: &str, name: &str, value: Option<Value>) -> Result<Value, Error> {
    let missing =
        || Error::new(ErrorKind::MissingArgument, format!("{function}: expected `{name}`, found nothing"));
    value.ok_or_else(missing)
}

/// A text.
pub(super) fn string<'a>(function: &str, value: &'a Value) -> Result<&'a str, Error> {
    let kind = value.kind();
    value.as_str().ok_or_else(|| wrong(format!("{function}: expected a text, found {kind}")))
}

/// A whole number; true and false are 1 and 0.
pub(super) fn integer(function: &str, value: &Value) -> Result<i64, Error> {
    if value.kind() == ValueKind::Bool {
        return Ok(i64::from(value.is_true()));
    }
    let found = value.is_integer().then(|| i64::try_from(value.clone()).ok()).flatten();
    found.ok_or_else(|| wrong(format!("{function}: expected a whole number, found {}", value.kind())))
}

/// None where nothing, or Python's None, is given.
pub(super) fn some(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_none())
}

/// Pays for bytes before they are made: a few letters of a template may ask for many.
pub(super) fn pay(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(u64::try_from(bytes / 64).unwrap_or(u64::MAX))
}

/// What a template can't do.
pub(super) fn wrong(message: impl Into<String>) -> Error {
    let message: String = message.into();
    Error::new(ErrorKind::InvalidOperation, message)
}
