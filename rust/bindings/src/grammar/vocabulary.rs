//! `Vocabulary`.

use std::sync::{Arc, Mutex, PoisonError};

use inferail_sampler::grammar::{Tokenize, Vocabulary};
use inferail_tokenizer::{Specials, Tokenizer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};

use super::error::grammar_error;
use crate::error::config_error;
use crate::gil::run;
use crate::tokenizer::tokenizer::PyTokenizer;

/// How models call the token that ends an answer, where their files do not say.
const ENDS: [&str; 12] = [
    "<|endoftext|>",
    "</s>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|return|>",
    "<|call|>",
    "<|end|>",
    "<eos>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
];
/// Most vocabularies of tokenizers that are kept: each has some tens of megabytes.
const MAX_KEPT: usize = 4;

type Kept = (Arc<Tokenizer>, Vec<u32>, Vocabulary);

/// Last used last.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// The tokens of a tokenizer, ready for grammars.
#[pyclass(frozen, name = "Vocabulary", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyVocabulary {
    inner: Vocabulary,
}

#[pymethods]
impl PyVocabulary {
    #[new]
    #[pyo3(signature = (tokens, *, eos, special=Vec::new()), text_signature = "(tokens, *, eos, special=())")]
    fn new(tokens: &Bound<'_, PyAny>, eos: Ends, special: Vec<u32>) -> PyResult<Self> {
        let py = tokens.py();
        let mut bytes = Vec::new();
        for token in tokens.try_iter()? {
            let token: Option<Bound<'_, PyBytes>> = token?.extract()?;
            bytes.push(token.map_or_else(Vec::new, |token| token.as_bytes().to_vec()));
        }
        let made = run(py, move || Vocabulary::new(bytes, &special, &eos.0, None));
        let inner = made.map_err(|error| grammar_error(py, &error))?;
        Ok(Self { inner })
    }

    /// The vocabulary of a tokenizer.
    #[classmethod]
    #[pyo3(signature = (tokenizer, /, *, eos=None))]
    fn of(
        _class: &Bound<'_, PyType>,
        tokenizer: &Bound<'_, PyTokenizer>,
        eos: Option<Ends>,
    ) -> PyResult<Self> {
        let inner = of_tokenizer(tokenizer, eos)?;
        Ok(Self { inner })
    }

    /// The ids that end a sequence.
    #[getter]
    fn eos(&self) -> Vec<u32> {
        self.inner.end_of_sequence().to_vec()
    }

    /// How many words of 32 bits a mask has.
    #[getter]
    fn mask_words(&self) -> usize {
        self.inner.mask_words()
    }

    fn __len__(&self) -> usize {
        self.inner.size()
    }
}

/// One id, or several.
#[derive(Debug)]
pub(crate) struct Ends(Vec<u32>);

impl<'py> FromPyObject<'_, 'py> for Ends {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(id) = object.extract::<u32>() {
            return Ok(Self(vec![id]));
        }
        let ids = object.try_iter()?.map(|id| id?.extract::<u32>());
        Ok(Self(ids.collect::<PyResult<_>>()?))
    }
}

/// The vocabulary in a `Vocabulary`, or of a `Tokenizer`.
pub(super) fn to_vocabulary(object: &Bound<'_, PyAny>) -> PyResult<Vocabulary> {
    if let Ok(vocabulary) = object.cast::<PyVocabulary>() {
        return Ok(vocabulary.get().inner.clone());
    }
    let Ok(tokenizer) = object.cast::<PyTokenizer>() else {
        let message = "a grammar needs a Tokenizer or a Vocabulary".to_owned();
        return Err(pyo3::exceptions::PyTypeError::new_err(message));
    };
    of_tokenizer(tokenizer, None)
}

fn of_tokenizer(tokenizer: &Bound<'_, PyTokenizer>, eos: Option<Ends>) -> PyResult<Vocabulary> {
    let py = tokenizer.py();
    let inner = Arc::clone(&tokenizer.get().inner);
    let eos = match eos {
        Some(eos) => eos.0,
        None => ends(tokenizer)?,
    };
    let is_same = |(known, ends, _): &Kept| Arc::ptr_eq(known, &inner) && *ends == eos;
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = kept.iter().position(is_same) {
        kept[at..].rotate_left(1);
        return Ok(kept[kept.len() - 1].2.clone());
    }
    drop(kept);
    let made = run(py, || build(&inner, &eos));
    let vocabulary = made.map_err(|error| grammar_error(py, &error))?;
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push((inner, eos, vocabulary.clone()));
    if kept.len() > MAX_KEPT {
        kept.remove(0);
    }
    Ok(vocabulary)
}

fn build(
    tokenizer: &Arc<Tokenizer>,
    eos: &[u32],
) -> Result<Vocabulary, inferail_sampler::grammar::Error> {
    let bytes = |id| tokenizer.token_bytes(id).unwrap_or_default().to_vec();
    let mut tokens: Vec<Vec<u8>> = (0..tokenizer.limit()).map(bytes).collect();
    let mut special = Vec::new();
    for token in tokenizer
        .added_tokens()
        .iter()
        .filter(|token| token.special)
    {
        special.push(token.id);
        tokens[token.id as usize] = token.content.as_bytes().to_vec();
    }
    // One that puts a space before a text, or changes it, does not cut the middle of a text as it cuts the whole.
    let tokenize = tokenizer.joins_bytes().then(|| {
        let tokenizer = Arc::clone(tokenizer);
        let tokenize = move |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            tokenizer.encode(text, Specials::AsText).unwrap_or_default()
        };
        Box::new(tokenize) as Tokenize
    });
    Vocabulary::new(tokens, &special, eos, tokenize)
}

/// The ids that end a sequence: what the configuration says, or what such tokens are called.
fn ends(tokenizer: &Bound<'_, PyTokenizer>) -> PyResult<Vec<u32>> {
    let inner = &tokenizer.get().inner;
    let told: Option<String> = tokenizer.getattr("eos_token")?.extract()?;
    let is_end = |content: &str| match &told {
        Some(told) => content == told,
        None => ENDS.contains(&content),
    };
    let tokens = inner
        .added_tokens()
        .iter()
        .filter(|token| is_end(&token.content));
    let ends: Vec<u32> = tokens.map(|token| token.id).collect();
    if ends.is_empty() {
        let message =
            "which token ends a sequence is not known: pass Vocabulary.of(tokenizer, eos=...)";
        return Err(config_error(tokenizer.py(), message.to_owned()));
    }
    Ok(ends)
}
