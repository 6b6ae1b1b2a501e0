//! What servers and proxies do that no document says, one test each, for every grammar it can happen to.
//!
//! The numbers are those of the checklist that these tests come from; 7 (bodies of errors) and 14 (forms of
//! `Retry-After`) are about whole answers and are tested in Python, `tests/providers/test_errors.py`.

use crate::support::{self, body, decode_chunks};
use inferail_wire::Provider::{
    Anthropic, DashScope, Gemini, Ollama, OpenAiChat, OpenAiResponses, Tgi,
};
use inferail_wire::{Delta, Kind, Options, Provider, StreamDecoder};

const GRAMMARS: [Provider; 7] = [
    OpenAiChat,
    Anthropic,
    Gemini,
    Ollama,
    Tgi,
    OpenAiResponses,
    DashScope,
];

/// An event that says `text`, which is JSON with its quotes; without the name of the event.
fn says(provider: Provider, text: &str) -> String {
    event(
        provider,
        &match provider {
            OpenAiChat => format!(r#"{{"choices":[{{"index":0,"delta":{{"content":{text}}}}}]}}"#),
            Anthropic => format!(
                r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}}}}"#
            ),
            Gemini => {
                format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":{text}}}]}}}}]}}"#)
            }
            Ollama => format!(r#"{{"message":{{"content":{text}}},"done":false}}"#),
            Tgi => format!(r#"{{"token":{{"id":1,"text":{text},"special":false}}}}"#),
            OpenAiResponses => format!(
                r#"{{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":{text}}}"#
            ),
            _ => format!(
                r#"{{"output":{{"choices":[{{"message":{{"content":{text}}},"finish_reason":"null"}}]}}}}"#
            ),
        },
    )
}

