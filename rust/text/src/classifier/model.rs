//! The weights: how they are kept, and what they say.
//!
//! | part | bytes |
//! |---|---|
//! | `IRTASKS` and the version, 1 | 8 |
//! | bits of a bucket's number | 1 |
//! | number of tasks | 1 |
//! | each task: length of its name, name | |
//! | each task, then complexity: bias and scale, float32, little-endian | 8 each |
//! | for each bucket, a weight of each task and of complexity, int8 | |
//! | CRC-32 of all before it, little-endian | 4 |
//!
//! With n features a score is `bias + scale * sum(weights) / sqrt(n)`; the scores of tasks go through a softmax, that of
//! complexity through a logistic function.

use super::features::{MAX_BITS, features};
use crate::Error;

/// What a file begins with.
pub const MAGIC: &[u8; 8] = b"IRTASKS\x01";

/// Outputs of a bucket in memory, so that they are added as one vector.
const LANES: usize = 16;

/// What a prompt is found to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task<'model> {
    /// The likeliest task.
    pub name: &'model str,
    /// How likely it is, 0 to 1.
    pub confidence: f32,
    /// How hard the prompt is, 0 to 1.
    pub complexity: f32,
}

/// A classifier, read from its file.
#[derive(Clone, Debug)]
pub struct TaskModel {
    bits: u32,
    tasks: Vec<String>,
    /// Bias and scale of each task, then of complexity.
    outputs: Vec<(f32, f32)>,
    weights: Vec<[i8; LANES]>,
}

impl TaskModel {
    /// Reads a model.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: the bytes are no model. [`Error::Damaged`]: they were one.
    pub fn read(file: &[u8]) -> Result<Self, Error> {
        let (body, checksum) = file
            .split_last_chunk::<4>()
            .filter(|(body, _)| body.starts_with(MAGIC))
            .ok_or_else(|| Error::format("it does not begin with its name, or is cut short", 0))?;
        let (found, written) = (crc32fast::hash(body), u32::from_le_bytes(*checksum));
        if found != written {
            return Err(Error::Damaged { found, written });
        }
        let mut reader = Reader {
            body,
            at: MAGIC.len(),
        };
        let bits = u32::from(reader.byte()?);
        let num_tasks = usize::from(reader.byte()?);
        if !(1..=MAX_BITS).contains(&bits) || !(1..LANES).contains(&num_tasks) {
            let problem = format!("{bits} bits and {num_tasks} tasks are out of range");
            return Err(Error::format(problem, MAGIC.len()));
        }
        let mut tasks = Vec::with_capacity(num_tasks);
        for _ in 0..num_tasks {
            let (at, length) = (reader.at, usize::from(reader.byte()?));
            let name = std::str::from_utf8(reader.take(length)?);
            let name = name.map_err(|_| Error::format("the name of a task is no text", at))?;
            tasks.push(name.to_owned());
        }
        let mut outputs = Vec::with_capacity(num_tasks + 1);
        for _ in 0..=num_tasks {
            outputs.push((reader.float()?, reader.float()?));
        }
        let at = reader.at;
        let rows = reader.take((num_tasks + 1) << bits)?;
        if reader.at != body.len() {
            return Err(Error::format("something follows the weights", at));
        }
        let mut weights = vec![[0; LANES]; 1 << bits];
        for (row, bytes) in weights.iter_mut().zip(rows.chunks_exact(num_tasks + 1)) {
            for (weight, byte) in row.iter_mut().zip(bytes) {
                *weight = byte.cast_signed();
            }
        }
        Ok(Self {
            bits,
            tasks,
            outputs,
            weights,
        })
    }

