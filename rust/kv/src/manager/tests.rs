//! Random calls, after each of which everything has to fit together, and no prompt may be given another's blocks.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Manager, NO_BLOCK, Opening, Plan, SequenceId};
use crate::Error;
use crate::hash::{Name, Namer};
use crate::settings::{Group, Policy, Settings};
use crate::tiers::{Key, Lower};

const BLOCK_SIZE: usize = 4;

#[derive(Debug, Clone)]
enum Call {
    Open(u8, Vec<u32>),
    Append(usize, Vec<u32>),
    Commit(usize, usize),
    Truncate(usize, usize),
    Fork(usize),
    Release(usize),
    Finish,
    FailLoads,
    Clear,
}

/// Few different tokens, so that prompts have beginnings in common.
fn tokens(longest: usize) -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        prop::collection::vec(0..2_u32, 0..longest),
        (0..longest).prop_map(|length| vec![1; length]),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (0..2_u8, tokens(24)).prop_map(|(tenant, tokens)| Call::Open(tenant, tokens)),
        3 => (any::<usize>(), tokens(7)).prop_map(|(at, tokens)| Call::Append(at, tokens)),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(at, total)| Call::Commit(at, total)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(at, total)| Call::Truncate(at, total)),
        2 => any::<usize>().prop_map(Call::Fork),
        3 => any::<usize>().prop_map(Call::Release),
        1 => Just(Call::Finish),
        1 => Just(Call::FailLoads),
        1 => Just(Call::Clear),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let policies = prop_oneof![
        Just(Policy::Lru),
        Just(Policy::Lfu),
        Just(Policy::Priority),
        Just(Policy::Cost)
    ];
    let window = |window, blocks| Group {
        window: Some(window),
        ..Group::full(blocks)
    };
    // From a pool that is always full to one that never is.
    let blocks = prop_oneof![Just(7), Just(12), Just(40), Just(1000)];
    let groups = blocks.prop_flat_map(move |blocks| {
        prop_oneof![
            4 => Just(vec![Group::full(blocks)]),
            1 => Just(vec![Group::full(blocks), Group::full(blocks + 3)]),
            1 => Just(vec![Group::full(blocks), window(6, blocks)]),
            1 => Just(vec![window(5, blocks)]),
            1 => Just(vec![window(1, blocks), window(9, blocks)]),
        ]
    });
    (policies, groups, any::<bool>(), any::<bool>()).prop_map(
        |(policy, groups, partial, events)| Settings {
            policy,
            groups,
            partial,
            events,
            offload: true,
            ..Settings::new(BLOCK_SIZE, 1)
        },
    )
}

/// Has every third block, and cannot load any.
struct Third;

impl Lower for Third {
    fn contains(&self, key: Key) -> bool {
        key.is_multiple_of(3)
    }

    fn offer(&self, _: Key, _: usize, _: &[u8]) -> bool {
        false
    }

    fn load(&self, _: Key, _: &mut [u8]) -> bool {
        false
    }
}

/// What the test itself knows of a sequence.
#[derive(Clone)]
struct Known {
    id: SequenceId,
    tenant: u8,
    tokens: Vec<u32>,
}

struct World {
    manager: Manager,
    plan: Plan,
    known: Vec<Known>,
    seeds: [Name; 2],
}

impl World {
    fn new(settings: Settings, weak: bool) -> Self {
        let mut namer = Namer::new([7; 16]);
        namer.weak = weak;
        let manager = Manager::with_namer(settings, namer).unwrap();
        Self {
            seeds: [manager.seed(&[b"one"]), manager.seed(&[b"two"])],
            manager,
            plan: Plan::default(),
            known: Vec::new(),
        }
    }

