//! Added tokens: found in the text before the model sees it.

/// A token that is found in the text before everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedToken {
    /// Its id.
    pub id: u32,
    /// What is looked for.
    pub content: String,
    /// Whether it stands for structure, not for text: decoding can leave it out, and encoding can take it as text.
    pub special: bool,
    /// Whether it is found only where no letter, digit or underscore touches it.
    pub single_word: bool,
    /// Whether white space before it belongs to it.
    pub lstrip: bool,
    /// Whether white space after it belongs to it.
    pub rstrip: bool,
    /// Whether it is looked for in the normalised text, itself normalised.
    pub normalized: bool,
}

impl AddedToken {
    /// A special token as tiktoken knows it: exact, wherever it is.
    pub fn special(id: u32, content: impl Into<String>) -> Self {
        Self {
            id,
            content: content.into(),
            special: true,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
        }
    }
}

/// All added tokens, prepared for search.
#[derive(Debug, Clone)]
pub(crate) struct Added {
    tokens: Vec<AddedToken>,
}

/// An added token in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match<'a> {
    pub(crate) token: &'a AddedToken,
    /// Where it begins and ends in the text, white space it takes along included.
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

impl Added {
    pub(crate) fn new(tokens: Vec<AddedToken>) -> Self {
        Self { tokens }
    }

    pub(crate) fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    /// The first token from byte `from` on that `wanted` accepts; the longest of those that begin at the same place.
    pub(crate) fn find(
        &self,
        text: &str,
        from: usize,
        wanted: impl Fn(&AddedToken) -> bool,
    ) -> Option<Match<'_>> {
        let found = self
            .tokens
            .iter()
            .filter(|token| wanted(token))
            .filter_map(|token| {
                let begin = from + text[from..].find(&token.content)?;
                Some(Match {
                    token,
                    begin,
                    end: begin + token.content.len(),
                })
            });
        found.min_by_key(|found| (found.begin, std::cmp::Reverse(found.end)))
    }
}