/// What ends a stream well.
fn end(provider: Provider) -> String {
    let events: &[&str] = match provider {
        OpenAiChat => &[
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            "[DONE]",
        ],
        Anthropic => &[
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        Gemini => &[r#"{"candidates":[{"finishReason":"STOP"}]}"#],
        Ollama => &[r#"{"message":{"content":""},"done":true,"done_reason":"stop"}"#],
        Tgi => &[
            r#"{"token":{"id":2,"text":"</s>","special":true},"generated_text":"a","details":{"finish_reason":"eos_token","generated_tokens":2}}"#,
        ],
        OpenAiResponses => &[
            r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}"#,
        ],
        _ => &[r#"{"output":{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}}"#],
    };
    events.iter().map(|data| event(provider, data)).collect()
}

fn event(provider: Provider, data: &str) -> String {
    match provider {
        Ollama => format!("{data}\n"),
        _ => body(&[data]),
    }
}

/// What a stream says in all, and why it is incomplete.
fn read(provider: Provider, bytes: &[u8]) -> (String, Option<&'static str>) {
    let mut decoder = StreamDecoder::new(provider);
    let mut text = String::new();
    for chunk in bytes.chunks(4096) {
        decoder.feed(chunk, &mut |delta: Delta<'_>| {
            if delta.kind == Kind::Text {
                text.push_str(delta.text.unwrap_or_default());
            }
        });
    }
    (text, decoder.finish())
}

/// The deltas of events, whole and byte by byte.
fn deltas(provider: Provider, events: &[&str]) -> Vec<String> {
    let body: String = events.iter().map(|data| event(provider, data)).collect();
    support::decode(provider, &body).deltas
}

fn of_kind(deltas: &[String], kind: &str) -> Vec<String> {
    let mine = deltas
        .iter()
        .filter(|line| line.split(' ').next() == Some(kind));
    mine.cloned().collect()
}

/// Events that say nothing, odd as they are.
const ODD: &[(Provider, &[&str])] = &[
    (
        OpenAiChat,
        &[
            r#"{"choices":[]}"#,
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":{}}"#,
            r#"{"choices":[{"index":0,"delta":null}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":null,"tool_calls":null,"reasoning_details":{}}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":[]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":{"a":1}}}]}"#,
            "null",
            "[]",
            "7",
        ],
    ),
    (
        Anthropic,
        &[
            "{}",
            r#"{"type":"message_start","message":null}"#,
            r#"{"type":"content_block_start","content_block":null}"#,
            r#"{"type":"content_block_delta","delta":null}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":null}}"#,
            r#"{"type":"new_event","index":[]}"#,
            "null",
        ],
    ),
    (
        Gemini,
        &[
            "{}",
            r#"{"candidates":[]}"#,
            r#"{"candidates":null}"#,
            r#"{"candidates":[{"content":null}]}"#,
            r#"{"candidates":[{"content":{"parts":null}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{},{"text":null},null]}}]}"#,
            "null",
        ],
    ),
    (
        Ollama,
        &[
            "{}",
            r#"{"message":null}"#,
            r#"{"message":{"content":null,"tool_calls":null}}"#,
        ],
    ),
    (
        Tgi,
        &["{}", r#"{"token":null}"#, r#"{"token":{"text":null}}"#],
    ),
    (
        OpenAiResponses,
        &[
            "{}",
            r#"{"type":"response.output_text.delta","delta":null}"#,
            r#"{"type":"response.new"}"#,
        ],
    ),
    (
        DashScope,
        &[
            "{}",
            r#"{"output":null}"#,
            r#"{"output":{"choices":[]}}"#,
            r#"{"output":{"choices":[{"message":null}]}}"#,
        ],
    ),
];

#[test]
fn item_01_members_may_be_empty_null_absent_or_of_another_type() {
    for &(provider, events) in ODD {
        let quiet = deltas(provider, events);
        assert!(
            quiet.iter().all(|line| line.starts_with("start ")),
            "{provider:?}: {quiet:?}"
        );
        let body: String = events.iter().map(|data| event(provider, data)).collect();
        let body = body + &says(provider, "\"a\"") + &end(provider);
        assert_eq!(
            read(provider, body.as_bytes()),
            ("a".to_owned(), None),
            "{provider:?}"
        );
    }
}

#[test]
fn item_02_usage_may_come_never_once_last_or_always() {
    let chat = |usage: &str| format!(r#"{{"choices":[],"usage":{usage}}}"#);
    let gemini = |count: u32| format!(r#"{{"usageMetadata":{{"candidatesTokenCount":{count}}}}}"#);

    let always = [
        chat("null"),
        chat(r#"{"completion_tokens":1}"#),
        chat(r#"{"completion_tokens":2}"#),
    ];
    let always: Vec<&str> = always.iter().map(String::as_str).collect();
    assert_eq!(
        deltas(OpenAiChat, &always),
        ["usage 0.0 out=1", "usage 0.0 out=2"]
    );
    assert_eq!(deltas(OpenAiChat, &["{}"]), [""; 0]);
    let always = [gemini(1), gemini(1), gemini(3)];
    let always: Vec<&str> = always.iter().map(String::as_str).collect();
    assert_eq!(
        deltas(Gemini, &always),
        ["usage 0.0 out=1", "usage 0.0 out=3"]
    );
    for provider in GRAMMARS {
        let body = says(provider, "\"a\"") + &end(provider);
        assert_eq!(read(provider, body.as_bytes()).1, None, "{provider:?}");
    }
}

#[test]
fn item_02_usage_never_falls_before_the_last_word() {
    let chat = |count: u32, finish: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":{finish}}}],"usage":{{"completion_tokens":{count}}}}}"#
        )
    };
    let gemini = |count: u32, finish: &str| {
        format!(
            r#"{{"candidates":[{{"index":0,"finishReason":{finish}}}],"usageMetadata":{{"candidatesTokenCount":{count}}}}}"#
        )
    };
    let claude = |count: u32, finish: &str| {
        format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":{finish}}},"usage":{{"output_tokens":{count}}}}}"#
        )
    };
    for (provider, make, reason) in [
        (
            OpenAiChat,
            &chat as &dyn Fn(u32, &str) -> String,
            "\"stop\"",
        ),
        (Gemini, &gemini, "\"STOP\""),
        (Anthropic, &claude, "\"end_turn\""),
    ] {
        let events = [
            make(5, "null"),
            make(3, "null"),
            make(7, "null"),
            make(6, reason),
        ];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();

        assert_eq!(
            of_kind(&deltas(provider, &events), "usage"),
            ["usage 0.0 out=5", "usage 0.0 out=7", "usage 0.0 out=6"],
            "{provider:?}"
        );
    }
}

#[test]
fn item_03_last_event_may_still_say_something() {
    for (provider, data) in [
        (
            OpenAiChat,
            r#"{"choices":[{"finish_reason":"stop","delta":{"content":"a"}}]}"#,
        ),
        (
            Gemini,
            r#"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"a"}]}}]}"#,
        ),
        (
            Ollama,
            r#"{"done":true,"done_reason":"stop","message":{"content":"a"}}"#,
        ),
        (
            Tgi,
            r#"{"generated_text":"a","details":{"finish_reason":"length"},"token":{"text":"a","special":false}}"#,
        ),
        (
            DashScope,
            r#"{"output":{"choices":[{"finish_reason":"stop","message":{"content":"a"}}]}}"#,
        ),
    ] {
        let found = deltas(provider, &[data]);
        let at = |kind: &str| found.iter().position(|line| line.starts_with(kind));

        assert!(
            at("text 0.0 a") < at("finish ") && at("text ").is_some(),
            "{found:?}"
        );
    }
}

#[test]
fn item_04_tool_calls_without_index_or_id_or_arguments_are_told_apart() {
    for (calls, expected) in [
        (
            r#"[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"f","arguments":{}}}]"#,
            &["tool_start 0.0 id=a name=f", "tool_start 0.1 id=b name=f"][..],
        ),
        (
            r#"[{"index":0,"id":"null","function":{"name":"f","arguments":null}},{"index":0,"id":"","function":{"name":"g","arguments":""}}]"#,
            &[
                "tool_start 0.0 id=call_0 name=f",
                "tool_start 0.1 id=call_1 name=g",
            ],
        ),
        (
            r#"[{"index":0,"id":null,"function":{"name":"f","arguments":{"x":1}}}]"#,
            &["tool_start 0.0 id=call_0 name=f"],
        ),
    ] {
        let chat = format!(r#"{{"choices":[{{"delta":{{"tool_calls":{calls}}}}}]}}"#);
        let dash =
            format!(r#"{{"output":{{"choices":[{{"message":{{"tool_calls":{calls}}}}}]}}}}"#);
        for (provider, data) in [(OpenAiChat, chat), (DashScope, dash)] {
            assert_eq!(of_kind(&deltas(provider, &[&data]), "tool_start"), expected);
        }
    }
}

#[test]
fn item_05_done_marker_in_every_form_and_with_bytes_behind_it() {
    let start = says(OpenAiChat, "\"a\"")
        + &event(
            OpenAiChat,
            r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#,
        );
    for marker in [
        "data: [DONE]\n\n",
        "data:[DONE]\n\n",
        "data: [DONE]",
        "data: [DONE]\n\n\r\n<html>{",
    ] {
        let body = format!("{start}{marker}");
        assert_eq!(
            read(OpenAiChat, body.as_bytes()),
            ("a".to_owned(), None),
            "{marker:?}"
        );
    }
    assert_eq!(
        read(OpenAiChat, start.as_bytes()).1,
        Some("ended before its terminal event")
    );
    // A proxy may add the marker to formats that have none.
    for provider in [Anthropic, OpenAiResponses] {
        let body = says(provider, "\"a\"") + &end(provider) + "data: [DONE]\n\n";
        assert_eq!(
            read(provider, body.as_bytes()),
            ("a".to_owned(), None),
            "{provider:?}"
        );
    }
}

#[test]
fn item_06_error_inside_a_stream_is_told_and_spoils_it() {
    for (provider, data) in [
        (OpenAiChat, r#"{"error":{"message":"m","code":500}}"#),
        (OpenAiChat, r#"{"object":"error","message":"m"}"#),
        (
            Anthropic,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
        ),
        (Gemini, r#"{"error":{"code":500,"message":"m"}}"#),
        (Ollama, r#"{"error":"m"}"#),
        (Tgi, r#"{"error":"m","error_type":"generation"}"#),
        (
            OpenAiResponses,
            r#"{"type":"error","code":"server_error","message":"m"}"#,
        ),
        (DashScope, r#"{"code":"InternalError","message":"m"}"#),
    ] {
        let body = says(provider, "\"a\"") + &event(provider, data);
        let outcome = support::decode(provider, &body);
        let last = outcome.deltas.last().map_or("", String::as_str);

        assert!(
            last.starts_with("error 0.0 m name="),
            "{provider:?}: {last}"
        );
        assert_eq!(
            outcome.missing,
            Some("ended by an error event"),
            "{provider:?}"
        );
        let (text, missing) = read(provider, (body + &end(provider)).as_bytes());
        assert_eq!(
            (text.as_str(), missing.is_some()),
            ("a", true),
            "{provider:?}"
        );
    }
    let bare = says(Gemini, "\"a\"") + "{\n  \"error\": {\"code\": 503, \"message\": \"m\"}\n}\n";
    assert_eq!(
        read(Gemini, bare.as_bytes()),
        ("a".to_owned(), Some("ended by an error event"))
    );
}

#[test]
fn item_07_other_bodies_than_streams_are_never_complete() {
    for provider in GRAMMARS {
        for body in [
            "<html>502</html>\n",
            "upstream error\n",
            "",
            "\n\n",
            "[]\n",
            "\u{feff}",
        ] {
            assert!(
                read(provider, body.as_bytes()).1.is_some(),
                "{provider:?} {body:?}"
            );
        }
    }
}

#[test]
fn item_08_comments_and_blank_lines_say_nothing() {
    for provider in GRAMMARS {
        let quiet = match provider {
            Ollama => "\n\n\r\n",
            _ => ": keep-alive\n\n:\n\n: OPENROUTER PROCESSING\n\n\n\ndata:\n\n",
        };
        let body = format!(
            "{quiet}{}{quiet}{}{quiet}",
            says(provider, "\"a\""),
            end(provider)
        );
        assert_eq!(
            read(provider, body.as_bytes()),
            ("a".to_owned(), None),
            "{provider:?}"
        );
    }
}

#[test]
fn item_09_names_of_events_may_be_missing_or_made_up() {
    for provider in GRAMMARS.into_iter().filter(|&provider| provider != Ollama) {
        let bare = says(provider, "\"a\"") + &end(provider);
        let named = bare.replace("data: ", "event: message\nid: 7\ndata: ");
        for body in [bare, named] {
            assert_eq!(
                read(provider, body.as_bytes()),
                ("a".to_owned(), None),
                "{provider:?}"
            );
        }
    }
}

#[test]
fn item_10_line_separators_nul_and_half_characters_stay_in_the_text() {
    for provider in GRAMMARS {
        let body = says(provider, "\"a\u{2028}b\u{2029}c\u{85}d\\u0000\"") + &end(provider);
        let expected = "a\u{2028}b\u{2029}c\u{85}d\0".to_owned();
        assert_eq!(
            read(provider, body.as_bytes()),
            (expected, None),
            "{provider:?}"
        );

        let body =
            says(provider, r#""x\ud83d""#) + &says(provider, r#""\ude00y""#) + &end(provider);
        assert_eq!(
            read(provider, body.as_bytes()),
            ("x😀y".to_owned(), None),
            "{provider:?}"
        );

        let mut bytes = (says(provider, "\"a?b\"") + &end(provider)).into_bytes();
        if let Some(byte) = bytes.iter_mut().find(|byte| **byte == b'?') {
            *byte = 0xff;
        }
        assert_eq!(
            read(provider, &bytes),
            ("a\u{fffd}b".to_owned(), None),
            "{provider:?}"
        );
    }
}

#[test]
fn item_11_one_event_may_be_a_megabyte() {
    let long = "x".repeat(1 << 20);
    for provider in GRAMMARS {
        let body = says(provider, &format!("\"{long}\"")) + &end(provider);
        let (text, missing) = read(provider, body.as_bytes());
        assert_eq!((text.len(), missing), (long.len(), None), "{provider:?}");
    }
}

#[test]
fn item_12_stream_cut_anywhere_is_never_complete() {
    for provider in GRAMMARS {
        let body = says(provider, "\"a\"") + &says(provider, "\"b\"") + &end(provider);
        let needed = body.trim_end().len();
        for at in 0..needed {
            let cut = decode_chunks(provider, Options::default(), &body.as_bytes()[..at], 64);
            // The last blank line of a marker, and the newline of a last document, may be missing.
            assert!(
                cut.missing.is_some(),
                "{provider:?} complete at {at} of {needed}"
            );
        }
        assert_eq!(read(provider, body.as_bytes()).1, None, "{provider:?}");
    }
}

#[test]
fn item_13_counts_may_be_floats_or_beyond_what_a_float_holds() {
    for (provider, data, expected) in [
        (
            OpenAiChat,
            r#"{"created":1764165600.25,"usage":{"prompt_tokens":3.0,"completion_tokens":9007199254740993}}"#,
            "usage 0.0 in=3 out=9007199254740993",
        ),
        (
            OpenAiChat,
            r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1e3,"total_tokens":"7"}}"#,
            "usage 0.0 out=1000",
        ),
        (
            Gemini,
            r#"{"usageMetadata":{"promptTokenCount":3.9,"candidatesTokenCount":99999999999999999999}}"#,
            "usage 0.0 in=3 out=9223372036854775807",
        ),
        (
            DashScope,
            r#"{"usage":{"input_tokens":3.0,"output_tokens":4}}"#,
            "usage 0.0 in=3 out=4",
        ),
    ] {
        assert_eq!(
            of_kind(&deltas(provider, &[data]), "usage"),
            [expected],
            "{provider:?}"
        );
    }
}

#[test]
fn item_15_reasoning_is_found_under_every_name() {
    let chat = |member: &str| format!(r#"{{"choices":[{{"delta":{{{member}}}}}]}}"#);
    for (provider, data) in [
        (OpenAiChat, chat(r#""reasoning_content":"hm""#)),
        (OpenAiChat, chat(r#""reasoning":"hm""#)),
        (OpenAiChat, chat(r#""thinking":"hm""#)),
        (
            OpenAiChat,
            chat(r#""reasoning":"hm","reasoning_content":"hm""#),
        ),
        (
            OpenAiChat,
            chat(r#""reasoning_details":[{"type":"reasoning.text","text":"hm"}]"#),
        ),
        (
            OpenAiChat,
            chat(r#""reasoning_details":[{"type":"reasoning.summary","summary":"hm"}]"#),
        ),
        (
            OpenAiChat,
            chat(r#""content":[{"type":"thinking","thinking":"hm"}]"#),
        ),
        (
            OpenAiChat,
            chat(r#""content":[{"type":"thinking","thinking":[{"text":"hm"}]}]"#),
        ),
        (
            Anthropic,
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}"#
                .to_owned(),
        ),
        (
            Gemini,
            r#"{"candidates":[{"content":{"parts":[{"thought":true,"text":"hm"}]}}]}"#.to_owned(),
        ),
        (Ollama, r#"{"message":{"thinking":"hm"}}"#.to_owned()),
        (
            OpenAiResponses,
            r#"{"type":"response.reasoning_summary_text.delta","delta":"hm"}"#.to_owned(),
        ),
        (
            DashScope,
            r#"{"output":{"choices":[{"message":{"reasoning_content":"hm"}}]}}"#.to_owned(),
        ),
    ] {
        let found = of_kind(&deltas(provider, &[&data]), "reasoning");
        assert_eq!(found.len(), 1, "{provider:?} {data}");
        assert!(found[0].ends_with(" hm"), "{provider:?} {data}");
    }
}
