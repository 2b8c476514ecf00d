//! Tests (`x is iterable`) that Jinja answers otherwise than minijinja.

use super::signature::wrong;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value};

pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    environment.add_test("mapping", |value: &Value| value.kind() == ValueKind::Map && !is_namespace(value));
    environment
        .add_test("callable", |value: &Value| value.kind() == ValueKind::Plain || is_a(value, "Macro"));
    environment.add_test("odd", |value: &Value| remainder(value).map(|rest| rest == 1.0));
    environment.add_test("even", |value: &Value| remainder(value).map(|rest| rest == 0.0));
}

/// What Python can iterate over, and what is not defined; none is not.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// What has a length and items: texts and mappings, too.
fn is_sequence(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map => true,
        // ranges are sequences; views of dicts and what filters give are not, and don't write
        // themselves as lists
        ValueKind::Iterable => value.to_string().starts_with('['),
        _ => false,
    }
}

/// Of a number divided by two.
fn remainder(value: &Value) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => Ok(f64::try_from(value.clone())?.rem_euclid(2.0)),
        kind => Err(wrong(format!("expected a number, found {kind}"))),
    }
}

/// Namespaces are mappings to minijinja, not to Python.
pub(super) fn is_namespace(value: &Value) -> bool {
    is_a(value, "Namespace")
}

/// Whether an object is one of minijinja's own, of a type that it does not publish.
fn is_a(value: &Value, type_name: &str) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with(type_name))
}
