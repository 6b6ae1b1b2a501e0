//! Text up to a stop string, against a search of the whole text.

use std::borrow::Cow;
use std::sync::Arc;

use inferail_sampler::Error;
use inferail_sampler::stop::{Finish, StopCheck, StopRules, StopScanner, StopStrings};
use proptest::prelude::*;

fn compiled(strings: &[&str]) -> Arc<StopStrings> {
    Arc::new(StopStrings::new(strings).unwrap_or_default())
}

/// Where the stop string begins and ends that ends first, with its number; the longest of those that end there.
fn searched(text: &str, strings: &[String]) -> Option<(usize, usize, usize)> {
    (0..=text.len()).find_map(|end| {
        let ended = |string: &String| text.as_bytes()[..end].ends_with(string.as_bytes());
        let longest = strings
            .iter()
            .filter(|string| ended(string))
            .max_by_key(|string| string.len())?;
        let number = strings.iter().position(|string| string == longest)?;
        Some((end - longest.len(), end, number))
    })
}

/// The longest end of `text` that begins a stop string and is none itself.
fn begun<'a>(text: &'a str, strings: &[String]) -> &'a str {
    let ends = text.char_indices().map(|(at, _)| &text[at..]);
    let is_begun = |end: &&str| {
        strings
            .iter()
            .any(|stop| stop.len() > end.len() && stop.starts_with(*end))
    };
    ends.into_iter().find(is_begun).unwrap_or_default()
}

/// Few characters, so that much matches; of one to four bytes, two that share their first byte.
fn text(len: usize) -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec!['a', 'b', 'c', 'é', 'è', '漢', '🦀']);
    prop::collection::vec(character, 0..=len).prop_map(String::from_iter)
}

fn strings() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        text(4).prop_filter("empty", |string| !string.is_empty()),
        0..6,
    )
}

proptest! {
    // Serves R6.
    #[test]
    fn text_ends_at_the_first_stop_string_however_it_is_split(
        pieces in prop::collection::vec(text(6), 0..12),
        strings in strings(),
        include_stop: bool,
    ) {
        let all = pieces.concat();
        let found = searched(&all, &strings);
        let mut scanner = StopScanner::new(Arc::new(StopStrings::new(&strings).unwrap()), include_stop);
        let (mut read, mut shown) = (String::new(), String::new());

        for piece in &pieces {
            shown.push_str(&scanner.feed(piece));
            read.push_str(piece);
            match found {
                Some((begin, end, number)) if end <= read.len() => {
                    prop_assert_eq!(scanner.stopped(), Some(number));
                    prop_assert_eq!(&shown, &all[..if include_stop { end } else { begin }]);
                    prop_assert_eq!(scanner.held(), "");
                }
                _ => {
                    let held = begun(&read, &strings);
                    prop_assert_eq!(scanner.stopped(), None);
                    prop_assert_eq!(scanner.held(), held);
                    prop_assert_eq!(&shown, &read[..read.len() - held.len()]);
                }
            }
        }
        shown.push_str(&scanner.finish());

        let expected = found.map_or(all.len(), |(begin, end, _)| if include_stop { end } else { begin });
        prop_assert_eq!(&shown, &all[..expected]);
        prop_assert_eq!(scanner.stopped(), found.map(|(.., number)| number));
    }

    #[test]
    fn ignored_stop_strings_are_text(
        ignored in prop::collection::vec(text(4), 0..6),
        pieces in prop::collection::vec(text(4), 0..6),
        strings in strings(),
    ) {
        let mut scanner = StopScanner::new(Arc::new(StopStrings::new(&strings).unwrap()), false);
        let (mut read, mut shown) = (String::new(), String::new());
        for piece in &ignored {
            shown.push_str(&scanner.feed_ignoring(piece));
            read.push_str(piece);
            prop_assert_eq!(scanner.held(), begun(&read, &strings));
        }
        let from = read.len();
        for piece in &pieces {
            shown.push_str(&scanner.feed(piece));
            read.push_str(piece);
        }
        shown.push_str(&scanner.finish());

        // One that ends behind what was ignored, wherever it begins.
        let found = (from + 1..=read.len()).find_map(|end| {
            let ended = |string: &&String| read.as_bytes()[..end].ends_with(string.as_bytes());
            let longest = strings.iter().filter(ended).map(String::len).max()?;
            Some(end - longest)
        });
        prop_assert_eq!(&shown, &read[..found.unwrap_or(read.len())]);
    }

    // Serves R5.
    #[test]
    fn sequence_never_has_more_tokens_than_it_may(
        tokens in prop::collection::vec((0..4_u32, text(3)), 0..20),
        max_tokens in 1..12_u64,
        strings in strings(),
    ) {
        let rules = StopRules::new(Arc::new(StopStrings::new(&strings).unwrap()), false);
        let rules = rules.with_stop_tokens(vec![3]).with_limits(0, Some(max_tokens)).unwrap();
        let mut check = Arc::new(rules).start();
        let mut shown = String::new();
        for (token, text) in &tokens {
            shown.push_str(&check.feed(*token, text));
        }

        prop_assert!(check.num_tokens() <= max_tokens);
        let upto: String = tokens.iter().take(max_tokens as usize).map(|(_, text)| text.as_str()).collect();
        prop_assert!(upto.starts_with(&shown));
        if tokens.len() as u64 >= max_tokens {
            prop_assert!(check.finish().is_some());
            prop_assert_eq!(check.remaining(), Some(0));
        }
        if check.finish() == Some(Finish::Length) {
            prop_assert_eq!(check.num_tokens(), max_tokens);
            prop_assert_eq!(shown, upto);
        }
    }
}

