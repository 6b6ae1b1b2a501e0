//! Chat templates render what `transformers` renders: its answers, made by `scripts/generate_chat_goldens.py`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;

use inferail_tokenizer::chat_template::{
    ChatTemplate, Counted, MAX_TEMPLATE_BYTES, MessageTokens, TokenizerConfig, Value,
};
use inferail_tokenizer::{Definition, Error, PreTokenizerDefinition, Tokenizer, Vocabulary};
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
        let variables: Vec<_> = variables.collect();

        let template = template(golden["template"].as_str().unwrap()).unwrap();
        let rendered = template.apply(&messages, &variables, continued);

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
fn template_names_the_variables_it_looks_up() {
    let source =
        "{% set mine = 1 %}{{ mine }}{{ user.name }}{% for x in items %}{{ x }}{% endfor %}";

    let variables = template(source).unwrap().variables();

    assert_eq!(variables, ["items", "user.name"]);
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

/// Everything that calls itself for what it finds inside would end the process, if its stack were that of the caller.
#[test]
fn template_that_nests_as_deep_as_it_can_ends_nothing_else() {
    for part in [
        "+x",
        "~x",
        "|trim",
        ".x",
        "()",
        ".strip()",
        " or x",
        " if x else x",
        " is defined",
        "**x",
    ] {
        let source = format!("{{{{ x{} }}}}", part.repeat(3_900 / part.len()));
        let _ = template(&source).and_then(|template| template.render(Value::default()));
    }
    for prefix in ["-", "not ", "("] {
        let source = format!("{{{{ {}x }}}}", prefix.repeat(3_900 / prefix.len()));
        let _ = template(&source).and_then(|template| template.render(Value::default()));
    }
    let elif = format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(2_000));
    assert!(template(&elif).is_ok());
    let source = "{% set ns = namespace(a=[], b=[]) %}{% for i in range(50000) %}{% set ns.a = [ns.a] %}\
                  {% set ns.b = {1: ns.b} %}{% endfor %}{{ ns.a == ns.b }}{{ ns.a | length }}";
    let rendered = template(source).unwrap().render(Value::default());
    assert_eq!(rendered.as_deref(), Ok("False1"));
}

#[test]
fn template_is_refused_when_it_is_too_long() {
    let source = " ".repeat(MAX_TEMPLATE_BYTES + 1);

    assert!(matches!(template(&source), Err(Error::Template { .. })));
    assert!(template(&source[1..]).is_ok());
}

#[test]
fn config_gives_its_tokens_to_its_template() {
    let file = br#"{"bos_token": {"content": "<s>"}, "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"}"#;
    let config = TokenizerConfig::from_json(file).unwrap();
    let messages = value(&serde_json::json!([{"role": "user", "content": "Hi"}]));

    let template = template(config.chat_template(None, false).unwrap()).unwrap();
    let rendered = template.apply(&messages, &config.variables(), false);

    assert_eq!(rendered.unwrap(), "<s>Hi");
}

#[test]
fn key_without_a_value_is_left_out_unless_the_template_asks_for_it() {
    let calling = value(&serde_json::json!([{"role": "assistant", "content": null}]));
    let rendered = |source: &str| {
        let template = template(source).unwrap();
        template.apply(&calling, &[], false)
    };

    let asking = "{% if messages[0].content is none %}calls{% else %}{{ 'says ' + messages[0].content }}{% endif %}";
    assert_eq!(rendered("[{{ messages[0].content }}]"), Ok("[]".to_owned()));
    assert_eq!(rendered(asking), Ok("calls".to_owned()));
    let failing = "{{ 1 + messages[0].content }}\n{% if messages[0].content is none %}{{ nope() }}{% endif %}";
    assert!(matches!(
        rendered(failing),
        Err(Error::Template { line: Some(1), .. })
    ));
}

#[test]
fn line_ends_of_a_template_are_line_feeds() {
    let rendered = template("{% if true %}\r\na\rb\r\n{% endif %}{{ 'c\r\n' }}")
        .unwrap()
        .render(Value::default());

    assert_eq!(rendered.unwrap(), "a\nb\nc\n");
}

