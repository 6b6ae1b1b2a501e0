//! The words of a text, as they are searched for.
//!
//! A word is a run of letters, digits and the marks on them, of any script. An ideograph, a Hiragana sign and a letter of
//! a script without blanks between words is a word of its own. Nothing is stemmed.

use unicode_normalization_alignments::UnicodeNormalization;

const SEPARATOR: u8 = 0;
const LOWER: u8 = 1;
const UPPER: u8 = 2;
const OTHER: u8 = 3;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [SEPARATOR; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' => LOWER,
            b'A'..=b'Z' => UPPER,
            0x80.. => OTHER,
            _ => SEPARATOR,
        };
        byte += 1;
    }
    classes
}

/// Calls `take` with every word of `text`, in its order.
///
/// With `fold`, letters are small, compatible forms are one (ﬁ is fi, １ is 1), and accents of Latin, Greek and Cyrillic are
/// left out.
pub fn words(text: &str, fold: bool, mut take: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut word = String::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let first = CLASSES[usize::from(*byte)];
        if first == SEPARATOR {
            at += 1;
            continue;
        }
        let mut seen = first;
        let mut end = at;
        while let Some(byte) = bytes.get(end) {
            let class = CLASSES[usize::from(*byte)];
            if class == SEPARATOR {
                break;
            }
            seen |= class;
            end += 1;
        }
        let run = &text[at..end];
        // LOWER | UPPER is OTHER too: only then the bytes themselves tell.
        if seen == LOWER || (!fold && run.is_ascii()) {
            take(run);
        } else if run.is_ascii() {
            word.clear();
            word.push_str(run);
            word.make_ascii_lowercase();
            take(&word);
        } else {
            others(run, fold, &mut word, &mut take);
        }
        at = end;
    }
}

/// The words of a run that ASCII does not part.
fn others(run: &str, fold: bool, word: &mut String, take: &mut impl FnMut(&str)) {
    word.clear();
    for c in run.chars() {
        let alone = is_alone(c);
        if (alone || !is_part(c)) && !word.is_empty() {
            take(word);
            word.clear();
        }
        if !is_part(c) {
            continue;
        }
        if fold {
            push_folded(c, word);
        } else {
            word.push(c);
        }
        if alone && !word.is_empty() {
            take(word);
            word.clear();
        }
    }
    if !word.is_empty() {
        take(word);
        word.clear();
    }
}

fn push_folded(c: char, word: &mut String) {
    if c.is_ascii() {
        word.push(c.to_ascii_lowercase());
        return;
    }
    for (c, _) in std::iter::once(c).nfkd() {
        if is_accent(c) || !is_part(c) {
            continue;
        }
        match c {
            'ß' | 'ẞ' => word.push_str("ss"),
            'ς' => word.push('σ'),
            _ => word.extend(c.to_lowercase().filter(|c| !is_accent(*c))),
        }
    }
}

/// Accents of scripts in which a word without them is read as the same.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether a word goes on with it.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization_alignments::char::is_combining_mark(c)
}

/// Whether it is a word of its own: Han, Hiragana, Thai, Lao, Myanmar and Khmer put no blanks between words.
fn is_alone(c: char) -> bool {
    matches!(c,
        '\u{3041}'..='\u{3096}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}'
        | '\u{e01}'..='\u{e33}'
        | '\u{e81}'..='\u{eb3}'
        | '\u{1000}'..='\u{102a}'
        | '\u{1780}'..='\u{17b3}')
}
