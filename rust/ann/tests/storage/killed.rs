//! A writer that is really killed, at moments it does not choose.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use inferail_ann::storage::{Directory, Fsync, Options};

use crate::support::{expected, numbered, replayed};

/// The folder of the child, in its environment.
const FOLDER: &str = "INFERAIL_TEST_KILLED_FOLDER";

/// How many changes the child makes in one call.
const BATCH: u64 = 3;

/// Not a test: what the killed process runs. It says each number that was acknowledged.
#[test]
#[ignore = "the process that writer_loses_nothing_acknowledged_when_it_is_killed starts and kills"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let mut directory = open(Path::new(&folder)).directory;
    let mut out = std::io::stdout();
    for round in 1_u64.. {
        let first = directory.sequence() + 1;
        let batch: Vec<_> = (first..first + 1 + round % BATCH).map(numbered).collect();
        let changes: Vec<_> = batch.iter().map(|owned| owned.change()).collect();
        let last = directory.append(&changes).unwrap();
        out.write_all(format!("acknowledged {last}\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
        if round % 40 == 0 {
            let covered = directory.sequence();
            directory
                .snapshot(|writer| {
                    writer
                        .block(0, &[&covered.to_le_bytes(), &[7; 9000]])
                        .map(drop)
                })
                .unwrap();
        }
    }
}

fn open(folder: &Path) -> inferail_ann::storage::Opened {
    let options = Options {
        fsync: Fsync::Never,
        ..Options::default()
    };
    Directory::open(folder, b"killed", options).unwrap()
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["killed::child", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child after it has said so many numbers, and gives the last it said.
fn kill_after(mut child: Child, said: usize) -> Option<u64> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = None;
    let mut note = |line: &str| {
        // The harness says something too, on the same line.
        let number = line
            .split_once("acknowledged ")
            .map(|(_, number)| number.parse());
        // The last line may have been cut by the kill.
        if let Some(Ok(number)) = number {
            last = Some(number);
            return true;
        }
        false
    };
    let mut count = 0;
    while count < said {
        let line = lines
            .next()
            .expect("the child goes on till it is killed")
            .unwrap();
        count += usize::from(note(&line));
    }
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert!(
        ended.code().is_none(),
        "it was killed and did not end by itself: {ended}"
    );
    // What it had said and nobody had read.
    for line in lines.map_while(Result::ok) {
        note(&line);
    }
    last
}

#[test]
fn writer_loses_nothing_acknowledged_when_it_is_killed() {
    let top = tempfile::tempdir().unwrap();
    let (mut known, mut covered, mut torn) = (0, 0, 0);
    for round in 0..60_usize {
        // Spread over a few snapshots; the pipe lets the child run ahead by an unknown way.
        let said = 1 + round * 37 % 150;

        let acknowledged = kill_after(start(top.path()), said).unwrap();

        let opened = open(top.path());
        let snapshot = opened.snapshot.as_ref();
        let begin = snapshot.map_or(0, |snapshot| {
            assert!(snapshot.verify().is_empty());
            let parts = snapshot.block(0).unwrap();
            assert_eq!(parts[0], snapshot.sequence().to_le_bytes());
            snapshot.sequence()
        });
        let last = opened.directory.sequence();
        assert_eq!(
            replayed(&opened.replay),
            expected(begin + 1..=last),
            "round {round}"
        );
        assert!(
            last >= acknowledged,
            "{acknowledged} was acknowledged, {last} is there"
        );
        assert!(
            last <= acknowledged + BATCH + 1,
            "more than the one call under way"
        );
        assert!(acknowledged > known && begin >= covered);
        (known, covered) = (last, begin);
        torn += usize::from(opened.report.cut.is_some());
    }
    assert!(covered > 0, "the child came to its snapshots");
    // The system writes what a call gave it even if the process is gone, so this is rare, not impossible.
    assert!(torn <= 60);
}
