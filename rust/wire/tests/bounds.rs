//! Streams with more parts than any answer has: bounded work, and never a silent loss.

mod support;

use inferail_wire::Provider;
use inferail_wire::json::{MAX_SOURCE_BYTES, Walker};
use support::{body, decode};

const MOST: usize = 1024;

/// What a list of `count` items of `item`, where `#` is the number of the item, gives within `around`.
fn event(around: &str, item: &str, count: usize) -> String {
    let items: Vec<String> = (0..count)
        .map(|number| item.replace('#', &number.to_string()))
        .collect();
    around.replace("…", &items.join(","))
}

/// Whether the stream of those events is cut off as malformed.
fn is_refused(provider: Provider, events: &[String]) -> bool {
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let outcome = decode(provider, &body(&events));
    let refusal =
        "error 0.0 more than 1024 choices, open blocks or tool calls name=malformed_event";
    let is_refused = outcome.deltas.iter().any(|delta| delta == refusal);
    assert_eq!(
        is_refused,
        outcome.missing == Some("stopped at a malformed event")
    );
    is_refused
}

#[test]
fn parts_beyond_the_bound_are_refused_within_an_event() {
    for (provider, around, item) in [
        (Provider::OpenAiChat, r#"{"choices":[…]}"#, r#"{"index":#}"#),
        (
            Provider::OpenAiChat,
            r#"{"choices":[{"delta":{"tool_calls":[…]}}]}"#,
            r#"{"index":#}"#,
        ),
        (Provider::Gemini, r#"{"candidates":[…]}"#, r#"{"index":#}"#),
    ] {
        assert!(!is_refused(provider, &[event(around, item, MOST)]));
        assert!(is_refused(provider, &[event(around, item, MOST + 1)]));
    }
}

#[test]
fn parts_beyond_the_bound_are_refused_across_events() {
    for (provider, template) in [
        (
            Provider::OpenAiChat,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":#}]}}]}"#,
        ),
        (
            Provider::Anthropic,
            r#"{"type":"content_block_start","index":#,"content_block":{"type":"tool_use"}}"#,
        ),
        (Provider::Gemini, r#"{"candidates":[{"index":#}]}"#),
        (Provider::Cohere, r#"{"type":"tool-call-start","index":#}"#),
    ] {
        let mut events: Vec<String> = (0..=MOST)
            .map(|number| template.replace('#', &number.to_string()))
            .collect();

        assert!(is_refused(provider, &events));
        events.pop();
        assert!(!is_refused(provider, &events));
    }
}

#[test]
fn blocks_that_were_closed_do_not_count() {
    let open_and_close = [
        r#"{"type":"content_block_start","content_block":{"type":"text"}}"#,
        r#"{"type":"content_block_stop"}"#,
    ];
    let outcome = decode(Provider::Anthropic, &body(&open_and_close.repeat(MOST + 1)));

    assert_eq!(outcome.deltas, ["start 0.0"]);
    assert_eq!(outcome.missing, Some("ended before its terminal event"));
}

#[test]
fn half_pairs_beyond_the_bound_are_replaced_at_once() {
    let halves: Vec<String> = (0..=MOST)
        .map(|number| {
            format!(
                r#"{{"type":"content_block_delta","index":{number},"delta":{{"text":"\ud83d"}}}}"#
            )
        })
        .collect();
    let mut events: Vec<&str> = halves.iter().map(String::as_str).collect();
    events.push(r#"{"type":"content_block_delta","index":7,"delta":{"text":"\ude00"}}"#);

    let outcome = decode(Provider::Anthropic, &body(&events));

    assert_eq!(
        outcome.deltas,
        ["start 0.0", "text 0.1024 \u{fffd}", "text 0.7 😀"]
    );
}

#[test]
fn source_too_long_for_its_positions_is_malformed() {
    // Zeros are never written, so this takes addresses and next to no memory.
    let mut source = vec![0; MAX_SOURCE_BYTES + 1];
    source[0] = b'1';
    let source = String::from_utf8(source).expect("ASCII is UTF-8");

    assert!(Walker::new(&source).skip().is_err());
    assert!(Walker::new(&source[..MAX_SOURCE_BYTES]).skip().is_ok());
}
