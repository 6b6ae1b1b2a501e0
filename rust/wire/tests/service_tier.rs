//! How a call was processed reaches its usage, wherever the provider says it, and only together with its tokens.

mod support;

use inferail_wire::Provider;
use support::{body, decode};

fn usage(provider: Provider, events: &[&str]) -> Vec<String> {
    let deltas = decode(provider, &body(events)).deltas.into_iter();
    deltas.filter(|delta| delta.starts_with("usage")).collect()
}

#[test]
fn chat_completions_say_it_in_the_head_of_every_event() {
    let piece = r#"{"service_tier":"flex","choices":[{"index":0,"delta":{"content":"t"},"finish_reason":"stop"}]}"#;
    let end = r#"{"service_tier":"flex","choices":[],"usage":{"prompt_tokens":3}}"#;

    assert_eq!(usage(Provider::OpenAiChat, &[piece, piece]), [""; 0]);
    assert_eq!(
        usage(Provider::OpenAiChat, &[piece, end]),
        ["usage 0.0 in=3 tier=flex"]
    );
    let usual = end.replace("flex", "default");
    assert_eq!(usage(Provider::OpenAiChat, &[&usual]), ["usage 0.0 in=3"]);
}

#[test]
fn responses_say_it_beside_their_usage() {
    let created =
        r#"{"type":"response.created","response":{"id":"r","service_tier":"flex","usage":null}}"#;
    let completed = r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[],"service_tier":"priority","usage":{"input_tokens":3}}}"#;

    assert_eq!(
        usage(Provider::OpenAiResponses, &[created, completed]),
        ["usage 0.0 in=3 tier=priority"]
    );
}

#[test]
fn anthropic_says_it_inside_with_the_hours_of_its_cache() {
    let start = r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":3,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":4,"ephemeral_5m_input_tokens":1},"service_tier":"batch"}}}"#;

    assert_eq!(
        usage(Provider::Anthropic, &[start]),
        ["usage 0.0 in=8 write=5 write-1h=4 tier=batch"]
    );
}
