//! `DashScope`'s own stream, incremental and cumulative.

use crate::support::{self, Outcome, body};
use inferail_wire::Provider;

fn decode(provider: Provider, events: &[&str]) -> Outcome {
    support::decode(provider, &body(events))
}

/// An event with one choice.
fn chunk(message: &str, finish: &str) -> String {
    format!(
        r#"{{"output":{{"choices":[{{"message":{message},"finish_reason":"{finish}"}}]}},"usage":{{"total_tokens":9,"input_tokens":5,"output_tokens":4,"prompt_tokens_details":{{"cached_tokens":2}},"output_tokens_details":{{"reasoning_tokens":1}}}},"request_id":"r"}}"#
    )
}

fn texts(events: &[String]) -> Vec<&str> {
    events.iter().map(String::as_str).collect()
}

const USAGE: &str = "usage 0.0 in=5 out=4 read=2 reasoning=1";

#[test]
fn incremental_pieces_are_sent_as_they_are() {
    let events = [
        chunk(
            r#"{"role":"assistant","content":"","reasoning_content":"hm"}"#,
            "null",
        ),
        chunk(r#"{"role":"assistant","content":"ha"}"#, "null"),
        chunk(r#"{"role":"assistant","content":"haha"}"#, "stop"),
    ];
    let outcome = decode(Provider::DashScope, &texts(&events));

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0 id=r",
            "reasoning 0.0 hm",
            USAGE,
            "text 0.0 ha",
            "text 0.0 haha",
            "finish 0.0 stop raw=stop",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn cumulative_texts_are_sent_once() {
    let tool = |arguments: &str| {
        format!(
            r#"{{"content":"haha","tool_calls":[{{"index":0,"id":"a","function":{{"name":"f","arguments":"{arguments}"}}}}]}}"#
        )
    };
    let events = [
        chunk(r#"{"content":"","reasoning_content":"h"}"#, "null"),
        chunk(r#"{"content":"ha\ud83d","reasoning_content":"hm"}"#, "null"),
        chunk(
            r#"{"content":"ha\ud83d\ude00","reasoning_content":"hm"}"#,
            "null",
        ),
        chunk(
            r#"{"content":"ha\ud83d\ude00ha","reasoning_content":"hm"}"#,
            "stop",
        ),
    ];
    let calls = [
        chunk(&tool("{"), "null"),
        chunk(&tool("{\\\"x\\\""), "null"),
        chunk(&tool("{\\\"x\\\":1}"), "tool_calls"),
    ];

    assert_eq!(
        decode(Provider::DashScopeCumulative, &texts(&events)).deltas[1..],
        [
            "reasoning 0.0 h",
            USAGE,
            "reasoning 0.0 m",
            "text 0.0 ha",
            "text 0.0 😀",
            "text 0.0 ha",
            "finish 0.0 stop raw=stop",
        ]
    );
    assert_eq!(
        decode(Provider::DashScopeCumulative, &texts(&calls)).deltas[1..],
        [
            "text 0.0 haha",
            "tool_start 0.0 id=a name=f",
            "tool_args 0.0 {",
            USAGE,
            "tool_args 0.0 \"x\"",
            "tool_args 0.0 :1}",
            "tool_end 0.0",
            "finish 0.0 tool_calls raw=tool_calls",
        ]
    );
}

#[test]
fn text_that_takes_back_what_it_said_is_refused() {
    let events = [
        chunk(r#"{"content":"one"}"#, "null"),
        chunk(r#"{"content":"two"}"#, "stop"),
    ];
    let outcome = decode(Provider::DashScopeCumulative, &texts(&events));

    assert_eq!(
        outcome.deltas.last().map(String::as_str),
        Some("error 0.0 text that takes back what it said is not supported name=malformed_event")
    );
    assert_eq!(outcome.missing, Some("stopped at a malformed event"));
}

#[test]
fn single_text_of_the_old_form_is_read() {
    let outcome = decode(
        Provider::DashScope,
        &[
            r#"{"output":{"finish_reason":"null","text":"a"},"request_id":"r"}"#,
            r#"{"output":{"finish_reason":"length","text":"b"},"request_id":"r"}"#,
        ],
    );

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0 id=r",
            "text 0.0 a",
            "text 0.0 b",
            "finish 0.0 length raw=length"
        ]
    );
}

#[test]
fn errors_are_found_with_and_without_the_name_of_their_event() {
    let event = r#"{"code":"Throttling.RateQuota","message":"slow","request_id":"r"}"#;
    for text in [
        format!("id:1\nevent:error\n:HTTP_STATUS/429\ndata:{event}\n\n"),
        format!("data:{event}\n\n"),
    ] {
        let outcome = support::decode(Provider::DashScope, &text);

        assert_eq!(
            outcome.deltas,
            ["start 0.0 id=r", "error 0.0 slow name=Throttling.RateQuota"]
        );
        assert_eq!(outcome.missing, Some("ended by an error event"));
    }
}

#[test]
fn body_without_a_finish_reason_is_incomplete() {
    for finish in ["null", ""] {
        let event = chunk(r#"{"content":"a"}"#, finish);
        let outcome = decode(Provider::DashScope, &[&event]);

        assert_eq!(outcome.missing, Some("ended before its terminal event"));
    }
}
