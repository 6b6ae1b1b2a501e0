//! What a manager does to block tables, case by case.

use inferail_kv::manager::NO_BLOCK;
use inferail_kv::tiers::{Key, Lower};
use inferail_kv::{Error, Group, Manager, Opening, Plan, Policy, SequenceId, Settings};

fn tokens(from: u32, count: u32) -> Vec<u32> {
    (from..from + count).collect()
}

fn small(blocks: usize) -> Manager {
    Manager::new(Settings::new(4, blocks)).unwrap()
}

fn open(manager: &mut Manager, tokens: &[u32], plan: &mut Plan) -> SequenceId {
    manager
        .open(tokens, &Opening::default(), None, plan)
        .unwrap()
}

/// Opens, computes and ends a prompt.
fn pass(manager: &mut Manager, tokens: &[u32], opening: Opening) -> usize {
    let mut plan = Plan::default();
    let id = manager.open(tokens, &opening, None, &mut plan).unwrap();
    manager.clear(&mut plan);
    let cached = manager.cached(id).unwrap();
    manager.commit(id, tokens.len()).unwrap();
    manager.release(id, &mut plan).unwrap();
    manager.check_integrity(&plan).unwrap();
    cached
}

#[test]
fn committed_blocks_are_found_and_others_are_not() {
    let mut manager = small(16);
    let mut plan = Plan::default();
    let first = open(&mut manager, &tokens(0, 10), &mut plan);
    let early = open(&mut manager, &tokens(0, 10), &mut plan);
    assert_eq!(manager.cached(early).unwrap(), 0);

    manager.commit(first, 6).unwrap();
    let second = open(&mut manager, &tokens(0, 10), &mut plan);

    assert_eq!(manager.cached(second).unwrap(), 4);
    let (first, second) = (manager.table(first, 0), manager.table(second, 0));
    assert_eq!(first.unwrap()[0], second.unwrap()[0]);
    manager.check_integrity(&plan).unwrap();
}

#[test]
fn last_token_is_always_left_to_compute_and_the_slots_before_it_are_copied() {
    let mut manager = small(16);
    pass(&mut manager, &tokens(0, 8), Opening::default());
    let mut plan = Plan::default();

    let id = open(&mut manager, &tokens(0, 8), &mut plan);

    assert_eq!(manager.cached(id).unwrap(), 7);
    assert_eq!(plan.copies.len(), 1);
    assert_eq!(plan.copies[0].slots, 3);
    assert_eq!(plan.copies[0].to, manager.table(id, 0).unwrap()[1]);
}

#[test]
fn common_slots_are_copied_where_prompts_part() {
    let mut manager = small(16);
    pass(&mut manager, &tokens(0, 8), Opening::default());
    let mut plan = Plan::default();

    let id = open(&mut manager, &[0, 1, 2, 3, 4, 5, 99, 98, 97], &mut plan);

    assert_eq!(manager.cached(id).unwrap(), 6);
    assert_eq!(plan.copies[0].slots, 2);
    manager.check_integrity(&plan).unwrap();
    manager.clear(&mut plan);
    manager.check_integrity(&plan).unwrap();
}

#[test]
fn equal_blocks_become_one_when_they_are_committed() {
    let mut manager = small(16);
    let mut plan = Plan::default();
    let one = open(&mut manager, &tokens(0, 9), &mut plan);
    let other = open(&mut manager, &tokens(0, 9), &mut plan);
    assert_eq!(manager.stats().free, 10);

    manager.commit(one, 9).unwrap();
    manager.commit(other, 9).unwrap();

    assert_eq!(manager.stats().duplicates, 2);
    assert_eq!(manager.stats().free, 12);
    assert_eq!(
        manager.table(one, 0).unwrap()[..2],
        manager.table(other, 0).unwrap()[..2]
    );
    manager.check_integrity(&plan).unwrap();
}

#[test]
fn forks_share_blocks_until_one_writes_into_the_last() {
    let mut manager = small(16);
    let mut plan = Plan::default();
    let parent = open(&mut manager, &tokens(0, 6), &mut plan);
    let child = manager.fork(parent).unwrap();
    assert_eq!(
        manager.table(parent, 0).unwrap(),
        manager.table(child, 0).unwrap()
    );

    manager.append(child, &[50], &mut plan).unwrap();
    manager.append(parent, &[60], &mut plan).unwrap();

    let (one, other) = (
        manager.table(parent, 0).unwrap(),
        manager.table(child, 0).unwrap(),
    );
    assert_eq!(one[0], other[0]);
    assert_ne!(one[1], other[1]);
    assert_eq!(
        plan.copies.len(),
        1,
        "the last user of a block needs no copy"
    );
    manager.check_integrity(&plan).unwrap();
}

