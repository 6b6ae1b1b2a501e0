//! Where pieces begin in 64 bytes, all of them at once.
//!
//! A mask has a bit for every byte, and all bytes of a character have its class, so that "the character before" is a
//! shift by one. What these masks cannot say is left to [`super::step`]: the window ends before it.

use inferail_simd::block::Kernel;

use super::classes::{CASELESS, Classes, LETTER, LOWER, MARK, NEWLINE, NUMBER, SPACE, UPPER};
use super::rules::{Before, Contraction, Pattern, Rules, Word, contraction};

/// What the character before a window says about it: 1 or 0 each. All are 0 if a piece begins with the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Carry {
    /// It belongs to a word that may go on.
    word: u64,
    /// In a cased word: a capital does not continue it.
    small: u64,
    /// In a cased word: no capital or small letter has decided yet.
    caseless: u64,
}

/// What was found in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Where pieces begin.
    pub(super) starts: u64,
    /// How many bytes were decided.
    pub(super) end: u32,
    /// How the next window begins, if it can begin where this one ends.
    pub(super) carry: Option<Carry>,
    /// Whether every piece of the window is in `starts`; if not, those are that begin before the doubtful place.
    pub(super) whole: bool,
}

/// The characters of a window.
#[derive(Clone, Copy)]
struct Masks<B> {
    bytes: B,
    classes: B,
    /// The bytes of whole characters.
    valid: u64,
    /// Their bytes that begin no character.
    continuation: u64,
    end: u32,
    /// Whether the text ends with the window.
    last: bool,
}

/// Where the pieces begin in the window at byte `at` of `text`, where a character begins.
#[inline(always)]
pub(super) fn find<K: Kernel, P: Pattern>(
    kernel: K,
    classes: &Classes,
    text: &[u8],
    at: usize,
    carry: Carry,
) -> Found {
    let rules = P::RULES;
    let masks = masks(kernel, classes, text, at);
    let cased = rules.word == Word::Cased;
    let word_flags = match rules.word {
        Word::Letters => LETTER,
        Word::LettersAndMarks | Word::Cased => LETTER | MARK,
    };
    let word = kernel.any(masks.classes, word_flags) & masks.valid;
    let number = kernel.any(masks.classes, NUMBER) & masks.valid;
    let space = kernel.any(masks.classes, SPACE) & masks.valid;
    let other = masks.valid & !(word | number | space);
    let newline = if rules.line_breaks {
        kernel.any(masks.classes, NEWLINE) & masks.valid
    } else {
        0
    };
    let absorbed = absorbed(kernel, rules, masks.bytes, other, newline);
    let space = space & !absorbed;
    let punctuation = other & !absorbed;
    let newline = newline & !absorbed;
    let blank = space & !newline;
    let mut starts = spaces(
        &masks,
        rules,
        space,
        newline,
        masks.valid & !(space | absorbed & newline),
    );

    // A space before a run of punctuation belongs to it.
    let after_space = kernel.equal(masks.bytes, b' ') << 1;
    let first = punctuation & !(punctuation << 1) & !after_space;
    let apostrophe = if rules.contraction == Contraction::None {
        0
    } else {
        kernel.equal(masks.bytes, b'\'')
    };
    let (ends, suffix) = if rules.contraction == Contraction::Suffix {
        let begins = apostrophe & punctuation & (word << 1 | carry.word);
        let ends = contractions::<true>(text, at, begins, masks.end, true);
        (ends, ends.begins)
    } else {
        let any_case = rules.contraction == Contraction::Any;
        let begins = apostrophe & first;
        (
            contractions::<false>(text, at, begins, masks.end, any_case),
            0,
        )
    };
    let after_first = masks.next(first);
    let joined = match rules.before_word {
        Before::Any => blank << 1 | after_first,
        Before::Space => after_space | ends.begins << 1,
    };
    starts |= first & !suffix | word & !(word << 1 | carry.word) & !joined | ends.after;
    starts |= numbers(&masks, rules, number, after_space);

    let mut doubt = 0;
    let mut next = Carry {
        word: 1,
        ..Carry::default()
    };
    let mut goes_on = word >> (masks.end - 1) & 1 == 1 && !ends.beyond;
    if cased {
        let case = cases(kernel, &masks, carry, ends.after);
        starts |= case.starts;
        // A mark after a run of punctuation continues the run.
        let mark = kernel.any(masks.classes, MARK) & masks.valid;
        doubt = case.doubt | mark & (punctuation << 1) & !after_first;
        next.small = case.small >> (masks.end - 1) & 1;
        next.caseless = case.caseless >> (masks.end - 1) & 1;
        goes_on &= next.small | next.caseless == 1;
    }
    if doubt != 0 {
        // Only what lies before the lowest bit is sure.
        starts &= (doubt & doubt.wrapping_neg()) - 1;
    }
    Found {
        starts: starts & masks.valid,
        end: masks.end,
        carry: (goes_on && doubt == 0).then_some(next),
        whole: doubt == 0,
    }
}

