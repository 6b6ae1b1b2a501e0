//! The first part of a safetensors file: which tensors there are, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::Dtype;
use crate::Error;

/// The longest header that is read: that of the format's own library.
pub const MOST_HEADER_BYTES: u64 = 100_000_000;

/// Bytes of the length in front of the header.
pub(super) const LENGTH_BYTES: u64 = 8;

const FORMAT: &str = "safetensors file";

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// How its numbers are written.
    pub dtype: Dtype,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Where it is, in bytes of the file.
    pub bytes: Range<u64>,
}

/// Which tensors a file has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// By name.
    pub tensors: BTreeMap<String, TensorInfo>,
}

impl Header {
    /// How long the header is that `prefix` begins, in a file of `file_bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: longer than the file, or than [`MOST_HEADER_BYTES`].
    pub fn length(prefix: [u8; 8], file_bytes: u64) -> Result<u64, Error> {
        let length = u64::from_le_bytes(prefix);
        if length > MOST_HEADER_BYTES {
            let problem =
                format!("the header has {length} bytes, more than {MOST_HEADER_BYTES} are read");
            return Err(Error::format_at(FORMAT, 0, problem));
        }
        let most = file_bytes.saturating_sub(LENGTH_BYTES);
        if length > most {
            let problem = format!("the header has {length} bytes, and the file ends after {most}");
            return Err(Error::format_at(FORMAT, 0, problem));
        }
        Ok(length)
    }

    /// Reads the header `json` of a file of `file_bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Format`], with the place: no JSON of this format, a name twice, a size that does not fit its shape, tensors
    /// that overlap, or that do not fill the file.
    pub fn parse(json: &[u8], file_bytes: u64) -> Result<Self, Error> {
        let entries: Entries = serde_json::from_slice(json).map_err(|error| {
            let offset = LENGTH_BYTES + offset(json, error.line(), error.column());
            Error::format_at(FORMAT, offset, format!("in the header, {}", cause(&error)))
        })?;
        let data = LENGTH_BYTES + json.len() as u64;
        let mut tensors = BTreeMap::new();
        for (name, entry) in entries.0 {
            let tensor = entry.check(&name, data)?;
            tensors.insert(name, tensor);
        }
        let header = Self { tensors };
        header.check_order(data, file_bytes)?;
        Ok(header)
    }

    /// Makes sure that the tensors follow each other without a gap to the end of the file.
    fn check_order(&self, data: u64, file_bytes: u64) -> Result<(), Error> {
        let mut ordered: Vec<(&String, &TensorInfo)> = self.tensors.iter().collect();
        ordered.sort_by_key(|(_, tensor)| (tensor.bytes.start, tensor.bytes.end));
        let mut end = data;
        for (name, tensor) in ordered {
            let begin = tensor.bytes.start;
            if begin != end {
                let problem = if begin < end {
                    format!("tensor {name:?} overlaps the one before it")
                } else {
                    format!(
                        "{} bytes before tensor {name:?} belong to nothing",
                        begin - end
                    )
                };
                return Err(Error::format_at(FORMAT, begin, problem));
            }
            end = tensor.bytes.end;
        }
        if end != file_bytes {
            let problem = format!("its tensors end at byte {end}, and the file at {file_bytes}");
            return Err(Error::format_at(FORMAT, end.min(file_bytes), problem));
        }
        Ok(())
    }
}

/// The offset in `json` of a line and column that are counted from 1.
fn offset(json: &[u8], line: usize, column: usize) -> u64 {
    let before: usize = json
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + column.saturating_sub(1)).min(json.len()) as u64
}

/// What `error` says, without the line and column: the offset says where.
fn cause(error: &serde_json::Error) -> String {
    let said = error.to_string();
    match said.rfind(" at line ") {
        Some(end) => said[..end].to_owned(),
        None => said,
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Entry {
    /// The tensor in a file whose data begin at byte `data`.
    fn check(self, name: &str, data: u64) -> Result<TensorInfo, Error> {
        let wrong = |problem: String| {
            let offset = data.saturating_add(self.data_offsets.0);
            Error::format_at(FORMAT, offset, format!("tensor {name:?} {problem}"))
        };
        let Some(dtype) = Dtype::named(&self.dtype) else {
            return Err(wrong(format!("has the unknown dtype {:?}", self.dtype)));
        };
        let (begin, end) = self.data_offsets;
        let size = self
            .shape
            .iter()
            .try_fold(dtype.bytes(), |size, length| size.checked_mul(*length));
        if end.checked_sub(begin) != size {
            let (shape, dtype) = (&self.shape, dtype.name());
            return Err(wrong(format!(
                "of shape {shape:?} and dtype {dtype} does not fit its offsets {begin} to {end}"
            )));
        }
        let bytes = data.checked_add(begin).zip(data.checked_add(end));
        let lengths = self
            .shape
            .iter()
            .map(|length| usize::try_from(*length).ok());
        match (bytes, lengths.collect()) {
            (Some((begin, end)), Some(shape)) => Ok(TensorInfo {
                dtype,
                shape,
                bytes: begin..end,
            }),
            _ => Err(wrong("is larger than anything".to_owned())),
        }
    }
}

/// The tensors by name, each name once.
struct Entries(BTreeMap<String, Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = BTreeMap::new();
        let mut has_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            let is_repeated = if name == "__metadata__" {
                map.next_value::<BTreeMap<String, String>>()?;
                std::mem::replace(&mut has_metadata, true)
            } else {
                let entry = map.next_value()?;
                entries.insert(name, entry).is_some()
            };
            if is_repeated {
                return Err(M::Error::custom("a name is there twice"));
            }
        }
        Ok(Entries(entries))
    }
}
