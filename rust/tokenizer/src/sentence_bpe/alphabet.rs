//! Characters to the symbols that merging begins with.

/// The symbol of each character: its token, or a number above all ids, or [`Alphabet::UNKNOWN`].
///
/// A page of 64 characters is stored only if one of them has a symbol.
#[derive(Debug, Clone)]
pub(crate) struct Alphabet {
    pages: Box<[u16]>,
    symbols: Vec<[u32; 64]>,
}

impl Alphabet {
    /// A character that no token has.
    pub(crate) const UNKNOWN: u32 = u32::MAX;

    pub(crate) fn new() -> Self {
        Self {
            pages: vec![0; 0x11_0000 / 64].into(),
            symbols: vec![[Self::UNKNOWN; 64]],
        }
    }

    pub(crate) fn set(&mut self, character: u32, symbol: u32) {
        let page = &mut self.pages[character as usize / 64];
        if *page == 0 {
            *page = self.symbols.len() as u16;
            self.symbols.push([Self::UNKNOWN; 64]);
        }
        self.symbols[*page as usize][character as usize % 64] = symbol;
    }

    #[inline]
    pub(crate) fn get(&self, character: u32) -> u32 {
        self.symbols[self.pages[character as usize / 64] as usize][character as usize % 64]
    }
}
