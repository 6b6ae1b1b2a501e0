//! `Tokenizer`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use inferail_tokenizer::chat_template::TokenizerConfig;
use inferail_tokenizer::{
    AddedToken, Definition, Error, OffsetUnit, PreTokenizerDefinition, Specials, Strategy,
    Tokenizer, load::ranks as ranks_of,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyType};

use super::chat::{Chat, config};
use super::detailed::{Cut, Texts, Which};
use super::encoding::{PyEncoding, Unit};
use super::origin::{AddedIds, Origin, Reduced, Source, load, special_tokens};
use super::specials::{Chosen, Rules};
use super::streaming_decoder::PyStreamingDecoder;
use super::surround::{Shape, added};
use super::text::to_text;
use super::{batch, detailed, ids, settings};
use crate::error::{config_error, tokenizer_error, with_path};
use crate::gil::{run, run_sized};

/// Text to token ids and back.
#[pyclass(frozen, name = "Tokenizer", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyTokenizer {
    pub(crate) inner: Arc<Tokenizer>,
    origin: Arc<Origin>,
    pub(super) chat: Arc<Chat>,
    pub(super) name: Option<String>,
    pub(super) estimate: Option<String>,
}

/// Which end of a text tokens are cut off from or added to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Left,
    Right,
}

impl<'py> FromPyObject<'_, 'py> for Side {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&str>() {
            Ok("left") => Ok(Self::Left),
            Ok("right") => Ok(Self::Right),
            _ => Err(config_error(
                object.py(),
                "a side is \"left\" or \"right\"".to_owned(),
            )),
        }
    }
}

#[pymethods]
impl PyTokenizer {
    /// The tokenizer of a `.tiktoken` file.
    #[classmethod]
    #[pyo3(signature = (ranks, *, pattern, special_tokens=None, config=None, name=None, estimate=None))]
    fn from_tiktoken(
        class: &Bound<'_, PyType>,
        ranks: Source,
        pattern: String,
        special_tokens: Option<&Bound<'_, PyDict>>,
        config: Option<Source>,
        name: Option<String>,
        estimate: Option<String>,
    ) -> PyResult<Self> {
        let py = class.py();
        let mut added = Vec::new();
        for (content, id) in special_tokens.into_iter().flatten() {
            added.push(AddedToken::special(
                id.extract()?,
                content.extract::<String>()?,
            ));
        }
        let file = run(py, || ranks.read())?;
        let made = run(py, || {
            let cut = PreTokenizerDefinition::Pattern(pattern.clone());
            Tokenizer::new(Definition::ranks(ranks_of(&file)?, added, cut))
        });
        let inner = made.map_err(|error| tokenizer_error(py, &error))?;
        let origin = Origin::Ranks { pattern };
        let config = config::find(py, config, &[], None)?;
        Ok(Self::new(inner, origin, config, name, estimate))
    }

    /// The tokenizer of a file of any other kind.
    #[classmethod]
    #[pyo3(signature = (path, *, ids=AddedIds::default(), config=None, name=None, estimate=None), text_signature = "(path, *, ids='file', config=None, name=None, estimate=None)")]
    fn from_file(
        class: &Bound<'_, PyType>,
        path: PathBuf,
        ids: AddedIds,
        config: Option<Source>,
        name: Option<String>,
        estimate: Option<String>,
    ) -> PyResult<Self> {
        let py = class.py();
        let path = config::vocabulary(py, path)?;
        let file = run(py, || std::fs::read(&path))?;
        let inner = load(py, &file, ids).map_err(|error| with_path(py, error, &path))?;
        let config = config::find(py, config, &file, Some(&path))?;
        let origin = Origin::file(path, &file, ids);
        Ok(Self::new(inner, origin, config, name, estimate))
    }

    /// The tokenizer of what is in a file of any other kind.
    #[classmethod]
    #[pyo3(signature = (data, /, *, ids=AddedIds::default(), config=None, name=None, estimate=None), text_signature = "(data, /, *, ids='file', config=None, name=None, estimate=None)")]
    fn from_bytes(
        class: &Bound<'_, PyType>,
        data: &Bound<'_, PyBytes>,
        ids: AddedIds,
        config: Option<Source>,
        name: Option<String>,
        estimate: Option<String>,
    ) -> PyResult<Self> {
        let py = class.py();
        let inner = load(py, data.as_bytes(), ids)?;
        let origin = Origin::Bytes {
            data: data.clone().unbind(),
            ids,
        };
        let config = config::find(py, config, data.as_bytes(), None)?;
        Ok(Self::new(inner, origin, config, name, estimate))
    }

