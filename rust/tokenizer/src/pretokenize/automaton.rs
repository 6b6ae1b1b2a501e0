//! Patterns without memory of what they have read: one pass over a text, whatever the text.
//!
//! The patterns of byte-level models are regular but for one thing, `\s+(?!\S)`: white space, without its last character if
//! something else follows. Here that is `\s+` and a look at the end of the match. All else that is not regular (other looks around,
//! possessive repeats, references) is left to backtracking.

use std::ops::Range;

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input, PatternID};
use regex_syntax::hir::Hir;

/// White space that leaves its last character to what follows.
const BLANK: &str = r"\s+(?!\S)";

/// A pattern whose alternatives are regular, or [`BLANK`].
#[derive(Debug, Clone)]
pub(crate) struct Automaton {
    /// Each alternative is a pattern: of those that match, the first counts.
    regex: Regex,
    /// The one that is [`BLANK`].
    blank: Option<PatternID>,
}

impl Automaton {
    /// Nothing, if the pattern is something else, or something that can match nothing.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        let alternatives = alternatives(without_group(pattern))?;
        let mut blanks = alternatives.iter().enumerate();
        let blank = blanks.find(|(_, alternative)| **alternative == BLANK);
        let blank = match blank {
            // The one character that is too few for it is what comes next.
            Some((index, _)) => match alternatives.get(index + 1) {
                Some(&r"\s+" | &r"\s") => Some(PatternID::new(index).ok()?),
                _ => return None,
            },
            None => None,
        };
        let regular = alternatives.iter().map(|alternative| match *alternative {
            BLANK => regular(r"\s+"),
            other => regular(other),
        });
        let regular: Vec<Hir> = regular.collect::<Option<_>>()?;
        Some(Self {
            regex: Regex::builder().build_many_from_hir(&regular).ok()?,
            blank,
        })
    }

    /// The first match at byte `at` or behind it.
    #[inline]
    pub(crate) fn find(&self, text: &str, at: usize) -> Option<Range<usize>> {
        let rest = Input::new(text).range(at..);
        // Nearly always the text goes on with a match, and then nobody has to search for its begin.
        let here = self.regex.find(rest.clone().anchored(Anchored::Yes));
        let found = here.or_else(|| self.regex.find(rest))?;
        let (start, mut end) = (found.start(), found.end());
        if Some(found.pattern()) == self.blank && end < text.len() {
            let last = text[start..end].chars().next_back()?;
            if start + last.len_utf8() < end {
                end -= last.len_utf8();
            }
        }
        Some(start..end)
    }
}

/// An alternative without looks around, if it matches one character or more.
fn regular(alternative: &str) -> Option<Hir> {
    let parsed = regex_syntax::parse(alternative).ok()?;
    let properties = parsed.properties();
    let takes_something = properties.minimum_len().is_some_and(|least| least > 0);
    (takes_something && properties.look_set().is_empty()).then_some(parsed)
}

/// What is in the one group that is all of the pattern.
fn without_group(pattern: &str) -> &str {
    let inner = pattern.strip_suffix(')').and_then(|pattern| {
        let capturing = || {
            pattern
                .strip_prefix('(')
                .filter(|rest| !rest.starts_with('?'))
        };
        pattern.strip_prefix("(?:").or_else(capturing)
    });
    match inner {
        // Not `(a)|(b)`, nor `(a\)`.
        Some(inner) if alternatives(inner).is_some() => inner,
        _ => pattern,
    }
}

