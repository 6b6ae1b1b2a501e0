//! Ids of tokens, and what a prompt is opened with, as Python has them.

use inferail_kv::Opening;
use inferail_kv::hash::Namer;
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString};

use crate::error::config_error;
use crate::tokenizer::ids::packed;

/// Ids of tokens: read where they are, if they are an array of 32-bit numbers.
#[derive(Debug)]
pub(super) enum Tokens<'py> {
    Signed(PyReadonlyArray1<'py, i32>),
    Unsigned(PyReadonlyArray1<'py, u32>),
    Made(Vec<u32>),
}

impl<'py> Tokens<'py> {
    /// Reads an array, a list, a number, or whatever numpy makes an array of.
    pub(super) fn new(given: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Some(tokens) = Self::lent(given)? {
            return Ok(tokens);
        }
        if let Ok(list) = given.cast_exact::<PyList>() {
            return match packed(list) {
                Some(ids) => Ok(Self::Made(ids)),
                None => Err(wrong_in_list(list)),
            };
        }
        if given.is_instance_of::<PyInt>() && !given.is_instance_of::<PyBool>() {
            let id = given.extract::<u32>();
            let id = id.map_err(|_| wrong(given.py(), 0, given))?;
            return Ok(Self::Made(vec![id]));
        }
        Self::converted(given)
    }

    /// The memory of an array of 32-bit numbers that lie side by side.
    fn lent(given: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        if let Ok(array) = given.cast::<PyArray1<i32>>()
            && array.is_c_contiguous()
        {
            let array = array.try_readonly()?;
            if let Some(position) = negative(array.as_slice()?) {
                let id = given.get_item(position)?;
                return Err(wrong(given.py(), position, &id));
            }
            return Ok(Some(Self::Signed(array)));
        }
        if let Ok(array) = given.cast::<PyArray1<u32>>()
            && array.is_c_contiguous()
        {
            return Ok(Some(Self::Unsigned(array.try_readonly()?)));
        }
        Ok(None)
    }

    fn converted(given: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        let numpy = py.import(intern!(py, "numpy"))?;
        let problem = || {
            let problem =
                "ids must be whole numbers: an array of int32 or uint32, or a list".to_owned();
            config_error(py, problem)
        };
        let made = numpy.call_method1(intern!(py, "ascontiguousarray"), (given,));
        let array = made.map_err(|_| problem())?;
        if let Some(tokens) = Self::lent(&array)? {
            return Ok(tokens);
        }
        let array = array.cast_into::<PyUntypedArray>()?;
        if array.ndim() != 1 {
            let problem = format!("ids must have one dimension, not {}", array.ndim());
            return Err(config_error(py, problem));
        }
        if array.len() == 0 {
            return Ok(Self::Made(Vec::new()));
        }
        let kind: String = array.dtype().getattr(intern!(py, "kind"))?.extract()?;
        if kind != "i" && kind != "u" {
            return Err(problem());
        }
        let list = array
            .call_method0(intern!(py, "tolist"))?
            .cast_into::<PyList>()?;
        packed(&list).map_or_else(|| Err(wrong_in_list(&list)), |ids| Ok(Self::Made(ids)))
    }

    pub(super) fn as_slice(&self) -> PyResult<&[u32]> {
        Ok(match self {
            Self::Signed(array) => bytemuck::cast_slice(array.as_slice()?),
            Self::Unsigned(array) => array.as_slice()?,
            Self::Made(ids) => ids,
        })
    }
}

/// Where the first number below 0 is. Looking at all of them together is vectorised.
fn negative(ids: &[i32]) -> Option<usize> {
    if ids.iter().fold(0, |all, id| all | id) >= 0 {
        return None;
    }
    ids.iter().position(|id| *id < 0)
}

fn wrong(py: Python<'_>, position: usize, id: &Bound<'_, PyAny>) -> PyErr {
    let said = if id.is_instance_of::<PyInt>() || id.extract::<i64>().is_ok() {
        id.to_string()
    } else {
        "no number".to_owned()
    };
    let problem = format!("token {position} is {said}: ids are whole numbers from 0 to 2^32 - 1");
    config_error(py, problem)
}

fn wrong_in_list(list: &Bound<'_, PyList>) -> PyErr {
    for (position, id) in list.iter().enumerate() {
        if id.extract::<u32>().is_err() {
            return wrong(list.py(), position, &id);
        }
    }
    let problem = "ids must be whole numbers from 0 to 2^32 - 1".to_owned();
    config_error(list.py(), problem)
}

/// What a prompt is opened with besides its tokens.
#[derive(Debug, Default)]
pub(super) struct Options<'py> {
    pub(super) salt: Option<Bound<'py, PyAny>>,
    pub(super) adapter: Option<Bound<'py, PyAny>>,
    pub(super) media: Option<Bound<'py, PyAny>>,
    pub(super) priority: i64,
    pub(super) ttl: Option<f64>,
}

