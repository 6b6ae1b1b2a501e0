//! The Anthropic grammar.

use crate::support::{self, Outcome, body, decode_chunks};
use inferail_wire::{Options, Provider};

const MESSAGE_START: &str = r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":1}}}"#;
const STARTED: [&str; 2] = [
    "start 0.0 id=msg_1 name=claude",
    "usage 0.0 in=115 out=1 read=100 write=5",
];

fn decode(body: &str) -> Outcome {
    support::decode(Provider::Anthropic, body)
}

/// Decodes events after a `message_start` and returns what they gave.
fn after_start(events: &[&str]) -> Outcome {
    let mut outcome = decode(&(body(&[MESSAGE_START]) + &body(events)));
    assert_eq!(outcome.deltas[..2], STARTED);
    outcome.deltas.drain(..2);
    outcome
}

#[test]
fn plain_answer_is_complete_after_message_stop() {
    let outcome = after_start(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7,"output_tokens_details":{"thinking_tokens":2}}}"#,
        r#"{"type":"message_stop"}"#,
        "anything",
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "text 0.0 Hi",
            "usage 0.0 in=115 out=7 read=100 write=5 reasoning=2",
            "finish 0.0 stop raw=end_turn",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn event_name_stands_in_for_a_missing_type() {
    let text = concat!(
        "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"max_tokens\"}}\n\n",
        "event: message_stop\ndata: {}\n\n",
    );

    let outcome = decode(text);

    assert_eq!(
        outcome.deltas,
        ["start 0.0", "finish 0.0 length raw=max_tokens"]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn incomplete_streams_say_what_is_missing() {
    let stop = r#"{"type":"message_stop"}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#;

    assert_eq!(
        after_start(&[stop]).missing,
        Some("message_stop without a stop reason")
    );
    assert_eq!(
        after_start(&[delta]).missing,
        Some("ended before its terminal event")
    );
    let cut = body(&[MESSAGE_START, delta, stop]);
    let cut = &cut.as_bytes()[..cut.len() - 3];
    let outcome = decode_chunks(Provider::Anthropic, Options::default(), cut, 50);
    assert_eq!(outcome.missing, Some("ended inside an event"));
}

#[test]
fn tool_input_comes_in_pieces() {
    let outcome = after_start(&[
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "tool_start 0.1 id=t1 name=f",
            r#"tool_args 0.1 {"a":"#,
            "tool_args 0.1 1}",
            "tool_end 0.1",
            "finish 0.0 tool_calls raw=tool_use",
        ]
    );
}

#[test]
fn whole_tool_input_is_used_only_where_no_pieces_follow() {
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":1}}}"#;
    let piece = r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#;
    let stop = r#"{"type":"content_block_stop","index":0}"#;

    let whole = after_start(&[start, stop]).deltas;
    let pieces = after_start(&[start, piece, stop]).deltas;

    assert_eq!(whole[1..], [r#"tool_args 0.0 {"a":1}"#, "tool_end 0.0"]);
    assert_eq!(pieces[1..], ["tool_args 0.0 {}", "tool_end 0.0"]);
}

#[test]
fn open_tool_is_ended_before_the_finish() {
    let outcome = after_start(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}"#,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        ["tool_end 0.0", "finish 0.0 length raw=max_tokens"]
    );
}

#[test]
fn server_tools_and_their_results_are_not_tool_calls() {
    let outcome = after_start(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","content":[{"text":"x"}]}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
    ]);

    assert_eq!(outcome.deltas, [""; 0]);
}

#[test]
fn reasoning_signature_and_redaction_keep_their_blocks() {
    let outcome = after_start(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Ea\/x"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"enc"}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "reasoning 0.0 hm",
            "reasoning_signature 0.0 Ea/x",
            "reasoning_redacted 0.1 enc",
        ]
    );
}

#[test]
fn citations_come_as_raw_json() {
    let outcome = after_start(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a","citations":[{"type":"x"},{"type":"y"}]}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"char_location", "cited_text":"q"}}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "text 0.0 a",
            r#"citation 0.0 {"type":"x"}"#,
            r#"citation 0.0 {"type":"y"}"#,
            r#"citation 0.0 {"type":"char_location", "cited_text":"q"}"#,
        ]
    );
}

#[test]
fn later_usage_overwrites_only_what_it_names() {
    let outcome = after_start(&[
        r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":3}}"#,
        r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":12,"cache_read_input_tokens":null,"output_tokens":5}}"#,
        r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":5}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "usage 0.0 in=115 out=3 read=100 write=5",
            "usage 0.0 in=117 out=5 read=100 write=5",
        ]
    );
}

#[test]
fn stop_reasons_are_normalised_and_never_invented() {
    for (raw, reason) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause"),
        ("something_new", "unknown"),
    ] {
        let event = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{raw}"}}}}"#);
        assert_eq!(
            after_start(&[&event]).deltas,
            [format!("finish 0.0 {reason} raw={raw}")]
        );
    }
}

#[test]
fn refusal_explanation_is_sent() {
    let outcome = after_start(&[
        r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"x","explanation":"no"}}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        ["refusal 0.0 no", "finish 0.0 content_filter raw=refusal"]
    );
}

#[test]
fn errors_carry_their_status_and_spoil_completion() {
    for (kind, status) in [
        ("overloaded_error", " status=529"),
        ("rate_limit_error", " status=429"),
        ("api_error", " status=500"),
        ("new_error", ""),
    ] {
        let error = format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"m"}},"request_id":"r"}}"#
        );
        let outcome = after_start(&[
            &error,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            r#"{"type":"message_stop"}"#,
        ]);
        assert_eq!(
            outcome.deltas[0],
            format!("error 0.0 m name={kind}{status}")
        );
        assert_eq!(outcome.missing, Some("ended by an error event"));
    }
}

#[test]
fn unknown_events_deltas_and_fields_are_ignored() {
    let outcome = after_start(&[
        r#"{"type":"new_event","delta":{"text":"no"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","text":"no"}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"new_block","text":"no"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":null,"new":[{}]}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"text":"yes"}}"#,
        "[]",
    ]);

    assert_eq!(outcome.deltas, ["text 0.0 yes"]);
}

#[test]
fn surrogate_pair_is_joined_within_a_block_only() {
    let outcome = after_start(&[
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ud83d"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00\ud83d"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\ude00"}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        ["text 0.0 😀", "text 0.0 \u{fffd}", "text 0.1 \u{fffd}"]
    );
}
