//! Every grammar through a small vocabulary: all bytes, a few longer tokens, and special tokens.

use proptest::prelude::*;

use super::*;

const LONGER: [&str; 12] = [
    "{\"", "\":", "\": ", "\",", ", \"", "\"}", "true", "false", "null", "12", "ab", "  ",
];
const END: u32 = 256 + LONGER.len() as u32;
const OTHER_END: u32 = END + 1;
const CALL: u32 = END + 2;

fn tokens() -> Vec<Vec<u8>> {
    let bytes = (0..=255_u8).map(|byte| vec![byte]);
    let longer = LONGER.iter().map(|text| text.as_bytes().to_vec());
    let specials = ["<end>", "<end-of-turn>", "<call>"].map(|name| name.as_bytes().to_vec());
    bytes.chain(longer).chain(specials).collect()
}

fn vocabulary() -> Vocabulary {
    Vocabulary::new(tokens(), &[CALL], &[END, OTHER_END], None).unwrap()
}

/// Cuts off the longest token at the beginning, again and again, as a tokenizer might.
fn canonical() -> Vocabulary {
    let all = tokens();
    let tokenize = move |mut text: &[u8]| {
        let mut ids = Vec::new();
        while !text.is_empty() {
            let fitting = (0..END).filter(|id| text.starts_with(&all[*id as usize]));
            let longest = fitting.max_by_key(|id| all[*id as usize].len()).unwrap();
            text = &text[all[longest as usize].len()..];
            ids.push(longest);
        }
        ids
    };
    Vocabulary::new(
        tokens(),
        &[CALL],
        &[END, OTHER_END],
        Some(Box::new(tokenize)),
    )
    .unwrap()
}

fn schema(schema: &str) -> Result<Grammar, Error> {
    Grammar::from_schema(&vocabulary(), schema, &SchemaOptions::default())
}

/// Whether `text`, byte by byte, is a whole text of the grammar.
fn takes(grammar: &Grammar, text: &str) -> bool {
    let mut matcher = grammar.matcher();
    let taken = text
        .bytes()
        .all(|byte| matcher.accept(u32::from(byte)).is_ok());
    taken && matcher.is_accepting().unwrap()
}

fn allowed(matcher: &mut Matcher) -> Vec<u32> {
    let mask = matcher.mask().unwrap();
    (0..mask.len() as u32 * 32)
        .filter(|id| mask[*id as usize / 32] >> (id % 32) & 1 == 1)
        .collect()
}

/// A schema, texts that are valid, and texts that are not.
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        r#"{"type": "integer", "minimum": -3, "maximum": 12}"#,
        &["-3", "0", "12"],
        &["-4", "13", "1.5", ""],
    ),
    (
        r#"{"type": "number", "multipleOf": 0.25}"#,
        &["0.75", "3", "1.50", "-1.50", "-3"],
        &["0.3", "1.1"],
    ),
    (
        r#"{"enum": ["a", 1, null, [true]]}"#,
        &["\"a\"", "1", "null", "[true]"],
        &["\"b\"", "2", "[false]"],
    ),
    (
        r#"{"type": "string", "pattern": "^a+$"}"#,
        &["\"a\"", "\"aaa\""],
        &["\"\"", "\"ab\""],
    ),
    (
        r#"{"type": "string", "pattern": "b|^a"}"#,
        &["\"xbx\"", "\"ax\""],
        &["\"xa\""],
    ),
    (
        r#"{"type": "string", "pattern": "a", "format": "date"}"#,
        &[],
        &["\"2024-02-29\""],
    ),
    (
        r#"{"type": "string", "format": "date"}"#,
        &["\"2024-02-29\"", "\"1999-12-31\""],
        &["\"2023-02-29\"", "\"1900-02-29\""],
    ),
    (
        r#"{"type": "array", "items": {"type": "null"}, "maxItems": 2}"#,
        &["[]", "[null,null]", "[null, null]"],
        &["[null,null,null]", "[ null]"],
    ),
    (
        r#"{"items": [{"const": 1}], "additionalItems": false}"#,
        &["[1]", "[]"],
        &["[1,2]", "[2]"],
    ),
    (
        r#"{"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"], "additionalProperties": false}"#,
        &["{\"a\":null}", "{\"a\": null}"],
        &["{}", "{\"a\":1}", "{\"a\":null,\"b\":1}"],
    ),
    (
        r#"{"type": "object", "properties": {"a": {"type": "null"}}}"#,
        &["{}", "{\"b\":1}", "{\"a\":null,\"b\":{}}"],
        &["{\"\\u0061\":1}", "{\"a\":1}"],
    ),
    (
        r##"{"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"items": {"$ref": "#"}, "type": "array"}}}"##,
        &["[]", "[[],[[]]]"],
        &["1", "[1]"],
    ),
    (
        r##"{"$ref": "#x", "$defs": {"y": {"$anchor": "x", "type": "null"}}}"##,
        &["null"],
        &["1"],
    ),
    (
        r#"{"propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "null"}, "type": "object"}"#,
        &["{}", "{\"b\":null}"],
        &["{\"c\":null}", "{\"a\":1}"],
    ),
    (
        r#"{"type": "object", "dependentRequired": {"a": ["b"]}, "properties": {"a": {}, "b": {}}, "additionalProperties": false}"#,
        &["{}", "{\"b\":1}", "{\"a\":1,\"b\":2}"],
        &["{\"a\":1}"],
    ),
    (
        r#"{"not": {"type": ["object", "array"]}}"#,
        &["1", "\"x\"", "null"],
        &["{}", "[]"],
    ),
    (
        r#"{"oneOf": [{"type": "string"}, {"type": "null"}]}"#,
        &["\"x\"", "null"],
        &["1"],
    ),
    (
        r#"{"exclusiveMinimum": true, "minimum": 3, "type": "integer"}"#,
        &["4"],
        &["3"],
    ),
];

