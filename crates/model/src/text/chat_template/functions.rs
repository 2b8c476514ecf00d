//! The environment of a template: minijinja's, with what transformers adds to Jinja and what Jinja
//! has from Python.

use super::containers::{DictType, call_of_list, call_of_map};
use super::python::text;
use super::signature::{Given, bind, required, string, wrong};
use super::{LocalTime, filters, predicates, strings};
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, Output, State, Value, escape_formatter};
use minijinja_contrib::globals::{cycler, joiner};
use minijinja_contrib::pycompat::unknown_method_callback;

/// - `time`: what `strftime_now` writes
pub(super) fn add_to(environment: &mut Environment<'_>, time: LocalTime) {
    environment.set_formatter(format);
    environment.set_unknown_method_callback(call_method);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", move |given: Given| {
        let [format] = bind("strftime_now", &given.into_values(), ["format"])?;
        let format = required("strftime_now", "format", format)?;
        Ok::<_, Error>(time.format(string("strftime_now", &format)?))
    });
    environment.add_function("cycler", cycler);
    environment.add_function("joiner", joiner);
    environment.add_global("dict", Value::from_object(DictType));
    filters::add_to(environment);
    predicates::add_to(environment);
}

/// Writes a value as Python's `str` does, and within `autoescape` as minijinja does.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if !matches!(state.auto_escape(), AutoEscape::None) {
        return escape_formatter(out, state, value);
    }
    match value.as_str() {
        Some(text) => out.write_str(text).map_err(Error::from),
        None => out.write_str(&text(value)?).map_err(Error::from),
    }
}

/// Methods of Python's types: ours, then those of `pycompat`.
fn call_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    given: &[Value],
) -> Result<Value, Error> {
    let answer = match (value.as_str(), value.kind()) {
        (Some(text), _) => strings::call(state, text, method, given)?,
        (_, ValueKind::Seq) => call_of_list(value, method, given)?,
        (_, ValueKind::Map) if !predicates::is_namespace(value) => call_of_map(value, method, given)?,
        _ => None,
    };
    answer.map_or_else(|| unknown_method_callback(state, value, method, given), Ok)
}

/// How a template refuses messages.
fn raise_exception(message: &Value) -> Result<Value, Error> {
    Err(wrong(text(message)?))
}
