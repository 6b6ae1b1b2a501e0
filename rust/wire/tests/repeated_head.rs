//! The head of an OpenAI event is read once where the next event repeats it: that must not show.

mod support;

use inferail_wire::Provider;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use support::{Outcome, body, decode};

/// Members that may come before `choices`, some of which say something beyond the head.
const MEMBERS: [&str; 8] = [
    r#""id":"a""#,
    r#""id":"b""#,
    r#""model":"m""#,
    r#""object":"chat.completion.chunk""#,
    r#""usage":null"#,
    r#""usage":{"prompt_tokens":3}"#,
    r#""error":{"message":"e"}"#,
    r#""x_groq":{"usage":{"completion_tokens":4}}"#,
];

/// Values of `choices`, and what follows them.
const TAILS: [&str; 6] = [
    r#"[{"index":0,"delta":{"content":"t"}}]}"#,
    r#"[{"index":1,"delta":{"content":"u"}}],"usage":{"completion_tokens":5}}"#,
    r#"[],"id":"z","choices":[{"index":0,"delta":{"content":"v"}}]}"#,
    r#"[{"index":0,"delta":{"content":"w"},"finish_reason":"stop"}]}"#,
    "null}",
    r#"[{"index":0"#,
];

/// The beginning of an event up to the value of `choices`.
fn head() -> impl Strategy<Value = String> {
    subsequence(MEMBERS.to_vec(), 0..4).prop_map(|mut members| {
        members.push("\"choices\":");
        format!("{{{}", members.join(","))
    })
}

/// The deltas where no event begins like the one before it: each has another number of leading spaces.
fn decode_apart(events: &[&str]) -> Outcome {
    let spaced: Vec<String> = (0..)
        .zip(events)
        .map(|(at, event)| " ".repeat(1 + at) + event)
        .collect();
    let spaced: Vec<&str> = spaced.iter().map(String::as_str).collect();
    decode(Provider::OpenAiChat, &body(&spaced))
}

fn hide_offsets(mut outcome: Outcome) -> Outcome {
    for line in &mut outcome.deltas {
        if let Some(at) = line.find("invalid JSON at byte") {
            line.truncate(at);
        }
    }
    outcome
}

proptest! {
    #[test]
    fn repeated_head_gives_what_a_new_one_gives(
        heads in vec(head(), 1..3),
        events in vec((0_usize..2, select(&TAILS[..])), 1..12),
    ) {
        let events: Vec<String> = events
            .into_iter()
            .map(|(at, tail)| heads[at % heads.len()].clone() + tail)
            .collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();

        let together = decode(Provider::OpenAiChat, &body(&events));

        prop_assert_eq!(hide_offsets(together), hide_offsets(decode_apart(&events)));
    }
}

#[test]
fn head_that_is_too_long_to_keep_is_read_every_time() {
    let id = "i".repeat(4000);
    let event = format!(r#"{{"id":"{id}","choices":[{{"index":0,"delta":{{"content":"t"}}}}]}}"#);

    let outcome = decode(Provider::OpenAiChat, &body(&[&event, &event]));

    let start = format!("start 0.0 id={id}");
    assert_eq!(outcome.deltas, [start.as_str(), "text 0.0 t", "text 0.0 t"]);
}

#[test]
fn head_with_usage_counts_in_every_event() {
    let head = r#"{"usage":{"prompt_tokens":3},"choices":[{"index":0,"finish_reason":"stop"}]"#;
    let (plain, later) = (
        format!("{head}}}"),
        format!(r#"{head},"usage":{{"prompt_tokens":4}}}}"#),
    );

    let finish = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

    let outcome = decode(
        Provider::OpenAiChat,
        &body(&[&plain, &later, &plain, finish, &plain]),
    );

    // Running usage never falls; what comes after the finish is final.
    let usage = outcome.deltas.iter().filter(|d| d.starts_with("usage"));
    let expected = ["usage 0.0 in=3", "usage 0.0 in=4", "usage 0.0 in=3"];
    assert_eq!(usage.collect::<Vec<_>>(), expected);
}

#[test]
fn head_with_an_error_reports_it_in_every_event() {
    let event = r#"{"error":{"message":"e"},"choices":[]}"#;

    let outcome = decode(Provider::OpenAiChat, &body(&[event, event]));

    let expected = ["error 0.0 e name=error", "error 0.0 e name=error"];
    assert_eq!(outcome.deltas, expected);
}