#[test]
fn prompts_of_two_tenants_never_share() {
    let mut manager = small(64);
    let parts: [&[&[u8]]; 5] = [
        &[],
        &[b"one", b""],
        &[b"two", b""],
        &[b"", b"one"],
        &[b"one", b"", b"image"],
    ];

    for part in parts {
        let seed = (!part.is_empty()).then(|| manager.seed(part));
        let opening = Opening {
            seed,
            ..Opening::default()
        };
        assert_eq!(pass(&mut manager, &tokens(0, 12), opening), 0);
        assert_eq!(pass(&mut manager, &tokens(0, 12), opening), 11);
    }
}

#[test]
fn oldest_leaf_goes_first_and_its_parents_after_it() {
    let mut manager = small(4);
    pass(&mut manager, &tokens(0, 8), Opening::default());
    pass(&mut manager, &tokens(100, 4), Opening::default());
    let mut plan = Plan::default();

    // One block is free; the second one evicts the second block of the first prompt.
    let id = open(&mut manager, &tokens(200, 5), &mut plan);

    let probe = manager.open(&tokens(0, 1), &Opening::default(), None, &mut plan);
    assert!(probe.is_ok(), "evicts the first block of the first prompt");
    assert_eq!(manager.stats().evictions, 2);
    manager.release(probe.unwrap(), &mut plan).unwrap();
    manager.release(id, &mut plan).unwrap();
    assert_eq!(pass(&mut manager, &tokens(100, 5), Opening::default()), 4);
}

#[test]
fn pool_that_is_in_use_says_how_much_is_missing_and_changes_nothing() {
    let mut manager = small(4);
    let mut plan = Plan::default();
    let id = open(&mut manager, &tokens(0, 8), &mut plan);

    let refused = manager.open(&tokens(50, 12), &Opening::default(), None, &mut plan);

    let Err(Error::OutOfBlocks {
        needed: 3,
        free: 2,
        total: 4,
    }) = refused
    else {
        panic!("{refused:?}");
    };
    let refused = manager.append(id, &tokens(0, 13), &mut plan);
    assert!(matches!(refused, Err(Error::OutOfBlocks { needed: 4, .. })));
    assert_eq!(manager.length(id).unwrap(), 8);
    manager.check_integrity(&plan).unwrap();
}

#[test]
fn ended_sequence_is_refused_even_when_its_place_is_used_again() {
    let mut manager = small(4);
    let mut plan = Plan::default();
    let id = open(&mut manager, &tokens(0, 4), &mut plan);
    manager.release(id, &mut plan).unwrap();
    open(&mut manager, &tokens(0, 4), &mut plan);

    assert!(matches!(
        manager.release(id, &mut plan),
        Err(Error::Released)
    ));
    assert!(matches!(manager.commit(id, 4), Err(Error::Released)));
    assert!(matches!(
        manager.append(id, &[1], &mut plan),
        Err(Error::Released)
    ));
}

#[test]
fn ids_beyond_the_vocabulary_are_refused() {
    let mut settings = Settings::new(4, 4);
    settings.vocabulary = Some(100);
    let mut manager = Manager::new(settings).unwrap();

    let refused = manager.open(&[1, 100], &Opening::default(), None, &mut Plan::default());

    assert!(matches!(
        refused,
        Err(Error::Token {
            position: 1,
            value: 100,
            vocabulary: 100
        })
    ));
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings::new(16, 100);
        change(&mut settings);
        Manager::new(settings)
    };

    assert!(with(|_| ()).is_ok());
    assert!(matches!(
        with(|s| s.block_size = 0),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        with(|s| s.groups.clear()),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        with(|s| s.groups[0].blocks = 0),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        with(|s| s.groups[0].window = Some(0)),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        with(|s| (s.groups[0].blocks, s.block_size) = ((1 << 31) - 2, 65_536)),
        Err(Error::Memory { .. })
    ));
}

#[test]
fn priority_keeps_a_prompt_until_its_time_is_over() {
    let mut settings = Settings::new(4, 4);
    settings.policy = Policy::Priority;
    let mut manager = Manager::new(settings).unwrap();
    let important = Opening {
        priority: 9,
        ttl: Some(1000),
        ..Opening::default()
    };
    let mut cached_after = |milliseconds| {
        manager.set_now(milliseconds);
        pass(&mut manager, &tokens(0, 5), important);
        for other in 1..4 {
            pass(&mut manager, &tokens(other * 100, 8), Opening::default());
        }
        pass(&mut manager, &tokens(0, 5), Opening::default())
    };

    assert_eq!(cached_after(10), 4);

    manager.set_now(2000);
    for other in 4..7 {
        pass(&mut manager, &tokens(other * 100, 8), Opening::default());
    }
    assert_eq!(pass(&mut manager, &tokens(0, 5), Opening::default()), 0);
}

#[test]
fn often_found_and_costly_blocks_stay() {
    for policy in [Policy::Lfu, Policy::Cost] {
        let mut settings = Settings::new(4, 4);
        settings.policy = policy;
        let mut manager = Manager::new(settings).unwrap();
        for _ in 0..3 {
            pass(&mut manager, &tokens(0, 5), Opening::default());
        }
        for other in 1..4 {
            pass(&mut manager, &tokens(other * 100, 5), Opening::default());
        }

        assert_eq!(
            pass(&mut manager, &tokens(0, 5), Opening::default()),
            4,
            "{policy:?}"
        );
    }
}

