//! The patterns with a scanner, as differences between each other.

/// How a pattern cuts. All have words, numbers, runs of other characters and white space in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// What a word is.
    pub(super) word: Word,
    /// What may stand before a word and belongs to it.
    pub(super) before_word: Before,
    /// `'s`, `'ll` and the like.
    pub(super) contraction: Contraction,
    /// Most characters of a number in one piece; 0 for any number of them, and then a space before it belongs to it.
    pub(super) digits: u8,
    /// Whether line breaks are special: they belong to the punctuation before them, and end a piece of white space.
    pub(super) line_breaks: bool,
    /// Whether `/` counts as a line break after punctuation.
    pub(super) slash: bool,
    /// Whether white space at the end of the text is one piece in spite of line breaks.
    pub(super) trailing_space: bool,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// `\p{L}+`
    Letters,
    /// `[\p{L}\p{M}]+`
    LettersAndMarks,
    /// Capitals, then small letters; marks and letters without case count as either.
    Cased,
}

/// What may stand before a word and belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// A space.
    Space,
    /// One character that is no letter, number or line break.
    Any,
}

/// `'s`, `'d`, `'m`, `'t`, `'ll`, `'ve`, `'re`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contraction {
    /// Nothing special.
    None,
    /// A piece of its own, in small letters.
    Small,
    /// A piece of its own, in any letters.
    Any,
    /// The end of the word before it, in any letters.
    Suffix,
}

/// [`Rules`] that are known when the scanner is compiled.
pub(super) trait Pattern {
    const RULES: Rules;
}

impl crate::Scheme {
    /// How its pattern cuts.
    #[cfg(test)]
    pub(super) fn rules(self) -> Rules {
        match self {
            Self::R50k => R50k::RULES,
            Self::Cl100k => Cl100k::RULES,
            Self::O200k => O200k::RULES,
            Self::Llama3 => Llama3::RULES,
            Self::Qwen2 => Qwen2::RULES,
            Self::Qwen35 => Qwen35::RULES,
            Self::Tekken => Tekken::RULES,
        }
    }
}

/// Defines types that implement [`Pattern`].
macro_rules! patterns {
    ($($(#[$documentation:meta])* $name:ident = $rules:expr;)*) => {$(
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name;

        impl Pattern for $name {
            const RULES: Rules = $rules;
        }
    )*};
}

patterns! {
    /// GPT-2, GPT-3 and Codex.
    R50k = Rules {
        word: Word::Letters,
        before_word: Before::Space,
        contraction: Contraction::Small,
        digits: 0,
        line_breaks: false,
        slash: false,
        trailing_space: false,
    };
    /// GPT-4.
    Cl100k = Rules { trailing_space: true, ..Llama3::RULES };
    /// GPT-4o and later.
    O200k = Rules { contraction: Contraction::Suffix, digits: 3, ..Tekken::RULES };
    /// Llama 3.
    Llama3 = Rules {
        word: Word::Letters,
        before_word: Before::Any,
        contraction: Contraction::Any,
        digits: 3,
        line_breaks: true,
        slash: false,
        trailing_space: false,
    };
    /// Qwen 2 and 3.
    Qwen2 = Rules { digits: 1, ..Llama3::RULES };
    /// Qwen 3.5.
    Qwen35 = Rules { word: Word::LettersAndMarks, ..Qwen2::RULES };
    /// Mistral's Tekken.
    Tekken = Rules {
        word: Word::Cased,
        before_word: Before::Any,
        contraction: Contraction::None,
        digits: 1,
        line_breaks: true,
        slash: true,
        trailing_space: false,
    };
}

/// The length of the contraction at byte `at` of `text`, where there is an apostrophe; 0 if there is none.
#[inline(always)]
pub(super) fn contraction(text: &[u8], at: usize, any_case: bool) -> usize {
    let letter = |index: usize| {
        let byte = text.get(at + index).copied().unwrap_or(0);
        if any_case && byte.is_ascii_uppercase() {
            byte | 0x20
        } else {
            byte
        }
    };
    match letter(1) {
        b's' | b'd' | b'm' | b't' => 2,
        b'l' if letter(2) == b'l' => 3,
        b'v' | b'r' if letter(2) == b'e' => 3,
        // U+017F, the long s, is an s when case is ignored.
        0xC5 if any_case && letter(2) == 0xBF => 3,
        _ => 0,
    }
}
