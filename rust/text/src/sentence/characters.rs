//! Classes of characters.

/// What a character can mean behind a sentence.
pub(super) fn is_strong(c: char) -> bool {
    matches!(
        c,
        '。' | '！'
            | '？'
            | '｡'
            | '।'
            | '॥'
            | '؟'
            | '۔'
            | '።'
            | '፧'
            | '։'
            | '។'
            | '៕'
            | '။'
            | '᠃'
            | '‼'
            | '⁇'
            | '⁈'
            | '⁉'
    )
}

/// A stop that needs blank space behind it. The Greek question mark is told by the letter before it.
pub(super) fn is_stop(c: char, previous: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '．')
        || (matches!(c, ';' | '\u{37e}') && is_greek(previous))
}

/// Whether a sentence may end in `c` where blank space follows.
pub(crate) fn stops(c: char) -> bool {
    is_strong(c) || matches!(c, '.' | '!' | '?' | '…' | '．' | ';' | '\u{37e}')
}

/// Whether a sentence may end in `c` where no blank space follows.
pub(crate) fn stops_unspaced(c: char) -> bool {
    is_strong(c) || matches!(c, '!' | '?')
}

/// What may stand between the stop of a sentence and its end.
pub(crate) fn closes(c: char) -> bool {
    is_closing(c) || is_emphasis(c)
}

/// Closes a quotation or a bracket.
pub(super) fn is_closing(c: char) -> bool {
    // “ and ‘ close in German, « in Danish.
    matches!(
        c,
        '"' | '\''
            | '”'
            | '“'
            | '’'
            | '‘'
            | '»'
            | '«'
            | '›'
            | '‹'
            | ')'
            | ']'
            | '}'
            | '）'
            | '】'
            | '」'
            | '』'
            | '》'
            | '〉'
            | '〕'
            | '］'
            | '｝'
            | '＂'
            | '＇'
    )
}

/// Emphasis of Markdown: belongs to the sentence, but is no quotation.
pub(super) fn is_emphasis(c: char) -> bool {
    matches!(c, '*' | '_' | '~')
}

/// What a sentence does not begin with: it goes on.
pub(super) fn goes_on(c: char) -> bool {
    c.is_lowercase()
        || matches!(
            c,
            ',' | ';'
                | ':'
                | '-'
                | '–'
                | '—'
                | '='
                | '+'
                | '/'
                | '&'
                | '|'
                | '<'
                | '>'
                | '%'
                | ')'
                | ']'
                | '}'
        )
}

/// Scripts that put no blank between sentences.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        || is_thai(c)
}

/// Thai and Lao, which have no full stop.
pub(super) fn is_thai(c: char) -> bool {
    matches!(c, '\u{e01}'..='\u{e4e}' | '\u{e81}'..='\u{ece}' | '\u{edc}'..='\u{edf}')
}

/// Blank space inside a line.
pub(super) fn is_blank(c: char) -> bool {
    c != '\n' && c != '\u{2028}' && c != '\u{2029}' && c.is_whitespace()
}

/// The end of a line.
pub(super) fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\u{2028}' | '\u{2029}')
}

/// What stands before the words of a line: bullets, headings, quotes.
pub(super) fn is_marker(c: char) -> bool {
    matches!(
        c,
        '#' | '-' | '*' | '+' | '>' | '•' | '·' | '|' | '_' | '(' | '['
    ) || is_blank(c)
}

fn is_greek(c: char) -> bool {
    matches!(c, '\u{386}'..='\u{3ce}' | '\u{1f00}'..='\u{1ffc}')
}
