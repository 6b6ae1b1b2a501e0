//! Every instruction set gives the bits of the scalar twin.
#![expect(
    clippy::float_cmp,
    reason = "bits are compared, and the helpers of tests are tests"
)]

use inferail_simd::vectors::{LANES, LEAD, LeadBlock, LeadQuery, Level, MAX_WEIGHT, WIDTH};
use proptest::collection::vec;
use proptest::prelude::*;

fn scalar() -> Level {
    Level::all()[0]
}

fn numbers() -> impl Strategy<Value = f32> + Clone {
    prop_oneof![
        -1.0_f32..1.0,
        Just(0.0),
        Just(-0.0),
        Just(f32::MAX),
        Just(f32::MIN_POSITIVE / 8.0),
        -1e20_f32..1e20,
    ]
}

fn rows(item: impl Strategy<Value = f32> + Clone) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    (0_usize..13).prop_flat_map(move |blocks| {
        let length = blocks * WIDTH;
        (vec(item.clone(), length), vec(item.clone(), length))
    })
}

fn lead_block() -> impl Strategy<Value = LeadBlock> {
    let codes = vec(prop_oneof![0_u8..16, Just(15), Just(0)], LANES * LEAD);
    (codes, any::<[u8; LANES]>(), any::<[u8; LANES]>()).prop_map(|(codes, rests, errors)| {
        let mut block = LeadBlock::ZERO;
        (block.rests, block.errors) = (rests, errors);
        for (place, code) in codes.iter().enumerate() {
            block.set_code(place / LEAD, place % LEAD, *code);
        }
        for (place, code) in codes.iter().enumerate() {
            assert_eq!(block.code(place / LEAD, place % LEAD), *code);
        }
        block
    })
}

fn same(left: f32, right: f32) -> bool {
    left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
}

