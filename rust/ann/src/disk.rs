//! An index that comes back: every change goes to the log before it is made.

use std::borrow::Cow;
use std::path::Path;

use crate::index::{Entry, VectorIndex};
use crate::partition::saved;
use crate::storage::{Change, Directory, Opened, Options, Replay, Report, Snapshot};
use crate::{Error, Metric, Precision, Settings};

/// The log is left to grow to the size of the last snapshot, and to this in any case, before the next one is written.
const LOG_BYTES: u64 = 64 << 20;

/// Changes of a log that are made together.
const TOGETHER: usize = 512;

/// The folder of an index.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: Directory,
    /// The file that rows may be mapped from; checked as a whole by `verify`.
    snapshot: Option<Snapshot>,
    report: Report,
    snapshot_bytes: u64,
}

impl Settings {
    /// What the files of an index say of it.
    pub(crate) fn described(&self) -> String {
        let metric = match self.metric() {
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
            Metric::L2 => "l2",
        };
        let precision = match self.precision() {
            Precision::Float32 => "float32",
            Precision::Float16 => "float16",
            Precision::Int8 => "int8",
        };
        format!("dim={} metric={metric} storage={precision}", self.dim())
    }
}

impl Disk {
    /// Writes changes; the index may be changed when this returns.
    pub(crate) fn append(&mut self, changes: &[Change<'_>]) -> Result<(), Error> {
        if !changes.is_empty() {
            self.directory.append(changes)?;
        }
        Ok(())
    }

    /// Whether it is time for a snapshot.
    pub(crate) fn is_due(&self) -> bool {
        self.directory.log_bytes() > LOG_BYTES.max(self.snapshot_bytes)
    }

    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.directory.sync()
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.directory.log_bytes()
    }

    /// What is wrong with the snapshot that was opened or written last.
    pub(crate) fn verify(&self) -> Vec<Error> {
        self.snapshot
            .as_ref()
            .map_or_else(Vec::new, Snapshot::verify)
    }

    /// Writes a snapshot of `index`, without what has expired by `now`.
    pub(crate) fn snapshot(&mut self, index: &VectorIndex, now: u64) -> Result<(), Error> {
        self.directory.snapshot(|writer| {
            for (namespace, partition) in index.partitions() {
                partition.save(&namespace, now, writer)?;
            }
            Ok(())
        })?;
        let path = self.directory.path().join("index.snapshot");
        let snapshot = Snapshot::open(&path)?;
        self.snapshot_bytes = snapshot.len();
        self.snapshot = Some(snapshot);
        Ok(())
    }
}

/// The changes that write `entries`.
pub(crate) fn puts<'a>(namespace: &'a str, entries: &[Entry<'a>]) -> Vec<Change<'a>> {
    let put = |entry: &Entry<'a>| Change::Put {
        namespace,
        key: entry.key,
        expires: entry.expires,
        threshold: entry.threshold,
        vector: Cow::Borrowed(entry.vector),
        payload: entry.payload,
    };
    entries.iter().map(put).collect()
}

/// Opens the folder at `path` into an index that is empty still.
pub(crate) fn open(index: &mut VectorIndex, path: &Path, options: Options) -> Result<(), Error> {
    let settings = *index.settings();
    let Opened {
        directory,
        snapshot,
        replay,
        report,
    } = Directory::open(path, settings.described().as_bytes(), options)?;
    if let Some(snapshot) = &snapshot {
        index.take_over(saved::load(&settings, snapshot)?);
    }
    make_again(index, &replay)?;
    index.keep_on(Disk {
        directory,
        snapshot_bytes: snapshot.as_ref().map_or(0, Snapshot::len),
        snapshot,
        report,
    });
    Ok(())
}

/// Makes the changes of a log, those of entries in one namespace together.
fn make_again(index: &VectorIndex, replay: &Replay) -> Result<(), Error> {
    let mut waiting: Vec<Change<'_>> = Vec::new();
    for change in replay.changes() {
        let (_, change) = change?;
        let joins = match (&change, waiting.last()) {
            (
                Change::Put { namespace, .. },
                Some(Change::Put {
                    namespace: other, ..
                }),
            ) => namespace == other && waiting.len() < TOGETHER,
            (Change::Put { .. }, _) => waiting.is_empty(),
            _ => false,
        };
        if !joins {
            put_again(index, &waiting)?;
            waiting.clear();
        }
        match change {
            Change::Put { .. } => waiting.push(change),
            Change::Delete { namespace, key } => {
                index.delete(namespace, &[key])?;
            }
            Change::Threshold {
                namespace,
                key,
                value,
            } => {
                index.set_threshold(namespace, key, Some(value))?;
            }
            Change::Clear { namespace } => {
                index.clear(namespace)?;
            }
        }
    }
    put_again(index, &waiting)
}

fn put_again(index: &VectorIndex, changes: &[Change<'_>]) -> Result<(), Error> {
    let mut namespace = "";
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(changes.len());
    let mut seen = hashbrown::HashSet::new();
    for change in changes {
        let Change::Put {
            namespace: of,
            key,
            expires,
            threshold,
            vector,
            payload,
        } = change
        else {
            continue;
        };
        // Of a key that comes twice the later entry counts.
        if !seen.insert(*key) {
            entries.retain(|entry| entry.key != *key);
        }
        namespace = of;
        entries.push(Entry {
            key: *key,
            vector,
            payload: *payload,
            threshold: *threshold,
            expires: *expires,
        });
    }
    index.upsert(namespace, &entries, 0)
}
