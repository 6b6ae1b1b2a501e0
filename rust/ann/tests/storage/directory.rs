//! Folders with a crash between any two steps.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use inferail_ann::Error;
use inferail_ann::storage::{
    Cut, Directory, Opened, Options, Reading, Snapshot, SnapshotWriter, Step, Watch,
};

use Step::{LogInstalled, LogWritten, SnapshotBegun, SnapshotInstalled, SnapshotSealed};

use crate::support::{copy, expected, numbered, offset, replayed};

const SETTINGS: &[u8] = b"dim=4";

fn open(path: &Path) -> Result<Opened, Error> {
    Directory::open(path, SETTINGS, Options::default())
}

fn append(directory: &mut Directory, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let owned = numbered(number);
        assert_eq!(directory.append(&[owned.change()]).unwrap(), number);
    }
}

/// The snapshot of these tests: one part with the number of the last change, and some bulk.
fn write(writer: &mut SnapshotWriter) -> Result<(), Error> {
    let covered = writer.sequence();
    writer.block(1, &[&covered.to_le_bytes(), &[covered as u8; 500]])?;
    Ok(())
}

/// Everything up to `last` is there, in the snapshot or behind it, and `last` + 1 comes next.
fn assert_whole(path: &Path, last: u64) -> Opened {
    let mut opened = open(path).unwrap();
    let covered = covered(opened.snapshot.as_ref());
    assert_eq!(replayed(&opened.replay), expected(covered + 1..=last));
    append(&mut opened.directory, last + 1..=last + 1);
    let reading = Reading::open(path, SETTINGS).unwrap();
    assert_eq!(replayed(&reading.replay), expected(covered + 1..=last + 1));
    assert!(!has_unfinished(path));
    opened
}

fn covered(snapshot: Option<&Snapshot>) -> u64 {
    snapshot.map_or(0, |snapshot| {
        let parts = snapshot.block(0).unwrap();
        let covered = u64::from_le_bytes(parts[0].try_into().unwrap());
        assert_eq!(covered, snapshot.sequence());
        assert_eq!(parts[1], [covered as u8; 500]);
        covered
    })
}

fn has_unfinished(path: &Path) -> bool {
    fs::read_dir(path).unwrap().any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with("temporary")
    })
}

#[test]
fn folder_is_whole_when_it_crashes_after_any_step_of_a_snapshot() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("index");
    let crashes = Arc::new(Mutex::new(Vec::new()));
    let options = Options {
        watch: Watch::new({
            let (path, crashes, top) = (path.clone(), crashes.clone(), top.path().to_owned());
            move |step| {
                let mut crashes = crashes.lock().unwrap();
                let to = top.join(format!("crash{}", crashes.len()));
                copy(&path, &to);
                crashes.push((step, to));
            }
        }),
        ..Options::default()
    };
    let mut directory = Directory::open(&path, SETTINGS, options).unwrap().directory;
    append(&mut directory, 1..=20);
    directory.snapshot(write).unwrap();
    append(&mut directory, 21..=30);
    directory.snapshot(write).unwrap();
    drop(directory);

    let crashes = crashes.lock().unwrap();
    let steps: Vec<Step> = crashes.iter().map(|(step, _)| *step).collect();
    let replaced = [
        SnapshotBegun,
        SnapshotSealed,
        SnapshotInstalled,
        LogWritten,
        LogInstalled,
    ];
    assert_eq!(
        steps,
        [&[LogWritten, LogInstalled], &replaced[..], &replaced].concat()
    );
    for (at, (step, crash)) in crashes.iter().enumerate() {
        let last = [0, 20, 30][usize::from(at >= 2) + usize::from(at >= 7)];
        let opened = assert_whole(crash, last);
        let report = opened.report;
        assert_eq!(
            report.finished_snapshot,
            matches!(step, SnapshotInstalled | LogWritten) && last > 0
        );
        assert_eq!(
            report.removed.len(),
            usize::from(matches!(step, SnapshotBegun | SnapshotSealed | LogWritten))
        );
        assert_eq!(report.began_log, at == 0);
        assert_eq!(report.cut, None);
    }
    assert_whole(&path, 30);
}

