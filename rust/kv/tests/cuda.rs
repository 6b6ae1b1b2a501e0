//! The store on a device and the one in memory do the same: pages to the byte, attention within roundings. The device is
//! the fake driver of the crate `inferail-cuda`.
#![cfg(feature = "cuda")]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the helpers of tests are tests"
)]

#[path = "../../cuda/tests/device/fake.rs"]
mod fake;

use fake::{Build, child, child_without_library, live};
use inferail_cuda::DeviceError;
use inferail_kv::Error;
use inferail_kv::store::{Attention, Batch, Cpu, Cuda, Format, Layout, Row, Scaling, Store};

const LAYOUT: Layout = Layout {
    layers: 2,
    kv_heads: 2,
    head_dim: 64,
    block_size: 16,
    blocks: 12,
    format: Format::F32,
};

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next() * 2.0).collect()
}

/// The same keys and values in both stores, in all slots of layer 1.
fn both(format: Format) -> (Cpu, Cuda) {
    let layout = Layout { format, ..LAYOUT };
    let (cpu, cuda) = (Cpu::new(layout).unwrap(), Cuda::new(layout, 0).unwrap());
    let slots: Vec<i64> = (0..192).rev().collect();
    let (keys, values) = (numbers(192 * 128, 1), numbers(192 * 128, 2));
    cpu.write(1, &slots, Row::F32(&keys), Row::F32(&values))
        .unwrap();
    cuda.write(1, &slots, Row::F32(&keys), Row::F32(&values))
        .unwrap();
    (cpu, cuda)
}

fn block(store: &dyn Store, block: u32, bytes: usize) -> Vec<u8> {
    let mut read = vec![0xaa; bytes];
    store.read_block(block, &mut read).unwrap();
    read
}

#[test]
#[ignore = "run in a process of its own"]
fn pages_agree() {
    for format in Format::ALL {
        let (cpu, cuda) = both(format);
        let halves: Vec<u16> = numbers(2 * 128, 3)
            .iter()
            .map(|x| (x.to_bits() >> 16) as u16)
            .collect();
        for (number, slots) in [
            (Row::Bf16(&halves), [5, -1]),
            (Row::F16(&halves), [100, 101]),
        ] {
            cpu.write(0, &slots, number, number).unwrap();
            cuda.write(0, &slots, number, number).unwrap();
        }
        for store in [&cpu as &dyn Store, &cuda] {
            store.copy_slots(3, 7, 5).unwrap();
            store.copy_slots(4, 4, 16).unwrap();
            let moved = block(store, 2, cpu.sizes().block);
            store.write_block(9, &moved).unwrap();
        }

        for id in 0..12 {
            let bytes = cpu.sizes().block;
            assert!(
                block(&cpu, id, bytes) == block(&cuda, id, bytes),
                "{format:?}, block {id}"
            );
        }
        let gathered = |store: &dyn Fn(&mut [f32], &mut [f32])| {
            let (mut keys, mut values) = (vec![0.0; 20 * 128], vec![0.0; 20 * 128]);
            store(&mut keys, &mut values);
            (keys, values)
        };
        assert!(
            gathered(&|keys, values| cpu.gather(1, &[7, 2], 20, keys, values).unwrap())
                == gathered(&|keys, values| cuda.gather(1, &[7, 2], 20, keys, values).unwrap())
        );
    }
}

#[test]
fn pages_are_the_same_to_the_byte() {
    child(Build::Plain, "pages_agree", "", &[]);
}

