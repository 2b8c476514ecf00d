//! Templates, rendered as transformers renders them: `golden/chat_templates/record.py` recorded
//! what it gives.

use minference_model::Error;
use minference_model::text::chat_template::{ChatTemplate, Message, RenderOptions, Role, TemplateArguments};
use serde_json::Value;
use std::path::Path;

/// What the engine reads otherwise than Jinja, or what transformers refuses and is read here all
/// the same. None of it occurs in the templates of published models.
const OTHERWISE: &[&str] = &[
    // filters for web pages, and for debugging
    "{{ 1000 | filesizeformat }}",
    "{{ 1234567 | filesizeformat }}",
    "{{ 1234567 | filesizeformat(true) }}",
    "{{ 1 | filesizeformat }}",
    "{{ map | pprint }}",
    "{{ [1.5, none] | pprint }}",
    "{{ numbers | random in numbers }}",
    "{{ '<p>a  <b>b</b>\\n c</p>&amp;' | striptags }}",
    "{{ 'see http://a.b/c' | urlize }}",
    "{{ 'a bb ccc dddd' | wordwrap(5) }}",
    "{{ 'a bbbbbbbbbb' | wordwrap(4) }}",
    "{{ 'a-b c' | wordwrap(3, false) }}",
    "{{ {'class': 'x', 'id': none} | xmlattr }}",
    "{{ lipsum is defined }}",
    // options by their place, and the type of a group
    "{{ words | max(true) }}",
    "{{ ['a', 'A', 'b'] | unique(true) | list }}",
    "{{ people | groupby('age') | list }}",
    // methods as values, and attributes of mappings
    "{{ map | attr('a') }}",
    "{{ text | attr('upper') is defined }}",
    "{{ text.upper is defined }}",
    "{{ map.items is defined }}",
    "{{ map.get is defined }}",
    "{{ list[1.0] }}",
    // operators: `%` between texts and values, `+` before one
    "{{ '%s is %d, %05.2f, %x, %r, %%' % ('a', 3, 2.5, 255, 'b') }}",
    "{{ '%s' % 'a' }}",
    "{{ '%s' % number }}",
    "{{ '%(a)s' % {'a': 1} }}",
    "{{ '%5s|%-5s|%+d' % ('a', 'b', 3) }}",
    "{{ '%.3f' % fraction }}",
    "{{ '%s' % none }}",
    "{{ '%s' % [1, 'a'] }}",
    "{{ '%s' % tiny }}",
    "{{ +number }}",
    // escapes in texts that JSON does not have, and one that only it has
    "{{ ['\\x00\\x1f\\x7f\\u00a0\\u00ad\\u200b\\ue000\\ufeff\\U0001f642'] }}",
    "{{ 'tab\\tnew\\nbell\\a\\x41\\u00e9\\101' }}",
    "{{ \"\\\\ \\' \\\" \\/ \\q\" }}",
    // `~` with numbers that have an exponent, and ranges by themselves
    "{{ 'x' ~ huge ~ tiny ~ none ~ true ~ 1.0 ~ [1, 'a'] ~ (1,) }}",
    "{{ range(3) }}",
    // macros that take what they don't name, name a parameter in another's default, or tell about
    // themselves; namespaces from mappings
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m(a, b=1) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m is callable }}",
    // methods that no template calls
    "{{ text.encode('utf-8') }}",
    "{{ '{!r}'.format('a') }}",
    "{{ 'abc'.translate({97: 'x'}) }}",
    "{{ number.bit_length() }}",
    "{{ fraction.is_integer() }}",
    "{{ whole.is_integer() }}",
    // refused by Jinja or Python: more kinds of values can be compared, joined, iterated over and
    // written as JSON
    "{{ 1 < 'a' }}",
    "{{ none < 1 }}",
    "{{ 1 in 'abc' }}",
    "{{ none | list }}",
    "{{ list | sort }}",
    "{{ people | groupby('tags', default='none') | list }}",
    "{% for m in nothing %}{{ m }}{% endfor %}",
    "{{ ','.join([1]) }}",
    "{{ people | map(attribute='name') | tojson }}",
    "{{ people | selectattr('tags') | tojson }}",
    // refused by Jinja: filters and tests that only minijinja has
    "{{ 'a b' | split }}",
    "{{ 'a,b' | split(',') }}",
    "{{ 'a' | bool }}",
    "{{ [1] | zip([2]) | list }}",
    "{{ numbers | chain([4]) | list }}",
    "{{ lines | lines }}",
    "{{ text is startingwith 'H' }}",
];

fn recorded() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/chat_templates/rendered.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn messages(recorded: &Value) -> Vec<Message> {
    let message = |message: &Value| {
        let role = [Role::System, Role::User, Role::Assistant];
        let role = role.into_iter().find(|role| message["role"] == role.name()).unwrap();
        Message { role, content: message["content"].as_str().unwrap().into() }
    };
    recorded["messages"].as_array().unwrap().iter().map(message).collect()
}

fn arguments(recorded: &Value) -> TemplateArguments {
    let mut arguments = TemplateArguments::default();
    for (name, value) in recorded["arguments"].as_object().unwrap() {
        arguments.set(name, value.as_str().unwrap()).unwrap();
    }
    arguments.set("bos_token", "<s>").unwrap();
    arguments.set("eos_token", "</s>").unwrap();
    arguments
}

#[test]
fn templates_are_rendered_as_transformers_does() {
    let recorded = recorded();
    let messages = messages(&recorded);
    let options = RenderOptions {
        time: recorded["moment"].as_str().unwrap().parse().unwrap(),
        arguments: arguments(&recorded),
        ..RenderOptions::default()
    };
    let mut wrong = Vec::new();
    for (group, cases) in recorded["groups"].as_object().unwrap() {
        for case in cases.as_array().unwrap() {
            let source = case["source"].as_str().unwrap();
            let found = ChatTemplate::new(source).and_then(|template| template.render(&messages, &options));
            let is_right = match (&found, case["text"].as_str(), case["error"].as_str()) {
                (Ok(found), Some(text), _) => found == text,
                (Err(Error::ChatTemplate { message, .. }), None, Some(error)) => message == error,
                (Err(_), None, None) => true,
                _ => false,
            };
            if is_right == OTHERWISE.contains(&source) {
                wrong.push(format!("{group}: {source}\n  expected {case}\n  found {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn dates_are_written_as_python_does() {
    let recorded = recorded();
    let template = ChatTemplate::new("{{ strftime_now(format) }}").unwrap();
    for date in recorded["dates"].as_array().unwrap() {
        let time = date["moment"].as_str().unwrap().parse().unwrap();
        let formats = recorded["formats"].as_array().unwrap();
        for (format, text) in formats.iter().zip(date["texts"].as_array().unwrap()) {
            let mut options = RenderOptions { time, ..RenderOptions::default() };
            options.arguments.set("format", &format.to_string()).unwrap();
            assert_eq!(template.render(&[], &options).unwrap(), text.as_str().unwrap(), "{format}");
        }
    }
}
