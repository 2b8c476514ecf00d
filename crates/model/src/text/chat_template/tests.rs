use super::*;

fn conversation() -> Vec<Message> {
    vec![
        Message::system(" Be brief. "),
        Message::user("Say \"hi\" & <wave>\nnow"),
        Message::assistant("hi"),
        Message::user("你好 🙂"),
    ]
}

fn render(source: &str, messages: &[Message]) -> Result<String> {
    ChatTemplate::new(source)?.render(messages, &RenderOptions::default())
}

/// What the templates of the supported families use, each beside what Jinja (3.1, with
/// transformers' settings) gives.
#[test]
fn features_that_templates_use() {
    let cases = [
        (
            "{% if messages[0]['role'] == 'system' %}\n  {% set rest = messages[1:] %}\n{{ rest|length }}\n{% endif %}",
            "3\n",
        ),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + loop.index0 %}{% endfor %}{{ ns.n }}",
            "6",
        ),
        ("{{ messages[0].content.strip() }}|{{ messages[0]['content'] | trim }}", "Be brief.|Be brief."),
        (
            "{%- for m in messages -%}\n  {{- m.role[0]|upper }}{% if not loop.last %}, {% endif %}\n{%- endfor %}\n",
            "S, U, A, U",
        ),
        ("{{ messages[1].content | tojson }}", r#""Say \"hi\" & <wave>\nnow""#),
        ("{{ messages[3] | tojson }}", r#"{"role": "user", "content": "你好 🙂"}"#),
        (
            "{{ {'b': [1, 2], 'a': none, 'c': []} | tojson(indent=2) }}",
            "{\n  \"b\": [\n    1,\n    2\n  ],\n  \"a\": null,\n  \"c\": []\n}",
        ),
        ("{{ '<s>' ~ (messages | selectattr('role', 'equalto', 'user') | list | length) }}", "<s>2"),
        (
            "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ loop.first }}{% endfor %}",
            "1True2False3False",
        ),
        (
            "{% for m in messages %}{% if loop.index0 == 2 %}{% break %}{% endif %}{{ m.role }} {% endfor %}",
            "system user ",
        ),
        ("{% macro line(m) %}<{{ m.role }}>{% endmacro %}{{ line(messages[-1]) }}", "<user>"),
        (
            "{{ 'think' in messages[2].content }} {{ messages[2].content is string }} {{ x is defined }}",
            "False True False",
        ),
        (
            "{{ '</t> a'.split('</t>')[-1].lstrip(' ') }}{{ 'ab\\n'.rstrip('\\n') }}{{ 'abc'.startswith('ab') }}",
            "aabTrue",
        ),
        ("{{ tools is none }} {{ documents is none }} {{ strftime_now is defined }}", "True True True"),
        ("{{ messages[0].name }}{{ messages[0].get('name', 'nobody') }}", "nobody"),
        ("{{ (messages|length) % 2 == 0 and not false }} {{ 7 // 2 }}", "True 3"),
        ("a\n{# note #}\n  {% set x = 1 %}\nb {{- ' c' }}\n\n", "a\nb c\n"),
        ("{% if add_generation_prompt %}{{ bos_token }}>{% endif %}", ">"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source, &conversation()).unwrap(), expected, "{source}");
    }
}

#[test]
fn options_reach_the_template() {
    let source = "{{ strftime_now('%d %b %Y') }}{% if add_generation_prompt %}!{% endif %}{{ bos_token }}{{ tools }}{{ x is defined }}";
    let template = ChatTemplate::new(source).unwrap();
    let mut options = RenderOptions {
        add_generation_prompt: false,
        time: "1970-01-01".parse().unwrap(),
        arguments: TemplateArguments::default(),
    };
    assert_eq!(template.render(&[], &options).unwrap(), "01 Jan 1970NoneFalse");
    for (name, value) in [("bos_token", "<s>"), ("tools", "[{}]"), ("x", "null")] {
        options.arguments.set(name, value).unwrap();
    }
    assert_eq!(template.render(&[], &options).unwrap(), "01 Jan 1970<s>[{}]True");
}

#[test]
fn errors_name_the_line_and_the_reason() {
    let refused = "{% for m in messages %}\n{% if m.role == 'system' %}\n{{ raise_exception('no system, please') }}\n{% endif %}{% endfor %}";
    let cases = [
        (refused, 3, "no system, please"),
        ("ok\n{% if %}", 2, ""),
        ("\n\n{{ messages[0].nothing.at_all }}", 3, ""),
        ("{{ unheard_of() }}", 1, "unheard_of"),
        ("{{ messages[0].content | unheard_of }}", 1, "unheard_of"),
        ("{{ messages[0].content.unheard_of() }}", 1, "unheard_of"),
    ];
    for (source, line, reason) in cases {
        match render(source, &conversation()).unwrap_err() {
            Error::ChatTemplate { line: found, message } => {
                assert_eq!(found, line, "{source}");
                assert!(message.contains(reason), "{source}: {message}");
            }
            other => panic!("{source}: {other}"),
        }
    }
}

#[test]
fn templates_that_run_away_are_stopped() {
    let sources = [
        "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{{ 'x' * 99999999 * 99 }}",
        "{% set ns = namespace(s=[0]) %}{% for i in range(30) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s | tojson }}",
        "{% set ns = namespace(s=[0]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[0]) %}{% for i in range(300) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
        "{{ 'x'.center(99999999999) }}",
        "{{ 'x' | indent(99999999999) }}",
    ];
    for source in sources {
        let error = render(source, &conversation()).unwrap_err();
        assert!(matches!(error, Error::ChatTemplate { .. }), "{source}: {error}");
    }
    let nested = "{{".to_owned() + &"(".repeat(100_000) + "}}";
    assert!(matches!(ChatTemplate::new(&nested), Err(Error::ChatTemplate { .. })));
}

/// The bound grows with the messages: a long prompt must not look like a runaway template.
#[test]
fn long_messages_are_rendered() {
    let content = "word ".repeat(800_000);
    let source =
        "{% for m in messages %}{{ '<' + m['role'] + '>\\n' + m['content'].strip() + '</>' }}{% endfor %}";
    let text = render(source, &[Message::user(content.clone()), Message::assistant(content)]).unwrap();
    assert_eq!(text.len(), 2 * (4_000_000 - 1) + "<user>\n</><assistant>\n</>".len());
}
