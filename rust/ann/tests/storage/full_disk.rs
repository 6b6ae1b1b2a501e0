//! A file that the system lets grow no further, as on a full disk.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use inferail_ann::Error;
use inferail_ann::storage::{Directory, Options, Report};

use crate::support::{expected, numbered, replayed};

const FOLDER: &str = "INFERAIL_TEST_FULL_FOLDER";

/// Not a test: what runs under a limit of file sizes. It appends till that is reached, and once more.
#[test]
#[ignore = "the process that folder_is_whole_when_its_disk_is_full starts under a limit"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let path = Path::new(&folder);
    let mut directory = Directory::open(path, b"full", Options::default())
        .unwrap()
        .directory;
    let error = loop {
        let next = numbered(directory.sequence() + 1);
        match directory.append(&[next.change()]) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            &error,
            Error::Io {
                action: "append to",
                ..
            }
        ),
        "{error}"
    );
    let large = numbered(8 * 41);
    assert!(directory.append(&vec![large.change(); 100]).is_err());
    let written = std::fs::metadata(path.join("index.log")).unwrap().len();
    assert_eq!(written, directory.log_bytes());
    let failed = directory.snapshot(|writer| writer.block(0, &[&vec![1; 100_000]]).map(drop));
    assert!(matches!(failed, Err(Error::Io { .. })), "{failed:?}");
    std::fs::write(path.join("acknowledged"), directory.sequence().to_string()).unwrap();
}

#[test]
fn folder_is_whole_when_its_disk_is_full() {
    let top = tempfile::tempdir().unwrap();
    // The signal that comes with the limit is ignored, so that the call fails as on a full disk: some bytes, then none.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" full_disk::child --exact --ignored";

    let ran = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, top.path())
        .output()
        .unwrap();

    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stdout)
    );
    let acknowledged = std::fs::read_to_string(top.path().join("acknowledged")).unwrap();
    let acknowledged: u64 = acknowledged.parse().unwrap();
    assert!(acknowledged > 50);
    let mut opened = Directory::open(top.path(), b"full", Options::default()).unwrap();
    assert_eq!(opened.report, Report::default());
    assert_eq!(replayed(&opened.replay), expected(1..=acknowledged));
    let next = numbered(acknowledged + 1);
    assert_eq!(
        opened.directory.append(&[next.change()]).unwrap(),
        acknowledged + 1
    );
}
