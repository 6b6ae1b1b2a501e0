//! Chat templates render what `transformers` renders: its answers, made by `scripts/generate_chat_goldens.py`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;

use inferail_tokenizer::Error;
use inferail_tokenizer::chat_template::{ChatTemplate, MessageTokens, TokenizerConfig, Value};
use serde_json::Value as Json;

fn goldens() -> Json {
    serde_json::from_str(include_str!("goldens/chat_templates.json")).unwrap()
}

/// What a template sees of JSON.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::from(number),
            None => Value::from(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value).collect(),
        Json::Object(entries) => Value::from_pairs(
            entries
                .iter()
                .map(|(name, entry)| (name.as_str(), value(entry))),
        ),
    }
}

fn template(source: &str) -> Result<ChatTemplate, Error> {
    ChatTemplate::new(source, |format| Ok(format!("now({format})")))
}

/// Templates whose answer is another here, each with the reason; the test fails where one of them is right after all.
const DIFFERENT: &[(&str, &str)] = &[(
    "{{ '%s and %d' % ('x', 3) }}",
    "minijinja cannot give texts the operator %; `format` does the same, and no template we know needs it",
)];

#[test]
fn constructs_render_as_in_transformers() {
    let goldens = goldens();
    let variables = value(&goldens["variables"]);
    let mut different: HashSet<&str> = DIFFERENT.iter().map(|(source, _)| *source).collect();
    let mut wrong = Vec::new();

    for golden in goldens["constructs"].as_array().unwrap() {
        let source = golden["template"].as_str().unwrap();
        let rendered = template(source).and_then(|template| template.render(variables.clone()));
        let right = match (&rendered, golden["rendered"].as_str()) {
            (Ok(rendered), Some(expected)) => rendered == expected,
            (Err(_), None) => true,
            _ => false,
        };
        if right == different.remove(source) {
            wrong.push(format!(
                "{source:?}\n  expected {:?}\n  rendered {rendered:?}",
                golden["rendered"].as_str()
            ));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(different.is_empty(), "no golden has {different:?}");
}

#[test]
fn conversations_render_as_in_transformers() {
    for golden in goldens()["conversations"].as_array().unwrap() {
        let mut given = golden["given"].as_object().unwrap().clone();
        let messages = value(&given["messages"]);
        given.remove("messages");
        let continued = given.remove("continued").is_some();
        for missing in ["tools", "documents"] {
            given.entry(missing).or_insert(Json::Null);
        }
        let variables = given
            .iter()
            .map(|(name, given)| (name.clone(), value(given)));

        let template = template(golden["template"].as_str().unwrap()).unwrap();
        let rendered = template.apply(&messages, variables.collect(), continued);

        assert_eq!(
            rendered.as_deref().ok(),
            golden["rendered"].as_str(),
            "{rendered:?}"
        );
    }
}

#[test]
fn template_says_what_raise_exception_says() {
    let rendered = template("{{ raise_exception('Roles must alternate') }}")
        .unwrap()
        .render(Value::default());

    let message = "Roles must alternate".to_owned();
    assert_eq!(rendered, Err(Error::Refused { message }));
}

#[test]
fn template_has_the_line_of_a_mistake() {
    assert!(matches!(
        template("a\n{% if %}"),
        Err(Error::Template { line: Some(2), .. })
    ));
}

#[test]
fn template_reads_the_clock_it_was_given() {
    let rendered = template("{{ strftime_now('%d %b') }}")
        .unwrap()
        .render(Value::default());

    assert_eq!(rendered.unwrap(), "now(%d %b)");
}

#[test]
fn template_ends_when_it_would_not() {
    for source in [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
        "{{ 'a' * 99999999999 }}",
    ] {
        let rendered = template(source).unwrap().render(Value::default());

        assert!(matches!(rendered, Err(Error::Template { .. })), "{source}");
    }
}

#[test]
fn config_gives_its_tokens_to_its_template() {
    let file = br#"{"bos_token": {"content": "<s>"}, "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"}"#;
    let config = TokenizerConfig::from_json(file).unwrap();
    let messages = value(&serde_json::json!([{"role": "user", "content": "Hi"}]));

    let template = template(config.chat_template(None, false).unwrap()).unwrap();
    let rendered = template.apply(&messages, config.variables(), false);

    assert_eq!(rendered.unwrap(), "<s>Hi");
}

#[test]
fn messages_are_refused_when_they_are_none() {
    let template = template("x").unwrap();

    for messages in [
        serde_json::json!("text"),
        serde_json::json!(["text"]),
        serde_json::json!({"role": "user"}),
    ] {
        let rendered = template.apply(&value(&messages), Vec::new(), false);

        assert!(matches!(rendered, Err(Error::Refused { .. })), "{messages}");
    }
    let empty = value(&serde_json::json!([]));
    assert!(matches!(
        template.apply(&empty, Vec::new(), true),
        Err(Error::Refused { .. })
    ));
}

#[test]
fn families_are_told_apart_and_say_where_their_numbers_are_from() {
    let names: HashSet<&str> = MessageTokens::families()
        .iter()
        .map(|numbers| numbers.family)
        .collect();

    assert_eq!(names.len(), MessageTokens::families().len());
    assert!(
        MessageTokens::families()
            .iter()
            .all(|numbers| !numbers.source.is_empty())
    );
    assert!(MessageTokens::of("openai").unwrap().estimate.is_none());
    assert!(MessageTokens::of("anthropic").unwrap().estimate.is_some());
    assert!(MessageTokens::of("nobody").is_none());
}
