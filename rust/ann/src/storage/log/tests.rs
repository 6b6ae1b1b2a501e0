//! A log on a disk that is full, slow to take bytes, or broken.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::options::{Fsync, Options};
use super::header;
use super::medium::Medium;
use super::record::Scan;
use super::{Error, Log};

/// What the disk has, and what is wrong with it.
#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    capacity: usize,
    most_per_write: usize,
    interrupts: usize,
    fails_to_cut: bool,
    fails_to_sync: bool,
    syncs: usize,
}

#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<State>>);

impl Medium for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        if state.interrupts > 0 {
            state.interrupts -= 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        let room = state.capacity - state.bytes.len();
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(room).min(state.most_per_write);
        state.bytes.extend(&bytes[..taken]);
        Ok(taken)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fails_to_cut {
            return Err(io::ErrorKind::Other.into());
        }
        state.bytes.truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.syncs += 1;
        if state.fails_to_sync {
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    }
}

fn begin(mut state: State, options: Options) -> (Log, Disk) {
    let (bytes, header) = header::write(b"settings", 0).unwrap();
    state.bytes = bytes;
    let disk = Disk(Arc::new(Mutex::new(state)));
    let log = Log::begin(Path::new("log"), Box::new(disk.clone()), header, options);
    (log, disk)
}

fn roomy() -> State {
    State {
        capacity: 1 << 20,
        most_per_write: usize::MAX,
        ..State::default()
    }
}

fn bodies(disk: &Disk) -> Vec<Vec<u8>> {
    let state = disk.0.lock().unwrap();
    let header = header::read(Path::new("log"), &state.bytes, b"settings").unwrap();
    let mut scan = Scan::new(&state.bytes, header.salt, header.end, header.base);
    let mut bodies = Vec::new();
    while let Some(record) = scan.next().unwrap() {
        bodies.push(record.body.to_vec());
    }
    bodies
}

#[test]
fn log_is_as_before_and_goes_on_when_the_disk_is_full_at_any_byte() {
    let record_bytes = 20 + 12;
    for room in 0..2 * record_bytes {
        let (mut log, disk) = begin(roomy(), Options::default());
        log.append(b"first").unwrap();
        let before = disk.0.lock().unwrap().bytes.clone();
        disk.0.lock().unwrap().capacity = before.len() + room;

        let refused = log.append_all([&[1; 12][..], &[2; 12]]);

        match refused {
            Err(Error::Io { action, source, .. }) => {
                assert_eq!(action, "append to");
                assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            }
            other => panic!("room for {room}: {other:?}"),
        }
        assert_eq!(disk.0.lock().unwrap().bytes, before);
        disk.0.lock().unwrap().capacity = 1 << 20;
        assert_eq!(log.append(b"second").unwrap(), 2);
        assert_eq!(bodies(&disk), [b"first".to_vec(), b"second".to_vec()]);
    }
}

#[test]
fn append_goes_on_when_the_system_takes_a_part_or_is_interrupted() {
    for most_per_write in 1..40 {
        let state = State {
            most_per_write,
            interrupts: 3,
            ..roomy()
        };
        let (mut log, disk) = begin(state, Options::default());

        log.append(&[7; 30]).unwrap();

        assert_eq!(bodies(&disk), [vec![7; 30]]);
    }
}

#[test]
fn log_is_stopped_when_a_broken_append_cannot_be_cut() {
    let (mut log, disk) = begin(roomy(), Options::default());
    log.append(b"first").unwrap();
    {
        let mut state = disk.0.lock().unwrap();
        state.capacity = state.bytes.len() + 10;
        state.fails_to_cut = true;
    }

    assert!(matches!(log.append(b"lost"), Err(Error::Io { .. })));

    disk.0.lock().unwrap().capacity = 1 << 20;
    match log.append(b"refused") {
        Err(Error::Stopped { reason, .. }) => assert!(reason.contains("could not be cut")),
        other => panic!("{other:?}"),
    }
    assert!(matches!(log.sync(), Err(Error::Stopped { .. })));
}

#[test]
fn log_is_stopped_when_the_disk_does_not_take_what_was_written() {
    let options = Options {
        fsync: Fsync::Always,
        ..Options::default()
    };
    let (mut log, disk) = begin(roomy(), options);
    log.append(b"first").unwrap();
    disk.0.lock().unwrap().fails_to_sync = true;

    assert!(matches!(
        log.append(b"lost"),
        Err(Error::Io { action: "sync", .. })
    ));

    // Whether it comes true the second time says nothing about what was dropped the first time.
    disk.0.lock().unwrap().fails_to_sync = false;
    assert!(matches!(log.append(b"refused"), Err(Error::Stopped { .. })));
}

#[test]
fn log_is_stopped_when_it_is_used_in_another_process_than_it_was_opened_in() {
    let (mut log, disk) = begin(roomy(), Options::default());
    log.process = log.process.wrapping_add(1);

    match log.append(b"refused") {
        Err(Error::Stopped { reason, .. }) => assert!(reason.contains("forked")),
        other => panic!("{other:?}"),
    }
    assert!(bodies(&disk).is_empty());
}

#[test]
fn appends_are_forced_to_the_disk_as_often_as_fsync_says() {
    let second = Duration::from_secs(1);
    // The times of ten appends, in halves of a second.
    let times = [0, 1, 2, 2, 3, 4, 9, 9, 10, 11];
    for (fsync, expected) in [
        (Fsync::Always, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..]),
        (Fsync::Every(second), &[0, 0, 1, 1, 1, 2, 3, 3, 3, 4]),
        (Fsync::Never, &[0; 10]),
    ] {
        let now = Arc::new(Mutex::new(Duration::ZERO));
        let clock = now.clone();
        let options = Options {
            fsync,
            now: Arc::new(move || *clock.lock().unwrap()),
            ..Options::default()
        };
        let (mut log, disk) = begin(roomy(), options);

        let syncs: Vec<usize> = times
            .iter()
            .map(|&half| {
                *now.lock().unwrap() = second / 2 * half;
                log.append(b"body").unwrap();
                disk.0.lock().unwrap().syncs
            })
            .collect();

        assert_eq!(syncs, expected, "{fsync:?}");
    }
}

#[test]
fn last_appends_are_forced_to_the_disk_when_the_log_is_asked_later_or_closed() {
    let now = Arc::new(Mutex::new(Duration::ZERO));
    let clock = now.clone();
    let options = Options {
        fsync: Fsync::Every(Duration::from_secs(5)),
        now: Arc::new(move || *clock.lock().unwrap()),
        ..Options::default()
    };
    let (mut log, disk) = begin(roomy(), options);
    let syncs = || disk.0.lock().unwrap().syncs;

    log.append(b"body").unwrap();
    log.sync_if_due().unwrap();
    assert_eq!(syncs(), 0);
    *now.lock().unwrap() = Duration::from_secs(6);
    log.sync_if_due().unwrap();
    assert_eq!(syncs(), 1);
    log.sync().unwrap();
    assert_eq!(syncs(), 1, "there was nothing new");
    log.append(b"body").unwrap();
    drop(log);
    assert_eq!(syncs(), 2);
}
