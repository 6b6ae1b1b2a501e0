//! The pieces of a text, each as a hash.

/// How much pieces count, by what they are.
pub(super) const WEIGHTS: [f32; 3] = [1.0, 0.7, 0.35];

/// Which of [`WEIGHTS`] a piece has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word = 0,
    Pair = 1,
    Characters = 2,
}

/// Characters of a sequence.
const SEQUENCES: std::ops::RangeInclusive<usize> = 3..=5;

/// 64 bits of FNV-1a, stirred so that every bit depends on all of the text.
fn hash(kind: Kind, parts: &[&str]) -> u64 {
    let mut state = 0xCBF2_9CE4_8422_2325_u64 ^ (kind as u64 + 1);
    for part in parts {
        // A byte that is in no text stands behind each part.
        for byte in part.bytes().chain([0xFF]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
    state = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ state >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ state >> 31
}

/// Memory that the pieces of a text need, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Features {
    folded: String,
    word: String,
    ends: Vec<usize>,
    /// The hash of each piece and what it is, as often as it is there.
    pub(super) pieces: Vec<(u64, Kind)>,
}

impl Features {
    /// Finds the pieces of `text`. It has some unless it is empty: one without a letter or digit counts as one word.
    pub(super) fn find(&mut self, text: &str) {
        let Self {
            folded,
            word,
            ends,
            pieces,
        } = self;
        folded.clear();
        folded.extend(text.chars().flat_map(char::to_lowercase));
        pieces.clear();
        let mut before: Option<&str> = None;
        for found in folded.split(|character: char| !character.is_alphanumeric()) {
            if found.is_empty() {
                continue;
            }
            add_word(found, before, word, ends, pieces);
            before = Some(found);
        }
        let whole = folded.trim();
        if pieces.is_empty() && !folded.is_empty() {
            add_word(
                if whole.is_empty() { folded } else { whole },
                None,
                word,
                ends,
                pieces,
            );
        }
    }
}

fn add_word(
    found: &str,
    before: Option<&str>,
    word: &mut String,
    ends: &mut Vec<usize>,
    pieces: &mut Vec<(u64, Kind)>,
) {
    pieces.push((hash(Kind::Word, &[found]), Kind::Word));
    if let Some(before) = before {
        pieces.push((hash(Kind::Pair, &[before, found]), Kind::Pair));
    }
    // Its beginning and end count as characters.
    word.clear();
    word.push('<');
    word.push_str(found);
    word.push('>');
    ends.clear();
    ends.extend(word.char_indices().map(|(at, _)| at));
    ends.push(word.len());
    for length in SEQUENCES {
        for window in ends.windows(length + 1) {
            let sequence = &word[window[0]..window[length]];
            pieces.push((hash(Kind::Characters, &[sequence]), Kind::Characters));
        }
    }
}
