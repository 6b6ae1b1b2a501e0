//! Every kernel computes what the scalar one does.

#![expect(clippy::inline_always, reason = "a task has to be inlined")]

use inferail_simd::block::{BYTES, Kernel, Level, Task};
use proptest::prelude::*;

/// Everything that can be asked about one block.
struct Ask<'a> {
    text: &'a [u8],
    at: usize,
    table: &'a [u8; 128],
    value: u8,
    mask: u64,
}

#[derive(Debug, PartialEq)]
struct Answers {
    bytes: [u8; BYTES],
    masks: [u64; 4],
    found: [u8; BYTES],
    positions: Vec<u32>,
}

impl Task for Ask<'_> {
    type Output = Answers;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Answers {
        let bytes = kernel.load(self.text, self.at);
        assert_eq!(
            kernel.unpack(kernel.pack(&kernel.unpack(bytes))),
            kernel.unpack(bytes)
        );
        let mut positions = [0; BYTES];
        let count = kernel.positions(self.mask, 7, &mut positions);
        Answers {
            bytes: kernel.unpack(bytes),
            masks: [
                kernel.non_ascii(bytes),
                kernel.leads(bytes),
                kernel.equal(bytes, self.value),
                kernel.any(bytes, self.value),
            ],
            found: kernel.unpack(kernel.lookup(bytes, self.table)),
            positions: positions[..count].to_vec(),
        }
    }
}

proptest! {
    #[test]
    fn kernels_agree(
        text in prop::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..220,
        table in prop::collection::vec(any::<u8>(), 128),
        value in any::<u8>(),
        mask in any::<u64>(),
    ) {
        let table: &[u8; 128] = table.as_slice().try_into().unwrap();
        let ask = || Ask { text: &text, at, table, value, mask };
        let levels = Level::all();

        let scalar = levels[0].run(ask());

        let expected: Vec<u32> = (0..64).filter(|bit| mask >> bit & 1 == 1).map(|bit| bit + 7).collect();
        prop_assert_eq!(&scalar.positions, &expected);
        for level in levels {
            prop_assert_eq!(&level.run(ask()), &scalar);
        }
    }
}
