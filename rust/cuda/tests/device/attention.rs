//! Attention over pages against f64: every format, head dimension and option, through cudarc and the fake driver.

use inferail_cuda::geometry::HEAD_DIMS;
use inferail_cuda::{Attend, Format, Number, Pages, Part};

use crate::fake::{Build, child};
use crate::reference::{self, Layer};
use crate::store::Store;

/// Tokens to slots of the blocks of a table.
fn slots(table: &[i32], tokens: std::ops::Range<usize>, block_size: usize) -> Vec<usize> {
    tokens
        .map(|token| table[token / block_size] as usize * block_size + token % block_size)
        .collect()
}

#[derive(Debug, Clone, Copy)]
struct Case {
    kv_heads: usize,
    group: usize,
    block_size: usize,
    lengths: &'static [usize],
    queries: &'static [usize],
    starts: usize,
    number: Number,
    window: Option<usize>,
    soft_cap: Option<f32>,
    causal: bool,
}

const PLAIN: Case = Case {
    kv_heads: 2,
    group: 4,
    block_size: 16,
    lengths: &[37, 1, 0, 101],
    queries: &[],
    starts: 0,
    number: Number::F32,
    window: None,
    soft_cap: None,
    causal: false,
};

/// What each format and head dimension is run on; longer sequences are split in two.
const CASES: [Case; 7] = [
    PLAIN,
    Case {
        group: 8,
        number: Number::Bf16,
        lengths: &[64, 15],
        block_size: 32,
        soft_cap: Some(5.0),
        ..PLAIN
    },
    Case {
        kv_heads: 1,
        group: 3,
        lengths: &[530, 20],
        ..PLAIN
    },
    Case {
        kv_heads: 1,
        group: 1,
        lengths: &[90, 5],
        window: Some(21),
        number: Number::F16,
        ..PLAIN
    },
    Case {
        kv_heads: 1,
        group: 4,
        lengths: &[40, 7, 33],
        queries: &[5, 7, 1],
        causal: true,
        ..PLAIN
    },
    Case {
        kv_heads: 1,
        group: 12,
        lengths: &[50, 70],
        starts: 35,
        ..PLAIN
    },
    Case {
        kv_heads: 1,
        group: 2,
        lengths: &[300],
        queries: &[9],
        causal: true,
        window: Some(30),
        block_size: 48,
        ..PLAIN
    },
];

/// Sequences of a case in shuffled blocks of layer 1, and their queries.
struct Scene {
    store: Store,
    tables: Vec<i32>,
    stride: usize,
    counts: Vec<usize>,
    query_start: Vec<i32>,
    queries: Vec<u8>,
}

impl Scene {
    fn new(format: Format, dim: usize, case: Case) -> Self {
        let size = case.block_size;
        let per_sequence: Vec<usize> = case
            .lengths
            .iter()
            .map(|length| length.div_ceil(size))
            .collect();
        let blocks = per_sequence.iter().sum::<usize>() + 2;
        let pages = Pages::new(2, case.kv_heads, dim, size, blocks, format).unwrap();
        let mut store = Store::new(pages);
        let stride = per_sequence.iter().max().unwrap() + 1;
        let mut order = store.random.shuffled(blocks).into_iter();
        // What lies behind a sequence's blocks is no block at all.
        let mut tables = vec![-7; stride * case.lengths.len()];
        for (sequence, count) in per_sequence.iter().enumerate() {
            for i in 0..*count {
                tables[sequence * stride + i] = order.next().unwrap() as i32;
            }
        }
        for (table, length) in tables.chunks(stride).zip(case.lengths) {
            let slots = slots(table, 0..*length, size);
            let slots: Vec<i64> = slots.iter().map(|slot| *slot as i64).collect();
            store.write(1, Number::F32, &slots);
        }
        let counts = if case.queries.is_empty() {
            vec![1; case.lengths.len()]
        } else {
            case.queries.to_vec()
        };
        let mut query_start = vec![0];
        for count in &counts {
            query_start.push(query_start.last().unwrap() + *count as i32);
        }
        let numbers = counts.iter().sum::<usize>() * case.kv_heads * case.group * dim;
        let queries = reference::encode(case.number, &store.normals(numbers));
        Self {
            store,
            tables,
            stride,
            counts,
            query_start,
            queries,
        }
    }

