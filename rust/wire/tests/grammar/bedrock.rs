//! The Bedrock grammar, and the AWS event stream around it.

use crate::support::{self, Outcome, decode_chunks};
use inferail_wire::{Options, Provider};

const STARTED: &str = "start 0.0";
const STOP: (&str, &str) = ("messageStop", r#"{"stopReason":"end_turn"}"#);
const METADATA: (&str, &str) = (
    "metadata",
    r#"{"usage":{"inputTokens":10,"outputTokens":7,"totalTokens":122,"cacheReadInputTokens":100,"cacheWriteInputTokens":5},"metrics":{"latencyMs":9},"p":"abc"}"#,
);
const UNFINISHED: Option<&str> = Some("ended before its terminal event");

/// One message with those string headers.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in headers {
        written.push(name.len() as u8);
        written.extend(name.as_bytes());
        written.push(7);
        written.extend((value.len() as u16).to_be_bytes());
        written.extend(value.as_bytes());
    }
    let total = (16 + written.len() + payload.len()) as u32;
    let mut bytes = [total, written.len() as u32].map(u32::to_be_bytes).concat();
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(written);
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn event(name: &str, data: &str) -> Vec<u8> {
    let headers = [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    message(&headers, data.as_bytes())
}

fn exception(name: &str, data: &str) -> Vec<u8> {
    let headers = [(":exception-type", name), (":message-type", "exception")];
    message(&headers, data.as_bytes())
}

fn body(events: &[(&str, &str)]) -> Vec<u8> {
    events
        .iter()
        .flat_map(|(name, data)| event(name, data))
        .collect()
}

fn decode(body: impl AsRef<[u8]>) -> Outcome {
    support::decode(Provider::Bedrock, &body)
}

/// The deltas of events behind a `messageStart`.
fn after_start(events: &[(&str, &str)]) -> Vec<String> {
    let start = [("messageStart", r#"{"role":"assistant","p":"abcdefgh"}"#)];
    let mut deltas = decode([body(&start), body(events)].concat()).deltas;
    assert_eq!(deltas.remove(0), STARTED);
    deltas
}

#[test]
fn plain_answer_is_complete_after_metadata() {
    let outcome = decode(body(&[
        ("messageStart", r#"{"role":"assistant"}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"ab"}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        STOP,
        METADATA,
        ("contentBlockDelta", "anything"),
    ]));

    assert_eq!(
        outcome.deltas,
        [
            STARTED,
            "text 0.0 Hi",
            "finish 0.0 stop raw=end_turn",
            "usage 0.0 in=115 out=7 read=100 write=5",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn incomplete_streams_say_what_is_missing() {
    let whole = body(&[STOP, METADATA]);

    assert_eq!(decode(b"").missing, UNFINISHED);
    assert_eq!(decode(body(&[STOP])).missing, UNFINISHED);
    assert_eq!(decode(body(&[METADATA])).missing, UNFINISHED);
    assert_eq!(
        decode(body(&[("messageStop", "{}"), METADATA])).missing,
        Some("messageStop without a stop reason")
    );
    assert_eq!(
        decode(&whole[..whole.len() - 1]).missing,
        Some("ended inside an event")
    );
    assert_eq!(decode(&whole).missing, None);
}

#[test]
fn metadata_may_be_waived() {
    let options = Options {
        require_done: false,
        ..Options::default()
    };
    let stopped = body(&[STOP]);

    let waived = decode_chunks(Provider::Bedrock, options, &stopped, 7);
    let cut = decode_chunks(Provider::Bedrock, options, &[], 7);

    assert_eq!((waived.missing, cut.missing), (None, UNFINISHED));
}

#[test]
fn tool_input_comes_in_pieces_and_interleaved() {
    let deltas = after_start(&[
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#,
        ),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t2","name":"g"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":""}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{}"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"1}"}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
    ]);

    assert_eq!(
        deltas,
        [
            "tool_start 0.1 id=t1 name=f",
            "tool_start 0.2 id=t2 name=g",
            r#"tool_args 0.1 {"a":"#,
            "tool_args 0.2 {}",
            "tool_args 0.1 1}",
            "tool_end 0.1",
            "tool_end 0.2",
            "finish 0.0 tool_calls raw=tool_use",
        ]
    );
}

#[test]
fn tools_of_the_service_and_their_results_are_not_tool_calls() {
    let deltas = after_start(&[
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"s","name":"web","type":"server_tool_use"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolResult":{"toolUseId":"s"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"toolResult":[{"text":"x"}]}}"#,
        ),
    ]);

    assert_eq!(deltas, [""; 0]);
}

#[test]
fn signature_in_pieces_is_sent_whole_when_its_block_is_over() {
    let deltas = after_start(&[
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"Ea\/"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"x="}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"ZW5j"}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
    ]);

    assert_eq!(
        deltas,
        [
            "reasoning 0.0 hm",
            "reasoning_signature 0.0 Ea/x=",
            "reasoning_redacted 0.1 ZW5j",
        ]
    );
}

#[test]
fn citations_come_as_raw_json() {
    let deltas = after_start(&[(
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"citation":{"title": "t","location":{"web":{"url":"u"}}}}}"#,
    )]);

    assert_eq!(
        deltas,
        [r#"citation 0.0 {"title": "t","location":{"web":{"url":"u"}}}"#]
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
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "error"),
        ("malformed_tool_use", "error"),
        ("something_new", "unknown"),
    ] {
        let data = format!(r#"{{"stopReason":"{raw}"}}"#);
        assert_eq!(
            after_start(&[("messageStop", &data)]),
            [format!("finish 0.0 {reason} raw={raw}")]
        );
    }
}

