//! Which special tokens a text may have, as tiktoken says it.

use inferail_tokenizer::{AddedToken, Error, Specials, Tokenizer};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::config_error;

/// A set of special tokens.
#[derive(Debug, Default)]
pub(crate) enum Chosen {
    /// No one.
    #[default]
    None,
    /// Every one, `"all"` in Python.
    All,
    /// Those that are written so.
    These(Vec<String>),
}

impl Chosen {
    fn has(&self, token: &AddedToken) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::These(tokens) => tokens.contains(&token.content),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Chosen {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(word) = object.cast::<PyString>() {
            return match word.to_str() {
                Ok("all") => Ok(Self::All),
                _ => Err(config_error(
                    object.py(),
                    "special tokens are chosen by \"all\" or by a set of tokens".to_owned(),
                )),
            };
        }
        let mut tokens = Vec::new();
        for token in object.try_iter()? {
            tokens.push(token?.extract()?);
        }
        Ok(if tokens.is_empty() {
            Self::None
        } else {
            Self::These(tokens)
        })
    }
}

/// Which special tokens become themselves, and which must not be in a text. All others are text like any other.
#[derive(Debug)]
pub(crate) struct Rules {
    allowed: Chosen,
    disallowed: Chosen,
}

impl Rules {
    /// Every special token is text.
    pub(crate) const ORDINARY: Self = Self {
        allowed: Chosen::None,
        disallowed: Chosen::None,
    };

    pub(crate) fn new(allowed: Chosen, disallowed: Chosen) -> Self {
        Self {
            allowed,
            disallowed,
        }
    }

    /// Calls `work` with the special tokens it should find, once it is sure that `text` has no other.
    ///
    /// # Errors
    ///
    /// [`Error::DisallowedSpecial`], and what `work` gives.
    pub(crate) fn apply<T>(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        work: impl FnOnce(Specials<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.check(tokenizer, text)?;
        self.with(work)
    }

    /// Makes sure that `text` has no special token that it must not have.
    ///
    /// # Errors
    ///
    /// [`Error::DisallowedSpecial`].
    pub(crate) fn check(&self, tokenizer: &Tokenizer, text: &str) -> Result<(), Error> {
        match &self.disallowed {
            Chosen::None => Ok(()),
            // All that are not allowed, as in tiktoken.
            Chosen::All => tokenizer.refuse(text, |token| !self.allowed.has(token)),
            chosen @ Chosen::These(_) => tokenizer.refuse(text, |token| chosen.has(token)),
        }
    }

    /// Calls `work` with the special tokens it should find.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Specials<'_>) -> T) -> T {
        let allowed = |token: &AddedToken| self.allowed.has(token);
        match &self.allowed {
            Chosen::None => work(Specials::AsText),
            Chosen::All => work(Specials::All),
            Chosen::These(_) => work(Specials::Only(&allowed)),
        }
    }
}