    /// A tokenizer that ships with the package.
    #[classmethod]
    #[pyo3(signature = (name, /, *, config=None, estimate=None))]
    fn named(
        class: &Bound<'_, PyType>,
        name: &str,
        config: Option<Source>,
        estimate: Option<String>,
    ) -> PyResult<Self> {
        let module = class.py().import("inferail.tokenizer.named")?;
        let found = module.getattr("load")?.call1((name,))?;
        let found = found.cast::<Self>()?.get();
        Ok(Self {
            inner: Arc::clone(&found.inner),
            origin: Arc::new(Origin::Named {
                pattern: found.pattern().map(str::to_owned),
            }),
            chat: Arc::new(Chat::new(config::find(class.py(), config, &[], None)?)),
            name: Some(name.to_owned()),
            estimate,
        })
    }

    /// The tokenizer of a hosted model.
    #[classmethod]
    #[pyo3(signature = (model, /))]
    fn for_model<'py>(class: &Bound<'py, PyType>, model: &str) -> PyResult<Bound<'py, PyAny>> {
        let module = class.py().import("inferail.tokenizer.models")?;
        module.getattr("for_model")?.call1((model,))
    }

    /// The tokenizer of a repository of Hugging Face.
    #[classmethod]
    #[pyo3(signature = (repository, /, **options), text_signature = "(repository, /, *, revision=None, token=None, local_files_only=False)")]
    fn from_pretrained<'py>(
        class: &Bound<'py, PyType>,
        repository: &str,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let module = class.py().import("inferail.tokenizer.pretrained")?;
        let from_pretrained = module.getattr("from_pretrained")?;
        from_pretrained.call((repository,), options)
    }

    /// The same tokenizer, standing in for another.
    #[pyo3(signature = (basis, /))]
    fn as_estimate(&self, basis: String) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            origin: Arc::clone(&self.origin),
            chat: Arc::clone(&self.chat),
            name: self.name.clone(),
            estimate: Some(basis),
        }
    }

    /// What it is called.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Why its counts are estimates.
    #[getter]
    fn estimate(&self) -> Option<&str> {
        self.estimate.as_deref()
    }

    /// One more than the highest id.
    #[getter]
    fn vocabulary_size(&self) -> u32 {
        self.inner.limit()
    }

    /// Special tokens and their ids.
    #[getter]
    fn special_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        special_tokens(py, &self.inner)
    }

    /// Every token that is looked for in a text before everything else.
    #[getter]
    fn added_tokens<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        settings::added_tokens(py, &self.inner)
    }

    /// To what length the file says texts are cut.
    #[getter]
    fn truncation<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        settings::truncation(py, &self.inner)
    }

    /// To what length the file says texts are filled up.
    #[getter]
    fn padding<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        settings::padding(py, &self.inner)
    }

    /// How many special tokens are put around one text, or two.
    #[pyo3(signature = (*, pair=false))]
    fn num_added_tokens(&self, pair: bool) -> usize {
        self.inner.post_processor().added_tokens(pair)
    }

    /// The regular expression that cuts a text into pieces.
    #[getter]
    fn pattern(&self) -> Option<&str> {
        self.origin.pattern()
    }

    /// The ids of `text`.
    #[pyo3(
        signature = (text, *, allowed_special=Chosen::None, disallowed_special=Chosen::All, add_special_tokens=false, max_tokens=None, truncation_side=Side::Right, as_list=false),
        text_signature = "($self, text, *, allowed_special=(), disallowed_special='all', add_special_tokens=False, max_tokens=None, truncation_side='right', as_list=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn encode<'py>(
        &self,
        text: &Bound<'py, PyString>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
        max_tokens: Option<usize>,
        truncation_side: Side,
        as_list: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let shape = Shape {
            add_special_tokens,
            max_tokens,
            side: truncation_side,
        };
        let ids = self.with_text(text, &rules, |text, specials| {
            shape.encode(&self.inner, text, specials)
        })?;
        ids::sequence(text.py(), ids, as_list)
    }

    /// The ids of `text`, special tokens being text like any other.
    #[pyo3(signature = (text, *, as_list=false))]
    fn encode_ordinary<'py>(
        &self,
        text: &Bound<'py, PyString>,
        as_list: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let ids = self.with_text(text, &Rules::ORDINARY, |text, specials| {
            self.inner.encode(text, specials)
        })?;
        ids::sequence(text.py(), ids, as_list)
    }

    /// The tokens of `text` with all that is known about each.
    #[pyo3(
        signature = (text, pair=None, *, allowed_special=Chosen::None, disallowed_special=Chosen::All, add_special_tokens=false, offsets=Unit(OffsetUnit::Characters), max_tokens=None, truncation_side=Side::Right, truncate=Which(Strategy::LongestFirst), stride=None),
        text_signature = "($self, text, pair=None, *, allowed_special=(), disallowed_special='all', add_special_tokens=False, offsets='characters', max_tokens=None, truncation_side='right', truncate='longest', stride=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn encode_detailed(
        &self,
        text: &Bound<'_, PyAny>,
        pair: Option<&Bound<'_, PyAny>>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
        offsets: Unit,
        max_tokens: Option<usize>,
        truncation_side: Side,
        truncate: Which,
        stride: Option<usize>,
    ) -> PyResult<PyEncoding> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let cut = Cut {
            max_tokens,
            side: truncation_side,
            which: truncate,
            stride,
        };
        let (py, first) = (text.py(), Texts::new(text)?);
        let second = pair.map(Texts::new).transpose()?;
        let texts = (&first, second.as_ref());
        let (inner, unit) = (&self.inner, offsets.0);
        let encoding = detailed::encode(py, inner, texts, &rules, add_special_tokens, unit, cut)?;
        Ok(PyEncoding::new(encoding, inner))
    }

    /// The ids of each text.
    #[pyo3(
        signature = (texts, *, allowed_special=Chosen::None, disallowed_special=Chosen::All, add_special_tokens=false, max_tokens=None, truncation_side=Side::Right, as_list=false, threads=None),
        text_signature = "($self, texts, *, allowed_special=(), disallowed_special='all', add_special_tokens=False, max_tokens=None, truncation_side='right', as_list=False, threads=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn encode_batch<'py>(
        &self,
        texts: &Bound<'py, PyAny>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
        max_tokens: Option<usize>,
        truncation_side: Side,
        as_list: bool,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let shape = Shape {
            add_special_tokens,
            max_tokens,
            side: truncation_side,
        };
        let rows = self.rows(texts, &rules, shape, threads)?;
        batch::rows(texts.py(), rows, as_list)
    }

    /// The ids of all texts in a row, and where each text's begin.
    #[pyo3(
        signature = (texts, *, allowed_special=Chosen::None, disallowed_special=Chosen::All, add_special_tokens=false, max_tokens=None, truncation_side=Side::Right, threads=None),
        text_signature = "($self, texts, *, allowed_special=(), disallowed_special='all', add_special_tokens=False, max_tokens=None, truncation_side='right', threads=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn encode_batch_flat<'py>(
        &self,
        texts: &Bound<'py, PyAny>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
        max_tokens: Option<usize>,
        truncation_side: Side,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<batch::Flat<'py>> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let shape = Shape {
            add_special_tokens,
            max_tokens,
            side: truncation_side,
        };
        let rows = self.rows(texts, &rules, shape, threads)?;
        Ok(batch::flat(texts.py(), &rows))
    }

    /// The ids of each text in a rectangle.
    #[pyo3(
        signature = (texts, *, pad_id, length=None, padding_side=Side::Right, allowed_special=Chosen::None, disallowed_special=Chosen::All, add_special_tokens=false, max_tokens=None, truncation_side=Side::Right, threads=None),
        text_signature = "($self, texts, *, pad_id, length=None, padding_side='right', allowed_special=(), disallowed_special='all', add_special_tokens=False, max_tokens=None, truncation_side='right', threads=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn encode_batch_padded<'py>(
        &self,
        texts: &Bound<'py, PyAny>,
        pad_id: u32,
        length: Option<usize>,
        padding_side: Side,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
        max_tokens: Option<usize>,
        truncation_side: Side,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<batch::Padded<'py>> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let shape = Shape {
            add_special_tokens,
            max_tokens,
            side: truncation_side,
        };
        let rows = self.rows(texts, &rules, shape, threads)?;
        batch::padded(texts.py(), &rows, pad_id, length, padding_side)
    }

    /// How many tokens `text` has.
    #[pyo3(
        signature = (text, *, allowed_special=Chosen::None, disallowed_special=Chosen::None, add_special_tokens=false),
        text_signature = "($self, text, *, allowed_special=(), disallowed_special=(), add_special_tokens=False)"
    )]
    fn count(
        &self,
        text: &Bound<'_, PyString>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
    ) -> PyResult<usize> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let count = self.with_text(text, &rules, |text, specials| {
            self.inner.count(text, specials)
        })?;
        Ok(count + added(&self.inner, add_special_tokens))
    }

    /// How many tokens `text` has, or None if they are more than `limit`.
    #[pyo3(
        signature = (text, limit, *, allowed_special=Chosen::None, disallowed_special=Chosen::None, add_special_tokens=false),
        text_signature = "($self, text, limit, *, allowed_special=(), disallowed_special=(), add_special_tokens=False)"
    )]
    fn count_till_limit(
        &self,
        text: &Bound<'_, PyString>,
        limit: usize,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
    ) -> PyResult<Option<usize>> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let around = added(&self.inner, add_special_tokens);
        let Some(limit) = limit.checked_sub(around) else {
            return Ok(None);
        };
        let count = self.with_text(text, &rules, |text, specials| {
            self.inner.count_till_limit(text, specials, limit)
        })?;
        Ok(count.map(|count| count + around))
    }

    /// How many tokens each text has.
    #[pyo3(
        signature = (texts, *, allowed_special=Chosen::None, disallowed_special=Chosen::None, add_special_tokens=false, threads=None),
        text_signature = "($self, texts, *, allowed_special=(), disallowed_special=(), add_special_tokens=False, threads=None)"
    )]
    fn count_batch(
        &self,
        texts: &Bound<'_, PyAny>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        add_special_tokens: bool,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<Vec<usize>> {
        let rules = Rules::new(allowed_special, disallowed_special);
        let around = added(&self.inner, add_special_tokens);
        batch::each(texts, &self.inner, &rules, threads, |text, specials| {
            Ok(self.inner.count(text, specials)? + around)
        })
    }

    /// The text of `ids`.
    #[pyo3(signature = (ids, *, skip_special_tokens=false, errors="replace"))]
    fn decode<'py>(
        &self,
        ids: &Bound<'py, PyAny>,
        skip_special_tokens: bool,
        errors: &str,
    ) -> PyResult<Bound<'py, PyString>> {
        let py = ids.py();
        if errors == "replace" {
            if self.inner.joins_bytes() {
                // Python looks for broken characters while it copies.
                let bytes = self.bytes(ids, skip_special_tokens)?;
                return Ok(PyString::from_bytes(py, &bytes)
                    .unwrap_or_else(|_| PyString::new(py, &String::from_utf8_lossy(&bytes))));
            }
            let ids = ids::from_python(ids, &self.inner)?;
            let text = run_sized(py, ids.len() * 4, || {
                self.inner.decode(&ids, skip_special_tokens)
            });
            let text = text.map_err(|error| tokenizer_error(py, &error))?;
            return Ok(PyString::new(py, &text));
        }
        let bytes = PyBytes::new(py, &self.bytes(ids, skip_special_tokens)?);
        let decoded = bytes.call_method1("decode", ("utf-8", errors))?;
        Ok(decoded.cast_into()?)
    }

    /// The text of each row of ids.
    #[pyo3(signature = (rows, *, skip_special_tokens=false, errors="replace"))]
    fn decode_batch<'py>(
        &self,
        rows: &Bound<'py, PyAny>,
        skip_special_tokens: bool,
        errors: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let texts = PyList::empty(rows.py());
        for ids in rows.try_iter()? {
            texts.append(self.decode(&ids?, skip_special_tokens, errors)?)?;
        }
        Ok(texts)
    }

    /// The bytes that `ids` stand for.
    #[pyo3(signature = (ids, /))]
    fn decode_bytes<'py>(&self, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(ids.py(), &self.bytes(ids, false)?))
    }

    /// Text of ids while they arrive.
    #[pyo3(signature = (*, skip_special_tokens=false))]
    fn streaming_decoder(&self, skip_special_tokens: bool) -> PyStreamingDecoder {
        PyStreamingDecoder::new(Arc::clone(&self.inner), skip_special_tokens)
    }

    /// The bytes of one token.
    #[pyo3(signature = (id, /))]
    fn token_bytes<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let py = id.py();
        let id = ids::from_number(id, &self.inner)?;
        let token = self.inner.require(id);
        Ok(PyBytes::new(
            py,
            token.map_err(|error| tokenizer_error(py, &error))?,
        ))
    }

    /// What a token is called in its file.
    #[pyo3(signature = (id, /))]
    fn token_name(&self, id: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        Ok(self.inner.id_to_token(ids::from_number(id, &self.inner)?))
    }

    /// What the token of every id is called.
    fn token_names(&self) -> Vec<Option<String>> {
        let ids = 0..self.inner.limit();
        ids.map(|id| self.inner.id_to_token(id)).collect()
    }

    /// The bytes of every id.
    fn vocabulary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let tokens = (0..self.inner.limit())
            .map(|id| (self.inner.token_bytes(id)).map(|token| PyBytes::new(py, token)));
        PyList::new(py, tokens.collect::<Vec<_>>())
    }

    /// The ids of `text` that stay if it goes on, and what may follow them.
    #[pyo3(
        signature = (text, *, allowed_special=Chosen::None, disallowed_special=Chosen::All),
        text_signature = "($self, text, *, allowed_special=(), disallowed_special='all')"
    )]
    fn encode_unstable(
        &self,
        text: &Bound<'_, PyString>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
    ) -> PyResult<(Vec<u32>, Vec<Vec<u32>>)> {
        if self.origin.pattern().is_none() {
            let problem = "only of a tokenizer of ranks is it known what a text may go on as";
            return Err(config_error(text.py(), problem.to_owned()));
        }
        let rules = Rules::new(allowed_special, disallowed_special);
        let made = self.with_text(text, &rules, |text, specials| {
            self.inner.encode_unstable(text, specials)
        })?;
        Ok((made.stable, made.completions.into_iter().collect()))
    }

    /// The same, in the shape of `tokenizers.Tokenizer`.
    fn as_hf<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let module = slf.py().import("inferail.tokenizer.as_hf")?;
        module.getattr("Tokenizer")?.call1((slf,))
    }

    /// The same, in the shape of `tiktoken.Encoding`.
    fn as_tiktoken<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let module = slf.py().import("inferail.tokenizer.as_tiktoken")?;
        module.getattr("Encoding")?.call1((slf,))
    }

    fn __repr__(&self) -> String {
        let name = self.name.as_deref().unwrap_or("without a name");
        format!("<Tokenizer {name}, {} ids>", self.inner.limit())
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let this = slf.get();
        let options = PyDict::new(slf.py());
        options.set_item("estimate", &this.estimate)?;
        let config = this.chat.config();
        if !config.is_empty() {
            options.set_item("config", PyBytes::new(slf.py(), &config.to_json()))?;
        }
        this.origin
            .reduce(&slf.get_type(), &this.inner, this.name.as_deref(), &options)
    }
}