#[test]
fn exceptions_carry_their_status_and_spoil_completion() {
    for (name, status) in [
        ("validationException", " status=400"),
        ("modelTimeoutException", " status=408"),
        ("modelStreamErrorException", " status=424"),
        ("throttlingException", " status=429"),
        ("internalServerException", " status=500"),
        ("serviceUnavailableException", " status=503"),
        ("newException", ""),
    ] {
        let failed = exception(name, r#"{"message":"m","originalStatusCode":500}"#);

        let outcome = decode([failed, body(&[STOP, METADATA])].concat());

        assert_eq!(
            outcome.deltas[0],
            format!("error 0.0 m name={name}{status}")
        );
        assert_eq!(outcome.missing, Some("ended by an error event"));
    }
}

#[test]
fn errors_without_a_body_are_read_from_their_headers() {
    let headers = [
        (":message-type", "error"),
        (":error-code", "internalServerException"),
        (":error-message", "it \"broke\" \\ \n\u{1}é"),
    ];
    let bare = [(":message-type", "exception"), (":exception-type", "x")];

    assert_eq!(
        decode(message(&headers, b"")).deltas,
        ["error 0.0 it \"broke\" \\ \n\u{1}é name=internalServerException status=500"]
    );
    assert_eq!(decode(message(&bare, b" ")).deltas, ["error 0.0 name=x"]);
    assert_eq!(
        decode(message(&[(":message-type", "error")], b"")).deltas,
        ["error 0.0 name=error"]
    );
}

#[test]
fn event_that_is_named_like_an_exception_is_no_exception() {
    let outcome = decode(event("throttlingException", r#"{"message":"m"}"#));

    assert_eq!(outcome.deltas, [""; 0]);
    assert_eq!(outcome.missing, UNFINISHED);
}

#[test]
fn damaged_message_ends_the_stream_after_what_came_before() {
    let good = event("messageStart", "{}");
    let mut bad = event("contentBlockDelta", r#"{"delta":{"text":"a"}}"#);
    let last = bad.len() - 6;
    bad[last] ^= 1;

    let outcome = decode([&good[..], &bad, &good].concat());

    assert_eq!(
        outcome.deltas,
        [
            STARTED,
            "error 0.0 checksum of a message does not match name=malformed_event"
        ]
    );
    assert_eq!(outcome.missing, Some("stopped at a malformed event"));
}

#[test]
fn event_beyond_the_bound_is_too_large() {
    let options = Options {
        max_event_bytes: 10,
        ..Options::default()
    };
    let large = event("contentBlockDelta", r#"{"delta":{"text":"secret"}}"#);

    let outcome = decode_chunks(Provider::Bedrock, options, &large, 5);

    assert_eq!(
        outcome.deltas,
        ["error 0.0 event is larger than 10 bytes name=event_too_large"]
    );
    assert_eq!(
        outcome.missing,
        Some("stopped at an event that is too large")
    );
}

#[test]
fn unknown_events_members_and_types_are_ignored() {
    let deltas = after_start(&[
        ("newEvent", r#"{"delta":{"text":"no"}}"#),
        ("", r#"{"delta":{"text":"no"}}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":0,"start":{}}"#),
        ("contentBlockStart", r#"{"start":{"toolUse":null}}"#),
        ("contentBlockDelta", r#"{"delta":null,"new":[{}]}"#),
        ("contentBlockDelta", "[]"),
        ("contentBlockDelta", ""),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":-1,"delta":{"text":5,"toolUse":[],"reasoningContent":"x","citation":1,"image":{}}}"#,
        ),
        ("contentBlockDelta", r#"{"delta":{"text":"yes"}}"#),
    ]);

    assert_eq!(deltas, ["text 0.0 yes"]);
}

#[test]
fn surrogate_pair_is_joined_within_a_block() {
    let deltas = after_start(&[
        ("contentBlockDelta", r#"{"delta":{"text":"\ud83d"}}"#),
        ("contentBlockDelta", r#"{"delta":{"text":"\ude00\ud83d"}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ]);

    assert_eq!(deltas, ["text 0.0 😀", "text 0.0 \u{fffd}"]);
}

#[test]
fn body_in_another_framing_is_malformed() {
    let outcome = decode(support::body(&["{}"; 9]));

    assert_eq!(
        outcome.deltas,
        ["error 0.0 checksum of a message's lengths does not match name=malformed_event"]
    );
}

#[test]
fn open_blocks_beyond_the_bound_are_refused() {
    let signature = |number: usize| {
        let data = format!(
            r#"{{"contentBlockIndex":{number},"delta":{{"reasoningContent":{{"signature":"x"}}}}}}"#
        );
        event("contentBlockDelta", &data)
    };
    let most: Vec<u8> = (0..1024).flat_map(signature).collect();

    let missing = decode(&most).missing;
    let refused = decode([most, signature(1024)].concat()).missing;

    assert_eq!(missing, UNFINISHED);
    assert_eq!(refused, Some("stopped at a malformed event"));
}
