//! The Ollama grammar.

use crate::support::{self, Outcome};
use inferail_wire::{Options, Provider};

fn decode(lines: &[&str]) -> Outcome {
    support::decode(Provider::Ollama, &(lines.join("\n") + "\n"))
}

#[test]
fn plain_answer_ends_with_the_line_that_is_done() {
    let outcome = decode(&[
        r#"{"model":"llama3.2","created_at":"2026-11-21T10:00:00Z","message":{"role":"assistant","content":"Hel"},"done":false}"#,
        r#"{"model":"llama3.2","message":{"role":"assistant","content":"lo"},"done":false}"#,
        r#"{"model":"llama3.2","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":5191566416,"load_duration":2154458,"prompt_eval_count":26,"prompt_eval_duration":383809000,"eval_count":298,"eval_duration":4799921000}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0 name=llama3.2",
            "text 0.0 Hel",
            "text 0.0 lo",
            "usage 0.0 in=26 out=298",
            "finish 0.0 stop raw=stop",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn last_line_needs_no_line_feed() {
    let body = r#"{"message":{"content":"a"},"done":true,"done_reason":"stop"}"#;

    let whole = support::decode(Provider::Ollama, body);
    let cut = support::decode(Provider::Ollama, &body[..body.len() - 1]);

    assert_eq!(whole.missing, None);
    assert_eq!(
        whole.deltas[1..],
        ["text 0.0 a", "finish 0.0 stop raw=stop"]
    );
    assert_eq!(cut.missing, Some("ended inside an event"));
    assert_eq!(cut.deltas, [""; 0]);
}

#[test]
fn stream_without_a_line_that_is_done_is_incomplete() {
    let outcome = decode(&[r#"{"message":{"content":"a"},"done":false}"#]);

    assert_eq!(outcome.missing, Some("ended before its terminal event"));
    assert_eq!(decode(&[]).missing, Some("ended before its terminal event"));
}

#[test]
fn thinking_text_and_whole_calls_are_blocks_of_their_own() {
    let outcome = decode(&[
        r#"{"message":{"content":"","thinking":"hm"}}"#,
        r#"{"message":{"content":"","thinking":" so"}}"#,
        r#"{"message":{"content":"a","thinking":null}}"#,
        r#"{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"x": 1}}},{"id":"given","function":{"index":1,"name":"g","arguments":"{\"y\":2}"}}]}}"#,
        r#"{"message":{"tool_calls":[{"function":{"name":"h","arguments":null}},null,{}]},"done":true,"done_reason":"stop"}"#,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        [
            "reasoning 0.0 hm",
            "reasoning 0.0  so",
            "text 0.1 a",
            "tool_start 0.2 id=call_0 name=f",
            r#"tool_args 0.2 {"x": 1}"#,
            "tool_end 0.2",
            "tool_start 0.3 id=given name=g",
            r#"tool_args 0.3 {"y":2}"#,
            "tool_end 0.3",
            "tool_start 0.4 id=call_1 name=h",
            "tool_end 0.4",
            "tool_start 0.5 id=call_2",
            "tool_end 0.5",
            "finish 0.0 tool_calls raw=stop",
        ]
    );
}

#[test]
fn lines_of_generate_are_understood() {
    let outcome = decode(&[
        r#"{"model":"m","response":"","thinking":"hm","done":false}"#,
        r#"{"model":"m","response":"a","done":false}"#,
        r#"{"model":"m","response":"","done":true,"done_reason":"length","context":[1,2],"eval_count":1}"#,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        [
            "reasoning 0.0 hm",
            "text 0.1 a",
            "usage 0.0 out=1",
            "finish 0.0 length raw=length",
        ]
    );
}

#[test]
fn finish_reasons_are_never_invented() {
    for (line, expected) in [
        (
            r#"{"done":true,"done_reason":"load"}"#,
            "finish 0.0 unknown raw=load",
        ),
        (r#"{"done":true}"#, "finish 0.0 unknown"),
    ] {
        assert_eq!(decode(&[line]).deltas, ["start 0.0", expected]);
    }
}

#[test]
fn error_line_ends_the_stream_in_an_error() {
    for (line, expected) in [
        (
            r#"{"error":"model runner has unexpectedly stopped"}"#,
            "error 0.0 model runner has unexpectedly stopped name=error",
        ),
        (
            r#"{"error":{"message":"m","code":500}}"#,
            "error 0.0 m name=500 status=500",
        ),
    ] {
        for end in [
            "",
            "\n",
            " trailing",
            "\n{\"message\":{\"content\":\"b\"}}\n",
        ] {
            let body = "{\"message\":{\"content\":\"a\"}}\n".to_owned() + line + end;
            let outcome = support::decode(Provider::Ollama, &body);

            assert_eq!(outcome.deltas[2..], [expected]);
            assert_eq!(outcome.missing, Some("ended by an error event"));
        }
    }
}

#[test]
fn what_follows_the_last_line_is_ignored() {
    let last = r#"{"done":true,"done_reason":"stop"}"#;

    let outcome = support::decode(Provider::Ollama, &format!("{last}trailing {{\n{last}"));

    assert_eq!(outcome.deltas, ["start 0.0", "finish 0.0 stop raw=stop"]);
    assert_eq!(outcome.missing, None);
}

#[test]
fn odd_members_and_blank_lines_do_no_harm() {
    let outcome = decode(&[
        "",
        "\r",
        "5",
        r#"{"message":7,"done":"yes","error":null,"logprobs":[{}],"prompt_eval_count":"many"}"#,
        r#"{"message":{"content":["a"],"tool_calls":{}},"model":5,"error":""}"#,
    ]);

    assert_eq!(outcome.deltas, ["start 0.0"]);
}

#[test]
fn only_a_line_feed_ends_a_line_and_a_half_pair_waits_for_its_other_half() {
    let outcome = decode(&[
        "{\"message\":{\"content\":\"a\u{2028}b\u{85}c \\ud83d\"}}",
        r#"{"message":{"content":"\ude00"}}"#,
        r#"{"message":{"content":"\ud83d"},"done":true,"done_reason":"stop"}"#,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        [
            "text 0.0 a\u{2028}b\u{85}c ",
            "text 0.0 😀",
            "text 0.0 \u{fffd}",
            "finish 0.0 stop raw=stop",
        ]
    );
}

#[test]
fn line_that_is_no_json_or_too_large_is_an_error_after_what_came_before() {
    let good = r#"{"message":{"content":"kept"}}"#;
    for (line, name) in [
        ("<html>", "malformed_event"),
        ("{\"message\":\n}", "malformed_event"),
        (
            &format!(r#"{{"message":{{"content":"{}"}}}}"#, "x".repeat(50)),
            "event_too_large",
        ),
    ] {
        let body = format!("{good}\n{line}\n{good}\n");
        let options = Options {
            max_event_bytes: 40,
            ..Options::default()
        };
        for size in [1, 7, body.len()] {
            let outcome = support::decode_chunks(Provider::Ollama, options, body.as_bytes(), size);

            assert_eq!(outcome.deltas[..2], ["start 0.0", "text 0.0 kept"]);
            assert!(outcome.deltas[2].ends_with(&format!("name={name}")));
            assert_eq!(outcome.deltas.len(), 3);
            assert!(outcome.missing.is_some());
        }
    }
}

#[test]
fn stream_of_events_is_not_taken_for_lines() {
    let events = support::body(&[r#"{"message":{"content":"a"},"done":true}"#]);

    let outcome = support::decode(Provider::Ollama, &events);

    assert_eq!(
        outcome.deltas,
        ["error 0.0 invalid JSON at byte 0 name=malformed_event"]
    );
    assert_eq!(outcome.missing, Some("stopped at a malformed event"));
}
