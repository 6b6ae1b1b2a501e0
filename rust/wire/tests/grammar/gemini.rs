//! The Gemini grammar.

use crate::support::{self, Outcome, body};
use inferail_wire::Provider;
use proptest::prelude::*;

fn decode(events: &[&str]) -> Outcome {
    support::decode(Provider::Gemini, &body(events).replace('\n', "\r\n"))
}

/// Decodes lists of parts, one event each, and returns what they gave after the start.
fn parts(lists: &[&str]) -> Vec<String> {
    let event = |list: &&str| {
        format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":{list}}}}}],"responseId":"r"}}"#
        )
    };
    let events: Vec<String> = lists.iter().map(event).collect();
    let mut deltas = decode(&events.iter().map(String::as_str).collect::<Vec<_>>()).deltas;
    assert_eq!(deltas.remove(0), "start 0.0 id=r");
    deltas
}

#[test]
fn plain_answer_is_complete_at_the_end_of_the_body() {
    let outcome = decode(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4},"modelVersion":"gemini","responseId":"r"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"lo"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":3,"cachedContentTokenCount":1,"toolUsePromptTokenCount":2,"promptTokensDetails":[{"modality":"TEXT","tokenCount":3},{"modality":"AUDIO","tokenCount":1}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":0}]},"modelVersion":"gemini","responseId":"r"}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0 id=r name=gemini",
            "text 0.0 Hel",
            "usage 0.0 in=4",
            "text 0.0 lo",
            "usage 0.0 in=6 out=5 read=1 reasoning=3 audio-in=1 audio-out=0",
            "finish 0.0 stop raw=STOP",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn snake_case_is_understood() {
    let outcome = decode(&[
        r#"{"candidates":[{"content":{"parts":[{"function_call":{"name":"f","args":{}},"thought_signature":"s"}]},"finish_reason":"STOP","grounding_metadata":{"a":1}}],"usage_metadata":{"prompt_token_count":1},"model_version":"g","response_id":"r"}"#,
    ]);

    assert_eq!(outcome.deltas.len(), 8);
    assert_eq!(outcome.missing, None);
}

#[test]
fn function_calls_arrive_whole_and_turn_stop_into_tool_calls() {
    let outcome = decode(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"ok"},{"functionCall":{"name":"f","args":{"x": 1}},"thoughtSignature":"sig"},{"functionCall":{"id":"given","name":"g"}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}"#,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        [
            "text 0.0 ok",
            "tool_start 0.1 id=call_0 name=f",
            r#"tool_args 0.1 {"x": 1}"#,
            "reasoning_signature 0.1 sig",
            "tool_end 0.1",
            "tool_start 0.2 id=given name=g",
            "tool_end 0.2",
            "finish 0.0 tool_calls raw=STOP",
        ]
    );
}

#[test]
fn blocks_follow_the_kind_of_the_parts() {
    assert_eq!(
        parts(&[
            r#"[{"text":"hm","thought":true},{"text":" so","thought":true}]"#,
            r#"[{"text":"a"}]"#,
            r#"[{"text":"b"},{"text":"","thoughtSignature":"s"}]"#,
            r#"[{"inlineData":{"mimeType":"image/png","data":"AA"}},{"executableCode":{}},null,{}]"#,
            r#"[{"functionCall":{"name":"f"}}]"#,
            r#"[{"thoughtSignature":"t"}]"#,
        ]),
        [
            "reasoning 0.0 hm",
            "reasoning 0.0  so",
            "text 0.1 a",
            "text 0.1 b",
            "reasoning_signature 0.1 s",
            "tool_start 0.2 id=call_0 name=f",
            "tool_end 0.2",
            "reasoning_signature 0.3 t",
        ]
    );
}

#[test]
fn candidates_interleave_and_all_must_finish() {
    let both = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0},{"content":{"parts":[{"text":"b"}]},"index":1}]}"#;
    let first = r#"{"candidates":[{"finishReason":"STOP","index":0}]}"#;
    let second = r#"{"candidates":[{"finishReason":"MAX_TOKENS","index":1}]}"#;

    let half = decode(&[both, first]);
    let full = decode(&[both, first, second]);

    assert_eq!(half.missing, Some("ended before its finish reason"));
    assert_eq!(full.missing, None);
    assert_eq!(
        full.deltas[1..],
        [
            "text 0.0 a",
            "text 1.0 b",
            "finish 0.0 stop raw=STOP",
            "finish 1.0 length raw=MAX_TOKENS",
        ]
    );
}

