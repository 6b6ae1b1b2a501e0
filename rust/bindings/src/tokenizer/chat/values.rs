//! What a chat template sees of Python's objects.

use inferail_tokenizer::Tokenizer;
use inferail_tokenizer::chat_template::{Tuple, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple, PyType};

use crate::error::{config_error, tokenizer_error};
use crate::tokenizer::specials::Rules;
use crate::tokenizer::text::to_text;

/// How deep lists and dictionaries may be nested: what reads them calls itself.
const MAX_DEPTH: usize = 200;

/// Most values of one conversation. A list that holds one list twice, and so on, would fill the memory.
const MAX_VALUES: usize = 1_000_000;

/// The method by which an object says what a template should see instead of it: a dictionary, or a list of messages.
const METHOD: &str = "for_chat_template";

/// Copies objects into values, and counts them.
pub(crate) struct Values<'a> {
    /// What no text of a message may have, where there are messages.
    rules: Option<(&'a Tokenizer, &'a Rules)>,
    /// The argument that is being read, for errors: its content is in none.
    place: String,
    is_message: bool,
    /// How many there are so far.
    seen: usize,
    /// Bytes of all texts.
    pub(crate) num_bytes: usize,
}

impl<'a> Values<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer, rules: &'a Rules) -> Self {
        Self {
            rules: Some((tokenizer, rules)),
            ..Self::unruled()
        }
    }

    /// For values that are no messages.
    pub(crate) fn unruled() -> Self {
        Self {
            rules: None,
            place: String::new(),
            is_message: false,
            seen: 0,
            num_bytes: 0,
        }
    }

    /// The messages: any iterable of dictionaries.
    ///
    /// # Errors
    ///
    /// `ConfigError`: they are none, or hold something that JSON does not have.
    pub(crate) fn messages(&mut self, messages: &Bound<'_, PyAny>) -> PyResult<Value> {
        let py = messages.py();
        if messages.is_instance_of::<PyString>() || messages.is_instance_of::<PyDict>() {
            let problem = "messages are a list of dictionaries, not one of them";
            return Err(config_error(py, problem.to_owned()));
        }
        let items = messages.try_iter().map_err(|_| {
            let problem = "messages are a list of dictionaries";
            config_error(py, problem.to_owned())
        })?;
        let mut values = Vec::new();
        self.is_message = true;
        for (number, message) in items.enumerate() {
            self.place = format!("messages[{number}]");
            let message = message?;
            match method(&message, METHOD)? {
                Some(several) => {
                    for message in several.call0()?.try_iter()? {
                        values.push(self.value(&message?, 0)?);
                    }
                }
                None => values.push(self.value(&message, 0)?),
            }
        }
        self.is_message = false;
        Ok(Value::from(values))
    }

    /// The argument `name`.
    ///
    /// # Errors
    ///
    /// `ConfigError`: it holds something that JSON does not have.
    pub(crate) fn argument(&mut self, name: &str, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        name.clone_into(&mut self.place);
        self.value(object, 0)
    }

    fn value(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
        self.seen += 1;
        if depth > MAX_DEPTH || self.seen > MAX_VALUES {
            let much = if depth > MAX_DEPTH {
                "is nested too deeply"
            } else {
                "has too many values"
            };
            return Err(self.wrong(object.py(), much));
        }
        if object.is_none() {
            Ok(Value::from(()))
        } else if let Ok(text) = object.cast::<PyString>() {
            self.text(text)
        } else if let Ok(truth) = object.cast::<PyBool>() {
            Ok(Value::from(truth.is_true()))
        } else if let Ok(number) = object.cast::<PyInt>() {
            self.integer(number)
        } else if let Ok(number) = object.cast::<PyFloat>() {
            let number: f64 = number.extract()?;
            if !number.is_finite() {
                let problem =
                    "has a float that is not a number or infinite, which JSON does not have";
                return Err(self.wrong(object.py(), problem));
            }
            Ok(Value::from(number))
        } else if let Ok(items) = object.cast::<PyDict>() {
            self.map(items.iter().map(Ok), depth)
        } else if let Ok(items) = object.cast::<PyList>() {
            self.items(items.iter(), depth).map(Value::from)
        } else if let Ok(items) = object.cast::<PyTuple>() {
            let items = self.items(items.iter(), depth)?;
            Ok(Value::from(Tuple::from(items)))
        } else {
            self.other(object, depth)
        }
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> PyResult<Value> {
        let py = text.py();
        let text = to_text(text)?;
        self.num_bytes += text.len();
        if self.is_message
            && let Some((tokenizer, rules)) = self.rules
        {
            let allowed = rules.apply(tokenizer, &text, |_| Ok(()));
            allowed.map_err(|error| tokenizer_error(py, &error))?;
        }
        Ok(Value::from(&*text))
    }

    fn integer(&self, number: &Bound<'_, PyInt>) -> PyResult<Value> {
        if let Ok(number) = number.extract::<i64>() {
            return Ok(Value::from(number));
        }
        match number.extract::<i128>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(self.wrong(number.py(), "has a whole number of more than 128 bits")),
        }
    }

    fn items<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
    ) -> PyResult<Vec<Value>> {
        items.map(|item| self.value(&item, depth + 1)).collect()
    }

    fn map<'py>(
        &mut self,
        items: impl Iterator<Item = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>>,
        depth: usize,
    ) -> PyResult<Value> {
        let mut pairs = Vec::new();
        for item in items {
            let (key, value) = item?;
            let Ok(name) = key.cast::<PyString>() else {
                let kind = key.get_type().name()?;
                let problem = format!("has a dictionary with a key of type {kind}: keys are texts");
                return Err(self.wrong(key.py(), &problem));
            };
            let name = to_text(name)?.into_owned();
            self.num_bytes += name.len();
            pairs.push((name, self.value(&value, depth + 1)?));
        }
        Ok(Value::from_pairs(pairs))
    }

    /// Objects that say what they are: our own, models of pydantic, dataclasses, and mappings.
    fn other<'py>(&mut self, object: &Bound<'py, PyAny>, depth: usize) -> PyResult<Value> {
        if let Some(method) = method(object, METHOD)? {
            return self.value(&method.call0()?, depth + 1);
        }
        if let Some(dump) = method(object, "model_dump")? {
            return self.value(&dump.call0()?, depth + 1);
        }
        if let Some(fields) = object.getattr_opt("__dataclass_fields__")?
            && let Ok(fields) = fields.cast_into::<PyDict>()
            && !object.is_instance_of::<PyType>()
        {
            let named = |name: Bound<'py, PyAny>| {
                let value = object.getattr(name.cast::<PyString>()?)?;
                Ok((name, value))
            };
            return self.map(fields.keys().iter().map(named), depth);
        }
        if let Ok(mapping) = object.cast::<PyMapping>() {
            let items = mapping.items()?;
            return self.map(items.iter().map(|item| item.extract()), depth);
        }
        let kind = object.get_type().name()?;
        let problem = format!("has a value of type {kind}, which JSON does not have");
        Err(self.wrong(object.py(), &problem))
    }

    fn wrong(&self, py: Python<'_>, problem: &str) -> PyErr {
        config_error(py, format!("{} {problem}", self.place))
    }
}

/// The method `name` of `object`, if it has it and is no class.
fn method<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    if object.is_instance_of::<PyType>() {
        return Ok(None);
    }
    let method = object.getattr_opt(name)?;
    Ok(method.filter(PyAnyMethods::is_callable))
}
