//! The Cohere grammar.

use crate::support::{self, Outcome, body};
use inferail_wire::Provider;

const START: &str = r#"{"type":"message-start","id":"m1","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#;
const UNFINISHED: Option<&str> = Some("ended before its terminal event");

fn decode(body: &str) -> Outcome {
    support::decode(Provider::Cohere, body)
}

/// The deltas of events behind a `message-start`.
fn after_start(events: &[&str]) -> Vec<String> {
    let mut deltas = decode(&(body(&[START]) + &body(events))).deltas;
    assert_eq!(deltas.remove(0), "start 0.0 id=m1");
    deltas
}

#[test]
fn plain_answer_is_complete_after_message_end() {
    let outcome = decode(&body(&[
        START,
        r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hi"}}},"logprobs":null}"#,
        r#"{"type":"content-end","index":0}"#,
        r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3.0,"output_tokens":2.0},"tokens":{"input_tokens":66.0,"output_tokens":4.0},"cached_tokens":32.0}}}"#,
        "[DONE]",
    ]));

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0 id=m1",
            "text 0.0 Hi",
            "usage 0.0 in=66 out=4 read=32",
            "finish 0.0 stop raw=COMPLETE",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn event_name_stands_in_for_a_missing_type() {
    let text = concat!(
        "event: content-delta\ndata: {\"delta\":{\"message\":{\"content\":{\"text\":\"a\"}}}}\n\n",
        "event: message-end\ndata: {\"delta\":{\"finish_reason\":\"MAX_TOKENS\"}}\n\n",
    );

    let outcome = decode(text);

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0",
            "text 0.0 a",
            "finish 0.0 length raw=MAX_TOKENS"
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn billed_tokens_stand_in_where_there_are_no_others() {
    let deltas = after_start(&[
        r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":2}}}}"#,
    ]);

    assert_eq!(deltas[0], "usage 0.0 in=3 out=2");
}

#[test]
fn incomplete_streams_say_what_is_missing() {
    assert_eq!(decode("").missing, UNFINISHED);
    assert_eq!(decode(&body(&[START])).missing, UNFINISHED);
    assert_eq!(
        decode(&body(&[r#"{"type":"message-end","delta":{}}"#])).missing,
        Some("message-end without a finish reason")
    );
    assert_eq!(
        decode("data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}}")
            .missing,
        Some("ended inside an event")
    );
}

#[test]
fn thinking_and_tool_plan_are_reasoning() {
    let deltas = after_start(&[
        r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"hm"}}}}"#,
        r#"{"type":"content-end","index":0}"#,
        r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"Hi"}}}}"#,
        r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will look."}}}"#,
    ]);

    assert_eq!(
        deltas,
        [
            "reasoning 0.0 hm",
            "text 0.1 Hi",
            "reasoning 0.0 I will look."
        ]
    );
}

#[test]
fn tool_calls_come_in_pieces() {
    let deltas = after_start(&[
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"t1","type":"function","function":{"name":"f","arguments":""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}"#,
        r#"{"type":"tool-call-end","index":0}"#,
        r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"t2","type":"function","function":{"name":"g","arguments":{"b":2}}}}}}"#,
        r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}"#,
    ]);

    assert_eq!(
        deltas,
        [
            "tool_start 0.0 id=t1 name=f",
            r#"tool_args 0.0 {"a":"#,
            "tool_args 0.0 1}",
            "tool_end 0.0",
            "tool_start 0.1 id=t2 name=g",
            r#"tool_args 0.1 {"b":2}"#,
            "tool_end 0.1",
            "finish 0.0 tool_calls raw=TOOL_CALL",
        ]
    );
}

#[test]
fn call_that_begins_again_ends_the_one_before() {
    let start = r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"t","function":{"name":"f"}}}}}"#;

    let deltas = after_start(&[start, start, r#"{"type":"tool-call-end","index":7}"#]);

    assert_eq!(
        deltas,
        [
            "tool_start 0.0 id=t name=f",
            "tool_end 0.0",
            "tool_start 0.0 id=t name=f",
        ]
    );
}

#[test]
fn citations_come_as_raw_json() {
    let deltas = after_start(&[
        r#"{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":5,"end": 8,"text":"cat"}}}}"#,
        r#"{"type":"citation-end","index":0}"#,
        r#"{"type":"citation-start","index":1,"delta":{"message":{"citations":[{"start":1},{"start":2}]}}}"#,
    ]);

    assert_eq!(
        deltas,
        [
            r#"citation 0.0 {"start":5,"end": 8,"text":"cat"}"#,
            r#"citation 0.1 {"start":1}"#,
            r#"citation 0.1 {"start":2}"#,
        ]
    );
}

#[test]
fn finish_reasons_are_normalised_and_never_invented() {
    for (raw, reason) in [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR", "error"),
        ("TIMEOUT", "error"),
        ("ERROR_TOXIC", "content_filter"),
        ("SOMETHING_NEW", "unknown"),
    ] {
        let event = format!(r#"{{"type":"message-end","delta":{{"finish_reason":"{raw}"}}}}"#);
        assert_eq!(
            after_start(&[&event]),
            [format!("finish 0.0 {reason} raw={raw}")]
        );
    }
}

#[test]
fn errors_spoil_completion() {
    for (event, line) in [
        (
            r#"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"it broke"}}"#,
            "error 0.0 it broke name=error",
        ),
        (
            r#"{"message":"too many requests","id":"x"}"#,
            "error 0.0 too many requests name=error",
        ),
        (
            r#"{"type":"something","error":{"message":"m","code":503}}"#,
            "error 0.0 m name=503 status=503",
        ),
    ] {
        let end = r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#;
        let outcome = decode(&body(&[START, event, end]));

        assert_eq!(outcome.deltas[1], line);
        assert_eq!(outcome.missing, Some("ended by an error event"));
    }
}

#[test]
fn unknown_events_members_and_types_are_ignored() {
    let deltas = after_start(&[
        r#"{"type":"debug","prompt":"x","message":"no error"}"#,
        r#"{"type":"new-event","delta":{"message":{"content":{"text":"no"}}}}"#,
        r#"{"type":"content-delta","index":0,"delta":null,"new":[{}]}"#,
        r#"{"type":"content-delta","index":-1,"delta":{"message":{"content":[],"tool_plan":5,"tool_calls":null,"citations":""}}}"#,
        "[]",
        "null",
        r#"{"type":"content-delta","delta":{"message":{"content":{"text":"yes"}}}}"#,
    ]);

    assert_eq!(deltas, ["text 0.0 yes"]);
}

#[test]
fn surrogate_pair_is_joined_within_a_block_only() {
    let deltas = after_start(&[
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"\ud83d"}}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"\ude00\ud83d"}}}}"#,
        r#"{"type":"content-end","index":0}"#,
        r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"\ude00"}}}}"#,
    ]);

    assert_eq!(
        deltas,
        ["text 0.0 😀", "text 0.0 \u{fffd}", "text 0.1 \u{fffd}"]
    );
}
