//! How strongly a text parts at a place: the larger, the better to cut there.

/// One of the levels below.
pub(crate) type Level = u8;

/// Between two characters as a reader sees them.
pub(crate) const GRAPHEME: Level = 1;
/// Before a word; any place that no edge is at is asked for by name.
#[cfg(test)]
pub(crate) const WORD: Level = 2;
/// At the beginning of a line inside of a block.
pub(crate) const LINE: Level = 3;
/// Before a sentence.
pub(crate) const SENTENCE: Level = 4;
/// Before a row of a table, a line of code, or a part of an item of a list.
pub(crate) const ROW: Level = 5;
/// Before code that a blank line is above.
pub(crate) const CODE: Level = 6;
/// Before an item of a list.
pub(crate) const ITEM: Level = 7;
/// Before a paragraph, a list, a table, a block of code.
pub(crate) const BLOCK: Level = 8;

/// Before a heading; `depth` is 1 to 6.
pub(crate) fn heading(depth: u8) -> Level {
    BLOCK + 7 - depth
}
