//! Tiers: what is kept, what is given up, and that nothing damaged is ever given back.
#![expect(clippy::unwrap_used, reason = "what cannot fail here ends the test")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use inferail_kv::Error;
use inferail_kv::store::{Format, Layout};
use inferail_kv::tiers::{Disk, Host, Lower, Options, Tiers};
use proptest::prelude::*;

const LAYOUT: Layout = Layout {
    layers: 1,
    kv_heads: 1,
    head_dim: 8,
    block_size: 4,
    blocks: 100,
    format: Format::F32,
};
/// 2 · 4 · 8 numbers.
const BLOCK: usize = 256;
const KEY: [u8; 16] = [7; 16];
const SLOT: u64 = 4096;

fn name(number: u128) -> u128 {
    (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}

fn block(number: u128) -> Vec<u8> {
    let byte = |place: usize| (name(number).rotate_left(place as u32 % 128) ^ place as u128) as u8;
    (0..BLOCK).map(byte).collect()
}

fn disk(folder: &Path, blocks: u64) -> Disk {
    let options = Options::new(4096 + blocks * SLOT);
    Disk::open(folder, &LAYOUT, options, KEY).unwrap()
}

fn host(blocks: u64) -> Host {
    Host::new(Options::new(blocks * 416), BLOCK).unwrap()
}

fn load(tier: &dyn Lower, number: u128) -> Option<Vec<u8>> {
    let mut bytes = vec![0; BLOCK];
    tier.load(name(number), &mut bytes).then_some(bytes)
}

fn offer(tier: &dyn Lower, number: u128) -> bool {
    tier.offer(name(number), 4, &block(number))
}

#[test]
fn a_full_tier_gives_up_what_was_used_longest_ago() {
    let folder = tempfile::tempdir().unwrap();
    let tiers: [&dyn Lower; 2] = [&host(3), &disk(&folder.path().join("tier"), 3)];
    for tier in tiers {
        for number in 0..3 {
            assert!(offer(tier, number));
        }
        assert!(load(tier, 0).is_some());

        assert!(offer(tier, 3));
        // Asked for twice, as the one it replaces.
        offer(tier, 4);

        assert_eq!(load(tier, 0), Some(block(0)));
        assert!(!tier.contains(name(1)));
    }
}

#[test]
fn admission_refuses_what_is_rarer_and_can_be_off() {
    for (admission, kept) in [(true, true), (false, false)] {
        let options = Options {
            admission,
            ..Options::new(416)
        };
        let host = Host::new(options, BLOCK).unwrap();
        offer(&host, 0);
        load(&host, 0);
        load(&host, 0);

        assert_eq!(offer(&host, 1), !kept);

        assert_eq!(host.contains(name(0)), kept);
        assert_eq!(host.stats().refused, u64::from(kept));
    }
}

#[test]
fn a_tier_with_room_takes_everything_and_one_alike_is_taken() {
    let host = host(2);

    assert!((0..50).all(|number| offer(&host, number)));

    assert_eq!(host.stats().blocks, 2);
    assert_eq!(host.stats().evicted, 48);
}

#[test]
fn low_priority_goes_first_and_never_replaces_high() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(2);
    let disk = disk(&folder.path().join("tier"), 2);
    let offer_host = |number, priority| host.offer_with(name(number), 4, &block(number), priority);
    let offer_disk = |number, priority| disk.offer_with(name(number), 4, &block(number), priority);
    for offer in [&offer_host as &dyn Fn(u128, u8) -> bool, &offer_disk] {
        assert!(offer(0, 200) && offer(1, 10));
        assert!(!offer(2, 5));
        assert!(offer(3, 20));
    }

    for tier in [&host as &dyn Lower, &disk] {
        assert!(tier.contains(name(0)) && tier.contains(name(3)) && !tier.contains(name(1)));
    }
}

#[test]
fn blocks_outlive_the_process_and_their_secret_too() {
    let folder = tempfile::tempdir().unwrap();
    let first = disk(&folder.path().join("tier"), 5);
    for number in 0..4 {
        assert!(offer(&first, number));
    }
    first.sync().unwrap();
    drop(first);

    let second = Disk::open(
        &folder.path().join("tier"),
        &LAYOUT,
        Options::new(1 << 20),
        [9; 16],
    )
    .unwrap();

    assert_eq!(second.chain_key(), KEY);
    for number in 0..4 {
        assert_eq!(load(&second, number), Some(block(number)));
    }
    assert_eq!(load(&second, 4), None);
}

#[test]
fn a_smaller_bound_keeps_what_fits() {
    let folder = tempfile::tempdir().unwrap();
    let first = disk(&folder.path().join("tier"), 6);
    for number in 0..6 {
        offer(&first, number);
    }
    drop(first);

    let second = disk(&folder.path().join("tier"), 2);

    assert_eq!(second.stats().blocks, 2);
    assert!(fs::metadata(second.path()).unwrap().len() <= 4096 + 2 * SLOT);
    let found = (0..6).filter_map(|number| load(&second, number).map(|it| (it, block(number))));
    assert_eq!(found.filter(|(got, want)| got == want).count(), 2);
}