impl<B> Masks<B> {
    /// The place after each of the characters that begin at `starts`.
    #[inline(always)]
    fn next(&self, starts: u64) -> u64 {
        // The carry of the addition runs through the rest of the character.
        (starts << 1).wrapping_add(self.continuation) & !self.continuation
    }

    /// Where the characters begin whose last bytes are `ends`, white space all of them: at most three bytes.
    #[inline(always)]
    fn first(&self, ends: u64) -> u64 {
        let second = (ends & self.continuation) >> 1;
        let third = (second & self.continuation) >> 1;
        (ends | second | third) & !self.continuation
    }
}

#[inline(always)]
fn masks<K: Kernel>(kernel: K, classes: &Classes, text: &[u8], at: usize) -> Masks<K::Bytes> {
    let bytes = kernel.load(text, at);
    let mut found = kernel.lookup(bytes, &classes.ascii);
    let rest = text.len() - at;
    let mut end = rest.min(64);
    let mut continuation = 0;
    let non_ascii = kernel.non_ascii(bytes);
    if non_ascii != 0 {
        let leads = kernel.leads(bytes);
        continuation = non_ascii & !leads;
        let mut array = [0; 72];
        array[..64].copy_from_slice(&kernel.unpack(found));
        let mut left = leads;
        while left != 0 {
            let index = (left.trailing_zeros() & 63) as usize;
            left &= left - 1;
            let (class, len) = classes.at(text, at + index);
            array[index] = class;
            array[index + 1] = class;
            if len > 2 {
                array[index + 2] = class;
                if len > 3 {
                    array[index + 3] = class;
                }
            }
            if index + len > 64 {
                end = index;
            }
        }
        if let Some(array) = array.first_chunk() {
            found = kernel.pack(array);
        }
    }
    Masks {
        bytes,
        classes: found,
        valid: u64::MAX >> (64 - end),
        continuation,
        end: end as u32,
        last: rest <= 64,
    }
}

/// Every bit of `run` from one of `seeds`, which are in `run`, to the end of its ones.
#[inline(always)]
fn flood(run: u64, seeds: u64) -> u64 {
    ((run.wrapping_add(seeds) ^ run) | seeds) & run
}

/// Line breaks that belong to the punctuation before them.
#[inline(always)]
fn absorbed<K: Kernel>(kernel: K, rules: Rules, bytes: K::Bytes, other: u64, newline: u64) -> u64 {
    let seeds = newline & (other << 1);
    if seeds == 0 {
        return 0;
    }
    let slash = if rules.slash {
        kernel.equal(bytes, b'/')
    } else {
        0
    };
    flood(newline | slash & other, seeds)
}