/// What stands between the bars that are in no group and no class. Nothing, if the pattern has flags of its own or possessive
/// repeats, which other syntax would take for something else, or if its brackets do not match.
fn alternatives(pattern: &str) -> Option<Vec<&str>> {
    let bytes = pattern.as_bytes();
    let mut found = Vec::new();
    let (mut begin, mut at, mut groups, mut classes) = (0, 0, 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        match byte {
            b'\\' => {
                // `\p{L}+` is no possessive repeat.
                let named = matches!(next?, b'p' | b'P' | b'x' | b'u' | b'U')
                    && bytes.get(at + 2) == Some(&b'{');
                at += if named { pattern[at..].find('}')? } else { 1 };
            }
            b'[' => classes += 1,
            b']' if classes > 0 => classes -= 1,
            _ if classes > 0 => {}
            b'*' | b'+' | b'?' | b'}' if next == Some(&b'+') => return None,
            b'(' => {
                let flags = pattern[at + 1..].strip_prefix('?').unwrap_or_default();
                let flags = flags
                    .trim_start_matches(|flag: char| flag.is_ascii_alphabetic() || flag == '-');
                if flags.starts_with(')') {
                    return None;
                }
                groups += 1;
            }
            b')' => groups = groups.checked_sub(1)?,
            b'|' if groups == 0 => {
                found.push(&pattern[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    found.push(&pattern[begin..]);
    (groups == 0 && classes == 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::pattern::Pattern;
    use super::super::{GAP, Scheme};
    use super::*;

    /// Patterns of models without a scanner of their own, and some that nobody has.
    const PATTERNS: [&str; 8] = [
        // Kimi K2.
        concat!(
            r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
            r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}",
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        // DeepSeek V3.
        concat!(
            r"[!-/:-~]?[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*",
            r"|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        r"[一-龥぀-ゟ゠-ヿ]+",
        r"(?:a|(b)\||\s+(?!\S)|\s|[|)(\]]+)",
        r"(\s+(?!\S)|\s+)",
        r"\p{N}{1,3}|\w+",
        r"ab?|(?i:AB)+|\\+",
        r"\s+(?!\S)|\s",
    ];

    #[test]
    fn automaton_says_what_it_is_not_for() {
        for pattern in [
            r"a++",
            r"a*+b",
            r"[ab]{2}+",
            r"a|(?i)b",
            r"a|",
            r"a*",
            r"(?=a)b",
            r"\s+(?!\S)",
            r"a(?!b)",
            r"^a",
            r"a$",
            r"\bb",
            r"(a)\1",
            r"(?>a)",
            r"\s+(?!\S)|a|\s+",
            r"(a",
            r"a)",
            r"[a",
            r"(a)|(b))",
            r"\s++(?!\S)|\s+",
        ] {
            assert!(Automaton::new(pattern).is_none(), "{pattern}");
        }
        for pattern in PATTERNS {
            assert!(Automaton::new(pattern).is_some(), "{pattern}");
        }
        assert_eq!(
            alternatives(r"a\|b|[|]|(c|d)"),
            Some(vec![r"a\|b", "[|]", "(c|d)"])
        );
        assert_eq!(without_group("(?:a|b)"), "a|b");
        assert_eq!(without_group("(a)|(b)"), "(a)|(b)");
        assert_eq!(without_group(r"(?:a|b\)"), r"(?:a|b\)");
    }

    #[test]
    fn a_long_run_of_white_space_is_no_trouble() {
        let pattern = Pattern::new(PATTERNS[1]).unwrap();
        let text = format!("{}a", " ".repeat(2_000_000));
        let mut ends = [0; 4];
        assert_eq!(pattern.matches(&text).next(&mut ends).unwrap(), 2);
        assert_eq!(ends[..2], [1_999_999, 2_000_001]);
    }

    fn all(pattern: &Pattern, text: &str) -> Vec<u32> {
        super::super::Pieces::Pattern(pattern.matches(text))
            .collect()
            .unwrap()
    }

    type Engines = (&'static str, Automaton, Pattern, Pattern);

    /// Compiled once: that takes longer than a case.
    static ENGINES: LazyLock<Vec<Engines>> = LazyLock::new(|| {
        let schemes = Scheme::ALL.into_iter().map(Scheme::pattern);
        let every = PATTERNS
            .into_iter()
            .chain(schemes)
            .chain([super::super::GPT2]);
        let engines = every.filter_map(|pattern| {
            let automaton = Automaton::new(pattern)?;
            let backtracking = Pattern::backtracking(pattern).unwrap();
            Some((
                pattern,
                automaton,
                Pattern::new(pattern).unwrap(),
                backtracking,
            ))
        });
        engines.collect()
    });

    proptest! {
        #[test]
        fn automaton_finds_what_backtracking_finds(
            text in r"[abBs |)(\\\]'1２!中がé\u{301}\u{3000}\t\r\n\u{a0}]{0,30}",
        ) {
            for (pattern, automaton, chosen, backtracking) in &*ENGINES {
                let mut found = Vec::new();
                let mut at = 0;
                while let Some(range) = automaton.find(&text, at) {
                    if at < range.start {
                        found.push(range.start as u32 | GAP);
                    }
                    found.push(range.end as u32);
                    at = range.end;
                }
                if at < text.len() {
                    found.push(text.len() as u32 | GAP);
                }
                prop_assert_eq!(&found, &all(backtracking, &text), "{}", pattern);
                prop_assert_eq!(&found, &all(chosen, &text), "{}", pattern);
            }
        }
    }
}