    fn attend(&self, case: Case) -> Vec<f64> {
        let store = &self.store;
        let (query, out) = (
            store.upload(&self.queries),
            store.upload(&vec![0xff_u8; self.queries.len()]),
        );
        let lengths: Vec<i32> = case.lengths.iter().map(|length| *length as i32).collect();
        let (block_table, lengths) = (store.upload(&self.tables), store.upload(&lengths));
        let starts = store.upload(&vec![case.starts as i32; case.lengths.len()]);
        let begins = store.upload(&self.query_start);
        let part = Part {
            block_table: &block_table,
            table_stride: self.stride,
            sequences: case.lengths.len(),
            lengths: &lengths,
            starts: (case.starts > 0).then_some(&starts),
            query_start: (!case.queries.is_empty()).then_some(&begins),
            most_queries: *self.counts.iter().max().unwrap(),
            longest: *case.lengths.iter().max().unwrap(),
            tokens: case.lengths.iter().sum(),
            causal: case.causal,
        };
        let attend = Attend {
            query: &query,
            out: &out,
            logarithms: None,
            number: case.number,
            queries: self.counts.iter().sum(),
            group: case.group,
            parts: &[part],
            scale: 0.11,
            soft_cap: case.soft_cap,
            window: case.window,
        };
        store.attend(1, &attend);
        reference::decode(case.number, &store.bytes(&out))
    }
}

fn run_case(format: Format, dim: usize, case: Case) {
    let scene = Scene::new(format, dim, case);

    let out = scene.attend(case);

    let bytes = scene.store.bytes(&scene.store.layer(1));
    let layer = Layer {
        pages: &scene.store.pages,
        bytes: &bytes,
    };
    let queries = reference::decode(case.number, &scene.queries);
    let heads = case.kv_heads * case.group;
    for (sequence, length) in case.lengths.iter().enumerate() {
        let table = &scene.tables[sequence * scene.stride..][..scene.stride];
        for i in 0..scene.counts[sequence] {
            let seen = if case.causal {
                *length + 1 + i - scene.counts[sequence]
            } else {
                *length
            };
            let first = case.window.map_or(0, |window| seen.saturating_sub(window));
            let first = first.max(case.starts);
            let slots = slots(table, first..seen.max(first), case.block_size);
            for head in 0..heads {
                let at = ((scene.query_start[sequence] as usize + i) * heads + head) * dim;
                let row = Row {
                    head,
                    slots: &slots,
                    query: &queries[at..at + dim],
                };
                let place = format!("sequence {sequence}, query {i}, head {head}");
                row.compare(&layer, case, &out[at..at + dim], &place);
            }
        }
    }
}

/// One query head and what it sees.
struct Row<'a> {
    head: usize,
    slots: &'a [usize],
    query: &'a [f64],
}

impl Row<'_> {
    fn compare(&self, layer: &Layer<'_>, case: Case, out: &[f64], place: &str) {
        let (head, format) = (self.head / case.group, layer.pages.format());
        let cap = case.soft_cap.map(f64::from);
        let (wanted, score) = reference::attend(layer, head, self.query, self.slots, 0.11, cap);
        let values = self
            .slots
            .iter()
            .flat_map(|slot| layer.numbers(1, head, *slot));
        let largest = values.fold(0.0, |most: f64, value| most.max(value.abs()));
        // Scores are f32, with their roundings; queries over bf16 pages have 16 bits.
        let precision = if format == Format::Bf16 { 1.5e-5 } else { 1e-6 };
        let bound = largest * (2e-6 + score * precision);
        for (found, wanted) in out.iter().zip(&wanted) {
            let of_number = if case.number == Number::F32 {
                0.0
            } else {
                wanted.abs() / 256.0 + 1e-7
            };
            assert!(
                (found - wanted).abs() <= bound + of_number,
                "{format:?} {} {case:?}: {place}: {found}, not {wanted}",
                self.query.len()
            );
        }
    }
}

fn run_cases(dims: &[usize], cases: &[Case]) {
    for format in Format::ALL {
        for dim in dims {
            for case in cases {
                run_case(format, *dim, *case);
            }
        }
    }
}

#[test]
#[ignore = "run in a process of its own"]
fn all_cases() {
    run_cases(&HEAD_DIMS, &[PLAIN, CASES[4]]);
    run_cases(&[128], &CASES);
}

#[test]
#[ignore = "run in a process of its own"]
fn short_cases() {
    run_case(Format::F32, 96, CASES[4]);
    run_case(Format::Bf16, 128, CASES[3]);
    run_case(Format::F16, 64, CASES[6]);
    run_case(Format::Int8, 96, CASES[3]);
    run_case(Format::Fp8, 256, CASES[4]);
}