#[test]
fn messages_are_refused_when_they_are_none() {
    let template = template("x").unwrap();

    for messages in [
        serde_json::json!("text"),
        serde_json::json!(["text"]),
        serde_json::json!({"role": "user"}),
    ] {
        let rendered = template.apply(&value(&messages), &[], false);

        assert!(
            matches!(rendered, Err(Error::Messages { .. })),
            "{messages}"
        );
    }
    let empty = value(&serde_json::json!([]));
    assert!(matches!(
        template.apply(&empty, &[], true),
        Err(Error::Messages { .. })
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
    assert!(MessageTokens::of("gpt-4o").unwrap().estimate.is_none());
    assert!(MessageTokens::of("openai").unwrap().estimate.is_some());
    assert!(MessageTokens::of("anthropic").unwrap().estimate.is_some());
    assert!(MessageTokens::of("nobody").is_none());
}

#[test]
fn family_is_found_by_the_name_of_a_model_or_provider() {
    for (model, family) in [
        ("gpt-4o-mini", "gpt-4o"),
        ("openai:gpt-4-0613", "gpt-4"),
        ("gpt-4.1", "openai"),
        ("azure/gpt-5-mini", "openai"),
        ("o3", "openai"),
        ("ft:gpt-3.5-turbo:mine", "gpt-4"),
        ("OpenAI", "openai"),
        ("us.anthropic.claude-sonnet-4-5-v1:0", "anthropic"),
        ("anthropic", "anthropic"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("qwen3:8b", "chatml"),
        ("google/gemma-3-1b-it", "gemma"),
        ("gemini-2.5-pro", "gemini"),
        ("mistral-large-latest", "mistral"),
        ("deepseek-chat", "deepseek"),
        ("somebody/something", "unknown"),
        ("", "unknown"),
    ] {
        assert_eq!(MessageTokens::for_model(model).family, family, "{model}");
    }
}

/// Every byte is a token.
fn bytes() -> Tokenizer {
    let tokens: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
    let vocabulary = Vocabulary::new("test", (0..).zip(tokens.iter().map(|token| &token[..])));
    let cut = PreTokenizerDefinition::None;
    Tokenizer::new(Definition::ranks(vocabulary.unwrap(), Vec::new(), cut)).unwrap()
}

#[test]
fn messages_count_their_texts_and_what_is_around_them() {
    let numbers = MessageTokens::of("gpt-4o").unwrap();
    let messages = serde_json::json!([
        {"role": "user", "name": "Al", "content": "Hi"},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}], "unset": null},
    ]);

    let counted = numbers.count(&bytes(), &value(&messages), &Value::UNDEFINED);

    let texts = 2 * "user".len() + "Al".len() + "Hi".len() + "Hello".len();
    let tokens = texts + 2 * 3 + 1 + 3;
    let estimates = Vec::new();
    assert_eq!(counted, Ok(Counted { tokens, estimates }));
}

#[test]
fn count_of_what_is_no_text_is_an_estimate() {
    let numbers = MessageTokens::of("gpt-4o").unwrap();
    let mut all = Vec::new();
    for message in [
        serde_json::json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
        serde_json::json!({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}),
    ] {
        let messages = Value::from(vec![value(&message)]);
        let counted = numbers.count(&bytes(), &messages, &Value::UNDEFINED);
        all.push(counted.unwrap());
    }
    assert_eq!(all[0].tokens, 3 + 3 + "user".len());
    assert_eq!(all[1].tokens, 3 + 3 + "assistant".len() + "f{}".len());
    assert!(all.iter().all(|counted| counted.estimates.len() == 1));
    assert_ne!(all[0].estimates, all[1].estimates);
}

#[test]
fn tools_count_by_the_recipe_or_as_json() {
    let tool = serde_json::json!({"type": "function", "function": {
        "name": "rail", "description": "Finds one.", "parameters": {"type": "object", "properties": {
            "to": {"type": "string", "description": "Where"},
            "class": {"type": "string", "description": "Which.", "enum": ["1", "22"]},
        }},
    }});
    let tools = Value::from(vec![value(&tool)]);

    let recipe = MessageTokens::of("gpt-4").unwrap();
    let json = MessageTokens::of("chatml").unwrap();

    let lines = [
        "rail:Finds one",
        "to:string:Where",
        "class:string:Which",
        "122",
    ];
    let expected = 10 + 12 + 3 + 2 * 3 + 3 + lines.concat().len();
    assert_eq!(recipe.count_tools(&bytes(), &tools), Ok(expected));
    let spaces =
        tool.to_string().matches([',', ':']).count() - "rail: Finds one".matches(", ").count();
    assert_eq!(
        json.count_tools(&bytes(), &tools),
        Ok(tool.to_string().len() + spaces)
    );
    let counted = recipe.count(&bytes(), &Value::from(Vec::<Value>::new()), &tools);
    assert_eq!(counted.unwrap().estimates.len(), 1);
}