#[test]
fn folder_is_whole_when_it_crashes_with_any_part_of_a_temporary_file_written() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("index");
    append(&mut open(&path).unwrap().directory, 1..=5);
    let donor = top.path().join("donor");
    let mut directory = open(&donor).unwrap().directory;
    append(&mut directory, 1..=5);
    directory.snapshot(write).unwrap();
    let snapshot = fs::read(donor.join("index.snapshot")).unwrap();
    let log = fs::read(donor.join("index.log")).unwrap();

    for (name, bytes) in [
        ("index.snapshot.temporary", snapshot),
        ("index.log.temporary", log),
    ] {
        for length in (0..=bytes.len()).step_by(11) {
            let crash = top.path().join(format!("{name}{length}"));
            copy(&path, &crash);
            fs::write(crash.join(name), &bytes[..length]).unwrap();

            let opened = assert_whole(&crash, 5);

            assert_eq!(opened.report.removed, [crash.join(name)]);
        }
    }
}

#[test]
fn folder_is_whole_when_power_was_lost_and_the_log_ends_before_the_snapshot_does() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("index");
    let mut directory = open(&path).unwrap().directory;
    append(&mut directory, 1..=8);
    let old_log = fs::read(path.join("index.log")).unwrap();
    directory.snapshot(write).unwrap();
    drop(directory);

    // The snapshot was forced to the disk, the old log never was.
    for length in (40..old_log.len()).step_by(5) {
        let crash = top.path().join(format!("crash{length}"));
        copy(&path, &crash);
        fs::write(crash.join("index.log"), &old_log[..length]).unwrap();

        let opened = assert_whole(&crash, 8);

        assert!(opened.report.finished_snapshot);
        drop(opened);
        assert_whole(&crash, 9);
    }
}

#[test]
fn folder_reports_what_was_cut_when_the_last_append_was_interrupted() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("index");
    let mut directory = open(&path).unwrap().directory;
    append(&mut directory, 1..=3);
    let end = directory.log_bytes();
    append(&mut directory, 4..=4);
    let bytes = directory.log_bytes() - end - 1;
    let log = directory.path().join("index.log");
    drop(directory);
    let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(end + bytes).unwrap();

    let reading = Reading::open(&path, SETTINGS).unwrap();
    let cut = Some(Cut { offset: end, bytes });
    assert_eq!(reading.replay.cut(), cut);
    assert_eq!(
        fs::metadata(&log).unwrap().len(),
        end + bytes,
        "a reader cuts nothing"
    );

    assert_eq!(assert_whole(&path, 3).report.cut, cut);
}

#[test]
fn snapshot_written_beside_appends_leaves_them_in_the_log() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("index");
    let mut directory = open(&path).unwrap().directory;
    append(&mut directory, 1..=10);
    let mut writer = directory.begin_snapshot().unwrap();
    assert!(
        matches!(directory.begin_snapshot(), Err(Error::Io { .. })),
        "one at a time"
    );

    let writing = std::thread::spawn(move || {
        write(&mut writer).unwrap();
        writer.seal().unwrap()
    });
    append(&mut directory, 11..=17);
    directory.install(writing.join().unwrap()).unwrap();

    assert_eq!((directory.sequence(), directory.logged_changes()), (17, 7));
    append(&mut directory, 18..=18);
    let reading = Reading::open(&path, SETTINGS).unwrap();
    assert_eq!(covered(reading.snapshot.as_ref()), 10);
    assert_eq!(replayed(&reading.replay), expected(11..=18));
    drop(directory);
    assert_whole(&path, 18);
}

#[test]
fn snapshot_of_another_folder_is_refused() {
    let top = tempfile::tempdir().unwrap();
    let mut one = open(&top.path().join("one")).unwrap().directory;
    let two = open(&top.path().join("two")).unwrap().directory;

    let refused = one.install(two.begin_snapshot().unwrap().seal().unwrap());

    assert!(matches!(refused, Err(Error::Snapshot { .. })));
    assert!(!top.path().join("two/index.snapshot").exists());
}

