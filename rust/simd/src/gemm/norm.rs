//! Layer normalisation.

use super::functions::sum;
use super::{Kernel, Level, Pass};

/// Adds `added` to `rows` and normalises each row: `(x − mean) / √(variance + epsilon) · scale + shift`.
///
/// Rows are as long as `scale`. Nothing is added where `added` is empty.
///
/// # Panics
///
/// The lengths do not fit together.
pub fn add_and_normalize(
    level: Level,
    rows: &mut [f32],
    added: &[f32],
    scale: &[f32],
    shift: &[f32],
    epsilon: f32,
) {
    assert!(
        !scale.is_empty()
            && scale.len() == shift.len()
            && rows.len().is_multiple_of(scale.len())
            && (added.is_empty() || added.len() == rows.len()),
        "{} numbers, {} added, cannot be normalised in rows of {} with {} shifts",
        rows.len(),
        added.len(),
        scale.len(),
        shift.len(),
    );
    level.run(Normalize {
        rows,
        added,
        scale,
        shift,
        epsilon,
    });
}

struct Normalize<'a> {
    rows: &'a mut [f32],
    added: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    epsilon: f32,
}

impl Pass for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, _kernel: K) {
        let length = self.scale.len();
        for (value, added) in self.rows.iter_mut().zip(self.added) {
            *value += added;
        }
        for row in self.rows.chunks_exact_mut(length) {
            let mean = sum(row, |value| value) / length as f32;
            let variance = sum(row, |value| (value - mean) * (value - mean)) / length as f32;
            let inverse = 1.0 / (variance + self.epsilon).sqrt();
            for ((value, scale), shift) in row.iter_mut().zip(self.scale).zip(self.shift) {
                *value = ((*value - mean) * inverse).mul_add(*scale, *shift);
            }
        }
    }
}