#[test]
fn blocked_prompt_is_a_content_filter() {
    let outcome = decode(&[
        r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "usage 0.0 in=4",
            "finish 0.0 content_filter raw=PROHIBITED_CONTENT"
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn nothing_but_usage_is_incomplete() {
    let outcome = decode(&[r#"{"usageMetadata":{"promptTokenCount":4},"promptFeedback":{}}"#]);
    assert_eq!(outcome.missing, Some("ended before its terminal event"));
    assert_eq!(decode(&[]).missing, Some("ended before its terminal event"));
}

#[test]
fn finish_reasons_are_normalised_and_never_invented() {
    for (raw, reason) in [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("OTHER", "error"),
        ("CONTINUATION", "pause"),
        ("FINISH_REASON_UNSPECIFIED", "unknown"),
        ("NEW_REASON", "unknown"),
    ] {
        let event = format!(r#"{{"candidates":[{{"finishReason":"{raw}"}}]}}"#);
        assert_eq!(
            decode(&[&event]).deltas,
            ["start 0.0", &format!("finish 0.0 {reason} raw={raw}")]
        );
    }
}

#[test]
fn metadata_comes_as_raw_json_in_the_open_block() {
    let outcome = decode(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"groundingMetadata":{"webSearchQueries":["q"]},"citationMetadata":{"citationSources":[]},"urlContextMetadata":{}}]}"#,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        [
            "text 0.0 a",
            r#"citation 0.0 {"citationSources":[]}"#,
            r#"citation 0.0 {"webSearchQueries":["q"]}"#,
        ]
    );
}

#[test]
fn errors_are_found_in_events_in_arrays_and_in_bare_lines() {
    let error = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"37s"}]}}"#;
    let chunk = r#"{"candidates":[{"finishReason":"STOP"}]}"#;
    let expected = "error 0.0 m name=RESOURCE_EXHAUSTED status=429";
    let pretty = error.replace(',', ",\r\n").replace('{', "{\r\n");

    for text in [
        body(&[chunk, error]),
        body(&[chunk, &format!("[{error}]")]),
        format!("{}{error}\n", body(&[chunk])),
        format!("{}[{pretty}\r\n]\r\n", body(&[chunk])),
    ] {
        let outcome = support::decode(Provider::Gemini, &text);
        assert_eq!(outcome.deltas[2..], [expected], "{text}");
        assert_eq!(outcome.missing, Some("ended by an error event"));
    }
}

#[test]
fn bare_json_that_never_closes_is_incomplete() {
    let text = body(&[r#"{"candidates":[{"finishReason":"STOP"}]}"#]) + "{\n  \"error\": {\n";
    let outcome = support::decode(Provider::Gemini, &text);

    assert_eq!(outcome.missing, Some("ended inside an event"));
}

#[test]
fn array_of_responses_is_read_in_order() {
    let outcome = decode(&[
        r#"[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}]"#,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        ["text 0.0 a", "text 0.0 b", "finish 0.0 stop raw=STOP"]
    );
}

/// An event with one `functionCall` part.
fn call(members: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{{members}}}}}]}}}}]}}"#)
}

