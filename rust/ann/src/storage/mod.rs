//! An index on disk: a snapshot that is used where it lies, and a log of every change since.
//!
//! The index itself is memory; this is what it comes back from. It opens a [`Directory`], takes the arrays of the
//! [`Snapshot`] as they are, applies the changes that came later, and from then on appends every change before it makes
//! it. From time to time it writes a snapshot, which empties the log:
//!
//! ```
//! use std::borrow::Cow;
//!
//! use inferail_ann::storage::{Change, Directory, Options};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path();
//!
//! // The settings are bytes of your choice; another index refuses to open the folder.
//! let opened = Directory::open(path, b"dim=2 metric=cosine", Options::default())?;
//!
//! // 1. What a snapshot has: arrays, mapped, checked where they are first touched.
//! if let Some(snapshot) = &opened.snapshot {
//!     for (block, (kind, parts)) in snapshot.blocks().enumerate() {
//!         let keys = snapshot.section(block, 0)?; // owns its file: keep it in place of a Vec<u64>
//!         let keys: &[u64] = keys.numbers()?;
//!     }
//! }
//! // 2. What came later, in order.
//! for change in opened.replay.changes() {
//!     match change?.1 {
//!         Change::Put { namespace, key, vector, payload, .. } => {}
//!         Change::Delete { .. } | Change::Threshold { .. } | Change::Clear { .. } => {}
//!     }
//! }
//!
//! // 3. Each change: acknowledged when this returns, vector and payload in one record.
//! let mut directory = opened.directory;
//! directory.append(&[Change::Put {
//!     namespace: "questions",
//!     key: 7,
//!     expires: None,
//!     threshold: None,
//!     vector: Cow::Borrowed(&[0.6, 0.8]),
//!     payload: Some(b"an answer"),
//! }])?;
//!
//! // 4. Now and then, for example when `log_bytes` has reached that of the last snapshot.
//! directory.snapshot(|writer| {
//!     writer.block(0, &[&7_u64.to_le_bytes(), &[0; 8]])?;
//!     Ok(())
//! })?;
//! assert_eq!(directory.logged_changes(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Reading`] is for a program that only looks, beside the writer or without one.
//!
//! What is promised: an acknowledged change survives the end of the process at any moment, and what
//! [`Fsync`] says survives the end of the machine. An append that was interrupted is cut and reported. Damage is an
//! error that names file and place, never a wrong record. See [`log`] and [`snapshot`] for the bytes.

mod change;
mod cursor;
mod directory;
mod files;
mod lock;
pub mod log;
mod options;
pub mod snapshot;

pub use change::Change;
pub use directory::{Directory, Opened, Reading, Report};
pub use log::{Cut, Log, Record, Replay};
pub use options::{Clock, Fsync, Options, Step, Watch};
pub use snapshot::{Sealed, Section, Snapshot, SnapshotWriter};