    /// The tasks it tells apart.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// The likeliest task of a prompt, and its complexity.
    pub fn classify(&self, text: &str) -> Task<'_> {
        let (mut best, mut highest) = (0, f32::NEG_INFINITY);
        let scores = self.scores(text);
        let (of_tasks, complexity) = scores.split_at(self.tasks.len());
        for (place, score) in of_tasks.iter().enumerate() {
            if *score > highest {
                (best, highest) = (place, *score);
            }
        }
        let total: f32 = of_tasks.iter().map(|score| (score - highest).exp()).sum();
        let complexity = complexity.first().copied().unwrap_or_default();
        Task {
            name: self.tasks.get(best).map_or("", String::as_str),
            confidence: 1.0 / total,
            complexity: 1.0 / (1.0 + (-complexity).exp()),
        }
    }

    /// The score of each task, then that of complexity.
    pub fn scores(&self, text: &str) -> Vec<f32> {
        let buckets = features(text, self.bits);
        let mut sums = [0_i32; LANES];
        for bucket in &buckets {
            for (sum, weight) in sums.iter_mut().zip(&self.weights[*bucket as usize]) {
                *sum += i32::from(*weight);
            }
        }
        let norm = (buckets.len().max(1) as f32).sqrt();
        let outputs = self.outputs.iter().zip(sums);
        outputs
            .map(|((bias, scale), sum)| bias + scale * sum as f32 / norm)
            .collect()
    }
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let taken = self.body.get(self.at..self.at.saturating_add(length));
        let taken = taken.ok_or_else(|| Error::format("it is cut short", self.at))?;
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn float(&mut self) -> Result<f32, Error> {
        let at = self.at;
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        let value = f32::from_le_bytes(bytes);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(Error::format("a bias or a scale is no number", at))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A model of two tasks whose weights are `weights`, row after row.
    fn file(weights: &[i8]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend([4, 2, 1, b'a', 2, b'b', b'c']);
        for value in [0.5_f32, 0.1, 0.0, 0.2, -1.0, 0.05] {
            file.extend(value.to_le_bytes());
        }
        file.extend(weights.iter().map(|weight| weight.cast_unsigned()));
        let checksum = crc32fast::hash(&file);
        file.extend(checksum.to_le_bytes());
        file
    }

    #[test]
    fn model_adds_up_the_weights_of_the_features() {
        let weights: Vec<i8> = (0..48).map(|number| number * 2 - 50).collect();
        let model = TaskModel::read(&file(&weights)).unwrap();
        let buckets = features("Hello there", 4);

        let sum = |output: usize| {
            let weights = buckets
                .iter()
                .map(|bucket| weights[*bucket as usize * 3 + output]);
            weights.map(f32::from).sum::<f32>() / (buckets.len() as f32).sqrt()
        };
        let (a, b, c) = (0.5 + 0.1 * sum(0), 0.2 * sum(1), -1.0 + 0.05 * sum(2));
        let found = model.classify("Hello there");

        assert_eq!(model.tasks(), ["a", "bc"]);
        assert_eq!(found.name, if a > b { "a" } else { "bc" });
        assert!((found.confidence - a.max(b).exp() / (a.exp() + b.exp())).abs() < 1e-5);
        assert!((found.complexity - 1.0 / (1.0 + (-c).exp())).abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn reader_refuses_a_model_with_any_byte_changed(place in any::<prop::sample::Index>(), by in 1_u8..) {
            let mut file = file(&[1; 48]);
            let place = place.index(file.len());
            file[place] ^= by;

            prop_assert!(TaskModel::read(&file).is_err());
        }

        #[test]
        fn reader_refuses_a_model_that_is_cut_or_longer(cut in any::<prop::sample::Index>(), more in 1_usize..9) {
            let mut file = file(&[1; 48]);
            prop_assert!(TaskModel::read(&file[..cut.index(file.len())]).is_err());

            file.truncate(file.len() - 4);
            file.extend(vec![0; more]);
            let checksum = crc32fast::hash(&file);
            file.extend(checksum.to_le_bytes());
            prop_assert!(TaskModel::read(&file).is_err());
        }

        #[test]
        fn reader_takes_any_bytes_with_a_right_checksum_or_says_why_not(rest in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut file = MAGIC.to_vec();
            file.extend(rest);
            let checksum = crc32fast::hash(&file);
            file.extend(checksum.to_le_bytes());

            if let Ok(model) = TaskModel::read(&file) {
                model.classify("anything");
            }
        }

        #[test]
        fn features_are_few_and_in_range_for_any_text(text in "\\PC{0,300}", bits in 1_u32..=MAX_BITS) {
            let buckets = features(&text, bits);

            prop_assert!(buckets.iter().all(|bucket| *bucket < 1 << bits));
            prop_assert!(buckets.len() <= 8 * text.len() + 3);
        }
    }

    #[test]
    fn features_of_a_long_text_come_from_its_ends() {
        let long = |middle: &str| {
            format!(
                "{}{}{}",
                "é".repeat(1_024),
                middle.repeat(2_000),
                "ü".repeat(512)
            )
        };

        assert_eq!(features(&long("a b "), 14), features(&long("c d "), 14));
    }
}
