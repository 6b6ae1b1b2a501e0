//! Why framing stopped.

/// Why a parser cannot go on. It stays stopped: every later call returns the same error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event (or one line) grew beyond the bound the parser was made with.
    #[error("event is larger than {limit} bytes")]
    EventTooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
}
