//! When a change is on disk, and how large one may be.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When appended changes are forced to the disk. Whatever it is, an acknowledged change survives the end of the process;
/// this decides what survives the end of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// Before it is acknowledged.
    Always,
    /// With the first append this long after the last time, and when the log is closed.
    Every(Duration),
    /// When the system does it, or [`sync`](super::Directory::sync) is called.
    #[default]
    Never,
}

/// A moment between two steps of replacing files, where a crash leaves its own state behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The temporary snapshot exists and is not finished.
    SnapshotBegun,
    /// The temporary snapshot is whole and on disk.
    SnapshotSealed,
    /// It has its name; the log still has what it covers.
    SnapshotInstalled,
    /// The temporary log is whole and on disk.
    LogWritten,
    /// It has its name.
    LogInstalled,
}

/// Monotonic time since any moment.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Told of each [`Step`] when it has been reached; by default nobody is.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Watch {
    /// Calls `told` with every step.
    pub fn new(told: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(super) fn reached(&self, step: Step) {
        if let Some(told) = &self.0 {
            told(step);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Watch")
            .field(&self.0.is_some())
            .finish()
    }
}

/// How a log or a directory is written.
#[derive(Clone)]
pub struct Options {
    /// When changes are forced to the disk.
    pub fsync: Fsync,
    /// Bytes that one change may have, at most 4 GiB; larger ones are refused. What is already written is read whatever
    /// its size.
    pub max_record_bytes: usize,
    /// The time that [`Fsync::Every`] goes by.
    pub now: Clock,
    /// Told of each step of replacing files.
    pub watch: Watch,
}

impl Default for Options {
    /// No forcing, 64 MiB, the monotonic clock of the system.
    fn default() -> Self {
        let start = Instant::now();
        Self {
            fsync: Fsync::Never,
            max_record_bytes: 64 << 20,
            now: Arc::new(move || start.elapsed()),
            watch: Watch::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("fsync", &self.fsync)
            .field("max_record_bytes", &self.max_record_bytes)
            .finish_non_exhaustive()
    }
}
