//! Any order of appends, snapshots, crashes and closings, against a list in memory.

use inferail_ann::storage::{Directory, Opened, Options, Report, SnapshotWriter};
use proptest::prelude::*;

use crate::change::changes;
use crate::support::{Owned, copy};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Owned>),
    Snapshot,
    /// A snapshot that is begun, and put in place so many steps later.
    Background(usize),
    Close,
    /// The folder as it is, and this many bytes less of the log.
    Crash(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(changes(), 0..4).prop_map(Step::Append),
        1 => Just(Step::Snapshot),
        1 => (0_usize..4).prop_map(Step::Background),
        1 => Just(Step::Close),
        1 => (0_usize..200).prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 0..25)
}

/// What the folder has to hold: the encoding of every change ever made.
type Model = Vec<Vec<u8>>;

/// A snapshot of these tests has a part for each change.
fn write(writer: &mut SnapshotWriter, model: &[Vec<u8>]) -> Result<(), inferail_ann::Error> {
    let parts: Vec<&[u8]> = model.iter().map(Vec::as_slice).collect();
    writer.block(3, &parts).map(drop)
}

fn held(opened: &Opened) -> Model {
    let mut held: Model = opened.snapshot.as_ref().map_or(Vec::new(), |snapshot| {
        assert!(snapshot.verify().is_empty());
        let parts = snapshot.block(0).unwrap();
        assert_eq!(parts.len() as u64, snapshot.sequence());
        parts.into_iter().map(<[u8]>::to_vec).collect()
    });
    for change in opened.replay.changes() {
        let (sequence, change) = change.unwrap();
        assert_eq!(sequence, held.len() as u64 + 1);
        let mut bytes = Vec::new();
        change.encode(&mut bytes).unwrap();
        held.push(bytes);
    }
    held
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn folder_holds_what_was_appended_in_any_order_of_events(steps in steps()) {
        let top = tempfile::tempdir().unwrap();
        let mut path = top.path().join("0");
        let open = |path: &std::path::Path| Directory::open(path, b"", Options::default()).unwrap();
        let mut directory = open(&path).directory;
        let mut model = Model::new();
        let mut pending = None;

        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(changes) => {
                    let borrowed: Vec<_> = changes.iter().map(Owned::change).collect();
                    let last = directory.append(&borrowed).unwrap();
                    model.extend(changes.iter().map(Owned::encoded));
                    prop_assert_eq!(last, model.len() as u64);
                }
                Step::Snapshot if pending.is_none() => {
                    directory.snapshot(|writer| write(writer, &model)).unwrap();
                }
                Step::Background(wait) if pending.is_none() => {
                    let mut writer = directory.begin_snapshot().unwrap();
                    write(&mut writer, &model).unwrap();
                    pending = Some((at + wait, writer));
                }
                Step::Snapshot | Step::Background(_) => {}
                Step::Close => {
                    pending = None;
                    drop(directory);
                    let opened = open(&path);
                    prop_assert_eq!(&held(&opened), &model);
                    prop_assert_eq!(opened.report, Report::default());
                    directory = opened.directory;
                }
                Step::Crash(lost) => {
                    let crash = top.path().join((at + 1).to_string());
                    copy(&path, &crash);
                    let logged = directory.logged_changes();
                    let log = std::fs::OpenOptions::new().write(true).open(crash.join("index.log")).unwrap();
                    // Settings are empty: a header of 32 bytes.
                    log.set_len(directory.log_bytes().saturating_sub(lost as u64).max(32)).unwrap();
                    pending = None;
                    let opened = open(&crash);
                    let held = held(&opened);
                    prop_assert_eq!(&held, &model[..held.len()]);
                    prop_assert!(model.len() - held.len() <= logged as usize);
                    prop_assert!(lost > 0 || held.len() == model.len());
                    model = held;
                    directory = opened.directory;
                    path = crash;
                }
            }
            if let Some((_, writer)) = pending.take_if(|(due, _)| *due <= at) {
                directory.install(writer.seal().unwrap()).unwrap();
            }
        }
        drop(directory);
        prop_assert_eq!(held(&open(&path)), model);
    }
}
