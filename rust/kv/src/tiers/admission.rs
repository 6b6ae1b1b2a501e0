//! Whether a block is worth the place of another: the count-min sketch of `TinyLFU`.

use super::Key;

const ROWS: usize = 4;

/// Counters stop here; they fit into a byte, and halving brings them down soon.
const MOST: u8 = 15;

/// How often keys were seen lately: never less than that, and seldom more.
#[derive(Debug)]
pub(super) struct Frequency {
    counters: Vec<[u8; ROWS]>,
    mask: usize,
    seen: usize,
}

impl Frequency {
    /// For about `keys` keys in the tier.
    pub(super) fn new(keys: usize) -> Self {
        let columns = keys.clamp(64, 1 << 22).next_power_of_two();
        Self {
            counters: vec![[0; ROWS]; columns],
            mask: columns - 1,
            seen: 0,
        }
    }

    /// Counts a key.
    pub(super) fn add(&mut self, key: Key) {
        for (row, column) in self.columns(key).into_iter().enumerate() {
            let counter = &mut self.counters[column][row];
            *counter = MOST.min(*counter + 1);
        }
        self.seen += 1;
        // What was popular once is forgotten: a tier that only kept it would never take anything new.
        if self.seen >= 10 * self.counters.len() {
            self.seen /= 2;
            for counter in self.counters.as_flattened_mut() {
                *counter /= 2;
            }
        }
    }

    /// How often it was seen.
    pub(super) fn of(&self, key: Key) -> u8 {
        let counters = self.columns(key).into_iter().enumerate();
        counters
            .map(|(row, column)| self.counters[column][row])
            .min()
            .unwrap_or(0)
    }

    /// Keys are hashes already: each quarter is as good as another.
    fn columns(&self, key: Key) -> [usize; ROWS] {
        std::array::from_fn(|row| {
            let part = (key >> (32 * row)) as u32;
            (part.wrapping_mul(0x9E37_79B1) as usize >> 4) & self.mask
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Frequency;

    fn key(number: u128) -> u128 {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }

    #[test]
    fn a_key_is_counted_at_least_as_often_as_it_was_seen() {
        let mut frequency = Frequency::new(100);
        for number in 0..50 {
            for _ in 0..number % 4 {
                frequency.add(key(number));
            }
        }

        for number in 0..50 {
            assert!(u128::from(frequency.of(key(number))) >= number % 4);
        }
    }

    #[test]
    fn what_is_not_seen_any_more_is_forgotten() {
        let mut frequency = Frequency::new(64);
        for _ in 0..20 {
            frequency.add(key(1));
        }
        assert_eq!(frequency.of(key(1)), 15);

        for number in 0..8_000 {
            frequency.add(key(100 + number));
        }

        assert!(frequency.of(key(1)) < 15);
    }
}