#[test]
fn folder_goes_on_when_writing_a_snapshot_fails() {
    let top = tempfile::tempdir().unwrap();
    let mut directory = open(top.path()).unwrap().directory;
    append(&mut directory, 1..=4);

    let failed = directory.snapshot(|writer| {
        write(writer)?;
        Err(Error::Snapshot {
            problem: "changed my mind",
        })
    });

    assert!(failed.is_err());
    append(&mut directory, 5..=6);
    directory.snapshot(write).unwrap();
    append(&mut directory, 7..=7);
    drop(directory);
    assert_whole(top.path(), 7);
}

#[test]
fn second_writer_is_refused_by_name_and_readers_are_not() {
    let top = tempfile::tempdir().unwrap();
    let mut opened = open(top.path()).unwrap();
    append(&mut opened.directory, 1..=2);

    match open(top.path()) {
        Err(Error::Locked { path, process }) => {
            assert_eq!(path, top.path());
            assert_eq!(process, Some(std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    let reading = Reading::open(top.path(), SETTINGS).unwrap();
    assert_eq!(replayed(&reading.replay), expected(1..=2));

    drop(opened);
    assert_whole(top.path(), 2);
}

#[test]
fn folder_is_refused_when_it_has_other_settings() {
    let top = tempfile::tempdir().unwrap();
    let mut directory = open(top.path()).unwrap().directory;
    for with_snapshot in [false, true] {
        if with_snapshot {
            directory.snapshot(write).unwrap();
        }
        match Reading::open(top.path(), b"dim=5") {
            Err(Error::Settings { path, found }) => {
                assert_eq!(path.ends_with("index.snapshot"), with_snapshot);
                assert_eq!(found, SETTINGS);
            }
            other => panic!("{other:?}"),
        }
    }
    drop(directory);
    assert!(matches!(
        Directory::open(top.path(), b"dim=5", Options::default()),
        Err(Error::Settings { .. })
    ));
}

#[test]
fn folder_is_refused_when_the_snapshot_that_its_log_follows_is_gone_or_older() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("index");
    let mut directory = open(&path).unwrap().directory;
    append(&mut directory, 1..=3);
    directory.snapshot(write).unwrap();
    let older = fs::read(path.join("index.snapshot")).unwrap();
    append(&mut directory, 4..=6);
    directory.snapshot(write).unwrap();
    drop(directory);

    fs::write(path.join("index.snapshot"), older).unwrap();
    match open(&path) {
        Err(Error::Gap { log, snapshot, .. }) => assert_eq!((log, snapshot), (6, 3)),
        other => panic!("{other:?}"),
    }
    fs::remove_file(path.join("index.snapshot")).unwrap();
    match Reading::open(&path, SETTINGS) {
        Err(Error::Gap { log, snapshot, .. }) => assert_eq!((log, snapshot), (6, 0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn folder_goes_back_to_its_snapshot_and_says_so_when_the_log_is_deleted() {
    let top = tempfile::tempdir().unwrap();
    let mut directory = open(top.path()).unwrap().directory;
    append(&mut directory, 1..=3);
    directory.snapshot(write).unwrap();
    drop(directory);
    fs::remove_file(top.path().join("index.log")).unwrap();

    let opened = assert_whole(top.path(), 3);

    assert!(opened.report.began_log);
}

#[test]
fn damage_in_either_file_is_refused_by_name_and_nothing_is_changed() {
    let top = tempfile::tempdir().unwrap();
    let mut directory = open(top.path()).unwrap().directory;
    append(&mut directory, 1..=3);
    directory.snapshot(write).unwrap();
    append(&mut directory, 4..=9);
    drop(directory);

    for (name, place) in [("index.log", 70), ("index.log", 14), ("index.snapshot", 30)] {
        let file = top.path().join(name);
        let sound = fs::read(&file).unwrap();
        let mut bytes = sound.clone();
        bytes[place] ^= 4;
        fs::write(&file, &bytes).unwrap();

        let error = open(top.path()).unwrap_err();

        assert!(offset(&error, &file) <= place as u64);
        assert!(error.to_string().contains(name));
        assert_eq!(fs::read(&file).unwrap(), bytes);
        fs::write(&file, sound).unwrap();
    }
    assert_whole(top.path(), 9);
}
