//! Newline-delimited JSON.

use inferail_sse::{Error, LineSplitter};
use proptest::prelude::*;

fn split(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let mut splitter = LineSplitter::new();
    let mut lines = Vec::new();
    for chunk in bytes.chunks(size) {
        let fed = splitter.feed(chunk, &mut |line: &[u8]| lines.push(line.to_vec()));
        assert_eq!(fed, Ok(()));
    }
    (lines, splitter.finish())
}

#[test]
fn only_line_feeds_end_lines() {
    let bytes = "{\"a\":\"\u{2028}\u{85}\r\"}\r\n\n  \r\n{\"b\":2}\n{\"c\"".as_bytes();

    for size in [1, 2, 5, bytes.len()] {
        let (lines, rest) = split(bytes, size);

        let expected =
            ["{\"a\":\"\u{2028}\u{85}\r\"}", "{\"b\":2}"].map(|line| line.as_bytes().to_vec());
        assert_eq!(lines, expected);
        assert_eq!(rest.as_deref(), Some(&b"{\"c\""[..]));
    }
}

#[test]
fn finish_has_nothing_after_a_newline() {
    assert_eq!(split(b"1\n \r", 2), (vec![b"1".to_vec()], None));
}

#[test]
fn line_beyond_the_bound_is_an_error() {
    let mut splitter = LineSplitter::with_max_line_bytes(3);
    let mut lines = 0;

    let failed = splitter.feed(b"123\n1234\n", &mut |_: &[u8]| lines += 1);

    assert_eq!((failed, lines), (Err(Error::EventTooLarge { limit: 3 }), 1));
    assert_eq!(splitter.feed(b"1\n", &mut |_: &[u8]| lines += 1), failed);
}

proptest! {
    #[test]
    fn any_split_gives_the_same_lines(bytes in "[a\n\r \u{2028}]{0,40}", size in 1_usize..8) {
        prop_assert_eq!(split(bytes.as_bytes(), size), split(bytes.as_bytes(), 1000));
    }
}
