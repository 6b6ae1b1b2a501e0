//! How fast a tier gives blocks back.

use std::time::Duration;

/// How much the last load counts against all before it.
const WEIGHT: f64 = 0.1;

/// A moving mean of bytes a second.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Speed {
    seconds_per_byte: f64,
}

impl Speed {
    pub(super) fn add(&mut self, bytes: usize, took: Duration) {
        // A clock that did not move says nothing.
        if bytes == 0 || took.is_zero() {
            return;
        }
        let now = took.as_secs_f64() / bytes as f64;
        self.seconds_per_byte = if self.seconds_per_byte == 0.0 {
            now
        } else {
            self.seconds_per_byte + WEIGHT * (now - self.seconds_per_byte)
        };
    }

    /// 0 before the first load.
    pub(super) fn bytes_per_second(self) -> f64 {
        if self.seconds_per_byte == 0.0 {
            0.0
        } else {
            1.0 / self.seconds_per_byte
        }
    }

    /// What a load takes; `None` before the first one.
    pub(super) fn seconds(self, bytes: usize) -> Option<f64> {
        (self.seconds_per_byte > 0.0).then_some(self.seconds_per_byte * bytes as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Speed;

    #[test]
    fn speed_follows_what_loads_take() {
        let mut speed = Speed::default();
        assert_eq!(speed.seconds(100), None);

        speed.add(1000, Duration::from_secs(1));
        assert!((speed.bytes_per_second() - 1000.0).abs() < 1e-6);
        for _ in 0..100 {
            speed.add(1000, Duration::from_secs(2));
        }

        assert!((speed.bytes_per_second() - 500.0).abs() < 1.0);
    }
}
