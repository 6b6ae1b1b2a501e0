//! The metadata of a GGUF file: keys and values before its tensors.

use hashbrown::HashMap;

use super::FORMAT;
use crate::Error;

/// One value. Arrays are only kept of what a tokenizer has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Number(i64),
    Float(f64),
    Flag(bool),
    Text(&'a str),
    Texts(Vec<&'a str>),
    Numbers(Vec<i64>),
    Floats(Vec<f32>),
    /// An array of arrays or of flags.
    Other,
}

/// Values of a file that begin with a prefix.
#[derive(Debug)]
pub(super) struct Metadata<'a>(HashMap<&'a str, Value<'a>>);

impl<'a> Metadata<'a> {
    /// Reads the values whose key begins with `prefix`. The file may end after its metadata.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: it is not a GGUF file, or ends too early. [`Error::Unsupported`]: a version other than 2 and 3,
    /// or numbers in the order of big-endian machines.
    pub(super) fn read(file: &'a [u8], prefix: &str) -> Result<Self, Error> {
        let mut reader = Reader { file, at: 0 };
        if reader.take(4)? != b"GGUF" {
            return Err(Error::format(FORMAT, "it does not begin with GGUF"));
        }
        match reader.u32()? {
            2 | 3 => {}
            version if version.swap_bytes() < 1 << 16 => {
                return Err(Error::unsupported(
                    FORMAT,
                    "the byte order of big-endian machines",
                ));
            }
            version => return Err(Error::unsupported(FORMAT, format!("version {version}"))),
        }
        let _tensors = reader.u64()?;
        let count = reader.u64()?;
        let mut values = HashMap::new();
        for _ in 0..count {
            let key = reader.text()?;
            let kind = reader.u32()?;
            let value = reader.value(kind, 0)?;
            if key.starts_with(prefix) {
                values.insert(key, value);
            }
        }
        Ok(Self(values))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0.get(key)
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts whose key begins with `prefix`, and what their keys go on with, in the order of the keys.
    pub(super) fn texts_below(&self, prefix: &str) -> Vec<(&'a str, &'a str)> {
        let mut found: Vec<(&str, &str)> = (self.0.iter())
            .filter_map(|(key, value)| match value {
                Value::Text(text) => Some((key.strip_prefix(prefix)?, *text)),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u32> {
        match self.0.get(key)? {
            Value::Number(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(super) fn texts(&self, key: &str) -> Option<&[&'a str]> {
        match self.0.get(key)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

/// Arrays of arrays of … that are read.
const MAX_DEPTH: u32 = 4;

impl<'a> Reader<'a> {
    fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Format {
            format: FORMAT,
            offset: Some(self.at as u64),
            problem: problem.into(),
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let rest = &self.file[self.at..];
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length));
        let taken = taken.ok_or_else(|| self.wrong("it ends inside its metadata"))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.take(N as u64)?;
        taken
            .first_chunk()
            .copied()
            .ok_or_else(|| self.wrong("it ends inside its metadata"))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        let length = self.u64()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.wrong("a text is not UTF-8"))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<Value<'a>, Error> {
        Ok(match kind {
            0 => Value::Number(self.array::<1>()?[0].into()),
            1 => Value::Number(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Number(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Number(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Number(self.u32()?.into()),
            5 => Value::Number(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array()?).into()),
            7 => Value::Flag(self.array::<1>()?[0] != 0),
            8 => Value::Text(self.text()?),
            9 if depth < MAX_DEPTH => self.values(depth)?,
            10 | 11 => Value::Number(i64::from_le_bytes(self.array()?)),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(self.wrong(format!("a value has the kind {other}"))),
        })
    }

    fn values(&mut self, depth: u32) -> Result<Value<'a>, Error> {
        let kind = self.u32()?;
        let count = self.u64()?;
        // Every value has a byte at least: what cannot be there is not asked for.
        if count > (self.file.len() - self.at) as u64 {
            return Err(self.wrong("it ends inside its metadata"));
        }
        let (mut texts, mut numbers, mut floats) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            match self.value(kind, depth + 1)? {
                Value::Text(text) => texts.push(text),
                Value::Number(number) => numbers.push(number),
                Value::Float(float) => floats.push(float as f32),
                _ => {}
            }
        }
        Ok(match kind {
            8 => Value::Texts(texts),
            6 | 12 => Value::Floats(floats),
            7 | 9 => Value::Other,
            _ => Value::Numbers(numbers),
        })
    }
}
