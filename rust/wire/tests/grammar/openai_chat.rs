//! The OpenAI chat grammar and what its speakers do to it.

use crate::support::{self, Outcome, body, decode_chunks};
use inferail_wire::{Options, Provider};

const START: &str = "start 0.0 id=c";
const UNFINISHED: Option<&str> = Some("ended before its terminal event");

fn decode(body: &str) -> Outcome {
    support::decode(Provider::OpenAiChat, body)
}

/// The deltas of one choice whose `delta` objects are given, without the start.
fn deltas(objects: &[&str]) -> Vec<String> {
    let chunk = |object: &&str| {
        format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{object},"finish_reason":null}}]}}"#)
    };
    let events: Vec<String> = objects.iter().map(chunk).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let mut deltas = decode(&body(&events)).deltas;
    assert_eq!(deltas.remove(0), START);
    deltas
}

/// The deltas of fragments of `tool_calls`, one list per event.
fn tools(lists: &[&str]) -> Vec<String> {
    let objects: Vec<String> = lists
        .iter()
        .map(|list| format!(r#"{{"tool_calls":{list}}}"#))
        .collect();
    deltas(&objects.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn plain_answer_is_complete_after_done() {
    let outcome = decode(&body(&[
        r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null}}],"obfuscation":"x"}"#,
        r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hel\"lo\n"}}],"usage":null}"#,
        r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":2,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0}}}"#,
        "[DONE]",
    ]));

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0 id=c name=m",
            "text 0.0 Hel\"lo\n",
            "finish 0.0 stop raw=stop",
            "usage 0.0 in=9 out=4 read=3 write=2 reasoning=2 audio-in=1 audio-out=0",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn chunks_without_choices_or_content_are_tolerated() {
    let outcome = decode(&body(&[
        r#"{"id":"","model":"","choices":[],"prompt_filter_results":[]}"#,
        r#"{"id":"c"}"#,
        r#"{"id":"c","choices":null}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":null}]}"#,
        r#"{"id":"c","choices":[{"index":0}]}"#,
        r#"{"id":"c","choices":[null,{"index":0,"delta":{"content":null}}],"new":{"a":[1]}}"#,
        "null",
        "\"text\"",
        "",
    ]));

    assert_eq!(
        outcome,
        Outcome {
            deltas: vec![START.to_owned()],
            missing: UNFINISHED
        }
    );
}

#[test]
fn finish_chunk_may_carry_content_and_usage() {
    let outcome = decode(&body(&[
        r#"{"id":"c","usage":{"prompt_tokens":1.0},"choices":[{"finish_reason":"length","delta":{"content":"x"},"index":0}]}"#,
        "[DONE]",
    ]));

    assert_eq!(
        outcome.deltas,
        [
            START,
            "text 0.0 x",
            "usage 0.0 in=1",
            "finish 0.0 length raw=length"
        ]
    );
}

#[test]
fn usage_in_every_chunk_is_sent_when_it_changes() {
    let chunk = |out: u32| {
        format!(
            r#"{{"id":"c","choices":[],"usage":{{"prompt_tokens":5,"completion_tokens":{out}}}}}"#
        )
    };
    let outcome = decode(&body(&[&chunk(1), &chunk(1), &chunk(2)]));

    assert_eq!(
        outcome.deltas,
        [START, "usage 0.0 in=5 out=1", "usage 0.0 in=5 out=2"]
    );
}

#[test]
fn usage_of_groq_and_deepseek_is_found() {
    let outcome = decode(&body(&[
        r#"{"id":"c","x_groq":{"id":"r","usage":{"prompt_tokens":3,"completion_tokens":1}}}"#,
        r#"{"id":"c","usage":{"prompt_cache_hit_tokens":2}}"#,
    ]));

    assert_eq!(
        outcome.deltas,
        [START, "usage 0.0 in=3 out=1", "usage 0.0 in=3 out=1 read=2"]
    );
}

