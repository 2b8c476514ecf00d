//! Methods of Python's lists, tuples and dicts. What would change them is refused, as in
//! transformers' sandbox.

use super::python::repr;
use super::signature::{bind, integer, required, some, wrong};
use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, Value};
use std::fmt;
use std::sync::Arc;

/// Calls a method of a list or a tuple; none where there is none of this name.
pub(super) fn call_of_list(list: &Value, method: &str, given: &[Value]) -> Result<Option<Value>, Error> {
    let value = match method {
        "index" => {
            let [what, start, end] = bind(method, given, ["value", "start", "stop"])?;
            let what = required(method, "value", what)?;
            let items: Vec<Value> = list.try_iter()?.collect();
            let place = |place: Option<Value>, default: usize| -> Result<usize, Error> {
                let Some(place) = some(place) else { return Ok(default) };
                let place = integer(method, &place)?;
                let distance = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
                Ok(if place < 0 { items.len().saturating_sub(distance) } else { distance.min(items.len()) })
            };
            let (start, end) = (place(start, 0)?, place(end, items.len())?);
            let found = (start..end).find(|&index| items[index] == what);
            let found = found.ok_or_else(|| wrong("index: expected a value that the list holds"))?;
            Value::from(found)
        }
        "copy" if !list.is_tuple() => {
            let [] = bind(method, given, [])?;
            list.clone()
        }
        "append" | "clear" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort"
            if !list.is_tuple() =>
        {
            return Err(refused("list", method));
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// Calls a method of a dict; none where there is none of this name.
pub(super) fn call_of_map(map: &Value, method: &str, given: &[Value]) -> Result<Option<Value>, Error> {
    let value = match method {
        "keys" | "values" | "items" => {
            let [] = bind(method, given, [])?;
            View::of(map, method)?
        }
        "get" => {
            let [key, default] = bind(method, given, ["key", "default"])?;
            let found = map.get_item(&required(method, "key", key)?)?;
            if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found }
        }
        "copy" => {
            let [] = bind(method, given, [])?;
            map.clone()
        }
        "clear" | "pop" | "popitem" | "setdefault" | "update" => return Err(refused("dict", method)),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn refused(kind: &str, method: &str) -> Error {
    wrong(format!(
        "{kind}.{method}: expected a method that changes nothing; chat templates may not change values"
    ))
}

/// Keys, values or items of a dict.
#[derive(Debug)]
struct View {
    /// As Python writes it.
    name: &'static str,
    items: Vec<Value>,
}

impl View {
    fn of(map: &Value, method: &str) -> Result<Value, Error> {
        let keys: Vec<Value> = map.try_iter()?.collect();
        let value = |key: &Value| map.get_item(key);
        let (name, items) = match method {
            "keys" => ("dict_keys", keys),
            "values" => ("dict_values", keys.iter().map(value).collect::<Result<_, _>>()?),
            _ => {
                let pair = |key: Value| Ok(Value::from(Tuple::from([key.clone(), value(&key)?])));
                ("dict_items", keys.into_iter().map(pair).collect::<Result<_, Error>>()?)
            }
        };
        Ok(Value::from_object(Self { name, items }))
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(self.items.clone().into_iter()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.items.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Value = self.items.iter().cloned().collect();
        write!(f, "{}({})", self.name, repr(&list).map_err(|_| fmt::Error)?)
    }
}

/// Python's `dict`, as far as templates may use it: called, and `dict.fromkeys`.
#[derive(Debug)]
pub(super) struct DictType;

impl Object for DictType {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut minijinja::State<'_, '_>, given: &[Value]) -> Result<Value, Error> {
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        for argument in given {
            if argument.kind() == ValueKind::Map {
                for key in argument.try_iter()? {
                    let value = argument.get_item(&key)?;
                    pairs.push((key, value));
                }
                continue;
            }
            for pair in argument.try_iter()? {
                let pair: Vec<Value> = pair.try_iter()?.collect();
                let [key, value] = pair.as_slice() else {
                    return Err(wrong(format!("dict: expected pairs, found {} values", pair.len())));
                };
                pairs.push((key.clone(), value.clone()));
            }
        }
        Ok(Value::from_pairs(pairs))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut minijinja::State<'_, '_>,
        method: &str,
        given: &[Value],
    ) -> Result<Value, Error> {
        if method != "fromkeys" {
            return Err(Error::from(minijinja::ErrorKind::UnknownMethod));
        }
        let [keys, value] = bind(method, given, ["iterable", "value"])?;
        let value = value.unwrap_or_else(|| Value::from(()));
        let keys = required(method, "iterable", keys)?;
        Ok(Value::from_pairs(keys.try_iter()?.map(|key| (key, value.clone()))))
    }
}
