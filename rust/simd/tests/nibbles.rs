//! Every instruction set gives the sum of the scalar twin, and that one the sum of the products.

use inferail_simd::nibbles::{BYTES, Level, WIDTH, pack};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn instruction_sets_give_the_sum_of_the_products(
        blocks in 0_usize..13,
        extreme in any::<bool>(),
        seed in vec((-127_i8..=127, 0_u8..16), 12 * WIDTH),
    ) {
        let length = blocks * WIDTH;
        let pick = |(left, right): &(i8, u8)| if extreme { (127, 15) } else { (*left, *right) };
        let (left, codes): (Vec<i8>, Vec<u8>) = seed[..length].iter().map(pick).unzip();
        let packed = pack(&codes);
        prop_assert_eq!(packed.len(), blocks * BYTES);

        let products = left.iter().zip(&codes).map(|(a, b)| i32::from(*a) * i32::from(*b));
        let sum: i32 = products.sum();
        for level in Level::all() {
            prop_assert_eq!(level.dot(&left, &packed), sum);
        }
    }
}

#[test]
fn what_is_behind_the_last_whole_block_is_left_out() {
    let (left, codes) = ([1_i8; WIDTH + 5], [1_u8; WIDTH + 5]);
    for level in Level::all() {
        assert_eq!(level.dot(&left, &pack(&codes)), WIDTH as i32);
    }
    assert!(Level::all().contains(&Level::best()));
}