/// Where pieces of white space begin, and words and punctuation with the last white space before them.
#[inline(always)]
fn spaces<B>(masks: &Masks<B>, rules: Rules, space: u64, newline: u64, visible: u64) -> u64 {
    let blank = space & !newline;
    let mut starts = space & !(space << 1) | masks.first(blank & (visible >> 1));
    let mut indent = blank & !(blank << 1) & (newline << 1);
    if indent != 0 {
        // Blanks between two line breaks are one piece with both.
        let mut blank_lines = blank.wrapping_add(indent) & newline;
        while blank_lines != 0 {
            let before = (blank_lines & blank_lines.wrapping_neg()) - 1;
            blank_lines &= blank_lines - 1;
            indent &= !(1 << ((indent & before) | 1).ilog2());
        }
        starts |= indent;
    }
    let at_end = space >> (masks.end - 1) & 1 == 1;
    if at_end && (!masks.last || rules.trailing_space) {
        // How it is cut depends on what follows.
        let len = (space << (64 - masks.end)).leading_ones();
        let first = masks.end - len;
        starts &= !(masks.valid & (u64::MAX - 1) << first);
    }
    starts
}

/// Where pieces of numbers begin.
#[inline(always)]
fn numbers<B>(masks: &Masks<B>, rules: Rules, number: u64, after_space: u64) -> u64 {
    let first = number & !(number << 1);
    match rules.digits {
        0 => first & !after_space,
        1 => number & !masks.continuation,
        digits => {
            let mut starts = first;
            if number & number << 1 & number << 2 & number << 3 != 0 {
                let mut group = first;
                while group != 0 {
                    for _ in 0..digits {
                        group = masks.next(group) & number;
                    }
                    starts |= group;
                }
            }
            starts
        }
    }
}

/// The contractions of a window.
#[derive(Clone, Copy, Default)]
struct Contractions {
    begins: u64,
    /// The places after them, as far as they are in the window.
    after: u64,
    /// Whether one ends at the end of the window, or after it.
    beyond: bool,
}

#[inline(always)]
fn contractions<const SUFFIX: bool>(
    text: &[u8],
    at: usize,
    mut apostrophes: u64,
    end: u32,
    any_case: bool,
) -> Contractions {
    let mut found = Contractions::default();
    while apostrophes != 0 {
        let index = apostrophes.trailing_zeros();
        let bit = apostrophes & apostrophes.wrapping_neg();
        apostrophes &= apostrophes - 1;
        // Right after a contraction there is no word that it could be the end of.
        if SUFFIX && found.after & bit != 0 {
            continue;
        }
        let len = contraction(text, at + index as usize, any_case) as u32;
        if len > 0 {
            found.begins |= bit;
            if index + len < end {
                found.after |= bit << len;
            } else {
                found.beyond = true;
            }
        }
    }
    found
}

/// How cased words are cut.
#[derive(Clone, Copy)]
struct Cases {
    starts: u64,
    /// Places where the window does not say whether a piece begins.
    doubt: u64,
    /// Letters after which a capital begins a piece.
    small: u64,
    /// Letters after which the rest of the word decides.
    caseless: u64,
}

#[inline(always)]
fn cases<K: Kernel>(kernel: K, masks: &Masks<K::Bytes>, carry: Carry, fresh: u64) -> Cases {
    let upper = kernel.any(masks.classes, UPPER) & masks.valid;
    let lower = kernel.any(masks.classes, LOWER) & masks.valid;
    let either = kernel.any(masks.classes, CASELESS | MARK) & masks.valid;
    let mut cases = Cases {
        starts: 0,
        doubt: 0,
        small: lower,
        caseless: 0,
    };
    if either != 0 || carry.caseless != 0 {
        // After a small letter, letters without case are small too, unless a piece begins with them.
        let seeds = either & !(either << 1) & (lower << 1 | carry.small) & !fresh;
        let small = flood(either, seeds);
        cases.small |= small;
        cases.caseless = either & !small;
        // Capitals after them belong to the word only if a small letter, or one without case, follows.
        let mut capitals = upper & (cases.caseless << 1 | carry.caseless);
        while capitals != 0 {
            let first = capitals.trailing_zeros();
            capitals &= capitals - 1;
            let end = first + (upper >> first).trailing_ones();
            if end >= masks.end && !masks.last {
                cases.doubt |= 1 << first;
            } else if end >= masks.end || (lower | either) >> end & 1 == 0 {
                cases.starts |= 1 << first;
            }
        }
    }
    cases.starts |= upper & (cases.small << 1 | carry.small);
    cases
}
