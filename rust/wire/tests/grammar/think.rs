//! Reasoning between `<think>` tags in the text.

use inferail_wire::{Delta, Kind, Options, Provider, StreamDecoder};
use proptest::prelude::*;

const TAGS: Options = Options {
    max_event_bytes: 1 << 20,
    require_done: true,
    think_tags: true,
};

/// Reasoning and text of an answer whose pieces are given.
fn split(pieces: &[&str], finish: bool) -> (String, String) {
    let mut decoder = StreamDecoder::with_options(Provider::OpenAiChat, TAGS);
    let (mut reasoning, mut text) = (String::new(), String::new());
    let mut finished = false;
    let mut sink = |delta: Delta<'_>| match delta.kind {
        Kind::Reasoning => reasoning.push_str(delta.text.unwrap_or_default()),
        Kind::Text => text.push_str(delta.text.unwrap_or_default()),
        Kind::Finish => finished = true,
        _ => {}
    };
    for piece in pieces {
        let content = serde_json::Value::from(*piece);
        let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":{content}}}}}]}}\n\n");
        decoder.feed(event.as_bytes(), &mut sink);
    }
    if finish {
        let event = "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n";
        decoder.feed(event.as_bytes(), &mut sink);
    }
    assert_eq!(finished, finish);
    (reasoning, text)
}

/// The same by looking at the whole text.
fn reference(answer: &str) -> (String, String) {
    let begins = answer.trim_start();
    let space = answer.len() - begins.len();
    let Some(inside) = begins.strip_prefix("<think>").filter(|_| space <= 64) else {
        return (String::new(), answer.to_owned());
    };
    let (thought, rest) = inside.split_once("</think>").unwrap_or((inside, ""));
    (
        thought.trim_start().to_owned(),
        rest.trim_start().to_owned(),
    )
}

#[test]
fn reasoning_is_told_from_text() {
    for (answer, reasoning, text) in [
        ("<think>\nhm\n</think>\n\n42", "hm\n", "42"),
        ("\n<think></think>42", "", "42"),
        ("<think>hm", "hm", ""),
        ("42 <think>hm</think>", "", "42 <think>hm</think>"),
        ("<thin ice", "", "<thin ice"),
        (
            "<think>a</thin>b</think>c</think>",
            "a</thin>b",
            "c</think>",
        ),
        ("<", "", "<"),
        ("   ", "", "   "),
        ("<think>a</thi", "a</thi", ""),
    ] {
        let expected = (reasoning.to_owned(), text.to_owned());
        assert_eq!(split(&[answer], true), expected, "{answer:?}");
        assert_eq!(reference(answer), expected, "{answer:?}");
    }
}

#[test]
fn text_held_back_is_given_before_a_call_and_before_an_error() {
    for event in [
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f"}}]}}]}"#,
        r#"{"error":{"message":"m"}}"#,
    ] {
        let mut decoder = StreamDecoder::with_options(Provider::OpenAiChat, TAGS);
        let mut kinds = Vec::new();
        let held = r#"{"choices":[{"delta":{"content":"<thi"}}]}"#;
        let body = format!("data: {held}\n\ndata: {event}\n\n");
        decoder.feed(body.as_bytes(), &mut |delta| kinds.push(delta.kind));

        assert_eq!(kinds.get(1), Some(&Kind::Text), "{event}");
    }
}

#[test]
fn choices_are_split_apart() {
    let mut decoder = StreamDecoder::with_options(Provider::OpenAiChat, TAGS);
    let mut lines = Vec::new();
    let body = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"<think>a\"}},",
        "{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"</think>c\"}}]}\n\n",
    );
    decoder.feed(body.as_bytes(), &mut |delta| {
        if let Some(text) = delta.text {
            lines.push(format!("{} {} {text}", delta.kind.as_str(), delta.index));
        }
    });

    assert_eq!(lines, ["reasoning 0 a", "text 1 b", "text 0 c"]);
}

proptest! {
    #[test]
    fn any_split_gives_what_the_whole_text_gives(
        pieces in prop::collection::vec("[ <>/thinké\n]{0,5}|<think>|</think>", 0..8),
    ) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();

        prop_assert_eq!(split(&pieces, true), reference(&pieces.concat()));
    }
}
