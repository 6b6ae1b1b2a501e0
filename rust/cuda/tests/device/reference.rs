//! Pages and attention, slowly and in f64.

use inferail_cuda::{Format, Number, Pages};

/// A small generator: the same numbers on every machine.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// About normal, with a standard deviation of 1.
    pub(crate) fn normal(&mut self) -> f32 {
        let sum: usize = (0..12).map(|_| self.below(1 << 16)).sum();
        sum as f32 / 65_536.0 - 6.0
    }

    pub(crate) fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

pub(crate) fn from_bf16(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

pub(crate) fn from_f16(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 31);
    let mantissa = f64::from(bits & 1023);
    let magnitude = match exponent {
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        0 => mantissa * 2_f64.powi(-24),
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

pub(crate) fn from_fp8(byte: u8) -> f64 {
    let exponent = i32::from(byte >> 3 & 15);
    let mantissa = f64::from(byte & 7);
    let magnitude = match (exponent, byte & 7) {
        (15, 7) => f64::NAN,
        (0, _) => mantissa * 2_f64.powi(-9),
        _ => (mantissa + 8.0) * 2_f64.powi(exponent - 10),
    };
    if byte & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Bytes of `x` as an engine's numbers, cut off, not rounded: what is meant is `decode` of them.
pub(crate) fn encode(number: Number, x: &[f32]) -> Vec<u8> {
    let half = |x: f32| {
        let bits = x.to_bits();
        let exponent = (bits >> 23 & 255) as i32 - 112;
        let sign = bits >> 16 & 0x8000;
        assert!(exponent < 31);
        if exponent <= 0 {
            sign as u16
        } else {
            (sign | (exponent as u32) << 10 | bits >> 13 & 1023) as u16
        }
    };
    match number {
        Number::F32 => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Number::Bf16 => x
            .iter()
            .flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes())
            .collect(),
        Number::F16 => x.iter().flat_map(|x| half(*x).to_le_bytes()).collect(),
    }
}

pub(crate) fn decode(number: Number, bytes: &[u8]) -> Vec<f64> {
    let halves = || {
        bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    };
    match number {
        Number::F32 => bytes
            .chunks_exact(4)
            .map(|x| f64::from(f32::from_le_bytes(x.try_into().unwrap())))
            .collect(),
        Number::Bf16 => halves().map(from_bf16).collect(),
        Number::F16 => halves().map(from_f16).collect(),
    }
}

/// What slots of a layer hold.
#[derive(Debug)]
pub(crate) struct Layer<'a> {
    pub(crate) pages: &'a Pages,
    pub(crate) bytes: &'a [u8],
}

impl Layer<'_> {
    fn row(&self, which: usize, head: usize, slot: usize) -> (usize, usize) {
        let size = self.pages.block_size();
        let row = (which * self.pages.kv_heads() + head) * size + slot % size;
        (slot / size * self.pages.page_bytes(), row)
    }

    /// The scale of a row: 1 where the format has none.
    pub(crate) fn scale(&self, which: usize, head: usize, slot: usize) -> f32 {
        if !self.pages.format().is_scaled() {
            return 1.0;
        }
        let (page, row) = self.row(which, head, slot);
        let numbers = 2 * self.pages.kv_heads() * self.pages.block_size() * self.pages.head_dim();
        let at = page + numbers + row * 4;
        f32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    /// Key (0) or value (1) of a head.
    pub(crate) fn numbers(&self, which: usize, head: usize, slot: usize) -> Vec<f64> {
        let (page, row) = self.row(which, head, slot);
        let size = self.pages.head_dim() * self.pages.format().bytes();
        let bytes = &self.bytes[page + row * size..page + (row + 1) * size];
        let scale = f64::from(self.scale(which, head, slot));
        match self.pages.format() {
            Format::F32 => decode(Number::F32, bytes),
            Format::Bf16 => decode(Number::Bf16, bytes),
            Format::F16 => decode(Number::F16, bytes),
            Format::Int8 => bytes
                .iter()
                .map(|byte| f64::from(byte.cast_signed()) * scale)
                .collect(),
            Format::Fp8 => bytes.iter().map(|byte| from_fp8(*byte) * scale).collect(),
        }
    }
}

/// One query head over the tokens in `slots`, zeros where there are none; and the largest score, without its sign.
pub(crate) fn attend(
    layer: &Layer<'_>,
    head: usize,
    query: &[f64],
    slots: &[usize],
    scale: f64,
    soft_cap: Option<f64>,
) -> (Vec<f64>, f64) {
    let scores: Vec<f64> = slots
        .iter()
        .map(|slot| {
            let key = layer.numbers(0, head, *slot);
            let score = scale * query.iter().zip(&key).map(|(q, k)| q * k).sum::<f64>();
            soft_cap.map_or(score, |cap| cap * (score / cap).tanh())
        })
        .collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
    let mut out = vec![0.0; query.len()];
    for (slot, score) in slots.iter().zip(&scores) {
        let weight = (score - most).exp() / sum;
        for (o, v) in out.iter_mut().zip(layer.numbers(1, head, *slot)) {
            *o += weight * v;
        }
    }
    (
        out,
        scores
            .iter()
            .fold(0.0, |largest: f64, score| largest.max(score.abs())),
    )
}
