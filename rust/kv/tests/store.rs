//! The store in memory: what is written, moved and attended to, against obvious twins.
#![expect(clippy::unwrap_used, reason = "what cannot fail here ends the test")]

use inferail_kv::Error;
use inferail_kv::store::{Attention, Batch, Cpu, Format, Layout, Row, Scaling, Store};
use proptest::prelude::*;

fn layout(format: Format) -> Layout {
    Layout {
        layers: 2,
        kv_heads: 2,
        head_dim: 16,
        block_size: 4,
        blocks: 8,
        format,
    }
}

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let one = |place: usize| {
        let mut state = seed ^ (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for _ in 0..3 {
            state = (state ^ state >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        }
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(one).collect()
}

fn gather(store: &Cpu, layer: usize, table: &[u32], tokens: usize) -> (Vec<f32>, Vec<f32>) {
    let width = store.layout().kv_heads * store.layout().head_dim;
    let (mut keys, mut values) = (
        vec![f32::NAN; tokens * width],
        vec![f32::NAN; tokens * width],
    );
    store
        .gather(layer, table, tokens, &mut keys, &mut values)
        .unwrap();
    (keys, values)
}

#[test]
fn a_layout_knows_its_bytes() {
    let sizes = layout(Format::Int8).sizes().unwrap();

    // 2 · 2 · 4 · 16 numbers and 2 · 2 · 4 scales are 320 bytes.
    assert_eq!(sizes.page, 320);
    assert_eq!(sizes.block, 640);
    assert_eq!(sizes.layer, 2560);
    assert_eq!(sizes.store, 5120);
}

#[test]
fn a_layout_that_means_nothing_is_refused() {
    let good = layout(Format::F32);
    for bad in [
        Layout { layers: 0, ..good },
        Layout {
            kv_heads: 0,
            ..good
        },
        Layout {
            head_dim: 12,
            ..good
        },
        Layout {
            head_dim: 0,
            ..good
        },
        Layout {
            block_size: 0,
            ..good
        },
        Layout { blocks: 0, ..good },
        Layout {
            blocks: 1 << 31,
            ..good
        },
    ] {
        assert!(
            matches!(Cpu::new(bad), Err(Error::Parameter { .. })),
            "{bad:?}"
        );
    }
    for huge in [
        Layout {
            layers: usize::MAX / 8,
            ..good
        },
        Layout {
            kv_heads: usize::MAX,
            ..good
        },
        Layout {
            head_dim: usize::MAX - 7,
            ..good
        },
    ] {
        assert!(
            matches!(Cpu::new(huge), Err(Error::Memory { .. })),
            "{huge:?}"
        );
    }
}

#[test]
fn a_cache_larger_than_memory_is_refused_before_it_is_made() {
    let large = Layout {
        blocks: 1 << 30,
        ..layout(Format::F32)
    };
    assert!(matches!(Cpu::new(large), Err(Error::Memory { .. })));

    let bytes = layout(Format::F32).sizes().unwrap().store;
    assert!(Cpu::within(layout(Format::F32), Some(bytes)).is_ok());
    let error = Cpu::within(layout(Format::F32), Some(bytes - 1)).unwrap_err();
    assert!(error.to_string().contains(&bytes.to_string()), "{error}");
}

#[test]
fn a_large_pool_costs_nothing_until_it_is_used() {
    let large = Layout {
        blocks: 100_000,
        layers: 8,
        ..layout(Format::F32)
    };
    let before = resident();

    let store = Cpu::within(large, None).unwrap();

    assert!(store.sizes().store > 800_000_000);
    assert!(resident() < before + 100_000_000);
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .unwrap();
    kibibytes * 1024
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let store = Cpu::new(layout(Format::F32)).unwrap();
    let row = numbers(1, 64);
    let row = Row::F32(&row);
    let before = gather(&store, 0, &[0, 1], 8);

    let beyond = store.write(0, &[0, 32], row, row);
    let short = store.write(0, &[0], row, row);
    let layer = store.write(2, &[0, 1], row, row);

    assert!(matches!(
        beyond,
        Err(Error::Parameter { name: "slots", .. })
    ));
    assert!(matches!(short, Err(Error::Length { name: "keys", .. })));
    assert!(matches!(layer, Err(Error::Parameter { name: "layer", .. })));
    assert_eq!(gather(&store, 0, &[0, 1], 8), before);
    assert!(matches!(
        store.copy_slots(0, 8, 1),
        Err(Error::Block { block: 8, .. })
    ));
    assert!(matches!(
        store.copy_slots(0, 1, 5),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        store.read_block(0, &mut [0; 3]),
        Err(Error::Length { .. })
    ));
    assert!(matches!(
        store.write_block(9, &[]),
        Err(Error::Block { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tokens_are_where_slots_say(
        format in prop::sample::select(&Format::ALL),
        writes in prop::collection::vec((-1..32_i64, any::<u64>()), 1..60),
    ) {
        // A float comes back from bf16 as it was if it was one.
        let store = Cpu::new(layout(format)).unwrap();
        let mut twin = vec![0_u64; 32];
        for chunk in writes.chunks(7) {
            let slots: Vec<i64> = chunk.iter().map(|(slot, _)| *slot).collect();
            let rows: Vec<f32> = chunk.iter().flat_map(|(_, seed)| numbers(*seed, 32)).collect();
            store.write(1, &slots, Row::F32(&rows), Row::F32(&rows)).unwrap();
            for (slot, seed) in chunk {
                if let Ok(slot) = usize::try_from(*slot) {
                    twin[slot] = *seed;
                }
            }
        }

        let (keys, values) = gather(&store, 1, &[0, 1, 2, 3, 4, 5, 6, 7], 32);

        prop_assert_eq!(&keys, &values);
        for (slot, seed) in twin.into_iter().enumerate() {
            let written = writes.iter().any(|(at, _)| *at == slot as i64);
            let want = if written { numbers(seed, 32) } else { vec![0.0; 32] };
            for (got, want) in keys[slot * 32..].iter().zip(want) {
                prop_assert!((got - want).abs() <= 0.064, "{} for {}", got, want);
            }
        }
        let other = gather(&store, 0, &[0, 1, 2, 3, 4, 5, 6, 7], 32);
        prop_assert!(other.0.iter().all(|it| *it == 0.0));
    }

    #[test]
    fn copied_slots_and_moved_blocks_are_the_same_bytes(
        format in prop::sample::select(&Format::ALL),
        moves in prop::collection::vec((0..8_u32, 0..8_u32, 0..5_usize, any::<bool>()), 1..20),
    ) {
        let store = Cpu::new(layout(format)).unwrap();
        let all: Vec<i64> = (0..32).collect();
        let table = [0, 1, 2, 3, 4, 5, 6, 7];
        for layer in 0..2 {
            let (keys, values) = (numbers(layer, 1024), numbers(9 + layer, 1024));
            store.write(layer as usize, &all, Row::F32(&keys), Row::F32(&values)).unwrap();
        }
        let mut twins: Vec<_> = (0..2).map(|layer| gather(&store, layer, &table, 32)).collect();
        let mut bytes = vec![0; store.sizes().block];
        for (from, to, slots, whole) in moves {
            let count = if whole { 4 } else { slots };
            if whole {
                store.read_block(from, &mut bytes).unwrap();
                store.write_block(to, &bytes).unwrap();
            } else {
                store.copy_slots(from, to, slots).unwrap();
            }
            let (from, to) = (from as usize * 128, to as usize * 128);
            for (keys, values) in &mut twins {
                keys.copy_within(from..from + count * 32, to);
                values.copy_within(from..from + count * 32, to);
            }
        }

        for (layer, twin) in twins.iter().enumerate() {
            prop_assert_eq!(&gather(&store, layer, &table, 32), twin);
        }
    }
}

/// Attention of one head in float64 over what `gather` gives.
fn exact(
    store: &Cpu,
    table: &[u32],
    seen: std::ops::Range<usize>,
    head: usize,
    query: &[f32],
    scale: f64,
) -> Vec<f64> {
    let (keys, values) = gather(store, 0, table, seen.end);
    let dim = query.len();
    let place = |token: usize| (token * store.layout().kv_heads + head) * dim;
    let scores: Vec<f64> = seen
        .clone()
        .map(|token| {
            let key = &keys[place(token)..][..dim];
            let products = query
                .iter()
                .zip(key)
                .map(|(q, k)| f64::from(*q) * f64::from(*k));
            products.sum::<f64>() * scale
        })
        .collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
    let mut out = vec![0.0; dim];
    for (token, score) in seen.zip(scores) {
        let weight = (score - most).exp() / sum;
        for (out, value) in out.iter_mut().zip(&values[place(token)..]) {
            *out += weight * f64::from(*value);
        }
    }
    out
}

prop_compose! {
    /// Sequences that begin with blocks of their neighbours, and how many of their last tokens are queries.
    fn batches()(
        format in prop::sample::select(&Format::ALL),
        group in 1..4_usize,
        sequences in prop::collection::vec((1..140_usize, 1..6_usize, 0..30_usize), 1..6),
        window in prop::option::of(1..100_usize),
        threads in 1..4_usize,
    ) -> (Format, usize, Vec<(usize, usize, usize)>, Option<usize>, usize) {
        (format, group, sequences, window, threads)
    }
}

/// A store with a token in every slot, and tables of which neighbours share some blocks.
fn filled(format: Format, sequences: &[(usize, usize, usize)]) -> (Cpu, Vec<Vec<u32>>) {
    let store = Cpu::new(Layout {
        blocks: 256,
        layers: 1,
        ..layout(format)
    })
    .unwrap();
    let all: Vec<i64> = (0..1024).collect();
    let (keys, values) = (numbers(3, 1024 * 32), numbers(4, 1024 * 32));
    store
        .write(0, &all, Row::F32(&keys), Row::F32(&values))
        .unwrap();
    let mut fresh = (0..256_u32).rev();
    let mut tables: Vec<Vec<u32>> = Vec::new();
    for (length, _, shared) in sequences {
        let before = tables.last().map_or(&[][..], Vec::as_slice);
        let blocks = length.div_ceil(4);
        let shared = *shared.min(&before.len()).min(&blocks);
        let mut table = before[..shared].to_vec();
        table.extend(fresh.by_ref().take(blocks - shared));
        tables.push(table);
    }
    (store, tables)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn attention_of_a_batch_is_that_of_each_row((format, group, sequences, window, threads) in batches()) {
        let (store, tables) = filled(format, &sequences);
        let tables: Vec<&[u32]> = tables.iter().map(Vec::as_slice).collect();
        let lengths: Vec<usize> = sequences.iter().map(|it| it.0).collect();
        let counts: Vec<usize> = sequences.iter().map(|it| it.1.min(it.0)).collect();
        let heads = 2 * group;
        let rows: usize = counts.iter().sum();
        let queries = numbers(5, rows * heads * 16);
        let attention = Attention {
            scaling: Scaling { scale: 0.25, soft_cap: None },
            window,
            threads,
        };
        let batch = Batch {
            queries: &queries,
            heads,
            tables: &tables,
            lengths: &lengths,
            queries_of: &counts,
        };
        let mut out = vec![f32::NAN; queries.len()];
        store.attend(0, batch, attention, &mut out, None).unwrap();

        let mut row = 0;
        for (sequence, count) in counts.iter().enumerate() {
            for query in 0..*count {
                let end = lengths[sequence] - (count - 1 - query);
                let start = window.map_or(0, |window| end.saturating_sub(window));
                let own = &queries[row * heads * 16..][..heads * 16];
                for head in 0..heads {
                    let query = &own[head * 16..][..16];
                    let want = exact(&store, tables[sequence], start..end, head / group, query, 0.25);
                    for (got, want) in out[(row * heads + head) * 16..].iter().zip(want) {
                        prop_assert!((f64::from(*got) - want).abs() < 1e-5, "{} for {}", got, want);
                    }
                }
                // Alone, on one thread: the same bits.
                let alone = Batch {
                    queries: own,
                    heads,
                    tables: &[tables[sequence]],
                    lengths: &[end],
                    queries_of: &[1],
                };
                let mut same = vec![f32::NAN; own.len()];
                let attention = Attention { threads: 1, ..attention };
                store.attend(0, alone, attention, &mut same, None).unwrap();
                prop_assert_eq!(&same[..], &out[row * heads * 16..][..heads * 16]);
                row += 1;
            }
        }
    }
}

#[test]
fn a_long_context_is_the_same_on_any_number_of_threads() {
    let layout = Layout {
        blocks: 2600,
        block_size: 4,
        layers: 1,
        ..layout(Format::Bf16)
    };
    let store = Cpu::new(layout).unwrap();
    let all: Vec<i64> = (0..10_400).collect();
    let (keys, values) = (numbers(3, 10_400 * 32), numbers(4, 10_400 * 32));
    store
        .write(0, &all, Row::F32(&keys), Row::F32(&values))
        .unwrap();
    let table: Vec<u32> = (0..2600).rev().collect();
    let queries = numbers(5, 4 * 16);
    let attend = |threads| {
        let batch = Batch {
            queries: &queries,
            heads: 4,
            tables: &[&table],
            lengths: &[10_399],
            queries_of: &[1],
        };
        let scaling = Scaling {
            scale: 3.0,
            soft_cap: None,
        };
        let attention = Attention {
            scaling,
            window: None,
            threads,
        };
        let (mut out, mut logarithms) = (vec![0.0; 64], vec![0.0; 4]);
        store
            .attend(0, batch, attention, &mut out, Some(&mut logarithms))
            .unwrap();
        (out, logarithms)
    };

    let (out, logarithms) = attend(1);

    assert_eq!(attend(3), (out.clone(), logarithms.clone()));
    for head in 0..4 {
        let want = exact(
            &store,
            &table,
            0..10_399,
            head / 2,
            &queries[head * 16..][..16],
            3.0,
        );
        for (got, want) in out[head * 16..].iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-5, "{got} for {want}");
        }
    }
    assert!(logarithms.iter().all(|it| it.is_finite()));
}

#[test]
fn a_batch_that_does_not_fit_is_refused() {
    let store = Cpu::new(layout(Format::F32)).unwrap();
    let queries = numbers(5, 64);
    let good = Batch {
        queries: &queries,
        heads: 4,
        tables: &[&[0, 1]],
        lengths: &[5],
        queries_of: &[1],
    };
    let with = |scale, soft_cap, window, threads| Attention {
        scaling: Scaling { scale, soft_cap },
        window,
        threads,
    };
    let attend = |batch, attention| {
        let mut out = vec![0.0; 64];
        store.attend(0, batch, attention, &mut out, None)
    };
    let plain = with(1.0, None, None, 1);
    assert!(attend(good, plain).is_ok());

    for batch in [
        Batch {
            lengths: &[9],
            ..good
        },
        Batch {
            queries_of: &[6],
            ..good
        },
        Batch {
            queries: &queries[1..],
            ..good
        },
    ] {
        assert!(matches!(attend(batch, plain), Err(Error::Length { .. })));
    }
    let beyond = Batch {
        tables: &[&[8, 1]],
        ..good
    };
    assert!(matches!(
        attend(beyond, plain),
        Err(Error::Block { block: 8, .. })
    ));
    for (batch, attention, wrong) in [
        (Batch { heads: 3, ..good }, plain, "heads"),
        (good, with(1.0, None, Some(0), 1), "window"),
        (good, with(1.0, None, None, 0), "threads"),
        (good, with(f32::NAN, None, None, 1), "scale"),
        (good, with(1.0, Some(0.0), None, 1), "soft_cap"),
    ] {
        let refused = attend(batch, attention);
        assert!(matches!(refused, Err(Error::Parameter { name, .. }) if name == wrong));
    }
}