#[test]
fn choices_interleave_and_all_must_finish() {
    let chunk =
        |index: u32, rest: &str| format!(r#"{{"id":"c","choices":[{{"index":{index},{rest}}}]}}"#);
    let mut events = vec![
        chunk(0, r#""delta":{"content":"a"}"#),
        chunk(1, r#""delta":{"content":"b"}"#),
        chunk(0, r#""delta":{},"finish_reason":"stop""#),
        "[DONE]".to_owned(),
    ];
    let join = |events: &[String]| body(&events.iter().map(String::as_str).collect::<Vec<_>>());
    let half = decode(&join(&events));
    events.insert(3, chunk(1, r#""delta":{},"finish_reason":"length""#));
    let full = decode(&join(&events));

    assert_eq!(half.missing, Some("[DONE] without a finish reason"));
    assert_eq!(full.missing, None);
    assert_eq!(
        full.deltas[1..],
        [
            "text 0.0 a",
            "text 1.0 b",
            "finish 0.0 stop raw=stop",
            "finish 1.0 length raw=length",
        ]
    );
}

#[test]
fn repeated_finish_is_sent_once() {
    let chunk = r#"{"id":"c","choices":[{"index":0,"finish_reason":"stop"}]}"#;
    assert_eq!(
        decode(&body(&[chunk, chunk])).deltas,
        [START, "finish 0.0 stop raw=stop"]
    );
}

#[test]
fn finish_reasons_are_normalised_and_never_invented() {
    for (raw, reason) in [
        ("stop", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("insufficient_system_resource", "error"),
        ("eos_token", "unknown"),
        ("STOP", "unknown"),
    ] {
        let chunk = format!(r#"{{"id":"c","choices":[{{"index":0,"finish_reason":"{raw}"}}]}}"#);
        assert_eq!(
            decode(&body(&[&chunk])).deltas[1],
            format!("finish 0.0 {reason} raw={raw}")
        );
    }
}

#[test]
fn done_is_recognised_with_and_without_space_and_ends_the_stream() {
    let finished = body(&[
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
    ]);
    for done in [
        "data: [DONE]\n\n",
        "data:[DONE]\n\n",
        "data:  [DONE] \r\n\r\n",
    ] {
        let outcome = decode(&format!("{finished}{done}data: not json\n\n<html>garbage"));
        assert_eq!(
            (outcome.deltas.len(), outcome.missing),
            (3, None),
            "{done:?}"
        );
    }
}

#[test]
fn done_counts_even_where_the_body_ends_without_its_blank_line() {
    let finished =
        body(&[r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#]);
    for (end, missing) in [
        ("data: [DONE]\n", None),
        ("data: [DONE]", None),
        ("data: [DONE", Some("ended inside an event")),
        ("data: {}", Some("ended inside an event")),
    ] {
        assert_eq!(
            decode(&format!("{finished}{end}")).missing,
            missing,
            "{end:?}"
        );
    }
    assert_eq!(
        decode("data: [DONE]").missing,
        Some("[DONE] without a finish reason")
    );
}

#[test]
fn missing_done_is_incomplete_unless_the_caller_waives_it() {
    let text = body(&[
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
    ]);
    let waived = Options {
        require_done: false,
        ..Options::default()
    };
    let cut = &text.as_bytes()[..text.len() - 2];
    let decode = |bytes: &[u8]| decode_chunks(Provider::OpenAiChat, waived, bytes, 1000).missing;

    assert_eq!(
        support::decode(Provider::OpenAiChat, &text).missing,
        UNFINISHED
    );
    assert_eq!(decode(text.as_bytes()), None);
    assert_eq!(decode(cut), Some("ended inside an event"));
    assert_eq!(decode(b""), UNFINISHED);
    assert_eq!(
        decode(b"data: [DONE]\n\n"),
        Some("[DONE] without a finish reason")
    );
}

#[test]
fn content_may_be_a_list_of_parts() {
    let content = r#"{"content":[
        {"type":"thinking","thinking":[{"type":"text","text":"hm"},{"type":"reference","reference_ids":[1]}],"signature":"s"},
        {"type":"text","text":"a"},
        "b",
        {"type":"reference","reference_ids":[1,2]},
        {"type":"image_url","image_url":"u"},
        null
    ]}"#
    .replace('\n', " ");

    assert_eq!(
        deltas(&[&content]),
        [
            "reasoning 0.0 hm",
            "reasoning_signature 0.0 s",
            "text 0.0 a",
            "text 0.0 b",
            r#"citation 0.0 {"type":"reference","reference_ids":[1,2]}"#,
        ]
    );
}

#[test]
fn reasoning_is_found_under_every_name_and_sent_once() {
    let expected = ["reasoning 0.0 hm"];

    assert_eq!(
        deltas(&[r#"{"reasoning_content":"hm","content":null}"#]),
        expected
    );
    assert_eq!(deltas(&[r#"{"reasoning":"hm"}"#]), expected);
    assert_eq!(
        deltas(&[r#"{"reasoning":"hm","reasoning_content":"hm"}"#]),
        expected
    );
    assert_eq!(
        deltas(&[
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"hm"}],"reasoning":"hm"}"#
        ]),
        expected
    );
    assert_eq!(
        deltas(&[
            r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"hm"},{"type":"reasoning.text","signature":"s"},{"type":"reasoning.encrypted","data":"d"}]}"#
        ]),
        [
            "reasoning 0.0 hm",
            "reasoning_signature 0.0 s",
            "reasoning_redacted 0.0 d"
        ]
    );
    assert_eq!(
        deltas(&[r#"{"content":"answer","reasoning":"hm"}"#]),
        ["reasoning 0.0 hm", "text 0.0 answer"]
    );
}

#[test]
fn refusal_and_annotations_are_sent() {
    assert_eq!(
        deltas(&[r#"{"refusal":"no","annotations":[{"type":"url_citation"}]}"#]),
        ["refusal 0.0 no", r#"citation 0.0 {"type":"url_citation"}"#]
    );
}

#[test]
fn parallel_tool_fragments_interleave_by_index() {
    let chunk = |list: &str, finish: &str| {
        format!(
            r#"{{"id":"c","choices":[{{"index":0,"delta":{{"tool_calls":{list}}},"finish_reason":{finish}}}]}}"#
        )
    };
    let outcome = decode(&body(&[
        &chunk(
            r#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]"#,
            "null",
        ),
        &chunk(
            r#"[{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]"#,
            "null",
        ),
        &chunk(
            r#"[{"index":0,"function":{"arguments":"{\"x\""}},{"index":1,"function":{"arguments":"}"}}]"#,
            "null",
        ),
        &chunk(
            r#"[{"index":0,"id":"","function":{"name":null,"arguments":":1}"}}]"#,
            "\"tool_calls\"",
        ),
    ]));

    assert_eq!(
        outcome.deltas[1..],
        [
            "tool_start 0.0 id=a name=f",
            "tool_start 0.1 id=b name=g",
            "tool_args 0.1 {",
            r#"tool_args 0.0 {"x""#,
            "tool_args 0.1 }",
            "tool_args 0.0 :1}",
            "tool_end 0.0",
            "tool_end 0.1",
            "finish 0.0 tool_calls raw=tool_calls",
        ]
    );
}

#[test]
fn tool_calls_without_index_are_told_apart_by_id_and_name() {
    assert_eq!(
        tools(&[
            r#"[{"id":"a","function":{"name":"f","arguments":"{"}}]"#,
            r#"[{"id":"b","function":{"name":"f","arguments":"{}"}}]"#,
            r#"[{"id":"a","function":{"arguments":"}"}}]"#,
            r#"[{"function":{"name":"g"}}]"#,
            r#"[{"function":{"arguments":"1"}}]"#,
        ]),
        [
            "tool_start 0.0 id=a name=f",
            "tool_args 0.0 {",
            "tool_start 0.1 id=b name=f",
            "tool_args 0.1 {}",
            "tool_args 0.0 }",
            "tool_start 0.2 id=call_0 name=g",
            "tool_args 0.2 1",
        ]
    );
}

#[test]
fn repeated_index_with_a_new_id_or_name_starts_a_new_call() {
    assert_eq!(
        tools(&[
            r#"[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]"#,
            r#"[{"index":0,"id":"b","function":{"name":"f","arguments":{}}}]"#,
        ]),
        [
            "tool_start 0.0 id=a name=f",
            r#"tool_args 0.0 {"x":1}"#,
            "tool_start 0.1 id=b name=f",
            "tool_args 0.1 {}",
        ]
    );
    assert_eq!(
        tools(&[
            r#"[{"index":0,"id":"null","function":{"name":"f","arguments":null}},{"index":0,"id":"null","function":{"name":"g"}},{"index":0,"id":null,"function":{"name":"g"}}]"#
        ]),
        [
            "tool_start 0.0 id=call_0 name=f",
            "tool_start 0.1 id=call_1 name=g",
            "tool_start 0.2 id=call_2 name=g",
        ]
    );
}

#[test]
fn repeated_id_and_name_continue_the_call() {
    assert_eq!(
        tools(&[
            r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}]"#,
            r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"2"}}]"#,
            r#"[{"index":0,"function":{"name":"f","arguments":"3"}}]"#,
        ])
        .len(),
        4
    );
}

#[test]
fn call_is_announced_once_its_name_is_known() {
    assert_eq!(
        tools(&[
            r#"[{"index":0,"id":"a"}]"#,
            r#"{"index":0,"type":"custom","custom":{"name":"f","input":"raw"}}"#,
        ]),
        ["tool_start 0.0 id=a name=f", "tool_args 0.0 raw"]
    );
}

#[test]
fn legacy_function_call_is_a_tool_call() {
    assert_eq!(
        deltas(&[
            r#"{"function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{}"}}"#,
            r#"{"function_call":null}"#,
        ]),
        ["tool_start 0.0 id=call_0 name=f", "tool_args 0.0 {}"]
    );
}

#[test]
fn surrogate_pair_cut_between_deltas_is_joined() {
    assert_eq!(
        deltas(&[
            r#"{"content":"a\ud83d"}"#,
            r#"{"reasoning":"r"}"#,
            r#"{"content":"\ude00b"}"#
        ]),
        ["text 0.0 a", "reasoning 0.0 r", "text 0.0 😀b"]
    );
    assert_eq!(
        deltas(&[r#"{"content":"\ud83d"}"#, r#"{"content":"b"}"#]),
        ["text 0.0 \u{fffd}b"]
    );
}

#[test]
fn half_a_pair_is_replaced_when_its_choice_ends() {
    let outcome = decode(&body(&[
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"\ud83d"},"finish_reason":"length"}]}"#,
    ]));

    assert_eq!(
        outcome.deltas[1..],
        ["text 0.0 \u{fffd}", "finish 0.0 length raw=length"]
    );
}

#[test]
fn errors_in_the_stream_are_sent_and_spoil_completion() {
    for (event, expected) in [
        (
            r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
            "error 0.0 slow down name=rate_limit_exceeded status=429",
        ),
        (
            r#"{"error":{"message":"m","code":502}}"#,
            "error 0.0 m name=502 status=502",
        ),
        (
            r#"{"error":{"message":"m","code":"503"}}"#,
            "error 0.0 m name=503 status=503",
        ),
        (
            r#"{"error":{"message":"m","type":"server_error","code":null}}"#,
            "error 0.0 m name=server_error status=500",
        ),
        (
            r#"{"error":{"message":"m","type":"BadRequestError","code":400.0}}"#,
            "error 0.0 m name=BadRequestError status=400",
        ),
        (
            r#"{"error":"overloaded","error_type":"overloaded"}"#,
            "error 0.0 overloaded name=error",
        ),
        (
            r#"{"x_groq":{"error":"over capacity"}}"#,
            "error 0.0 over capacity name=error",
        ),
        (
            r#"{"object":"error","message":"m","type":"t","code":null}"#,
            "error 0.0 m name=t",
        ),
    ] {
        let outcome = decode(&body(&[
            event,
            r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#,
            "[DONE]",
        ]));
        assert_eq!(outcome.deltas[0], expected);
        assert_eq!(outcome.missing, Some("ended by an error event"));
    }
}

#[test]
fn openrouter_error_chunk_finishes_its_choice_first() {
    let outcome = decode(&body(&[
        r#"{"id":"c","error":{"code":502,"message":"m"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
    ]));

    assert_eq!(
        outcome.deltas[1..],
        [
            "finish 0.0 error raw=error",
            "error 0.0 m name=502 status=502"
        ]
    );
}

#[test]
fn named_error_event_may_be_flat() {
    let outcome = decode("event: error\ndata: {\"message\":\"m\",\"code\":\"server_error\"}\n\n");
    assert_eq!(outcome.deltas, ["error 0.0 m name=server_error status=500"]);
}

#[test]
fn empty_errors_are_none() {
    for error in ["null", "false", "\"\"", "{}", "0"] {
        let outcome = decode(&body(&[
            &format!(r#"{{"error":{error},"choices":[{{"index":0,"finish_reason":"stop"}}]}}"#),
            "[DONE]",
        ]));
        assert_eq!(outcome.missing, None, "{error}");
    }
}

#[test]
fn malformed_event_is_an_error_after_what_came_before() {
    for broken in [
        "{\"choices\":[",
        "{\"a\":1}}",
        "<html>",
        "{\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"leak\"}}]",
    ] {
        let text = body(&[
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
            broken,
            "[DONE]",
        ]);
        let outcome = decode(&text);

        assert_eq!(outcome.deltas[..2], [START, "text 0.0 a"]);
        assert_eq!(outcome.deltas.len(), 3);
        assert!(
            outcome.deltas[2].starts_with("error 0.0 invalid JSON at byte "),
            "{broken}"
        );
        assert!(outcome.deltas[2].ends_with("name=malformed_event"));
        assert_eq!(outcome.missing, Some("stopped at a malformed event"));
    }
}

#[test]
fn oversized_event_is_an_error_after_what_came_before() {
    let text = body(&[
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
        &"x".repeat(200),
        "[DONE]",
    ]);
    let options = Options {
        max_event_bytes: 100,
        ..Options::default()
    };

    for size in [1, 7, 1000] {
        let outcome = decode_chunks(Provider::OpenAiChat, options, text.as_bytes(), size);
        assert_eq!(
            outcome.deltas[2..],
            ["error 0.0 event is larger than 100 bytes name=event_too_large"]
        );
        assert_eq!(
            outcome.missing,
            Some("stopped at an event that is too large")
        );
    }
}

#[test]
fn comments_keep_alives_and_bare_error_bodies_are_handled() {
    let quiet = decode(": OPENROUTER PROCESSING\n\n: keep-alive\n\n\n\n");
    let failed = decode("{\n  \"error\": {\n    \"message\": \"a } b\", \"code\": 500}\n}\n");

    assert_eq!(quiet.deltas, [""; 0]);
    assert_eq!(failed.deltas, ["error 0.0 a } b name=500 status=500"]);
}