#[test]
fn any_flipped_byte_of_a_block_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let first = disk(&folder.path().join("tier"), 2);
    offer(&first, 0);
    offer(&first, 1);
    let path = first.path().to_owned();
    drop(first);
    let good = fs::read(&path).unwrap();
    // The first block lies in the first slot or in the second.
    let slot = (4096..good.len()).step_by(SLOT as usize);
    let slot = slot
        .into_iter()
        .find(|at| good[at + 64..][..BLOCK] == block(0)[..])
        .unwrap();

    // 61 bytes of the head are used; what is behind them is checked as well.
    for place in slot..slot + 64 + BLOCK {
        let mut bad = good.clone();
        bad[place] ^= 1 << (place % 8);
        fs::write(&path, bad).unwrap();

        let disk = disk(&folder.path().join("tier"), 2);

        assert_eq!(load(&disk, 0), None, "byte {}", place - slot);
        assert_eq!(load(&disk, 0), None);
        assert_eq!(load(&disk, 1), Some(block(1)));
    }
}

#[test]
fn a_byte_that_flips_while_the_tier_is_open_is_a_miss_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(&folder.path().join("tier"), 1);
    offer(&disk, 0);
    let mut bytes = fs::read(disk.path()).unwrap();
    bytes[4096 + 64 + 17] ^= 0x40;
    fs::write(disk.path(), bytes).unwrap();

    assert_eq!(load(&disk, 0), None);

    assert!(!disk.contains(name(0)));
    assert_eq!((disk.stats().corrupt, disk.stats().misses), (1, 1));
    assert!(offer(&disk, 1));
    assert_eq!(load(&disk, 1), Some(block(1)));
}

#[test]
fn a_truncated_file_loses_what_is_cut_off_alone() {
    for length in [
        4096,
        4096 + 10,
        4096 + 64 + 100,
        4096 + 64 + 256,
        4096 + SLOT + 63,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let first = disk(&folder.path().join("tier"), 3);
        for number in 0..3 {
            offer(&first, number);
        }
        let path = first.path().to_owned();
        drop(first);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length)
            .unwrap();

        let second = disk(&folder.path().join("tier"), 3);

        let found = (0..3)
            .filter(|number| load(&second, *number).is_some())
            .count();
        assert_eq!(
            found,
            usize::from(length >= 4096 + 64 + 256),
            "{length} bytes"
        );
        assert!((0..3).all(|number| load(&second, number).is_none_or(|it| it == block(number))));
        assert!((0..3).all(|number| offer(&second, number) && load(&second, number).is_some()));
    }
}

#[test]
fn a_file_that_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = disk(&folder.path().join("tier"), 3).path().to_owned();
    let open = |layout: &Layout| {
        Disk::open(
            &folder.path().join("tier"),
            layout,
            Options::new(1 << 20),
            KEY,
        )
    };
    for (layout, word) in [
        (
            Layout {
                format: Format::Bf16,
                ..LAYOUT
            },
            "bfloat16",
        ),
        (
            Layout {
                layers: 2,
                ..LAYOUT
            },
            "layers 1",
        ),
        (
            Layout {
                kv_heads: 2,
                ..LAYOUT
            },
            "kv_heads",
        ),
        (
            Layout {
                head_dim: 16,
                ..LAYOUT
            },
            "head_dim",
        ),
        (
            Layout {
                block_size: 8,
                ..LAYOUT
            },
            "block_size",
        ),
    ] {
        let error = open(&layout).unwrap_err();
        assert!(matches!(error, Error::Format { .. }));
        assert!(error.to_string().contains(word) && error.to_string().contains("blocks.irkv"));
    }
    // The number of blocks may change.
    assert!(
        open(&Layout {
            blocks: 7,
            ..LAYOUT
        })
        .is_ok()
    );
    let good = fs::read(&path).unwrap();
    for place in 0..76 {
        let mut bad = good.clone();
        bad[place] ^= 0x10;
        fs::write(&path, bad).unwrap();
        assert!(
            matches!(open(&LAYOUT), Err(Error::Format { .. })),
            "byte {place}"
        );
    }
    fs::write(&path, &good[..100]).unwrap();
    assert!(matches!(open(&LAYOUT), Err(Error::Format { .. })));
}

