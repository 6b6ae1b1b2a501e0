//! `{% generation %}` blocks, which mark the model's own words for training and change nothing that is printed.

use std::borrow::Cow;

/// `source` with each generation block as a `with` block: a scope of its own, as in Hugging Face's, and the same
/// white-space control. What only looks like one, in a comment, a string or between `raw` and `endraw`, stays.
pub(super) fn as_scopes(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return Cow::Borrowed(source);
    }
    let mut written = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = next_opening(rest) {
        let (before, opened) = rest.split_at(begin);
        written.push_str(before);
        let (tag, after) = opened.split_at(end_of(opened));
        rest = after;
        if !tag.starts_with("{%") {
            written.push_str(tag);
            continue;
        }
        match word(tag) {
            "generation" => written.push_str(&tag.replacen("generation", "with", 1)),
            "endgeneration" => written.push_str(&tag.replacen("endgeneration", "endwith", 1)),
            "raw" => {
                written.push_str(tag);
                let (raw, after) = rest.split_at(end_of_raw(rest));
                written.push_str(raw);
                rest = after;
            }
            _ => written.push_str(tag),
        }
    }
    written.push_str(rest);
    Cow::Owned(written)
}

/// The most bytes that one tag of `source` has, strings and comments left out.
pub(super) fn longest_tag(source: &str) -> usize {
    let (mut longest, mut rest) = (0, source);
    while let Some(begin) = next_opening(rest) {
        let (tag, after) = rest[begin..].split_at(end_of(&rest[begin..]));
        rest = after;
        if tag.starts_with("{#") {
            continue;
        }
        let (mut quote, mut escaped, mut bytes) = (None, false, 0);
        for byte in tag.bytes() {
            match quote {
                Some(open) => {
                    if byte == open && !escaped {
                        quote = None;
                    }
                    escaped = byte == b'\\' && !escaped;
                }
                None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
                None => bytes += 1,
            }
        }
        longest = longest.max(bytes);
    }
    longest
}

/// Where the next `{%`, `{{` or `{#` is.
fn next_opening(text: &str) -> Option<usize> {
    text.as_bytes()
        .windows(2)
        .position(|pair| pair[0] == b'{' && matches!(pair[1], b'%' | b'{' | b'#'))
}

/// Where the tag that `text` begins with ends: behind its own closing, strings skipped.
fn end_of(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (close, strings) = match bytes.get(1) {
        Some(b'#') => (b"#}", false),
        Some(b'{') => (b"}}", true),
        _ => (b"%}", true),
    };
    let mut quote = None;
    let mut at = 2;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) if strings => quote = Some(byte),
            (None, _) if bytes[at..].starts_with(close) => return at + 2,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Where the text between `raw` and `endraw` ends, with the closing tag.
fn end_of_raw(text: &str) -> usize {
    let mut at = 0;
    while let Some(begin) = text[at..].find("{%") {
        let begin = at + begin;
        let end = text[begin..]
            .find("%}")
            .map_or(text.len(), |end| begin + end + 2);
        if word(&text[begin..end]) == "endraw" {
            return end;
        }
        at = begin + 2;
    }
    text.len()
}

/// What a `{% … %}` tag says, without its white-space control.
fn word(tag: &str) -> &str {
    tag.trim_start_matches("{%")
        .trim_end_matches("%}")
        .trim_matches(|character: char| character.is_ascii_whitespace() || "-+".contains(character))
}

#[cfg(test)]
mod tests {
    use super::{as_scopes, longest_tag};

    #[test]
    fn generation_becomes_a_scope_and_keeps_its_white_space_control() {
        let source = "{%- generation -%}a{%+endgeneration%}";

        assert_eq!(as_scopes(source), "{%- with -%}a{%+endwith%}");
    }

    #[test]
    fn tags_are_measured_without_strings_and_comments() {
        assert_eq!(longest_tag("no tag"), 0);
        assert_eq!(
            longest_tag("{# a comment #}{{ 'it\\'s' + \"%}\" }}{% x %}"),
            9
        );
    }

    #[test]
    fn generation_stays_where_it_is_no_tag() {
        for source in [
            "{# {% generation %} #}x generation",
            "{{ '{% generation %}' }}",
            "{% raw %}{% generation %}{% endraw %}",
            "{% set generation = 1 %}{{ generation }}",
            "{% if x == '%}{% generation %}' %}{% endif %}",
            "generation {% unfinished",
            "generation {",
        ] {
            assert_eq!(as_scopes(source), source);
        }
    }

    #[test]
    fn generation_is_found_behind_a_raw_block() {
        let source = "{% raw %}{% x %}{% endraw %}{% generation %}é{% endgeneration %}";

        assert_eq!(
            as_scopes(source),
            "{% raw %}{% x %}{% endraw %}{% with %}é{% endwith %}"
        );
    }
}