    fn make(&mut self, call: Call) {
        let pick =
            |at: usize, known: &[Known]| (!known.is_empty()).then(|| at % known.len().max(1));
        match call {
            Call::Open(tenant, tokens) => {
                let opening = Opening {
                    seed: Some(self.seeds[tenant as usize]),
                    priority: tokens.len() as u8 % 3,
                    ttl: (tokens.len() % 2 == 0).then_some(3),
                };
                let opened = self
                    .manager
                    .open(&tokens, &opening, Some(&Third), &mut self.plan);
                match opened {
                    Ok(id) => self.known.push(Known { id, tenant, tokens }),
                    Err(error) => assert!(matches!(error, Error::OutOfBlocks { .. }), "{error}"),
                }
            }
            Call::Append(at, tokens) => {
                let Some(at) = pick(at, &self.known) else {
                    return;
                };
                let known = &mut self.known[at];
                if self
                    .manager
                    .append(known.id, &tokens, &mut self.plan)
                    .is_ok()
                {
                    known.tokens.extend(tokens);
                }
            }
            Call::Commit(at, total) => {
                let Some(at) = pick(at, &self.known) else {
                    return;
                };
                let id = self.known[at].id;
                let (written, length) = (
                    self.manager.written(id).unwrap(),
                    self.manager.length(id).unwrap(),
                );
                let total = written + total % (length - written + 1);
                self.manager.commit(id, total).unwrap();
            }
            Call::Truncate(at, length) => {
                let Some(at) = pick(at, &self.known) else {
                    return;
                };
                let known = &mut self.known[at];
                let written = self.manager.written(known.id).unwrap();
                let length = written + length % (known.tokens.len() - written + 1);
                self.manager.truncate(known.id, length).unwrap();
                known.tokens.truncate(length);
            }
            Call::Fork(at) => {
                let Some(at) = pick(at, &self.known) else {
                    return;
                };
                let mut child = self.known[at].clone();
                child.id = self.manager.fork(child.id).unwrap();
                self.known.push(child);
            }
            Call::Release(at) => {
                let Some(at) = pick(at, &self.known) else {
                    return;
                };
                let known = self.known.swap_remove(at);
                self.manager.release(known.id, &mut self.plan).unwrap();
                assert!(matches!(
                    self.manager.release(known.id, &mut self.plan),
                    Err(Error::Released)
                ));
            }
            Call::Finish => self.manager.clear(&mut self.plan),
            Call::FailLoads => {
                let failed: Vec<_> = self.plan.loads.iter().copied().step_by(2).collect();
                // Whoever computes what could not be loaded does it before anybody else can find it.
                self.manager.fail_loads(&failed, &self.plan);
                self.manager.clear(&mut self.plan);
            }
            Call::Clear => self.manager.evict_all(),
        }
    }

    /// A block that two sequences have holds the same tokens of the same tenant, at the same place, and what can be found
    /// says what it holds.
    fn check(&self) {
        self.manager.check_integrity(&self.plan).unwrap();
        let mut content: HashMap<(usize, u32), (u8, &[u32])> = HashMap::new();
        for known in &self.known {
            assert_eq!(self.manager.length(known.id).unwrap(), known.tokens.len());
            assert!(self.manager.cached(known.id).unwrap() <= known.tokens.len());
            for group in 0..self.manager.num_groups() {
                let table = self.manager.table(known.id, group).unwrap();
                assert_eq!(table.len(), known.tokens.len().div_ceil(BLOCK_SIZE));
                for (number, block) in table.iter().enumerate() {
                    if *block == NO_BLOCK {
                        continue;
                    }
                    let end = known.tokens.len().min((number + 1) * BLOCK_SIZE);
                    let all = &known.tokens[..end];
                    let other = content.insert((group, *block), (known.tenant, all));
                    if let Some((tenant, tokens)) = other {
                        // One of them may have been cut, and is copied when it goes on.
                        let both = tokens.len().min(all.len());
                        assert_eq!((tenant, &tokens[..both]), (known.tenant, &all[..both]));
                    }
                    if group == self.manager.lead {
                        let held = self.manager.pools[group].tokens(*block);
                        let row = &all[number * BLOCK_SIZE..];
                        assert_eq!(&held[..row.len()], row);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn everything_fits_together_after_every_call(
        settings in settings(),
        calls in prop::collection::vec(call(), 1..60),
    ) {
        let mut world = World::new(settings, false);
        for (time, call) in calls.into_iter().enumerate() {
            world.manager.set_now(time as u64);
            world.make(call);
            world.check();
        }
    }

    /// Names of two bits: tokens and parents alone keep prompts apart.
    #[test]
    fn prompts_of_equal_names_do_not_share(
        calls in prop::collection::vec(call(), 1..60),
        blocks in prop_oneof![Just(8_usize), Just(100)],
    ) {
        let mut world = World::new(Settings::new(BLOCK_SIZE, blocks), true);
        for call in calls {
            world.make(call);
            world.check();
        }
    }
}