impl<'py> Options<'py> {
    /// From a dict with the names of `open`.
    pub(super) fn from_dict(options: &Bound<'py, PyDict>) -> PyResult<Self> {
        let mut read = Self::default();
        for (name, value) in options {
            let name: String = name.extract()?;
            if value.is_none() {
                continue;
            }
            match name.as_str() {
                "salt" => read.salt = Some(value),
                "adapter" => read.adapter = Some(value),
                "media" => read.media = Some(value),
                "priority" => read.priority = value.extract()?,
                "ttl" => read.ttl = Some(value.extract()?),
                other => {
                    let problem = format!(
                        "no option {other:?}: a prompt has salt, adapter, media, priority and ttl"
                    );
                    return Err(config_error(options.py(), problem));
                }
            }
        }
        Ok(read)
    }

    /// As the manager takes it.
    pub(super) fn opening(&self, py: Python<'py>, namer: &Namer) -> PyResult<Opening> {
        let Ok(priority) = u8::try_from(self.priority) else {
            let problem = format!("priority must be 0 to 255, not {}", self.priority);
            return Err(config_error(py, problem));
        };
        // 1e12 seconds are 30,000 years.
        let ttl = match self.ttl {
            None => None,
            Some(ttl) if (0.0..1e12).contains(&ttl) => Some((ttl * 1000.0).ceil() as u64),
            Some(ttl) => {
                let problem = format!("ttl must be seconds, 0 or more, not {ttl}");
                return Err(config_error(py, problem));
            }
        };
        let seed = if self.salt.is_none() && self.adapter.is_none() && self.media.is_none() {
            None
        } else {
            Some(self.seed(py, namer)?)
        };
        Ok(Opening {
            seed,
            priority,
            ttl,
        })
    }

    fn seed(&self, py: Python<'py>, namer: &Namer) -> PyResult<u128> {
        // A part that is not given is told from an empty one.
        let one = |name: &str, given: &Option<Bound<'py, PyAny>>| match given {
            None => Ok(Vec::new()),
            Some(given) => text_or_bytes(name, given).map(|bytes| [b"=", &bytes[..]].concat()),
        };
        let mut parts = vec![one("salt", &self.salt)?, one("adapter", &self.adapter)?];
        if let Some(media) = &self.media {
            let problem = || {
                let problem = "media must be a sequence of hashes, each bytes or str".to_owned();
                config_error(py, problem)
            };
            if media.is_instance_of::<PyString>() || media.is_instance_of::<PyBytes>() {
                return Err(problem());
            }
            for item in media.try_iter().map_err(|_| problem())? {
                parts.push(text_or_bytes("media", &item?)?);
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(namer.seed(&parts))
    }
}

fn text_or_bytes(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(text.to_cow()?.as_bytes().to_vec());
    }
    let problem = format!("{name} must be str or bytes");
    Err(config_error(given.py(), problem))
}