#[test]
fn window_gives_back_what_its_layers_will_not_see_again() {
    let mut settings = Settings::new(4, 16);
    settings.groups = vec![
        Group::full(16),
        Group {
            window: Some(6),
            ..Group::full(8)
        },
    ];
    let mut manager = Manager::new(settings).unwrap();
    let mut plan = Plan::default();
    let id = open(&mut manager, &tokens(0, 20), &mut plan);

    manager.commit(id, 17).unwrap();

    // Token 17 looks at 12 and later: blocks 0 to 2 are not needed.
    assert!(!manager.table(id, 0).unwrap().contains(&NO_BLOCK));
    let table = manager.table(id, 1).unwrap();
    assert_eq!(table.iter().filter(|block| **block == NO_BLOCK).count(), 3);
    manager.check_integrity(&plan).unwrap();
    manager.release(id, &mut plan).unwrap();

    let again = open(&mut manager, &tokens(0, 20), &mut plan);
    assert_eq!(manager.cached(again).unwrap(), 16);
    assert_eq!(manager.table(again, 1).unwrap()[..2], [NO_BLOCK, NO_BLOCK]);
    assert_eq!(manager.table(again, 1).unwrap().len(), 5);
    manager.check_integrity(&plan).unwrap();
}

#[test]
fn prompt_is_as_long_as_every_group_has_it() {
    let mut settings = Settings::new(4, 16);
    settings.groups = vec![
        Group::full(16),
        Group {
            window: Some(6),
            ..Group::full(5)
        },
    ];
    let mut manager = Manager::new(settings).unwrap();
    pass(&mut manager, &tokens(0, 20), Opening::default());
    // Takes every block of the small pool.
    pass(&mut manager, &tokens(100, 20), Opening::default());

    assert_eq!(pass(&mut manager, &tokens(0, 20), Opening::default()), 0);
}

#[test]
fn cache_of_windows_alone_finds_its_prompts() {
    let mut settings = Settings::new(4, 8);
    settings.groups[0].window = Some(8);
    let mut manager = Manager::new(settings).unwrap();

    assert_eq!(pass(&mut manager, &tokens(0, 17), Opening::default()), 0);
    assert_eq!(pass(&mut manager, &tokens(0, 17), Opening::default()), 16);
    assert_eq!(pass(&mut manager, &tokens(1, 17), Opening::default()), 0);
}

/// Has everything, and nothing that can be read.
struct Everything;

impl Lower for Everything {
    fn contains(&self, _: Key) -> bool {
        true
    }

    fn offer(&self, _: Key, _: usize, _: &[u8]) -> bool {
        true
    }

    fn load(&self, _: Key, _: &mut [u8]) -> bool {
        false
    }
}

#[test]
fn blocks_of_a_tier_are_loaded_and_failed_loads_are_a_miss_for_everyone() {
    let mut manager = small(16);
    let mut plan = Plan::default();
    let opening = Opening::default();
    let one = manager
        .open(&tokens(0, 14), &opening, Some(&Everything), &mut plan)
        .unwrap();
    let other = manager
        .open(&tokens(0, 10), &opening, None, &mut plan)
        .unwrap();
    assert_eq!(plan.loads.len(), 3);
    assert_eq!(
        (manager.cached(one).unwrap(), manager.cached(other).unwrap()),
        (12, 9)
    );

    let failed = [plan.loads[1]];
    assert_eq!(manager.fail_loads(&failed, &plan), 2);
    manager.check_integrity(&plan).unwrap();
    manager.clear(&mut plan);

    assert_eq!(
        (manager.cached(one).unwrap(), manager.cached(other).unwrap()),
        (4, 4)
    );
    manager.commit(one, 14).unwrap();
    manager.commit(other, 10).unwrap();
    manager.check_integrity(&plan).unwrap();
}

#[test]
fn evicted_blocks_are_offered_before_others_are_written_over_them() {
    let mut settings = Settings::new(4, 4);
    settings.offload = true;
    settings.events = true;
    let mut manager = Manager::new(settings).unwrap();
    pass(&mut manager, &tokens(0, 16), Opening::default());
    let mut plan = Plan::default();

    open(&mut manager, &tokens(100, 8), &mut plan);

    assert_eq!(plan.offloads.len(), 2);
    assert_eq!(manager.take_events().len(), 4 + 2);
    assert!(manager.take_events().is_empty());
}

#[test]
fn draft_that_was_rejected_is_forgotten() {
    let mut manager = small(8);
    let mut plan = Plan::default();
    let id = open(&mut manager, &tokens(0, 6), &mut plan);
    manager.commit(id, 6).unwrap();
    manager.append(id, &tokens(50, 6), &mut plan).unwrap();

    manager.truncate(id, 7).unwrap();

    assert_eq!(manager.table(id, 0).unwrap().len(), 2);
    assert!(matches!(manager.truncate(id, 5), Err(Error::Commit { .. })));
    manager.check_integrity(&plan).unwrap();
}
