//! Text as a JSON string.

/// Appends `text` to `out` as a JSON string, quotes included.
///
/// Escaped is what must be, quotes, backslashes and control characters, the latter by their short names where they have one.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        out.push(b'\\');
        match byte {
            b'"' | b'\\' => out.push(*byte),
            b'\n' => out.push(b'n'),
            b'\r' => out.push(b'r'),
            b'\t' => out.push(b't'),
            0x08 => out.push(b'b'),
            0x0c => out.push(b'f'),
            control => out.extend_from_slice(format!("u{control:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::quote;
    use crate::json::Walker;

    fn quoted(text: &str) -> String {
        let mut out = Vec::new();
        quote(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quote_escapes_what_must_be_and_nothing_else() {
        assert_eq!(quoted("plain é 列 \u{7f}/"), "\"plain é 列 \u{7f}/\"");
        assert_eq!(
            quoted("\"\\\n\r\t\u{8}\u{c}\0\u{1f}"),
            "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0000\\u001f\""
        );
    }

    proptest! {
        #[test]
        fn quote_is_read_back_as_the_same_text(text in "\\PC*|[\\x00-\\x7f]*") {
            let source = quoted(&text);
            let mut walker = Walker::new(&source);
            let value = walker.string().unwrap().unwrap();
            walker.finish().unwrap();
            prop_assert_eq!(value.decode(&source), text);
        }
    }
}