#[test]
fn schemas_take_what_is_valid_and_nothing_else() {
    for (text, valid, invalid) in CASES {
        let Ok(grammar) = schema(text) else {
            assert!(valid.is_empty(), "{text}: {:?}", schema(text));
            continue;
        };
        for value in *valid {
            assert!(takes(&grammar, value), "{text} should take {value}");
        }
        for value in *invalid {
            assert!(!takes(&grammar, value), "{text} should not take {value}");
        }
    }
}

#[test]
fn a_discriminated_union_asks_for_its_tag() {
    let union = r##"{"$defs": {
        "Cat": {"type": "object", "properties": {"kind": {"const": "cat"}, "next": {"$ref": "#/$defs/Pet"}}},
        "Dog": {"type": "object", "properties": {"kind": {"enum": ["dog"]}}},
        "Pet": {"discriminator": {"propertyName": "kind"}, "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
    }, "$ref": "#/$defs/Pet"}"##;

    let grammar = schema(union).unwrap();

    assert!(takes(&grammar, r#"{"kind":"cat","next":{"kind":"dog"}}"#));
    assert!(!takes(&grammar, "{}"));
}

#[test]
fn what_cannot_be_enforced_is_refused_by_name() {
    let cases = [
        ("not", r#"{"not": {"const": 1}}"#),
        ("uniqueItems", r#"{"uniqueItems": true}"#),
        ("contains", r#"{"contains": {"const": 1}}"#),
        ("if", r#"{"if": {"minimum": 1}, "then": {"maximum": 3}}"#),
        ("oneOf", r#"{"oneOf": [{"minimum": 1}, {"maximum": 3}]}"#),
        ("format: color", r#"{"format": "color"}"#),
        ("format: unknown", r#"{"format": "unknown"}"#),
        ("pattern", r#"{"pattern": "(?=a)"}"#),
        ("$ref", r#"{"$ref": "https://example.com/other"}"#),
        (
            "x-guidance",
            r#"{"x-guidance": {"lenient": true}, "not": {}}"#,
        ),
        ("minimum", r#"{"minimum": 9007199254740993}"#),
        ("multipleOf", r#"{"multipleOf": 1e-12}"#),
        ("minProperties", r#"{"minProperties": 2}"#),
        (
            "unevaluatedProperties",
            r#"{"allOf": [{}], "unevaluatedProperties": false}"#,
        ),
        ("propertyNames", r#"{"propertyNames": {"minLength": 2}}"#),
        ("minLenght", r#"{"minLenght": 2}"#),
    ];
    for (name, text) in cases {
        let error = schema(text).unwrap_err();
        assert!(
            matches!(&error, Error::Unsupported { feature, .. } if feature == name),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn a_keyword_is_left_out_when_the_caller_says_so() {
    let options = SchemaOptions {
        ignored: vec!["uniqueItems".to_owned()],
        ..SchemaOptions::default()
    };
    let grammar =
        Grammar::from_schema(&vocabulary(), r#"{"uniqueItems": true}"#, &options).unwrap();

    assert!(takes(&grammar, "[1,1]"));
}

#[test]
fn bad_sources_are_typed_errors() {
    let vocabulary = vocabulary();

    assert!(matches!(schema("{"), Err(Error::Invalid { .. })));
    assert!(matches!(schema("3"), Err(Error::Invalid { .. })));
    assert!(matches!(schema("false"), Err(Error::Unsatisfiable { .. })));
    assert!(matches!(
        schema(r#"{"type": "strin"}"#),
        Err(Error::Invalid { .. })
    ));
    assert!(matches!(
        schema(r##"{"$ref": "#/a"}"##),
        Err(Error::Invalid { .. })
    ));
    assert!(matches!(
        schema(&" ".repeat(MAX_SOURCE_BYTES + 1)),
        Err(Error::TooLarge { .. })
    ));
    let regex = |text: &str| Grammar::from_regex(&vocabulary, text).map(|_| ());
    assert!(matches!(regex("("), Err(Error::Invalid { .. })));
    assert!(matches!(regex("(?!a)"), Err(Error::Unsupported { .. })));
    assert!(
        matches!(regex("[a&&b]"), Err(Error::Unsatisfiable { .. })),
        "{:?}",
        regex("[a&&b]")
    );
    let lark = |text: &str| Grammar::from_lark(&vocabulary, text).map(|_| ());
    assert!(
        matches!(lark("start: ="), Err(Error::Invalid { .. })),
        "{:?}",
        lark("start: =")
    );
    assert!(matches!(
        lark("start: %json {\"not\": {\"const\": 1}}"),
        Err(Error::Unsupported { .. })
    ));
}

#[test]
fn expressions_match_whole_texts() {
    let vocabulary = vocabulary();
    let grammar = Grammar::from_regex(&vocabulary, "a/b|\\d{2}").unwrap();
    let empty = Grammar::from_regex(&vocabulary, "").unwrap();

    assert!(takes(&grammar, "a/b") && takes(&grammar, "12"));
    assert!(!takes(&grammar, "1") && !takes(&grammar, "a/bc"));
    assert!(takes(&empty, "") && empty.matcher().is_finished());
}

#[test]
fn lark_grammars_hold_schemas() {
    let text = "start: \"<\" value \">\"\nvalue: %json {\"enum\": [1, true]}\n";
    let grammar = Grammar::from_lark(&vocabulary(), text).unwrap();

    assert!(takes(&grammar, "<1>") && takes(&grammar, "<true>"));
    assert!(!takes(&grammar, "<2>"));
}

fn tags(begin: &str, triggers: &[&str]) -> Tags {
    let tag = |name: &str, schema: &str| Tag {
        begin: format!("{begin}{name}>"),
        schema: schema.to_owned(),
        end: "</f>".to_owned(),
    };
    Tags {
        tags: vec![
            tag("a", r#"{"type": "null"}"#),
            tag("b", r#"{"type": "boolean"}"#),
        ],
        triggers: triggers
            .iter()
            .map(|trigger| (*trigger).to_owned())
            .collect(),
        required: false,
        repeated: true,
        free_text: true,
        options: SchemaOptions::default(),
    }
}

#[test]
fn tags_hold_calls_in_free_text() {
    let grammar = Grammar::from_tags(&vocabulary(), &tags("<f=", &["<f="])).unwrap();

    for text in [
        "",
        "only text < f",
        "x<f=a>null</f>y<f=b>true</f>",
        "<f=b>false</f>\n",
    ] {
        assert!(takes(&grammar, text), "{text}");
    }
    for text in [
        "<f=",
        "x<f=c>null</f>",
        "<f=a>true</f>",
        "<f=a>null</f> <f=",
        "<f=a>null",
    ] {
        assert!(!takes(&grammar, text), "{text}");
    }
}

#[test]
fn tags_may_be_required_alone_and_once() {
    let mut only = tags("<f=", &[]);
    (only.required, only.repeated, only.free_text) = (true, false, false);
    let grammar = Grammar::from_tags(&vocabulary(), &only).unwrap();

    assert!(takes(&grammar, "<f=a>null</f>"));
    for text in [
        "",
        "x<f=a>null</f>",
        "<f=a>null</f><f=a>null</f>",
        "<f=a>null</f>x",
    ] {
        assert!(!takes(&grammar, text), "{text}");
    }
}

#[test]
fn special_tokens_begin_calls() {
    let grammar = Grammar::from_tags(&vocabulary(), &tags("<call>", &["<call>"])).unwrap();
    let mut matcher = grammar.matcher();
    let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();

    matcher.accept_many(&bytes("hi ")).unwrap();
    matcher.accept(CALL).unwrap();
    assert_eq!(
        allowed(&mut matcher),
        bytes("ab")
            .into_iter()
            .chain([256 + 10])
            .filter(|id| *id < 256)
            .collect::<Vec<_>>()
    );
    matcher.accept_many(&bytes("b>true</f> done")).unwrap();

    assert!(matcher.is_accepting().unwrap());
}

#[test]
fn the_mask_has_every_token_that_is_accepted_and_no_other() {
    let texts = [r#"{"a":[1,true],"b":"x"}"#, r#"{"b": "ab"}"#];
    let grammar = schema(
        r#"{"type": "object", "properties": {"a": {"type": "array"}, "b": {"type": "string"}}}"#,
    )
    .unwrap();
    for text in texts {
        let mut matcher = grammar.matcher();
        for byte in text.bytes() {
            let allowed = allowed(&mut matcher);
            let accepted = (0..=CALL).filter(|token| matcher.fork().accept(*token).is_ok());
            assert_eq!(
                allowed,
                accepted.collect::<Vec<_>>(),
                "{text} {:?}",
                matcher.tokens()
            );
            matcher.accept(u32::from(byte)).unwrap();
        }
    }
}

#[test]
fn the_end_comes_when_it_may_and_then_only_the_end() {
    let grammar = schema(r#"{"type": "boolean"}"#).unwrap();
    let mut matcher = grammar.matcher();

    assert_eq!(
        matcher.accept(END),
        Err(Error::Rejected {
            token: END,
            position: 0
        })
    );
    matcher.accept_many(&[262]).unwrap();
    assert!(matcher.is_finished());
    assert_eq!(allowed(&mut matcher), [END, OTHER_END]);
    assert_eq!(matcher.validate(&[OTHER_END, END, 65]), Ok(2));
    matcher.accept_many(&[OTHER_END, END]).unwrap();
    assert!(matcher.accept(65).is_err());
    matcher.rollback(3).unwrap();

    assert!(!matcher.is_finished() && matcher.tokens().is_empty());
    assert!(allowed(&mut matcher).contains(&262));
}

#[test]
fn forced_tokens_are_those_of_the_tokenizer() {
    let text = r#"{"type": "object", "properties": {"key": {"type": "null"}}, "required": ["key"], "additionalProperties": false}"#;
    let grammar = Grammar::from_schema(&canonical(), text, &SchemaOptions::default()).unwrap();
    let mut matcher = grammar.matcher();

    let forced = matcher.forced_tokens().unwrap();
    assert_eq!(forced[..1], [256]);
    assert_eq!(allowed(&mut matcher), [256]);
    matcher.accept_many(&forced).unwrap();

    assert_eq!(
        matcher
            .fork()
            .validate(b"\": null}".map(u32::from).as_slice()),
        Ok(8)
    );
}

#[test]
fn grammars_are_compiled_once_and_kept_to_a_number() {
    let vocabulary = vocabulary();
    let grammar = |number: usize| {
        let text = format!("{{\"const\": {number}}}");
        Grammar::from_schema(&vocabulary, &text, &SchemaOptions::default()).unwrap()
    };
    for number in 0..260 {
        let _ = grammar(number);
    }

    assert_eq!(vocabulary.cache().len(), 256);
    assert!(takes(&grammar(259), "259") && takes(&grammar(0), "0"));
}

#[test]
fn vocabularies_are_checked() {
    let make =
        |tokens: Vec<Vec<u8>>, end: &[u32]| Vocabulary::new(tokens, &[], end, None).map(|_| ());

    assert!(make(vec![], &[0]).is_err());
    assert!(make(vec![b"a".to_vec()], &[]).is_err());
    assert!(make(vec![b"a".to_vec()], &[1]).is_err());
    assert!(make(vec![vec![b' '; 2000], vec![]], &[1]).is_err());
}

#[test]
fn a_token_of_no_text_is_never_allowed() {
    let grammar = schema("{}").unwrap();
    let mut matcher = grammar.matcher();
    matcher.accept(u32::from(b'"')).unwrap();

    let allowed = allowed(&mut matcher);

    assert!(!allowed.contains(&0xff) && !allowed.contains(&CALL) && !allowed.contains(&END));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Taking back, trying out and forking leave no trace: what is allowed depends on what was taken only.
    #[test]
    fn what_was_taken_back_leaves_no_trace(
        choices in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize), 1..30),
        canonical_tokens in any::<bool>(),
    ) {
        let vocabulary = if canonical_tokens { canonical() } else { vocabulary() };
        let text = r#"{"type": "array", "items": {"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 2}, {"type": "object", "properties": {"a": {"type": "integer"}}}]}}"#;
        let grammar = Grammar::from_schema(&vocabulary, text, &SchemaOptions::default()).unwrap();
        let mut matcher = grammar.matcher();
        for (choice, back) in choices {
            let allowed_now = allowed(&mut matcher);
            let token = allowed_now[choice.index(allowed_now.len())];
            prop_assert_eq!(matcher.validate(&[token, u32::MAX]), Ok(1));
            matcher.fork().accept(token).unwrap();
            matcher.accept(token).unwrap();
            let back = back.min(matcher.tokens().len());
            if back == 3 {
                matcher.rollback(back).unwrap();
            }
            let mut again = grammar.matcher();
            again.accept_many(matcher.tokens()).unwrap();
            prop_assert_eq!(allowed(&mut again), allowed(&mut matcher));
            prop_assert_eq!(again.is_accepting(), matcher.is_accepting());
            prop_assert_eq!(again.is_finished(), matcher.is_finished());
        }
    }
}
