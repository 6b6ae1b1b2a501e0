//! Any stop strings and any text, split anywhere, against a search of the whole text.
//!
//! An input is text: stop strings, one a line, then an empty line, then what is scanned.
#![no_main]

use std::sync::Arc;

use inferail_fuzz::Splits;
use inferail_sampler::stop::{StopScanner, StopStrings};
use libfuzzer_sys::fuzz_target;

/// What may have come out, at the end and on the way there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    shown: String,
    stopped: Option<usize>,
}

/// Where the stop string begins and ends that ends first, with its number; the longest of those that end there.
fn searched(text: &str, strings: &[&str]) -> Option<(usize, usize, usize)> {
    (0..=text.len()).find_map(|end| {
        let read = &text.as_bytes()[..end];
        let ended = strings.iter().filter(|stop| read.ends_with(stop.as_bytes()));
        let longest = ended.max_by_key(|stop| stop.len())?;
        let number = strings.iter().position(|stop| stop == longest)?;
        Some((end - longest.len(), end, number))
    })
}

/// The longest end of `text` that begins a stop string and is none itself.
fn begun<'a>(text: &'a str, strings: &[&str]) -> &'a str {
    let mut ends = text.char_indices().map(|(at, _)| &text[at..]);
    let is_begun = |end: &&str| {
        strings
            .iter()
            .any(|stop| stop.len() > end.len() && stop.starts_with(*end))
    };
    ends.find(is_begun).unwrap_or_default()
}

/// Scans pieces; what was shown and what is held are looked at after each.
fn scan(
    compiled: &Arc<StopStrings>,
    strings: &[&str],
    pieces: &[&str],
    include_stop: bool,
) -> Outcome {
    let mut scanner = StopScanner::new(Arc::clone(compiled), include_stop);
    let (mut read, mut shown) = (String::new(), String::new());
    for piece in pieces {
        read.push_str(piece);
        shown.push_str(&scanner.feed(piece));
        if scanner.stopped().is_none() {
            let held = begun(&read, strings);
            assert_eq!(scanner.held(), held);
            assert_eq!(shown, read[..read.len() - held.len()]);
        }
    }
    shown.push_str(&scanner.finish());
    Outcome {
        shown,
        stopped: scanner.stopped(),
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(input) = std::str::from_utf8(data) else {
        return;
    };
    let (strings, text) = input.split_once("\n\n").unwrap_or(("", input));
    let strings: Vec<&str> = strings.lines().collect();
    let Ok(compiled) = StopStrings::new(&strings) else {
        assert!(strings.len() > 1_024 || strings.concat().len() > 16_384 || strings.contains(&""));
        return;
    };
    let compiled = Arc::new(compiled);
    let found = searched(text, &strings);
    let mut splits = Splits::new(data);
    for include_stop in [false, true] {
        let cut = found.map(|(begin, end, _)| if include_stop { end } else { begin });
        let expected = Outcome {
            shown: text[..cut.unwrap_or(text.len())].to_owned(),
            stopped: found.map(|(.., number)| number),
        };
        let characters: Vec<&str> = text.split_inclusive(|_| true).collect();
        assert_eq!(scan(&compiled, &strings, &[text], include_stop), expected);
        assert_eq!(scan(&compiled, &strings, &characters, include_stop), expected);
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let at = rest.ceil_char_boundary(1 + splits.below(rest.len()));
            let (piece, after) = rest.split_at(at);
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(scan(&compiled, &strings, &pieces, include_stop), expected);
    }
});
