//! Whether something fits into the memory of this machine.

use crate::Error;

/// Bytes of memory of this machine, where they can be known.
pub fn total() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Whether `needed` bytes fit into memory at all. The system lends more than it has, and ends whoever uses it.
///
/// # Errors
/// [`Error::Memory`].
pub fn check(needed: u64) -> Result<(), Error> {
    // Reading the file takes 30 µs; nobody has less than this.
    if needed < 1 << 28 {
        return Ok(());
    }
    match total() {
        Some(available) if available < needed => Err(Error::Memory { needed, available }),
        _ => Ok(()),
    }
}

/// The system has refused `needed` bytes.
pub(crate) fn refused(needed: u64) -> Error {
    Error::Memory {
        needed,
        available: total().unwrap_or(0),
    }
}
