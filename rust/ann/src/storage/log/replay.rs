//! What a log holds, in order.

use std::path::{Path, PathBuf};

use inferail_simd::map::Map;

use super::super::change::Change;
use super::header::{self, Header};
use super::record::{Bad, Record, Scan, Tail};
use crate::Error;

/// The end of an append that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where it began in the file.
    pub offset: u64,
    /// How many bytes of it there were.
    pub bytes: u64,
}

/// A file's bytes, as memory or as a copy.
#[derive(Debug)]
pub(super) enum Contents {
    /// Of a file that this process alone writes, and only behind these bytes.
    Mapped(Map),
    /// Of a file that another process may cut at any time.
    Copied(Vec<u8>),
}

impl Contents {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map.as_slice(),
            Self::Copied(bytes) => bytes,
        }
    }
}

/// The records of a log at one moment, read when they are asked for.
#[derive(Debug)]
pub struct Replay {
    path: PathBuf,
    contents: Contents,
    header: Header,
    end: usize,
    last: u64,
    after: u64,
    cut: Option<Cut>,
}

impl Replay {
    /// What the bytes of a whole log file hold; `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// As [`Log::open`](super::Log::open).
    pub fn of_bytes(path: &Path, bytes: Vec<u8>, settings: &[u8]) -> Result<Self, Error> {
        let header = header::read(path, &bytes, settings)?;
        Self::new(path, Contents::Copied(bytes), header)
    }

    /// Finds where the good records of `contents` end.
    pub(super) fn new(path: &Path, contents: Contents, header: Header) -> Result<Self, Error> {
        let bytes = contents.as_slice();
        let mut scan = Scan::new(bytes, header.salt, header.end, header.base);
        let cut = loop {
            match scan.next() {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(bad) => {
                    if let Tail::Damaged(problem) = scan.tail(bad) {
                        return Err(damaged(path, &scan, bad, problem));
                    }
                    break Some(Cut {
                        offset: scan.at() as u64,
                        bytes: (bytes.len() - scan.at()) as u64,
                    });
                }
            }
        };
        Ok(Self {
            path: path.to_owned(),
            header,
            end: scan.at(),
            last: scan.sequence(),
            after: header.base,
            cut,
            contents,
        })
    }

    /// The number of the record before the first of the file.
    pub fn base(&self) -> u64 {
        self.header.base
    }

    /// The number of the last record, or [`Replay::base`] if there is none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The interrupted append behind the last record, if there was one.
    pub fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// Leaves out every record up to the one with this number, which something else has.
    #[must_use]
    pub fn after(mut self, sequence: u64) -> Self {
        self.after = self.after.max(sequence);
        self
    }

    /// Bytes of the good part of the file.
    pub(super) fn good_bytes(&self) -> u64 {
        self.end as u64
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    /// The records in order. Each checksum is compared again, so that a file that was changed since it was opened is an
    /// [`Error::Damaged`] and the end.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'_>, Error>> {
        let bytes = &self.contents.as_slice()[..self.end];
        let header = self.header;
        let mut scan = Scan::new(bytes, header.salt, header.end, header.base);
        let mut is_over = false;
        std::iter::from_fn(move || {
            while !is_over {
                match scan.next() {
                    Ok(Some(record)) if record.sequence <= self.after => {}
                    Ok(Some(record)) => return Some(Ok(record)),
                    Ok(None) => is_over = true,
                    Err(bad) => {
                        is_over = true;
                        let problem = "it was changed by another program while it was read";
                        return Some(Err(damaged(&self.path, &scan, bad, problem)));
                    }
                }
            }
            None
        })
    }

    /// The records as changes, each with its number. A record that is none is an [`Error::Damaged`], and the next
    /// one follows.
    pub fn changes(&self) -> impl Iterator<Item = Result<(u64, Change<'_>), Error>> {
        self.records().map(|record| {
            let record = record?;
            match Change::decode(record.body) {
                Ok(change) => Ok((record.sequence, change)),
                Err(Error::Change { offset, problem }) => Err(Error::Damaged {
                    path: self.path.clone(),
                    offset: record.offset + offset as u64,
                    problem: format!("change {} is none: {problem}", record.sequence),
                }),
                Err(other) => Err(other),
            }
        })
    }
}

fn damaged(path: &Path, scan: &Scan<'_>, bad: Bad, problem: &str) -> Error {
    let expected = scan.sequence().wrapping_add(1);
    let found = match bad {
        Bad::Sequence { found } => format!(", whose number is {found}"),
        _ => String::new(),
    };
    Error::Damaged {
        path: path.to_owned(),
        offset: scan.at() as u64,
        problem: format!(
            "record {expected}{found}: {problem}; restore it from a copy, or delete it to go back to the last snapshot"
        ),
    }
}
