//! What these tests share: changes that can be made again from their number, and folders that can be copied.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use inferail_ann::Error;
use inferail_ann::storage::{Change, Replay};

/// A change as a value that borrows nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Owned {
    pub(crate) namespace: String,
    pub(crate) key: u64,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Put {
        expires: Option<u64>,
        threshold: Option<f32>,
        vector: Vec<f32>,
        payload: Option<Vec<u8>>,
    },
    Delete,
    Threshold(f32),
    Clear,
}

impl Owned {
    pub(crate) fn change(&self) -> Change<'_> {
        let (namespace, key) = (self.namespace.as_str(), self.key);
        match &self.kind {
            Kind::Put {
                expires,
                threshold,
                vector,
                payload,
            } => Change::Put {
                namespace,
                key,
                expires: *expires,
                threshold: *threshold,
                vector: Cow::Borrowed(vector),
                payload: payload.as_deref(),
            },
            Kind::Delete => Change::Delete { namespace, key },
            Kind::Threshold(value) => Change::Threshold {
                namespace,
                key,
                value: *value,
            },
            Kind::Clear => Change::Clear { namespace },
        }
    }

    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.change().encode(&mut bytes).unwrap();
        bytes
    }
}

/// The change that these tests make `number`th: of every kind, of many lengths.
pub(crate) fn numbered(number: u64) -> Owned {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let kind = match number % 8 {
        5 => Kind::Delete,
        6 => Kind::Threshold(mixed as f32),
        7 => Kind::Clear,
        _ => Kind::Put {
            expires: mixed.is_multiple_of(3).then_some(mixed),
            threshold: mixed.is_multiple_of(5).then_some(0.5),
            vector: (0..mixed % 7).map(|at| (mixed >> at) as f32).collect(),
            payload: (!mixed.is_multiple_of(7)).then(|| vec![mixed as u8; (mixed % 41) as usize]),
        },
    };
    Owned {
        namespace: "n".repeat((mixed % 5) as usize),
        key: if kind == Kind::Clear { 0 } else { number },
        kind,
    }
}

/// Numbers and encodings of what a log holds.
pub(crate) fn replayed(replay: &Replay) -> Vec<(u64, Vec<u8>)> {
    let changes = replay.changes().map(|change| {
        let (sequence, change) = change.unwrap();
        let mut bytes = Vec::new();
        change.encode(&mut bytes).unwrap();
        (sequence, bytes)
    });
    changes.collect()
}

/// What a log has to hold.
pub(crate) fn expected(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    numbers
        .into_iter()
        .map(|number| (number, numbered(number).encoded()))
        .collect()
}

/// A folder as a crash at this moment would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Where damage was named.
pub(crate) fn offset(error: &Error, file: &Path) -> u64 {
    match error {
        Error::Damaged { path, offset, .. } => {
            assert_eq!(path, file);
            *offset
        }
        other => panic!("not called damaged: {other}"),
    }
}
