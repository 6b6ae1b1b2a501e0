//! A safetensors file: a length, a header of JSON, and the numbers.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use inferail_simd::logits::{bf16_to_f32, f16_to_f32};

use super::header::LENGTH_BYTES;
use super::{Dtype, Header, TensorInfo};
use crate::Error;

/// A file of tensors, or anything else that can be read at a place. Each tensor is read when it is asked for.
#[derive(Debug)]
pub struct SafeTensors<R> {
    source: R,
    path: PathBuf,
    header: Header,
}

impl SafeTensors<File> {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Format`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let opened = File::open(path).and_then(|file| {
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        });
        let (file, bytes) = opened.map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::new(file, bytes, path)
    }
}

impl<R: Read + Seek> SafeTensors<R> {
    /// Reads the header of `source`, which has `bytes` bytes; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Format`].
    pub fn new(mut source: R, bytes: u64, path: &Path) -> Result<Self, Error> {
        let mut prefix = [0; LENGTH_BYTES as usize];
        if bytes < LENGTH_BYTES {
            let problem = format!("it has {bytes} bytes, and its first 8 are a length");
            return Err(Error::format_at("safetensors file", 0, problem).in_file(path));
        }
        let read_error = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        read_at(&mut source, 0, &mut prefix).map_err(read_error)?;
        let length = Header::length(prefix, bytes).map_err(|error| error.in_file(path))?;
        let mut json = vec![0; length as usize];
        read_at(&mut source, LENGTH_BYTES, &mut json).map_err(read_error)?;
        let header = Header::parse(&json, bytes).map_err(|error| error.in_file(path))?;
        Ok(Self {
            source,
            path: path.to_owned(),
            header,
        })
    }

    /// Which tensors there are.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What errors call the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The numbers of tensor `name`, which has to have `shape`.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: there is none, it has another shape, or a number is not finite. [`Error::Unsupported`]: its
    /// numbers are of another kind. [`Error::Read`].
    pub fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let tensor = self.expect(name, shape)?;
        let bytes = self.read(&tensor)?;
        let numbers: Vec<f32> = match tensor.dtype {
            Dtype::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .copied()
                .map(f32::from_le_bytes)
                .collect(),
            Dtype::F16 => halves(&bytes).map(f16_to_f32).collect(),
            Dtype::Bf16 => halves(&bytes).map(bf16_to_f32).collect(),
            other => {
                let feature = format!("tensor {name:?} of dtype {}", other.name());
                return Err(Error::unsupported(feature).in_file(&self.path));
            }
        };
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let offset = tensor.bytes.start + at as u64 * tensor.dtype.bytes();
            return Err(self.wrong(
                offset,
                format!("tensor {name:?} has a number that is not finite"),
            ));
        }
        Ok(numbers)
    }

    /// The integers of tensor `name`, which has to have `shape`.
    ///
    /// # Errors
    ///
    /// As [`SafeTensors::floats`].
    pub fn integers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<i64>, Error> {
        let tensor = self.expect(name, shape)?;
        if tensor.dtype != Dtype::I64 {
            let feature = format!("tensor {name:?} of dtype {}", tensor.dtype.name());
            return Err(Error::unsupported(feature).in_file(&self.path));
        }
        let bytes = self.read(&tensor)?;
        Ok(bytes
            .as_chunks()
            .0
            .iter()
            .copied()
            .map(i64::from_le_bytes)
            .collect())
    }

    fn expect(&self, name: &str, shape: &[usize]) -> Result<TensorInfo, Error> {
        let Some(tensor) = self.header.tensors.get(name) else {
            return Err(self.wrong(LENGTH_BYTES, format!("it has no tensor {name:?}")));
        };
        if tensor.shape != shape {
            let has = &tensor.shape;
            let problem = format!("tensor {name:?} has the shape {has:?} instead of {shape:?}");
            return Err(self.wrong(tensor.bytes.start, problem));
        }
        Ok(tensor.clone())
    }

    fn read(&mut self, tensor: &TensorInfo) -> Result<Vec<u8>, Error> {
        // No more than the file has: the header was checked.
        let mut bytes = vec![0; (tensor.bytes.end - tensor.bytes.start) as usize];
        read_at(&mut self.source, tensor.bytes.start, &mut bytes).map_err(|source| {
            Error::Read {
                path: self.path.clone(),
                source,
            }
        })?;
        Ok(bytes)
    }

    fn wrong(&self, offset: u64, problem: String) -> Error {
        Error::format_at("safetensors file", offset, problem).in_file(&self.path)
    }
}

fn read_at(source: &mut (impl Read + Seek), offset: u64, into: &mut [u8]) -> io::Result<()> {
    source.seek(SeekFrom::Start(offset))?;
    source.read_exact(into)
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes)
}
