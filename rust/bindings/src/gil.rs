//! The only file that decides whether the GIL is held.

use pyo3::prelude::*;

/// Most bytes parsed without letting other threads run.
///
/// Taking the GIL back can cost a switch interval (5 ms) where another thread is busy, a thousand times what a
/// network read of 1,400 bytes costs to decode (2.5 µs). 64 KiB of OpenAI chunks take 0.1 ms, a fiftieth of the
/// interval: no other thread would have had its turn earlier. (Measured through Python, 2 cores, 2026-11-21.)
const SHORT_BYTES: usize = 64 * 1024;

/// Runs `work` without the GIL.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    py.detach(work)
}

/// Runs short work without releasing the GIL.
pub(crate) fn run_short<T>(_py: Python<'_>, work: impl FnOnce() -> T) -> T {
    work()
}

/// Runs work on `bytes` bytes, without the GIL if they are many.
pub(crate) fn run_sized<T: Send>(
    py: Python<'_>,
    bytes: usize,
    work: impl FnOnce() -> T + Send,
) -> T {
    if bytes > SHORT_BYTES {
        run(py, work)
    } else {
        run_short(py, work)
    }
}

/// Runs `work` on `bytes`; a large input goes piece by piece, and other threads get their turn in between.
///
/// The work makes Python objects, so it cannot itself run without the GIL.
pub(crate) fn run_in_pieces<E>(
    py: Python<'_>,
    bytes: &[u8],
    mut work: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut pieces = bytes.chunks(SHORT_BYTES);
    if let Some(piece) = pieces.next() {
        run_short(py, || work(piece))?;
    }
    for piece in pieces {
        run(py, || ());
        run_short(py, || work(piece))?;
    }
    Ok(())
}

/// [`run_in_pieces`] of text.
pub(crate) fn run_in_text_pieces<E>(
    py: Python<'_>,
    text: &str,
    mut work: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let (mut piece, mut rest) = text.split_at(text.floor_char_boundary(SHORT_BYTES));
    run_short(py, || work(piece))?;
    while !rest.is_empty() {
        (piece, rest) = rest.split_at(rest.floor_char_boundary(SHORT_BYTES));
        run(py, || ());
        run_short(py, || work(piece))?;
    }
    Ok(())
}
