//! What a log is written to.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// A file, or a test's stand-in for one whose disk is full.
pub(super) trait Medium: Send + fmt::Debug {
    /// Writes at the end, and says how many of the bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Shortens to `length` and goes on there.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Forces everything to the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