#[test]
fn arguments_by_path_are_written_as_text_while_they_grow() {
    let events = [
        call(r#""name":"weather","id":"c1","willContinue":true"#),
        call(
            r#""partialArgs":[{"jsonPath":"$.place.city","stringValue":"New ","willContinue":true}],"willContinue":true"#,
        ),
        call(
            r#""partialArgs":[{"jsonPath":"$.place.city","stringValue":"\ud83d","willContinue":true}],"willContinue":true"#,
        ),
        call(
            r#""partialArgs":[{"jsonPath":"$.place.city","stringValue":"\ude00"},{"jsonPath":"$.days[0]","numberValue":1.5},{"jsonPath":"$.days[1]","numberValue":2}],"willContinue":true"#,
        ),
        call(
            r#""partial_args":[{"json_path":"$.metric","bool_value":true},{"jsonPath":"$.note","nullValue":"NULL_VALUE"}],"will_continue":true"#,
        ),
        call(""),
        r#"{"candidates":[{"finishReason":"STOP"}]}"#.to_owned(),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let outcome = decode(&events);

    assert_eq!(
        outcome.deltas[1..],
        [
            "tool_start 0.0 id=c1 name=weather",
            r#"tool_args 0.0 {"place":{"city":"New "#,
            r"tool_args 0.0 \ud83d",
            r#"tool_args 0.0 \ude00"},"days":[1.5,2"#,
            r#"tool_args 0.0 ],"metric":true,"note":null"#,
            "tool_args 0.0 }",
            "tool_end 0.0",
            "finish 0.0 tool_calls raw=STOP",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn calls_with_growing_arguments_follow_each_other() {
    let edit = r#""partialArgs":[{"jsonPath":"$.a","stringValue":"x"}]"#;
    let events = [
        call(&format!(r#""name":"f",{edit},"willContinue":true"#)),
        call(&format!(r#""name":"g",{edit}"#)),
        call(r#""name":"f","args":{"b":1}"#),
        call(r#""name":"h","willContinue":true"#),
        r#"{"candidates":[{"finishReason":"STOP"}]}"#.to_owned(),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();

    assert_eq!(
        decode(&events).deltas[1..],
        [
            "tool_start 0.0 id=call_0 name=f",
            r#"tool_args 0.0 {"a":"x""#,
            "tool_args 0.0 }",
            "tool_end 0.0",
            "tool_start 0.1 id=call_1 name=g",
            r#"tool_args 0.1 {"a":"x""#,
            "tool_args 0.1 }",
            "tool_end 0.1",
            "tool_start 0.2 id=call_2 name=f",
            r#"tool_args 0.2 {"b":1}"#,
            "tool_end 0.2",
            "tool_start 0.3 id=call_3 name=h",
            "tool_end 0.3",
            "finish 0.0 tool_calls raw=STOP",
        ]
    );
}

#[test]
fn arguments_by_path_are_refused_rather_than_garbled_when_out_of_order() {
    for path in ["$.b", "$.a.c", "$", "$.*", "a"] {
        let events = [
            call(
                r#""name":"f","partialArgs":[{"jsonPath":"$.b","numberValue":1},{"jsonPath":"$.a","numberValue":1}],"willContinue":true"#,
            ),
            call(&format!(
                r#""partialArgs":[{{"jsonPath":"{path}","numberValue":1}}]"#
            )),
        ];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let outcome = decode(&events);

        assert_eq!(
            outcome.deltas.last().map(String::as_str),
            Some(
                "error 0.0 functionCall.partialArgs out of order is not supported name=malformed_event"
            ),
            "{path}"
        );
        assert_eq!(outcome.missing, Some("stopped at a malformed event"));
    }
}

/// Objects whose values are neither empty objects nor empty arrays, which no path can name.
fn arguments() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        ".{0,6}".prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    let inner = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(serde_json::Value::from),
            prop::collection::hash_map("[a-z'\"\\\\.\\[\\] é]{1,4}", inner, 1..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::hash_map("[a-z]{1,3}", inner, 1..4)
        .prop_map(|members| serde_json::Value::Object(members.into_iter().collect()))
}

/// Every scalar of `value` as an edit, strings in two pieces.
fn edits(value: &serde_json::Value, path: &str, into: &mut Vec<serde_json::Value>) {
    use serde_json::{Value, json};
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let key = key.replace('\\', "\\\\").replace('"', "\\\"");
                edits(inner, &format!("{path}[\"{key}\"]"), into);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                edits(inner, &format!("{path}[{index}]"), into);
            }
        }
        Value::String(text) => {
            let half = text
                .char_indices()
                .nth(text.chars().count() / 2)
                .map_or(0, |(at, _)| at);
            into.push(json!({"jsonPath": path, "stringValue": text[..half], "willContinue": true}));
            into.push(json!({"jsonPath": path, "stringValue": text[half..]}));
        }
        Value::Bool(_) => into.push(json!({"jsonPath": path, "boolValue": value})),
        Value::Number(_) => into.push(json!({"jsonPath": path, "numberValue": value})),
        Value::Null => into.push(json!({"jsonPath": path, "nullValue": value})),
    }
}

proptest! {
    /// The oracle is the value itself: what a tree of edits would build is what the text says.
    #[test]
    fn arguments_by_path_make_the_value_they_were_taken_from(value in arguments(), size in 1_usize..5) {
        let mut list = Vec::new();
        edits(&value, "$", &mut list);
        let mut events = vec![call(r#""name":"f","willContinue":true"#)];
        for some in list.chunks(size) {
            let some = serde_json::Value::from(some.to_vec());
            events.push(call(&format!(r#""partialArgs":{some},"willContinue":true"#)));
        }
        events.push(call(""));
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let deltas = decode(&events).deltas;

        let text: String = deltas.iter().filter_map(|line| line.strip_prefix("tool_args 0.0 ")).collect();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
        prop_assert_eq!(deltas.last().map(String::as_str), Some("tool_end 0.0"));
    }
}
