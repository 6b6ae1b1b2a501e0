//! Pages written, copied and swapped, through cudarc and the fake driver.

use inferail_cuda::{Format, Number, Pages, Swap, Write, kernels};

use crate::fake::{Build, child};
use crate::reference::Layer;
use crate::store::Store;

#[test]
#[ignore = "run in a process of its own"]
fn pages_cases() {
    for format in Format::ALL {
        for (dim, kv_heads, number) in [
            (64, 3, Number::F32),
            (96, 1, Number::Bf16),
            (256, 2, Number::F16),
        ] {
            write_rounds_to_the_nearest(format, dim, kv_heads, number);
            copies_and_swaps_keep_bytes(format, dim, kv_heads);
        }
    }
    broken_numbers_are_read_as_broken();
}

fn write_rounds_to_the_nearest(format: Format, dim: usize, kv_heads: usize, number: Number) {
    let mut store = Store::new(Pages::new(2, kv_heads, dim, 16, 3, format).unwrap());
    let slots = [
        17,
        -1,
        0,
        47,
        48,
        31,
        1 << 40,
        2,
        3,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
    ];

    let meant = store.write(1, number, &slots);

    let (written, other) = (store.bytes(&store.layer(1)), store.bytes(&store.layer(0)));
    assert!(
        other.iter().all(|byte| *byte == 0xff),
        "another layer was written"
    );
    let layer = Layer {
        pages: &store.pages,
        bytes: &written,
    };
    for (token, slot) in slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| (0..48).contains(*slot))
    {
        for (which, head) in (0..2).flat_map(|which| (0..kv_heads).map(move |head| (which, head))) {
            let at = (token * kv_heads + head) * dim;
            let wanted = &meant[which][at..at + dim];
            let largest = wanted.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let scale = layer.scale(which, head, *slot as usize);
            match format {
                Format::Int8 => assert_eq!(scale.to_bits(), (largest as f32 / 127.0).to_bits()),
                Format::Fp8 => assert_eq!(scale.to_bits(), (largest as f32 / 448.0).to_bits()),
                _ => {}
            }
            for (found, wanted) in layer
                .numbers(which, head, *slot as usize)
                .iter()
                .zip(wanted)
            {
                let scale = f64::from(scale);
                let bound = match format {
                    Format::F32 => 0.0,
                    Format::Bf16 => wanted.abs() / 256.0,
                    // Below 2^-14 the steps are 2^-24.
                    Format::F16 => (wanted.abs() / 2048.0).max(2_f64.powi(-25)),
                    Format::Int8 => scale * 0.50001,
                    Format::Fp8 => (wanted.abs() / 15.9).max(scale * 2_f64.powi(-10) * 1.0001),
                };
                assert!(
                    (found - wanted).abs() <= bound,
                    "{format:?}: {found}, not {wanted}"
                );
            }
        }
    }
    let block = store.pages.page_bytes();
    let skipped = Layer {
        pages: &store.pages,
        bytes: &written[..3 * block],
    }
    .numbers(0, 0, 1);
    assert!(
        format == Format::Int8 || skipped.iter().all(|x| x.is_nan()),
        "a slot was written that nobody named"
    );
}

fn copies_and_swaps_keep_bytes(format: Format, dim: usize, kv_heads: usize) {
    let mut store = Store::new(Pages::new(2, kv_heads, dim, 16, 4, format).unwrap());
    let slots: Vec<i64> = (0..32).collect();
    store.write(0, Number::F32, &slots);
    store.write(1, Number::F32, &slots);
    let (pages, all) = (store.pages, store.memory.view());

    kernels::copy_slots(&store.stream, &pages, &all, &[(0, 2, 5), (1, 3, 16)]).unwrap();

    for layer in 0..2 {
        let bytes = store.bytes(&store.layer(layer));
        let layer = Layer {
            pages: &pages,
            bytes: &bytes,
        };
        let same = |from: usize, to: usize| {
            (0..2)
                .flat_map(|which| (0..kv_heads).map(move |head| (which, head)))
                .all(|(which, head)| {
                    let bits = |slot| {
                        layer
                            .numbers(which, head, slot)
                            .iter()
                            .map(|x| x.to_bits())
                            .collect::<Vec<_>>()
                    };
                    bits(from) == bits(to)
                        && layer.scale(which, head, from).to_bits()
                            == layer.scale(which, head, to).to_bits()
                })
        };
        assert!(
            (0..5).all(|slot| same(slot, 32 + slot)) && (16..32).all(|slot| same(slot, slot + 32))
        );
        assert!(!same(5, 37));
    }
    let staging = store.device.allocate(2 * pages.block_bytes()).unwrap();
    let ids = store.device.allocate(8).unwrap();
    kernels::swap(
        &store.stream,
        &pages,
        &all,
        Swap::Gather,
        &[3, 0],
        &ids.view(),
        &staging.view(),
    )
    .unwrap();
    let gathered = store.bytes(&staging.view());
    let page = |block: usize, layer: usize| {
        store.bytes(
            &store
                .layer(layer)
                .part(block * pages.page_bytes(), pages.page_bytes())
                .unwrap(),
        )
    };
    let wanted: Vec<u8> = [(3, 0), (3, 1), (0, 0), (0, 1)]
        .iter()
        .flat_map(|(block, layer)| page(*block, *layer))
        .collect();
    assert_eq!(gathered, wanted);
    kernels::swap(
        &store.stream,
        &pages,
        &all,
        Swap::Scatter,
        &[1, 2],
        &ids.view(),
        &staging.view(),
    )
    .unwrap();
    assert!(
        page(1, 0) == page(3, 0)
            && page(1, 1) == page(3, 1)
            && page(2, 0) == page(0, 0)
            && page(2, 1) == page(0, 1)
    );
}

fn broken_numbers_are_read_as_broken() {
    for format in [Format::Int8, Format::Fp8] {
        let store = Store::new(Pages::new(1, 1, 64, 16, 1, format).unwrap());
        let mut x = vec![1.0_f32; 128];
        x[3] = f32::INFINITY;
        x[64] = 0.0;
        let (keys, slots) = (store.upload(&x), store.upload(&[0_i64, 1]));
        let write = Write {
            keys: &keys,
            values: &keys,
            number: Number::F32,
            tokens: 2,
            token_stride: 64,
            slots: &slots,
        };
        kernels::write(&store.stream, &store.pages, &store.layer(0), &write).unwrap();

        let bytes = store.bytes(&store.layer(0));

        let layer = Layer {
            pages: &store.pages,
            bytes: &bytes,
        };
        assert!(layer.numbers(0, 0, 0).iter().all(|x| x.is_nan()));
        assert!(layer.numbers(0, 0, 1)[0].abs() < 1e-9);
    }
}

#[test]
fn pages_are_written_copied_and_swapped() {
    child(Build::Plain, "pages::pages_cases", "", &[]);
}

#[test]
fn pages_are_moved_within_their_memory() {
    child(
        Build::Sanitized,
        "pages::pages_cases",
        "",
        &[("SHIM_ORDER", "reverse")],
    );
}