fn check(rules: StopRules) -> StopCheck {
    Arc::new(rules).start()
}

#[test]
fn the_one_that_ends_first_wins_and_of_those_the_one_that_begins_first() {
    for (strings, text, shown, number) in [
        (&["abcd", "bc"][..], "xabcd", "xa", 1),
        (&["bc", "abc"][..], "xabcd", "x", 1),
        (&["ab", "ab"][..], "xab", "x", 0),
        (&["cd", "bcde"][..], "abcde", "ab", 0),
    ] {
        let mut scanner = StopScanner::new(compiled(strings), false);

        assert_eq!(
            (scanner.feed(text), scanner.stopped()),
            (Cow::Borrowed(shown), Some(number)),
            "{strings:?}"
        );
    }
}

#[test]
fn text_that_begins_no_stop_string_is_not_copied() {
    let mut scanner = StopScanner::new(compiled(&["</answer>"]), false);

    assert!(matches!(
        scanner.feed("all of it"),
        Cow::Borrowed("all of it")
    ));
    assert!(matches!(scanner.feed("some<"), Cow::Borrowed("some")));
    assert_eq!(scanner.feed("b"), "<b");
}

#[test]
fn nothing_comes_after_a_stop_string() {
    let mut scanner = StopScanner::new(compiled(&["."]), true);

    assert_eq!(scanner.feed("One. Two."), "One.");
    assert_eq!(scanner.feed("Three"), "");
    assert_eq!(scanner.finish(), "");
    assert_eq!(scanner.stopped(), Some(0));
}

#[test]
fn strings_without_meaning_or_measure_are_refused() {
    let long = "x".repeat(16_385);
    for strings in [vec!["a", ""], vec![long.as_str()], vec!["ab"; 1_025]] {
        let error = StopStrings::new(&strings).unwrap_err();
        assert!(
            matches!(error, Error::Parameter { name: "stop", .. }),
            "{error}"
        );
    }
    assert!(StopStrings::new(&["x".repeat(16_384)]).is_ok());
    assert!(StopStrings::new(&vec!["ab"; 1_024]).is_ok());
}

#[test]
fn every_character_of_utf8_may_stop() {
    let alphabet: Vec<String> = (0_u32..=0x10_FFFF)
        .step_by(997)
        .filter_map(char::from_u32)
        .map(String::from)
        .collect();
    let scanner = StopScanner::new(
        Arc::new(StopStrings::new(&alphabet[..1_024]).unwrap()),
        false,
    );

    for (number, character) in alphabet[..1_024].iter().enumerate() {
        let mut scanner = scanner.clone();
        scanner.feed(character);
        assert_eq!(scanner.stopped(), Some(number));
    }
}

#[test]
fn stop_token_ends_with_what_was_held_back_and_without_its_text() {
    let mut check = check(StopRules::new(compiled(&["\n\nQ"]), false).with_stop_tokens(vec![9, 2]));

    assert_eq!(check.feed(1, "A\n"), "A");
    assert_eq!(check.feed(2, "</s>"), "\n");
    assert_eq!(check.finish(), Some(Finish::StopToken(2)));
    assert_eq!(check.finish().map(Finish::reason), Some("stop"));
    assert_eq!((check.num_tokens(), check.remaining()), (2, None));
    assert_eq!(
        (check.feed(1, "more"), check.num_tokens()),
        (Cow::Borrowed(""), 2)
    );
}

#[test]
fn length_ends_with_what_was_held_back() {
    let rules = StopRules::new(compiled(&["\n\n"]), false)
        .with_limits(0, Some(2))
        .unwrap();
    let mut check = check(rules);

    assert_eq!(
        (check.feed(1, "A"), check.remaining()),
        (Cow::Borrowed("A"), Some(1))
    );
    assert_eq!(check.feed(1, "B\n"), "B\n");
    assert_eq!(
        (check.finish(), check.finish().map(Finish::reason)),
        (Some(Finish::Length), Some("length"))
    );
}

#[test]
fn stop_string_of_the_last_token_counts() {
    let rules = StopRules::new(compiled(&["END"]), false)
        .with_limits(0, Some(2))
        .unwrap();
    let mut check = check(rules);

    assert_eq!([check.feed(1, "xE"), check.feed(1, "ND")], ["x", ""]);
    assert_eq!(check.finish(), Some(Finish::StopString(0)));
}

#[test]
fn nothing_stops_before_the_least_number_of_tokens() {
    let rules = StopRules::new(compiled(&["."]), false).with_stop_tokens(vec![2]);
    let mut check = check(rules.with_limits(3, Some(9)).unwrap());

    assert_eq!(check.feed(1, "a."), "a.");
    assert_eq!(check.feed(2, "</s>"), "</s>");
    assert_eq!(check.feed(1, "b."), "b");
    assert_eq!(check.finish(), Some(Finish::StopString(0)));
}

#[test]
fn sequence_ended_from_outside_gives_what_was_held_back() {
    let mut check = check(StopRules::new(compiled(&["STOP"]), false));

    assert_eq!(check.feed(1, "a ST"), "a ");
    assert_eq!((check.rest(), check.finish()), ("ST".to_owned(), None));
}

#[test]
fn rules_without_anything_show_everything() {
    let mut check = check(StopRules::default());

    assert_eq!(check.feed(1, "text"), "text");
    assert_eq!((check.finish(), check.rest()), (None, String::new()));
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    assert!(StopRules::default().with_limits(0, Some(0)).is_err());
    assert!(StopRules::default().with_limits(5, Some(4)).is_err());
    assert!(StopRules::default().with_limits(4, Some(4)).is_ok());
}
