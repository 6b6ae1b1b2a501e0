//! The kind of a file from its first bytes.

use inferail_tokenizer::Error;
use inferail_tokenizer::load::{self, Format, Options, sniff};
use proptest::prelude::*;

#[test]
fn files_are_known_by_what_is_in_them() {
    let table: [(&[u8], Option<Format>); 19] = [
        (b"IQ== 0\nIg== 1\n", Some(Format::Tiktoken)),
        (b"\nIQ== 0\r\n", Some(Format::Tiktoken)),
        (b"IRVOCAB\x01....", Some(Format::Compact)),
        (b"GGUF\x03\0\0\0", Some(Format::Gguf)),
        (
            br#"{"version": "1.0", "truncation": null, "model": {}}"#,
            Some(Format::HuggingFace),
        ),
        (
            br#" {"x": {"vocab": 1}, "added_tokens": ["#,
            Some(Format::HuggingFace),
        ),
        (
            b"\xef\xbb\xbf{\"model\":{\"vocab\":{}}}",
            Some(Format::HuggingFace),
        ),
        (
            br#"{"config": {"pattern": "x"}, "vocab": []}"#,
            Some(Format::Tekken),
        ),
        (br#"{"type": "Tekken", "vocab": []}"#, Some(Format::Tekken)),
        (
            br#"{"add_prefix_space": false, "bos_token": "<s>"}"#,
            Some(Format::TokenizerConfig),
        ),
        (
            br#"{"a\"model": 1, "model" : 2}"#,
            Some(Format::HuggingFace),
        ),
        (br#"{"text": "\"model\": ", "b": "model"}"#, None),
        (br#"{"hello": 1, "world": 2}"#, None),
        (
            b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02",
            Some(Format::SentencePiece),
        ),
        (b"\n\n\n\n\n", None),
        (b"\n\n\n\xff\0", None),
        (b"<html>", None),
        (b"#version: 0.2\n", None),
        (b"", None),
    ];

    for (file, expected) in table {
        assert_eq!(sniff(file), expected, "{}", String::from_utf8_lossy(file));
    }
}

#[test]
fn a_file_that_is_no_whole_tokenizer_says_what_it_lacks() {
    let error = |file: &[u8]| load::any(file, Options::default()).err();

    assert_eq!(
        error(b"IQ== 0\n"),
        Some(Error::Incomplete {
            format: ".tiktoken file",
            missing: "pattern"
        })
    );
    assert_eq!(
        error(br#"{"bos_token": "<s>"}"#),
        Some(Error::Incomplete {
            format: "tokenizer_config.json",
            missing: "vocabulary"
        })
    );
    assert!(matches!(error(b"<html>"), Some(Error::Format { .. })));
}

proptest! {
    #[test]
    fn anything_is_no_danger(file in prop::collection::vec(prop::sample::select(&b"{}[]\"\\:model \n\x0a"[..]), 0..40)) {
        let _ = sniff(&file);
    }
}
