//! What kind of character stands at a place of a text.

use std::sync::LazyLock;

use super::unicode::RANGES;

/// A capital: `Lu`, `Lt`.
pub(super) const UPPER: u8 = 1;
/// A small letter: `Ll`.
pub(super) const LOWER: u8 = 2;
/// A letter without case: `Lm`, `Lo`.
pub(super) const CASELESS: u8 = 4;
/// A combining mark: `M`.
pub(super) const MARK: u8 = 8;
/// A number: `N`.
pub(super) const NUMBER: u8 = 16;
/// White space, `\r` and `\n` included: `\s`.
pub(super) const SPACE: u8 = 32;
/// `\r` or `\n`.
pub(super) const NEWLINE: u8 = 64;
/// Punctuation and symbols: `P`, `S`. What has no bit at all is control, format, private or unassigned.
pub(super) const SYMBOL: u8 = 128;
/// Any letter: `L`.
pub(super) const LETTER: u8 = UPPER | LOWER | CASELESS;

/// The bits of the classes in [`RANGES`], in their order.
const FLAGS: [u8; 9] = [
    0, UPPER, LOWER, CASELESS, MARK, NUMBER, SPACE, SYMBOL, SYMBOL,
];

/// Code points that share a row of flags.
const ROW: usize = 64;

/// The flags of every character.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) ascii: [u8; 128],
    /// Which row the flags of 64 code points are.
    blocks: Box<[u16]>,
    rows: Vec<[u8; ROW]>,
}

/// The flags of every character.
pub(super) static CLASSES: LazyLock<Classes> = LazyLock::new(Classes::new);

impl Classes {
    fn new() -> Self {
        let mut blocks = vec![0; 0x11_0000 / ROW].into_boxed_slice();
        // Rows of one class come first, so that nothing is searched for them.
        let mut rows: Vec<[u8; ROW]> = FLAGS.iter().map(|flags| [*flags; ROW]).collect();
        let ends = RANGES.iter().skip(1).map(|range| range >> 8);
        let mut mixed = usize::MAX;
        for (range, end) in RANGES.iter().zip(ends.chain([0x11_0000])) {
            let class = (range & 0x7F) as usize;
            let (mut at, end) = ((range >> 8) as usize, end as usize);
            while at < end {
                let block = at / ROW;
                let stop = end.min((block + 1) * ROW);
                if stop - at == ROW {
                    blocks[block] = class as u16;
                } else {
                    if mixed != block {
                        mixed = block;
                        blocks[block] = rows.len() as u16;
                        rows.push([0; ROW]);
                    }
                    let row = usize::from(blocks[block]);
                    rows[row][at % ROW..=(stop - 1) % ROW].fill(FLAGS[class]);
                }
                at = stop;
            }
        }
        let mut ascii = [0; 128];
        for (half, row) in ascii.chunks_exact_mut(ROW).zip(&*blocks) {
            half.copy_from_slice(&rows[usize::from(*row)]);
        }
        ascii[usize::from(b'\n')] |= NEWLINE;
        ascii[usize::from(b'\r')] |= NEWLINE;
        Self {
            ascii,
            blocks,
            rows,
        }
    }

    /// The flags of the character that begins at byte `at` of `text`, and its bytes; no bytes at the end of the text.
    #[inline(always)]
    pub(super) fn at(&self, text: &[u8], at: usize) -> (u8, usize) {
        let Some(&first) = text.get(at) else {
            return (0, 0);
        };
        if let Some(&flags) = self.ascii.get(usize::from(first)) {
            return (flags, 1);
        }
        let next = |index: usize| usize::from(text.get(at + index).copied().unwrap_or(0) & 0x3F);
        let first = usize::from(first);
        match first {
            0..0xE0 => (self.flags(first & 0x1F, next(1)), 2),
            0xE0..0xF0 => (self.flags((first & 0xF) << 6 | next(1), next(2)), 3),
            _ => {
                let block = (first & 7) << 12 | next(1) << 6 | next(2);
                (self.flags(block, next(3)), 4)
            }
        }
    }

    #[inline(always)]
    fn flags(&self, block: usize, column: usize) -> u8 {
        let row = self.blocks.get(block).copied().unwrap_or(0);
        self.rows[usize::from(row)][column % ROW]
    }
}