#[test]
#[ignore = "run in a process of its own"]
fn attention_agrees() {
    let tables: [&[u32]; 3] = [&[8, 3, 0, 5], &[8, 3, 1], &[8, 3, 2, 11]];
    for format in Format::ALL {
        let (cpu, cuda) = both(format);
        let cuda = cuda.sharing_above(1);
        for (lengths, queries_of, window) in [
            ([50, 33, 64], [1, 1, 1], None),
            ([50, 40, 39], [3, 0, 2], None),
            ([50, 1, 0], [2, 1, 1], Some(7)),
        ] {
            let rows: usize = queries_of.iter().sum();
            let batch = Batch {
                queries: &numbers(rows * 6 * 64, 4),
                heads: 6,
                tables: &tables,
                lengths: &lengths,
                queries_of: &queries_of,
            };
            let scaling = Scaling {
                scale: 0.2,
                soft_cap: window.map(|_| 3.0),
            };
            let attention = Attention {
                scaling,
                window,
                threads: 1,
            };
            let (mut out, mut logarithms) = (vec![f32::NAN; rows * 384], vec![f32::NAN; rows * 6]);
            let mut wanted = (out.clone(), logarithms.clone());

            cuda.attend(1, batch, attention, &mut out, Some(&mut logarithms))
                .unwrap();

            cpu.attend(1, batch, attention, &mut wanted.0, Some(&mut wanted.1))
                .unwrap();
            // Both of no token: -inf, whose difference is none.
            for (found, wanted) in out
                .iter()
                .chain(&logarithms)
                .zip(wanted.0.iter().chain(&wanted.1))
            {
                let same = (found - wanted).abs() <= 2e-4 || (found.to_bits() == wanted.to_bits());
                assert!(same, "{format:?} {lengths:?}: {found}, not {wanted}");
            }
            let mut alone = vec![f32::NAN; rows * 384];
            cuda.attend(1, batch, attention, &mut alone, None).unwrap();
            assert!(
                alone
                    .iter()
                    .zip(&out)
                    .all(|(alone, out)| (alone - out).abs() <= 1e-5)
            );
        }
    }
    assert_eq!(live(), [0; 6]);
}

#[test]
fn attention_is_the_same_within_roundings() {
    child(Build::Plain, "attention_agrees", "", &[]);
}

#[test]
#[ignore = "run in a process of its own"]
fn bad_calls() {
    let cuda = Cuda::new(LAYOUT, 0).unwrap();
    let block = cuda.sizes().block;
    let x = [0.0; 128];

    assert!(matches!(
        cuda.copy_slots(0, 12, 1),
        Err(Error::Block { .. })
    ));
    assert!(matches!(
        cuda.copy_slots(0, 1, 17),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        cuda.read_block(12, &mut vec![0; block]),
        Err(Error::Block { .. })
    ));
    assert!(matches!(
        cuda.read_block(0, &mut vec![0; block - 1]),
        Err(Error::Length { .. })
    ));
    assert!(matches!(
        cuda.write(2, &[0], Row::F32(&x), Row::F32(&x)),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        cuda.write(0, &[192], Row::F32(&x), Row::F32(&x)),
        Err(Error::Parameter { .. })
    ));
    let odd = Layout {
        head_dim: 80,
        ..LAYOUT
    };
    let shape = Cuda::new(odd, 0).map(|_| ());
    assert!(
        matches!(
            shape,
            Err(Error::Device(DeviceError::UnsupportedShape { .. }))
        ),
        "{shape:?}"
    );
    let large = Layout {
        blocks: 1 << 20,
        ..LAYOUT
    };
    let memory = Cuda::new(large, 0).map(|_| ());
    assert!(
        matches!(memory, Err(Error::Device(DeviceError::OutOfMemory { .. }))),
        "{memory:?}"
    );
}

#[test]
fn calls_that_mean_nothing_are_refused() {
    child(Build::Plain, "bad_calls", "", &[]);
}

#[test]
#[ignore = "run in a process of its own"]
fn no_device() {
    let made = Cuda::new(LAYOUT, 0).map(|_| ());

    // A machine that has a driver may have a device.
    if let Err(error) = made {
        assert!(matches!(error, Error::Device(_)), "{error:?}");
    }
}

#[test]
fn store_without_a_device_is_an_error() {
    child_without_library("no_device");
    child(Build::Half, "no_device", "", &[]);
    child(Build::Sanitized, "no_device", "no_device", &[]);
}
