//! The Gemini grammar.

use crate::support::{self, Outcome, body};
use inferail_wire::Provider;

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

#[test]
fn streamed_arguments_are_refused_rather_than_garbled() {
    let outcome = decode(&[
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","stringValue":"x"}]}}]}}]}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        ["error 0.0 functionCall.partialArgs is not supported name=malformed_event"]
    );
    assert_eq!(outcome.missing, Some("stopped at a malformed event"));
}
