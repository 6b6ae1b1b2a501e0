//! What every kernel computes, one code after another.

use super::{BYTES, WIDTH};

pub(super) fn dot(left: &[[i8; WIDTH]], right: &[[u8; BYTES]]) -> i32 {
    let blocks = left.iter().zip(right).map(|(left, right)| {
        let (low, high) = left.split_at(BYTES);
        let pairs = low.iter().zip(high).zip(right);
        let products = pairs.map(|((low, high), byte)| {
            i32::from(*low) * i32::from(byte & 15) + i32::from(*high) * i32::from(byte >> 4)
        });
        products.sum::<i32>()
    });
    blocks.sum()
}
