//! Where to cut an input.

/// Cuts an input into pieces at places drawn from the input itself, so that a corpus file is nothing but the
/// bytes of a stream and a finding repeats.
#[derive(Debug, Clone)]
pub struct Splits {
    state: u64,
}

impl Splits {
    /// The places for `data`.
    pub fn new(data: &[u8]) -> Self {
        // FNV-1a; the last bit set because xorshift stays at zero.
        let state = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { state: state | 1 }
    }

    /// The next number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).map_or(0, |number| number % bound)
    }

    /// `data` in pieces of 0 to 15 bytes.
    pub fn pieces<'a>(&mut self, data: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        let mut rest = data;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.below(16).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }
}
