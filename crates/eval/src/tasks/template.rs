//! Texts with places for others.

/// The template with each `{name}` replaced by its value. Values are not looked into.
///
/// What names nothing stays.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text =
        String::with_capacity(template.len() + values.iter().map(|value| value.1.len()).sum::<usize>());
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let value = values.iter().find_map(|(name, value)| {
            let after = rest[1..].strip_prefix(name)?.strip_prefix('}')?;
            Some((*value, after))
        });
        let (value, after) = value.unwrap_or(("{", &rest[1..]));
        text.push_str(value);
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once() {
        let values = [("a", "{b}"), ("b", "2")];
        assert_eq!(fill("{a} {b} {c} {", &values), "{b} 2 {c} {");
        assert_eq!(fill("{{a}}{", &values), "{{b}}{");
    }
}