#[test]
fn a_folder_is_one_tier_s_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = disk(&folder.path().join("tier"), 3);

    let second = Disk::open(
        &folder.path().join("tier"),
        &LAYOUT,
        Options::new(1 << 20),
        KEY,
    );

    assert!(matches!(second, Err(Error::Locked { .. })));
    drop(first);
    disk(&folder.path().join("tier"), 3);
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_read_is_refused_and_a_new_one_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("tier");
    drop(disk(&new, 1));
    assert_eq!(
        fs::metadata(&new).unwrap().permissions().mode() & 0o777,
        0o700
    );
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();

    let error = Disk::open(&new, &LAYOUT, Options::new(1 << 20), KEY).unwrap_err();

    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn too_little_room_is_refused() {
    let folder = tempfile::tempdir().unwrap();

    assert!(Host::new(Options::new(415), BLOCK).is_err());
    assert!(
        Disk::open(
            &folder.path().join("tier"),
            &LAYOUT,
            Options::new(8191),
            KEY
        )
        .is_err()
    );
}

#[test]
fn what_memory_gives_up_is_found_on_disk_and_saved_blocks_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let tiers = Tiers::new(Some(host(2)), Some(disk(&folder.path().join("tier"), 10)));
    for number in 0..5 {
        assert!(offer(&tiers, number));
    }

    for number in 0..5 {
        assert_eq!(load(&tiers, number), Some(block(number)));
    }
    let stats = tiers.stats();
    assert_eq!(stats.host.unwrap().blocks, 2);
    assert_eq!(stats.disk.unwrap().blocks, 3);
    tiers.save().unwrap();
    drop(tiers);

    let tiers = Tiers::new(None, Some(disk(&folder.path().join("tier"), 10)));
    for number in 0..5 {
        assert_eq!(load(&tiers, number), Some(block(number)));
    }
}

#[test]
fn a_block_that_is_slower_to_load_than_to_compute_is_computed_but_for_trials() {
    let tiers = Tiers::new(Some(host(2)), None);
    assert!(!tiers.should_load(name(0), 4, 1.0));
    offer(&tiers, 0);
    // Nothing is measured yet.
    assert!(tiers.should_load(name(0), 4, 0.0));
    load(&tiers, 0);

    assert!(tiers.should_load(name(0), 4, 1.0));
    let loads = (0..640)
        .filter(|_| tiers.should_load(name(0), 4, 0.0))
        .count();

    assert_eq!(loads, 10);
    assert_eq!(tiers.stats().recomputed, 640);
}

#[derive(Debug, Clone)]
enum Step {
    Offer(u128, u8),
    Load(u128),
    Reopen,
    Save,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..24_u128, 0..3_u8).prop_map(|(number, priority)| Step::Offer(number, priority)),
        5 => (0..24_u128).prop_map(Step::Load),
        1 => Just(Step::Reopen),
        1 => Just(Step::Save),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tiers_give_back_what_they_were_given_or_nothing(
        steps in steps(),
        host_blocks in 0..6_u64,
        disk_blocks in 1..9_u64,
        admission in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let host = (host_blocks > 0).then(|| {
                let options = Options { admission, ..Options::new(host_blocks * 416) };
                Host::new(options, BLOCK).unwrap()
            });
            let options = Options { admission, ..Options::new(4096 + disk_blocks * SLOT) };
            Tiers::new(host, Some(Disk::open(&folder.path().join("tier"), &LAYOUT, options, KEY).unwrap()))
        };
        let mut tiers = open();
        let mut twin: HashMap<u128, Vec<u8>> = HashMap::new();
        for step in steps {
            match step {
                Step::Offer(number, priority) => {
                    if tiers.offer_with(name(number), 4, &block(number), priority) {
                        prop_assert!(tiers.contains(name(number)));
                        twin.insert(number, block(number));
                    }
                }
                Step::Load(number) => {
                    let there = tiers.contains(name(number));
                    let found = load(&tiers, number);
                    prop_assert_eq!(found.is_some(), there);
                    if let Some(found) = found {
                        prop_assert_eq!(Some(&found), twin.get(&number));
                    }
                }
                Step::Reopen => {
                    drop(tiers);
                    tiers = open();
                }
                Step::Save => tiers.save().unwrap(),
            }
            let stats = tiers.stats();
            prop_assert!(stats.host.is_none_or(|host| host.bytes <= host.capacity));
            prop_assert!(stats.disk.is_some_and(|disk| disk.bytes <= disk.capacity && disk.corrupt == 0));
        }
    }
}

#[test]
fn threads_that_share_a_tier_never_see_another_s_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let tiers = Tiers::new(Some(host(3)), Some(disk(&folder.path().join("tier"), 6)));
    std::thread::scope(|scope| {
        for thread in 0..4_u128 {
            let tiers = &tiers;
            scope.spawn(move || {
                for round in 0..200_u128 {
                    let number = (round * 7 + thread * 3) % 12;
                    offer(tiers, number);
                    let other = (round * 5 + thread) % 12;
                    assert!(load(tiers, other).is_none_or(|it| it == block(other)));
                }
            });
        }
    });
    let stats = tiers.stats();
    assert!(stats.disk.unwrap().blocks <= 6 && stats.host.unwrap().blocks <= 3);
    assert_eq!(stats.disk.unwrap().corrupt, 0);
}
