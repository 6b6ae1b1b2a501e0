//! One piece at a time, as the patterns say it: where a block cannot decide, and for pieces longer than blocks.

use super::classes::{
    CASELESS, CLASSES, Classes, LETTER, LOWER, MARK, NEWLINE, NUMBER, SPACE, UPPER,
};
use super::rules::{Before, Contraction, Rules, Word, contraction};

/// Where the piece that begins at byte `begin` of `text` ends.
pub(super) fn piece_end(rules: Rules, text: &[u8], begin: usize) -> usize {
    let step = Step {
        rules,
        text,
        classes: &CLASSES,
    };
    let lead = matches!(rules.contraction, Contraction::Small | Contraction::Any);
    if lead && text.get(begin) == Some(&b'\'') {
        let any_case = rules.contraction == Contraction::Any;
        let len = contraction(text, begin, any_case);
        if len > 0 {
            return begin + len;
        }
    }
    let end = step.word(begin);
    let end = end.or_else(|| step.number(begin));
    let end = end.or_else(|| step.punctuation(begin));
    end.unwrap_or_else(|| step.space(begin))
}

#[derive(Clone, Copy)]
struct Step<'a> {
    rules: Rules,
    text: &'a [u8],
    classes: &'a Classes,
}

impl Step<'_> {
    fn class(self, at: usize) -> (u8, usize) {
        self.classes.at(self.text, at)
    }

    /// Where the characters end that have one of `flags`.
    fn run(self, mut at: usize, flags: u8) -> usize {
        loop {
            let (class, len) = self.class(at);
            if class & flags == 0 {
                return at;
            }
            at += len;
        }
    }

    /// The place after a space at `at`, or `at`.
    fn after_space(self, at: usize) -> usize {
        at + usize::from(self.text.get(at) == Some(&b' '))
    }

    fn word(self, begin: usize) -> Option<usize> {
        let after = match self.rules.before_word {
            Before::Space => self.after_space(begin),
            Before::Any => match self.class(begin) {
                (class, _) if class & (LETTER | NUMBER | NEWLINE) != 0 => begin,
                (_, len) => begin + len,
            },
        };
        let found = |flags: u8| {
            let ends = [after, begin].map(|start| (start, self.run(start, flags)));
            let mut ends = ends.iter().filter(|(start, end)| end > start);
            ends.next().map(|(_, end)| *end)
        };
        match self.rules.word {
            Word::Letters => found(LETTER),
            Word::LettersAndMarks => found(LETTER | MARK),
            Word::Cased => {
                let end = self.capitals_then_small(after);
                let end = end.or_else(|| self.capitals_then_small(begin));
                // No small letter, and none that counts as one: capitals alone.
                let end = end.or_else(|| found(UPPER))?;
                let suffix = self.rules.contraction == Contraction::Suffix
                    && self.text.get(end) == Some(&b'\'');
                Some(if suffix {
                    end + contraction(self.text, end, true)
                } else {
                    end
                })
            }
        }
    }

    /// Any number of capitals and then at least one small letter, where letters without case and marks are both.
    fn capitals_then_small(self, begin: usize) -> Option<usize> {
        let mut at = begin;
        let mut last_small = None;
        loop {
            let (class, len) = self.class(at);
            if class & LOWER != 0 {
                return Some(self.run(at, LOWER | CASELESS | MARK));
            }
            if class & (UPPER | CASELESS | MARK) == 0 {
                return last_small;
            }
            at += len;
            if class & UPPER == 0 {
                last_small = Some(at);
            }
        }
    }

    fn number(self, begin: usize) -> Option<usize> {
        if self.rules.digits == 0 {
            let after = self.after_space(begin);
            let end = self.run(after, NUMBER);
            return (end > after).then_some(end);
        }
        let mut at = begin;
        for _ in 0..self.rules.digits {
            let (class, len) = self.class(at);
            if class & NUMBER == 0 {
                break;
            }
            at += len;
        }
        (at > begin).then_some(at)
    }

    fn punctuation(self, begin: usize) -> Option<usize> {
        let after = self.after_space(begin);
        let marks = match self.rules.word {
            Word::LettersAndMarks => MARK,
            Word::Letters | Word::Cased => 0,
        };
        let mut at = after;
        loop {
            let (class, len) = self.class(at);
            if class & (LETTER | NUMBER | SPACE | marks) != 0 || len == 0 {
                break;
            }
            at += len;
        }
        if at == after {
            return None;
        }
        let rest = &self.text[at..];
        let breaks = rest.iter().take_while(|byte| {
            self.rules.line_breaks
                && (matches!(byte, b'\r' | b'\n') || self.rules.slash && **byte == b'/')
        });
        Some(at + breaks.count())
    }

    fn space(self, begin: usize) -> usize {
        let mut at = begin;
        let mut last = begin;
        let mut after_break = None;
        loop {
            let (class, len) = self.class(at);
            if class & SPACE == 0 {
                break;
            }
            last = at;
            at += len;
            if class & NEWLINE != 0 {
                after_break = Some(at);
            }
        }
        let at_end = at == self.text.len();
        match after_break {
            Some(end) if self.rules.line_breaks && !(at_end && self.rules.trailing_space) => end,
            // The last one belongs to what follows, or is a piece of its own.
            _ if !at_end && last > begin => last,
            _ => at,
        }
    }
}
