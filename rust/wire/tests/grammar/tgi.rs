//! The grammar of Text Generation Inference.

use crate::support::{self, Outcome, body};
use inferail_wire::{Options, Provider};

fn decode(events: &[&str]) -> Outcome {
    support::decode(Provider::Tgi, &body(events))
}

const TOKEN: &str = r#"{"index":1,"token":{"id":22,"text":" deep","logprob":-0.1,"special":false},"top_tokens":[],"generated_text":null,"details":null}"#;

#[test]
fn native_stream_ends_with_the_whole_text() {
    let outcome = decode(&[
        TOKEN,
        r#"{"index":2,"token":{"id":2,"text":"</s>","logprob":-0.2,"special":true},"generated_text":" deep","details":{"finish_reason":"eos_token","generated_tokens":2,"input_length":7,"seed":null}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0",
            "text 0.0  deep",
            "usage 0.0 in=7 out=2",
            "finish 0.0 stop raw=eos_token",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn data_needs_no_blank_after_its_colon() {
    let text = body(&[TOKEN, r#"{"generated_text":" deep"}"#]).replace("data: ", "data:");

    assert_eq!(support::decode(Provider::Tgi, &text).missing, None);
}

#[test]
fn native_finish_reasons_are_normalised_and_never_invented() {
    for (details, expected) in [
        (
            r#"{"finish_reason":"length"}"#,
            "finish 0.0 length raw=length",
        ),
        (
            r#"{"finish_reason":"stop_sequence"}"#,
            "finish 0.0 stop raw=stop_sequence",
        ),
        (r#"{"finish_reason":"new"}"#, "finish 0.0 unknown raw=new"),
        ("null", "finish 0.0 unknown"),
    ] {
        let event =
            format!(r#"{{"token":{{"text":"a"}},"generated_text":"a","details":{details}}}"#);
        assert_eq!(
            decode(&[&event]).deltas,
            ["start 0.0", "text 0.0 a", expected]
        );
    }
}

#[test]
fn native_stream_without_its_last_event_is_incomplete() {
    for options in [true, false] {
        let options = Options {
            require_done: options,
            ..Options::default()
        };
        let text = body(&[TOKEN]);
        let outcome = support::decode_chunks(Provider::Tgi, options, text.as_bytes(), 9);

        assert_eq!(outcome.missing, Some("ended before its terminal event"));
    }
}

#[test]
fn chat_completions_are_understood() {
    let chunk = r#"{"id":"","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#;
    let last = r#"{"id":"","model":"m","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;

    let whole = decode(&[chunk, last, "[DONE]"]);
    let cut = decode(&[chunk, last]);

    assert_eq!(
        whole.deltas,
        [
            "start 0.0 name=m",
            "text 0.0 Hi",
            "usage 0.0 in=3 out=1",
            "finish 0.0 stop raw=stop",
        ]
    );
    assert_eq!(whole.missing, None);
    assert_eq!(cut.missing, Some("ended before its terminal event"));
}

#[test]
fn error_has_the_name_that_stands_beside_it() {
    for (before, error) in [
        (
            TOKEN,
            r#"{"error":"Input validation error","error_type":"validation"}"#,
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"error_type":"validation","error":"Input validation error"}"#,
        ),
    ] {
        for name in ["", "event: error\n"] {
            let text = body(&[before]) + name + &body(&[error]);
            let outcome = support::decode(Provider::Tgi, &text);

            assert_eq!(
                outcome.deltas.last().map(String::as_str),
                Some("error 0.0 Input validation error name=validation")
            );
            assert_eq!(outcome.missing, Some("ended by an error event"));
        }
    }
}

#[test]
fn odd_members_do_no_harm() {
    let outcome = decode(&[
        "5",
        r#"{"token":null,"generated_text":null,"details":7,"error":null,"error_type":"x"}"#,
        r#"{"token":{"text":5,"special":"no"}}"#,
        r#"{"token":{"text":"\ud83d"}}"#,
        r#"{"token":{"text":"\ude00"}}"#,
    ]);

    assert_eq!(outcome.deltas, ["start 0.0", "text 0.0 😀"]);
}
