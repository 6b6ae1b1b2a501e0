//! Where a tokenizer's chat templates and names of special tokens are: in files beside its vocabulary.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use inferail_tokenizer::chat_template::TokenizerConfig;
use inferail_tokenizer::{Error, load};
use pyo3::prelude::*;

use crate::error::{format_error, tokenizer_error, with_path};
use crate::gil::run;
use crate::tokenizer::origin::Source;

/// The first of these in a folder is its tokenizer: where there are several they agree, and this one says most.
const VOCABULARIES: [&str; 3] = ["tokenizer.json", "tekken.json", "tokenizer.model"];

const CONFIG: &str = "tokenizer_config.json";
const TEMPLATE: &str = "chat_template.jinja";
const MORE_TEMPLATES: &str = "additional_chat_templates";

/// The file with the vocabulary: `path`, or the one in the folder that it is.
///
/// # Errors
///
/// `FormatError`: the folder has none.
pub(crate) fn vocabulary(py: Python<'_>, path: PathBuf) -> PyResult<PathBuf> {
    if !path.is_dir() {
        return Ok(path);
    }
    let files = VOCABULARIES.map(|name| path.join(name));
    let found = files.into_iter().find(|file| file.is_file());
    found.ok_or_else(|| {
        let message = format!("{} has none of {}", path.display(), VOCABULARIES.join(", "));
        with_path(py, format_error(py, message, None), &path)
    })
}

/// What is known of conversations: what was `given`, what the file `vocabulary` says itself, or else what is beside it.
///
/// # Errors
///
/// `FormatError` and `OSError`, with the path of the file that is broken.
pub(crate) fn find(
    py: Python<'_>,
    given: Option<Source>,
    vocabulary: &[u8],
    path: Option<&Path>,
) -> PyResult<TokenizerConfig> {
    if let Some(given) = given {
        return read(py, given);
    }
    let own = load::config(vocabulary).map_err(|error| tokenizer_error(py, &error))?;
    let known = |path: &&Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| VOCABULARIES.contains(&name))
    };
    match path.filter(known).and_then(Path::parent) {
        Some(folder) if own.is_empty() => beside(py, folder),
        _ => Ok(own),
    }
}

/// A `tokenizer_config.json`, or what is in one; a file that ends in `.jinja` is a template.
///
/// # Errors
///
/// `FormatError` and `OSError`.
pub(crate) fn read(py: Python<'_>, given: Source) -> PyResult<TokenizerConfig> {
    match given {
        Source::Bytes(bytes) => parse(py, &bytes, None),
        Source::Path(path) if path.extension().is_some_and(|end| end == "jinja") => {
            let source = text(py, &path, run(py, || std::fs::read(&path))?)?;
            Ok(TokenizerConfig::default().with_template("default", source))
        }
        Source::Path(path) => parse(py, &run(py, || std::fs::read(&path))?, Some(&path)),
    }
}

fn beside(py: Python<'_>, folder: &Path) -> PyResult<TokenizerConfig> {
    let path = folder.join(CONFIG);
    let mut config = match run(py, || present(&path))? {
        Some(bytes) => parse(py, &bytes, Some(&path))?,
        None => TokenizerConfig::default(),
    };
    let path = folder.join(TEMPLATE);
    if let Some(bytes) = run(py, || present(&path))? {
        config = config.with_template("default", text(py, &path, bytes)?);
    }
    for path in run(py, || templates(&folder.join(MORE_TEMPLATES)))? {
        let name = path.file_stem().unwrap_or_default();
        let source = text(py, &path, run(py, || std::fs::read(&path))?)?;
        config = config.with_template(&name.to_string_lossy(), source);
    }
    Ok(config)
}

fn present(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The templates in a folder, by name; none if it is not there.
fn templates(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                found.push(entry?.path());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "jinja"));
    found.sort();
    Ok(found)
}

fn parse(py: Python<'_>, bytes: &[u8], path: Option<&Path>) -> PyResult<TokenizerConfig> {
    TokenizerConfig::from_json(bytes).map_err(|error: Error| {
        let error = tokenizer_error(py, &error);
        match path {
            Some(path) => with_path(py, error, path),
            None => error,
        }
    })
}

fn text(py: Python<'_>, path: &Path, bytes: Vec<u8>) -> PyResult<String> {
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to() as u64;
        let message = "the chat template is not UTF-8".to_owned();
        with_path(py, format_error(py, message, Some(offset)), path)
    })
}
