//! Which characters stand side by side in some token.

/// Pairs of characters that stand side by side in some token.
///
/// Exact for pairs of ASCII characters; for others a hashed bit, so that a pair may be taken for one that is there: the
/// text is then cut less often, never wrongly.
#[derive(Debug, Clone)]
pub(crate) struct Joints {
    ascii: Box<[[u32; 4]; 128]>,
    others: Box<[u64]>,
    shift: u32,
}

impl Joints {
    /// Bits for a pair that is there: one in eight of those that are not is taken for one.
    const BITS: usize = 8;
    /// 1 MiB, what still fits a core's cache beside the rest.
    const MAX_BITS: usize = 1 << 23;

    pub(crate) fn new<'a>(tokens: impl Iterator<Item = &'a str> + Clone) -> Self {
        let pairs = tokens
            .clone()
            .map(|token| token.chars().count())
            .sum::<usize>();
        let bits = (pairs * Self::BITS)
            .next_power_of_two()
            .clamp(1 << 10, Self::MAX_BITS);
        let mut joints = Self {
            ascii: Box::new([[0; 4]; 128]),
            others: vec![0; bits / 64].into(),
            shift: 64 - bits.trailing_zeros(),
        };
        for token in tokens {
            for (before, after) in token.chars().zip(token.chars().skip(1)) {
                joints.add(before as u32, after as u32);
            }
        }
        joints
    }

    fn add(&mut self, before: u32, after: u32) {
        if before | after < 128 {
            self.ascii[before as usize][after as usize / 32] |= 1 << (after % 32);
        } else {
            let bit = self.bit(before, after);
            self.others[bit / 64] |= 1 << (bit % 64);
        }
    }

    #[inline]
    fn bit(&self, before: u32, after: u32) -> usize {
        let pair = u64::from(before) << 32 | u64::from(after);
        (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) ^ pair)
            .wrapping_mul(0xd6e8_feb8_6659_fd93) as usize
            >> self.shift
    }

    #[inline]
    fn joined(&self, before: u32, after: u32) -> bool {
        if before | after < 128 {
            self.ascii[before as usize][after as usize / 32] >> (after % 32) & 1 == 1
        } else {
            let bit = self.bit(before, after);
            self.others[bit / 64] >> (bit % 64) & 1 == 1
        }
    }

    /// Where the fragment of `text` that begins at byte `begin` ends: at the first place that no token crosses, or at `end`.
    ///
    /// `begin < end`, both between characters.
    #[inline]
    pub(crate) fn fragment(&self, text: &str, begin: usize, end: usize) -> usize {
        let bytes = &text.as_bytes()[..end];
        let (mut before, length) = character(&bytes[begin..]);
        let mut at = begin + length;
        while let Some(&byte) = bytes.get(at) {
            if u32::from(byte) | before < 128 {
                if self.ascii[before as usize][byte as usize / 32] >> (byte % 32) & 1 == 0 {
                    break;
                }
                before = u32::from(byte);
                at += 1;
            } else {
                let (after, length) = character(&bytes[at..]);
                if !self.joined(before, after) {
                    break;
                }
                before = after;
                at += length;
            }
        }
        at
    }
}

/// The first character of `bytes`, which begin valid UTF-8, and its length.
#[inline]
pub(crate) fn character(bytes: &[u8]) -> (u32, usize) {
    let follow = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0) & 0x3f);
    let first = u32::from(bytes.first().copied().unwrap_or(0));
    match first {
        0..0x80 => (first, 1),
        0x80..0xe0 => ((first & 0x1f) << 6 | follow(1), 2),
        0xe0..0xf0 => ((first & 0x0f) << 12 | follow(1) << 6 | follow(2), 3),
        _ => (
            (first & 0x07) << 18 | follow(1) << 12 | follow(2) << 6 | follow(3),
            4,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_end_where_no_token_crosses() {
        let joints = Joints::new([" the", " a", "é́x"].into_iter());

        let text = " the a éx";
        let mut ends = Vec::new();
        let mut at = 0;
        while at < text.len() {
            at = joints.fragment(text, at, text.len());
            ends.push(at);
        }

        assert_eq!(ends, [4, 6, 7, 9, 10]);
    }

    #[test]
    fn character_is_what_the_standard_library_decodes() {
        for expected in [
            '\0',
            'a',
            '\u{7f}',
            '\u{80}',
            'é',
            '\u{7ff}',
            '\u{800}',
            '▁',
            '\u{ffff}',
            '\u{10000}',
            '\u{10ffff}',
        ] {
            let text = expected.to_string();

            let found = character(text.as_bytes());

            assert_eq!(found, (expected as u32, text.len()));
        }
    }
}
