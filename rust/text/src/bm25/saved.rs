//! An index as a file.
//!
//! | part | bytes |
//! |---|---|
//! | `IRBM25`, 0, and the version, 1 | 8 |
//! | `k1`, `b` | 8 each |
//! | whether words are folded | 1 |
//! | number of texts, number of words | 8 each |
//! | each text: key, length | 12 |
//! | each word: length, UTF-8, number of texts | 4, …, 4 |
//! | … and of each of them: place, times | 8 |
//! | CRC-32 of all before it | 4 |
//!
//! Numbers are little-endian. Removed texts are not written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::Settings;
use super::inner::{Inner, Posting};
use crate::Error;

const MAGIC: &[u8; 8] = b"IRBM25\x00\x01";

/// Writes what goes through it, and sums it up.
struct Summing<W> {
    writer: W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Summing<W> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sum.update(bytes);
        self.writer.write_all(bytes)
    }
}

pub(super) fn save(inner: &Inner, settings: Settings, path: &Path) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".temporary");
    let temporary = PathBuf::from(name);
    let written = write(inner, settings, &temporary)
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|source| Error::Io {
        path: path.to_owned(),
        verb: "written",
        source,
    })
}

/// Makes the new name of the file last.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write(inner: &Inner, settings: Settings, path: &Path) -> std::io::Result<()> {
    let mut file = Summing {
        writer: BufWriter::new(File::create(path)?),
        sum: crc32fast::Hasher::new(),
    };
    let words: Vec<(&str, u32)> = {
        let known = inner
            .numbers
            .iter()
            .map(|(word, number)| (&**word, *number));
        let mut words: Vec<_> = known
            .filter(|(_, number)| inner.words[*number as usize].live > 0)
            .collect();
        words.sort_unstable();
        words
    };
    file.put(MAGIC)?;
    file.put(&settings.k1.to_le_bytes())?;
    file.put(&settings.b.to_le_bytes())?;
    file.put(&[u8::from(settings.fold)])?;
    file.put(&(inner.len() as u64).to_le_bytes())?;
    file.put(&(words.len() as u64).to_le_bytes())?;
    let mut places = vec![None; inner.keys.len()];
    let mut next = 0_u32;
    for (place, length) in inner.lengths.iter().enumerate() {
        if let Some(length) = length {
            places[place] = Some(next);
            next += 1;
            file.put(&inner.keys[place].to_le_bytes())?;
            file.put(&length.to_le_bytes())?;
        }
    }
    for (word, number) in words {
        let known = &inner.words[number as usize];
        file.put(&(word.len() as u32).to_le_bytes())?;
        file.put(word.as_bytes())?;
        file.put(&known.live.to_le_bytes())?;
        for posting in &known.postings {
            if let Some(place) = places[posting.place as usize] {
                file.put(&place.to_le_bytes())?;
                file.put(&posting.times.to_le_bytes())?;
            }
        }
    }
    let sum = file.sum.finalize();
    file.writer.write_all(&sum.to_le_bytes())?;
    let file = file
        .writer
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()
}

pub(super) fn open(path: &Path) -> Result<(Settings, Inner), Error> {
    let file = std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        verb: "read",
        source,
    })?;
    read(&file).map_err(|(problem, offset)| Error::Index {
        path: path.to_owned(),
        problem,
        offset: offset as u64,
    })
}

type Refused = (String, usize);

fn read(file: &[u8]) -> Result<(Settings, Inner), Refused> {
    let refused = |problem: &str, offset| (problem.to_owned(), offset);
    if !file.starts_with(&MAGIC[..7]) {
        return Err(refused("it begins with something else", 0));
    }
    let body = file.split_last_chunk::<4>();
    let (body, sum) = body
        .filter(|(body, _)| body.len() >= MAGIC.len())
        .ok_or_else(|| refused("it is cut short", 0))?;
    if body[7] != MAGIC[7] {
        return Err(refused("it is of another version: build the index anew", 7));
    }
    if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return Err(refused(
            "its checksum is wrong: it was damaged or cut short",
            body.len(),
        ));
    }
    let mut reader = Reader {
        body,
        at: MAGIC.len(),
    };
    let (k1, b) = (
        f64::from_bits(reader.long()?),
        f64::from_bits(reader.long()?),
    );
    let fold = reader.take(1)?[0] != 0;
    let settings = Settings::new(k1, b, fold).map_err(|error| (error.to_string(), 8))?;
    let (texts, words) = (reader.count(12)?, reader.count(8)?);
    let mut docs = Vec::with_capacity(texts);
    let mut seen = HashSet::with_capacity(texts);
    for _ in 0..texts {
        let (at, key) = (reader.at, reader.long()?);
        docs.push((key, reader.int()?));
        if !seen.insert(key) {
            return Err(refused("a key is there twice", at));
        }
    }
    let mut lengths = vec![0_u64; texts];
    let mut read = Vec::with_capacity(words);
    let mut known = HashSet::with_capacity(words);
    for _ in 0..words {
        let at = reader.at;
        let (word, postings) = reader.word(&mut lengths)?;
        if !known.insert(word) {
            return Err(refused("a word is there twice", at));
        }
        read.push((word.into(), postings));
    }
    let same = lengths
        .iter()
        .zip(&docs)
        .all(|(sum, (_, length))| *sum == u64::from(*length));
    if !same || reader.at != body.len() {
        return Err(refused("its parts do not belong together", reader.at));
    }
    Ok((settings, Inner::read(&docs, read)))
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Refused> {
        let taken = self.body.get(self.at..self.at.saturating_add(length));
        let taken = taken.ok_or_else(|| ("it is cut short".to_owned(), self.at))?;
        self.at += length;
        Ok(taken)
    }

    fn int(&mut self) -> Result<u32, Refused> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    fn long(&mut self) -> Result<u64, Refused> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// A number of things of `size` bytes each, for which there is room in the file.
    fn count(&mut self, size: usize) -> Result<usize, Refused> {
        let at = self.at;
        let count = usize::try_from(self.long()?).ok();
        let fits = count.filter(|count| *count <= self.body.len() / size);
        fits.ok_or_else(|| ("a number is larger than the file".to_owned(), at))
    }

    /// A word and the texts that have it, whose words are counted in `lengths`.
    fn word(&mut self, lengths: &mut [u64]) -> Result<(&'a str, Vec<Posting>), Refused> {
        let at = self.at;
        let size = self.int()? as usize;
        let word = std::str::from_utf8(self.take(size)?);
        let word = word.map_err(|_| ("a word is no text".to_owned(), at))?;
        let count = self.int()? as usize;
        let bytes = self.take(count.saturating_mul(8))?;
        let mut last = None;
        let mut postings = Vec::with_capacity(count);
        for pair in bytes.chunks_exact(8) {
            let number = |at: usize| {
                u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]])
            };
            let (place, times) = (number(0), number(4));
            let length = lengths.get_mut(place as usize);
            let Some(length) = length.filter(|_| times > 0 && last.is_none_or(|last| last < place))
            else {
                return Err(("the texts of a word are out of order".to_owned(), at));
            };
            *length += u64::from(times);
            last = Some(place);
            postings.push(Posting { place, times });
        }
        Ok((word, postings))
    }
}
