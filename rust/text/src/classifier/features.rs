//! A text as the set of its features, each hashed to one of `2^bits` buckets.
//!
//! | feature | of |
//! |---|---|
//! | word | each word, sign, or character of a script without blanks |
//! | pair | each two of them that follow each other |
//! | piece | 3 to 5 characters of a word with its two ends, as in fastText |
//! | head, tail | the first eight and the last six of them: that is where an instruction stands |
//! | shape | length, lines and share of digits, each rounded to a power of two |
//!
//! Letters are made small and digits become `0`. Of a long text the first 2,048 and the last 1,024 bytes count.

/// Most bits of a bucket's number.
pub const MAX_BITS: u32 = 20;

const HEAD_BYTES: usize = 2_048;
const TAIL_BYTES: usize = 1_024;
const HEAD: usize = 8;
const TAIL: usize = 6;
/// Characters of a word that are cut into pieces.
const LONGEST: usize = 24;

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The buckets of the features of `text`, each once, in the order of the text. `bits` is at most [`MAX_BITS`].
pub fn features(text: &str, bits: u32) -> Vec<u32> {
    let bits = bits.clamp(1, MAX_BITS);
    let mut found = Found::new(bits);
    let mut tokens = Vec::with_capacity(128);
    let (head, tail) = ends(text);
    take_tokens(head, &mut tokens, &mut found);
    take_tokens(tail, &mut tokens, &mut found);
    for pair in tokens.windows(2) {
        found.add(2, pair[0].rotate_left(23) ^ pair[1]);
    }
    for (place, token) in tokens.iter().enumerate() {
        found.add(1, *token);
        if place < HEAD {
            found.add(4, *token);
        }
        if place + TAIL >= tokens.len() {
            found.add(5, *token);
        }
    }
    let count = |what: fn(&u8) -> bool| head.bytes().chain(tail.bytes()).filter(what).count();
    let digits = count(u8::is_ascii_digit) * 64 / (head.len() + tail.len()).max(1);
    let lines = count(|byte| *byte == b'\n');
    for (shape, count) in [text.len(), lines, digits].into_iter().enumerate() {
        let rounded = usize::BITS - count.leading_zeros();
        found.add(6, (shape as u64) << 32 | u64::from(rounded));
    }
    found.buckets
}

/// The beginning of `text`, and its end where that is not in the beginning.
fn ends(text: &str) -> (&str, &str) {
    if text.len() <= HEAD_BYTES + TAIL_BYTES {
        return (text, "");
    }
    let head = text.floor_char_boundary(HEAD_BYTES);
    let tail = text.ceil_char_boundary(text.len() - TAIL_BYTES);
    (&text[..head], &text[tail..])
}

struct Found {
    bits: u32,
    seen: Vec<u64>,
    buckets: Vec<u32>,
}

impl Found {
    fn new(bits: u32) -> Self {
        Self {
            bits,
            seen: vec![0; (1 << bits) / 64 + 1],
            buckets: Vec::with_capacity(512),
        }
    }

    fn add(&mut self, kind: u64, hash: u64) {
        // The finaliser of splitmix64: FNV alone leaves its high bits much alike.
        let mut mixed = hash.wrapping_add(kind.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bucket = ((mixed ^ (mixed >> 31)) >> (64 - self.bits)) as u32;
        let (word, bit) = (bucket as usize / 64, 1 << (bucket % 64));
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.buckets.push(bucket);
        }
    }
}

fn take_tokens(text: &str, tokens: &mut Vec<u64>, found: &mut Found) {
    let mut word: Vec<char> = Vec::with_capacity(LONGEST + 2);
    for c in text.chars() {
        if c.is_alphanumeric() && !is_unspaced(c) {
            if c.is_ascii() {
                word.push(if c.is_ascii_digit() {
                    '0'
                } else {
                    c.to_ascii_lowercase()
                });
            } else {
                word.extend(c.to_lowercase());
            }
            continue;
        }
        end_word(&mut word, tokens, found);
        if c == '\n' || !c.is_whitespace() {
            tokens.push(hash_char(FNV_BASIS, c));
        }
    }
    end_word(&mut word, tokens, found);
}

fn end_word(word: &mut Vec<char>, tokens: &mut Vec<u64>, found: &mut Found) {
    if word.is_empty() {
        return;
    }
    tokens.push(word.iter().fold(FNV_BASIS, |hash, c| hash_char(hash, *c)));
    word.truncate(LONGEST);
    word.insert(0, '<');
    word.push('>');
    for begin in 0..word.len().saturating_sub(2) {
        let mut hash = FNV_BASIS;
        for (length, c) in word[begin..].iter().take(5).enumerate() {
            hash = hash_char(hash, *c);
            if length >= 2 {
                found.add(3, hash);
            }
        }
    }
    word.clear();
}

/// FNV-1a, a character at a time.
fn hash_char(hash: u64, c: char) -> u64 {
    (hash ^ u64::from(u32::from(c))).wrapping_mul(FNV_PRIME)
}

/// Scripts without blanks between words: each character is a word.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}