impl PyTokenizer {
    fn new(
        inner: Tokenizer,
        origin: Origin,
        config: TokenizerConfig,
        name: Option<String>,
        estimate: Option<String>,
    ) -> Self {
        Self {
            inner: Arc::new(inner),
            origin: Arc::new(origin),
            chat: Arc::new(Chat::new(config)),
            name,
            estimate,
        }
    }

    fn rows(
        &self,
        texts: &Bound<'_, PyAny>,
        rules: &Rules,
        shape: Shape,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<Vec<Vec<u32>>> {
        batch::each(texts, &self.inner, rules, threads, |text, specials| {
            shape.encode(&self.inner, text, specials)
        })
    }

    fn with_text<T: Send>(
        &self,
        text: &Bound<'_, PyString>,
        rules: &Rules,
        work: impl FnOnce(&str, Specials<'_>) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let py = text.py();
        let text = to_text(text)?;
        let done = run_sized(py, text.len(), || {
            rules.apply(&self.inner, &text, |specials| work(&text, specials))
        });
        done.map_err(|error| tokenizer_error(py, &error))
    }

    fn bytes(&self, ids: &Bound<'_, PyAny>, skip_special_tokens: bool) -> PyResult<Vec<u8>> {
        let py = ids.py();
        let mut ids = ids::from_python(ids, &self.inner)?;
        if skip_special_tokens {
            ids.retain(|id| !self.inner.is_special(*id));
        }
        let bytes = run_sized(py, ids.len() * 4, || self.inner.decode_bytes(&ids));
        bytes.map_err(|error| tokenizer_error(py, &error))
    }
}