proptest! {
    #[test]
    fn dot_products_have_the_same_bits((left, right) in rows(numbers())) {
        let expected = scalar().dot(&left, &right);
        for level in Level::all() {
            prop_assert!(same(level.dot(&left, &right), expected), "{}", level.name());
        }
    }

    #[test]
    fn distances_have_the_same_bits(
        (left, right) in rows(numbers()),
        halves in vec(any::<u16>(), 13 * WIDTH),
        codes in vec(any::<i8>(), 13 * WIDTH),
        scale in 0.0_f32..1.0,
    ) {
        let scalar = scalar();
        let expected = [
            scalar.distance(&left, &right),
            scalar.distance_half(&left, &halves),
            scalar.distance_coded(&left, &codes, scale),
        ];
        for level in Level::all() {
            let found = [
                level.distance(&left, &right),
                level.distance_half(&left, &halves),
                level.distance_coded(&left, &codes, scale),
            ];
            for (found, expected) in found.iter().zip(expected) {
                prop_assert!(same(*found, expected), "{}", level.name());
            }
        }
    }

    #[test]
    fn dot_products_are_those_of_float64((left, right) in rows(-1.0_f32..1.0)) {
        let exact: f64 = left.iter().zip(&right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        for level in Level::all() {
            prop_assert!((f64::from(level.dot(&left, &right)) - exact).abs() < 1e-4);
        }
    }

    #[test]
    fn products_with_halves_have_the_same_bits(
        (left, right) in (0_usize..7).prop_flat_map(|blocks| {
            (vec(numbers(), blocks * WIDTH), vec(any::<u16>(), blocks * WIDTH))
        })
    ) {
        let expected = scalar().dot_half(&left, &right);
        for level in Level::all() {
            prop_assert!(same(level.dot_half(&left, &right), expected), "{}", level.name());
        }
    }

    #[test]
    fn products_with_codes_have_the_same_bits(
        (left, right) in (0_usize..7).prop_flat_map(|blocks| {
            (vec(numbers(), blocks * WIDTH), vec(any::<i8>(), blocks * WIDTH))
        })
    ) {
        let expected = scalar().dot_coded(&left, &right);
        for level in Level::all() {
            prop_assert!(same(level.dot_coded(&left, &right), expected), "{}", level.name());
        }
    }

    #[test]
    fn codes_are_the_same(
        numbers in (0_usize..7).prop_flat_map(|blocks| vec(-1.0_f32..1.0, blocks * WIDTH)),
        scale in prop_oneof![0.001_f32..0.1, Just(1.0 / 127.0), Just(0.5)],
    ) {
        let mut expected = vec![0; numbers.len()];
        let error = scalar().encode(&numbers, scale, &mut expected);
        for level in Level::all() {
            let mut codes = vec![0; numbers.len()];
            prop_assert!(same(level.encode(&numbers, scale, &mut codes), error), "{}", level.name());
            prop_assert_eq!(&codes, &expected, "{}", level.name());
        }
    }

    #[test]
    fn the_largest_magnitude_is_the_same(
        numbers in (0_usize..3).prop_flat_map(|blocks| vec(any::<f32>(), blocks * WIDTH))
    ) {
        let expected = scalar().largest(&numbers);
        for level in Level::all() {
            prop_assert_eq!(level.largest(&numbers), expected, "{}", level.name());
        }
    }

    #[test]
    fn products_of_codes_are_exact(
        (left, right) in (0_usize..13).prop_flat_map(|blocks| {
            let code = prop_oneof![-127_i8..=127, Just(127), Just(-127)];
            (vec(code.clone(), blocks * WIDTH), vec(code, blocks * WIDTH))
        })
    ) {
        let expected: i32 = left.iter().zip(&right).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        for level in Level::all() {
            prop_assert_eq!(level.dot_codes(&left, &right), expected, "{}", level.name());
        }
    }

    #[test]
    fn a_scan_sets_the_same_bits(
        first in vec(lead_block(), 5),
        second in vec(lead_block(), 5),
        weights in vec(prop_oneof![-MAX_WEIGHT..=MAX_WEIGHT, Just(MAX_WEIGHT), Just(-MAX_WEIGHT)], 2 * LEAD),
        numbers in vec(0.0_f32..1.0, 5 * LANES),
        with_bias in any::<bool>(),
        lengths in vec(0.0_f32..4e-3, 4),
        threshold in -1.0_f32..1.0,
        live in vec(any::<u16>(), 5),
    ) {
        let biases = numbers.as_chunks::<LANES>().0;
        let bias = with_bias.then_some(biases);
        let query = |group: usize| {
            let weights = weights[group * LEAD..][..LEAD].try_into().unwrap();
            LeadQuery::new(weights, [1e-4, lengths[group * 2], lengths[group * 2 + 1]])
        };
        let (one, two) = ([query(0)], [query(0), query(1)]);
        let mut expected = [live.clone(), live.clone()];
        scalar().scan_leads([&first], bias, &one, threshold, &mut expected[0]);
        scalar().scan_leads([&first, &second], bias, &two, threshold, &mut expected[1]);
        for level in Level::all() {
            let blocks = [&first[0], &second[0]];
            let bounds = scalar().lead_bounds(blocks, &biases[0], &two);
            prop_assert_eq!(level.lead_bounds(blocks, &biases[0], &two), bounds, "{}", level.name());
            let mut masks = [live.clone(), live.clone()];
            level.scan_leads([&first], bias, &one, threshold, &mut masks[0]);
            level.scan_leads([&first, &second], bias, &two, threshold, &mut masks[1]);
            prop_assert_eq!(&masks, &expected, "{}", level.name());
        }
    }
}

#[test]
fn a_scan_adds_up_the_distances_from_zero() {
    let mut block = LeadBlock::ZERO;
    block.set_code(3, 7, 15);
    block.rests = [1; LANES];
    block.errors[3] = 2;
    let query = LeadQuery::new([1; LEAD], [0.5, 2.0, 0.25]);
    for level in Level::all() {
        let mut masks = [0xFFFF];
        level.scan_leads([&[block]], None, &[query], 6.0, &mut masks);
        assert_eq!(masks, [1 << 3], "{}", level.name());
        level.scan_leads([&[block]], None, &[query], 6.1, &mut masks);
        assert_eq!(masks, [0], "{}", level.name());
    }
}

#[test]
fn adding_is_the_same() {
    let vector: Vec<f32> = (0..128_u8).map(|i| f32::from(i).sin()).collect();
    let start: Vec<f32> = (0..128_u8).map(|i| f32::from(i).cos()).collect();
    let mut expected = start.clone();
    scalar().add_scaled(&mut expected, &vector, 0.3);
    for level in Level::all() {
        let mut sum = start.clone();
        level.add_scaled(&mut sum, &vector, 0.3);
        assert_eq!(sum, expected, "{}", level.name());
    }
}

#[test]
fn projections_are_the_dot_products() {
    let vector: Vec<f32> = (0..128_u8).map(|i| f32::from(i).sin()).collect();
    let columns: Vec<f32> = (0..128 * LEAD).map(|i| (i as f32).cos()).collect();
    let expected = scalar().project(&columns, &vector);
    for level in Level::all() {
        assert_eq!(
            level.project(&columns, &vector),
            expected,
            "{}",
            level.name()
        );
    }
    for (row, product) in expected.into_iter().enumerate() {
        let exact: f64 = (0..128)
            .map(|i| f64::from(vector[i]) * f64::from(columns[i * LEAD + row]))
            .sum();
        assert!((f64::from(product) - exact).abs() < 1e-4);
    }
}
