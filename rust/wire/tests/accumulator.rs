//! Answers put together from deltas, and running usage.

mod support;

use inferail_wire::{Accumulator, Content, Delta, Kind, Part, Provider, StreamDecoder};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{body, decode};

/// Texts of the parts by the obvious rule: one part for each run of the same kind and block.
fn runs(deltas: &[(Kind, u32, String)]) -> Vec<String> {
    let mut runs: Vec<(Kind, u32, String)> = Vec::new();
    for (kind, block, text) in deltas {
        match runs.last_mut() {
            Some(last) if (last.0, last.1) == (*kind, *block) => last.2 += text,
            _ => runs.push((*kind, *block, text.clone())),
        }
    }
    runs.into_iter().map(|(_, _, text)| text).collect()
}

proptest! {
    #[test]
    fn runs_of_one_kind_and_block_are_one_part(
        deltas in vec((prop::sample::select(vec![Kind::Text, Kind::Reasoning, Kind::Refusal]), 0..3_u32, ".{0,3}"), 0..40),
    ) {
        let mut accumulator = Accumulator::new(0);
        for (kind, block, text) in &deltas {
            accumulator.add(&Delta::at(*kind, 0, *block).with_text(text));
            accumulator.add(&Delta::at(*kind, 1, *block).with_text("of another choice"));
        }

        let texts: Vec<String> = accumulator.parts().iter().map(|part| part.text.clone()).collect();
        prop_assert_eq!(texts, runs(&deltas));
    }
}

#[test]
fn decoder_has_the_answer_at_any_moment() {
    let answer = body(&[
        r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"a\ud83d"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"\ude00b"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"k\""}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    let mut decoder = StreamDecoder::new(Provider::OpenAiChat);
    let mut fed = Accumulator::default();
    for byte in answer.as_bytes().chunks(1) {
        decoder.feed(byte, &mut |delta: Delta<'_>| fed.add(&delta));
        assert_eq!(decoder.accumulated(), &fed);
    }

    let seen: Vec<(&Content, &str)> = fed
        .parts()
        .iter()
        .map(|Part { content, text, .. }| (content, text.as_str()))
        .collect();
    let call = Content::ToolCall {
        id: "x".to_owned(),
        name: "f".to_owned(),
    };
    assert_eq!(seen, [(&Content::Text, "a😀b"), (&call, r#"{"k":1}"#)]);
    assert_eq!(
        (fed.id(), fed.model(), fed.raw_reason()),
        (Some("c"), Some("m"), Some("tool_calls"))
    );
    assert_eq!(fed.output_bytes(), "a😀b".len() + r#"{"k":1}"#.len());
}

#[test]
fn running_usage_never_goes_down_and_the_last_word_is_final() {
    let openai = |usage: &str, choices: &str| {
        format!(
            r#"{{"choices":[{choices}],"usage":{{"prompt_tokens":9,"completion_tokens":{usage}}}}}"#
        )
    };
    let piece = r#"{"index":0,"delta":{"content":"a"}}"#;
    let last = r#"{"index":0,"delta":{},"finish_reason":"stop"}"#;
    let usage = |outcome: &[String]| -> Vec<String> {
        let kept = outcome
            .iter()
            .filter(|line| line.starts_with("usage") || line.starts_with("finish"));
        kept.cloned().collect()
    };

    // The correction comes before, within or behind the event that ends the choice.
    for (events, behind) in [
        (
            [openai("5", piece), openai("3", piece), openai("4", last)],
            false,
        ),
        (
            [
                openai("5", piece),
                openai("4", piece),
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#.to_owned(),
            ],
            false,
        ),
        (
            [openai("5", piece), openai("5", last), openai("4", "")],
            true,
        ),
    ] {
        let outcome = decode(
            Provider::OpenAiChat,
            &body(&events.each_ref().map(String::as_str)),
        );

        let mut expected = vec![
            "usage 0.0 in=9 out=5",
            "usage 0.0 in=9 out=4",
            "finish 0.0 stop raw=stop",
        ];
        if behind {
            expected.swap(1, 2);
        }
        assert_eq!(usage(&outcome.deltas), expected);
    }
}