#[test]
fn attention_equals_f64() {
    child(Build::Plain, "attention::all_cases", "", &[]);
}

#[test]
fn attention_has_no_races() {
    child(
        Build::Plain,
        "attention::short_cases",
        "",
        &[("SHIM_ORDER", "reverse")],
    );
}

#[test]
fn attention_stays_in_its_memory() {
    child(Build::Sanitized, "attention::short_cases", "", &[]);
}

/// Four queries over a prefix that three of them share: in two parts, and as if nobody shared.
#[test]
#[ignore = "run in a process of its own"]
fn shared_prefix() {
    for format in Format::ALL {
        let (dim, group) = (64, 4);
        let mut store = Store::new(Pages::new(1, 2, dim, 16, 8, format).unwrap());
        store.write(0, Number::F32, &(0..128).collect::<Vec<_>>());
        let bytes = reference::encode(Number::F32, &store.normals(4 * 2 * group * dim));
        let query = store.upload(&bytes);
        // Prefix: blocks 5 and 2; query 3 has none of it.
        let tables = [5, 2, 0, 5, 2, 1, 5, 2, 3, 6, 7, 0];
        let table = store.upload(&tables);
        let lengths = store.upload(&[40, 33, 47, 20]);
        let run = |parts: &[Part<'_>]| {
            let out = store.upload(&vec![0xff_u8; bytes.len()]);
            let attend = Attend {
                query: &query,
                out: &out,
                logarithms: None,
                number: Number::F32,
                queries: 4,
                group,
                parts,
                scale: 0.125,
                soft_cap: None,
                window: None,
            };
            store.attend(0, &attend);
            reference::decode(Number::F32, &store.bytes(&out))
        };
        let each = Part {
            block_table: &table,
            table_stride: 3,
            sequences: 4,
            lengths: &lengths,
            starts: None,
            query_start: None,
            most_queries: 1,
            longest: 47,
            tokens: 140,
            causal: false,
        };
        let (starts, begins) = (store.upload(&[32, 32, 32, 0]), store.upload(&[0, 3]));
        let (prefix_table, prefix_length) = (store.upload(&[5, 2]), store.upload(&[32]));
        let prefix = Part {
            block_table: &prefix_table,
            table_stride: 2,
            sequences: 1,
            lengths: &prefix_length,
            query_start: Some(&begins),
            most_queries: 3,
            longest: 32,
            tokens: 32,
            ..each.clone()
        };

        let (alone, shared) = (
            run(std::slice::from_ref(&each)),
            run(&[
                prefix,
                Part {
                    starts: Some(&starts),
                    ..each
                },
            ]),
        );

        for (alone, shared) in alone.iter().zip(&shared) {
            assert!(
                (alone - shared).abs() <= 1e-5 * alone.abs().max(1.0),
                "{format:?}: {shared}, not {alone}"
            );
        }
        assert!(alone.iter().any(|x| x.abs() > 0.1));
    }
}

#[test]
fn shared_prefix_is_seen_as_if_it_were_everyones_own() {
    child(Build::Plain, "attention::shared_prefix", "", &[]);
}

/// A seen token in a block that the store has not.
#[test]
#[ignore = "run in a process of its own"]
fn bad_block() {
    for format in Format::ALL {
        let store = Store::new(Pages::new(1, 1, 64, 16, 1, format).unwrap());
        for id in [1, -1, i32::MAX] {
            let (query, table, lengths) = (
                store.upload(&[1.0_f32; 64]),
                store.upload(&[id]),
                store.upload(&[3]),
            );
            let part = Part {
                block_table: &table,
                table_stride: 1,
                sequences: 1,
                lengths: &lengths,
                starts: None,
                query_start: None,
                most_queries: 1,
                longest: 3,
                tokens: 3,
                causal: false,
            };
            let out = store.upload(&[0.0_f32; 64]);
            let attend = Attend {
                query: &query,
                out: &out,
                logarithms: None,
                number: Number::F32,
                queries: 1,
                group: 1,
                parts: &[part],
                scale: 1.0,
                soft_cap: None,
                window: None,
            };
            store.attend(0, &attend);

            let out = reference::decode(Number::F32, &store.bytes(&out));

            assert!(
                out.iter().all(|x| x.is_nan()),
                "{format:?} {id}: {:?}",
                out[0]
            );
        }
    }
}

#[test]
fn bad_block_gives_nan_and_reads_nothing() {
    child(Build::Sanitized, "attention::bad_block", "", &[]);
}
