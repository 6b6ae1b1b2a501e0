//! Keys and values of tokens, into pages and back.

use super::convert::{bf16_from_f32, f16_from_f32, fp8_from_f32, fp8_to_f32};
use super::{Format, Level, Part, Row, Shape};
use crate::logits::{Lanes, Pass, bf16_to_f32, f16_to_f32};

/// Largest numbers of the quantised formats.
const INT8_LARGEST: f32 = 127.0;
const FP8_LARGEST: f32 = 448.0;

/// Writes keys and values of tokens, `[slots.len(), kv_heads, head_dim]` each, to the tokens' slots of a layer's pages.
///
/// Slot `s` is token `s % block_size` of block `s / block_size`; a slot below 0 is left out. Of two tokens with one slot
/// the last one stays.
///
/// With `a` the largest magnitude of a head's vector, a number `x` of it comes back within `a / 254` for int8, within
/// the larger of `|x| / 16` and `a / 448 / 1024` for FP8, each but for 4 units in the last place of `a` and for 2⁻¹⁴²,
/// within `|x| / 256`, or 2⁻¹³⁴, for bf16 and within `|x| / 2048`, or 2⁻²⁵, for f16.
///
/// # Panics
///
/// Lengths do not fit together, or a slot is behind the end of the layer.
pub fn write(
    level: Level,
    shape: Shape,
    layer: &mut [u8],
    slots: &[i64],
    keys: Row<'_>,
    values: Row<'_>,
) {
    let numbers = slots.len() * shape.width();
    assert!(
        keys.len() == numbers && values.len() == numbers,
        "{} keys and {} values are not {numbers}",
        keys.len(),
        values.len(),
    );
    let Some(page_bytes) = shape.page_bytes() else {
        return;
    };
    level.run(Write {
        shape,
        page_bytes,
        layer,
        slots,
        sources: [(Part::Keys, keys), (Part::Values, values)],
    });
}

struct Write<'a> {
    shape: Shape,
    page_bytes: usize,
    layer: &'a mut [u8],
    slots: &'a [i64],
    sources: [(Part, Row<'a>); 2],
}

impl Pass for Write<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let shape = self.shape;
        let mut numbers = vec![0.0; shape.head_dim];
        for (token, slot) in self.slots.iter().enumerate() {
            let Ok(slot) = usize::try_from(*slot) else {
                continue;
            };
            let (block, slot) = (slot / shape.block_size, slot % shape.block_size);
            let page = &mut self.layer[block * self.page_bytes..][..self.page_bytes];
            for (part, source) in self.sources {
                for head in 0..shape.kv_heads {
                    let first = token * shape.width() + head * shape.head_dim;
                    let bytes = shape.head_dim * shape.format.number_bytes();
                    let place = shape.numbers(part, head).start + slot * bytes;
                    let out = place..place + bytes;
                    if copied(shape, source, first, &mut page[out.clone()]) {
                        continue;
                    }
                    widen(source, first, &mut numbers);
                    let scale = encode(shape.format, &numbers, &mut page[out]);
                    if shape.format.is_quantized() {
                        let place = shape.scales(part, head).start + slot * size_of::<f32>();
                        page[place..][..size_of::<f32>()].copy_from_slice(&scale.to_ne_bytes());
                    }
                }
            }
        }
    }
}

/// Copies numbers that are in the page's format already; false if they are not.
#[inline(always)]
fn copied(shape: Shape, source: Row<'_>, first: usize, out: &mut [u8]) -> bool {
    let bytes: &[u8] = match (shape.format, source) {
        (Format::F32, Row::F32(row)) => bytemuck::cast_slice(&row[first..][..shape.head_dim]),
        (Format::F16, Row::F16(row)) | (Format::Bf16, Row::Bf16(row)) => {
            bytemuck::cast_slice(&row[first..][..shape.head_dim])
        }
        _ => return false,
    };
    out.copy_from_slice(bytes);
    true
}

#[inline(always)]
fn widen(source: Row<'_>, first: usize, out: &mut [f32]) {
    match source {
        Row::F32(row) => out.copy_from_slice(&row[first..][..out.len()]),
        Row::F16(row) => {
            for (out, bits) in out.iter_mut().zip(&row[first..]) {
                *out = f16_to_f32(*bits);
            }
        }
        Row::Bf16(row) => {
            for (out, bits) in out.iter_mut().zip(&row[first..]) {
                *out = bf16_to_f32(*bits);
            }
        }
    }
}

/// Writes a head's numbers and gives their scale.
#[inline(always)]
fn encode(format: Format, numbers: &[f32], out: &mut [u8]) -> f32 {
    match format {
        Format::F32 => {
            out.copy_from_slice(bytemuck::cast_slice(numbers));
            1.0
        }
        Format::Bf16 => {
            for (out, number) in out.as_chunks_mut::<2>().0.iter_mut().zip(numbers) {
                *out = bf16_from_f32(*number).to_ne_bytes();
            }
            1.0
        }
        Format::F16 => {
            for (out, number) in out.as_chunks_mut::<2>().0.iter_mut().zip(numbers) {
                *out = f16_from_f32(*number).to_ne_bytes();
            }
            1.0
        }
        Format::Int8 => {
            let scale = largest(numbers) / INT8_LARGEST;
            let divisor = if scale > 0.0 { scale } else { 1.0 };
            for (out, number) in out.iter_mut().zip(numbers) {
                let code = (number / divisor)
                    .round_ties_even()
                    .clamp(-INT8_LARGEST, INT8_LARGEST);
                *out = (code as i8).cast_unsigned();
            }
            scale
        }
        Format::Fp8 => {
            let scale = largest(numbers) / FP8_LARGEST;
            let divisor = if scale > 0.0 { scale } else { 1.0 };
            for (out, number) in out.iter_mut().zip(numbers) {
                *out = fp8_from_f32(number / divisor);
            }
            scale
        }
    }
}

/// The largest magnitude; NaN where a number is not finite.
#[inline(always)]
fn largest(numbers: &[f32]) -> f32 {
    // As integers, magnitudes have the same order, and what is not finite comes last.
    let most = numbers.iter().fold(0, |most, number| {
        most.max(number.to_bits().cast_signed() & i32::MAX)
    });
    let most = f32::from_bits(most.cast_unsigned());
    if most.is_finite() { most } else { f32::NAN }
}

/// Reads a token's keys and values, `[kv_heads, head_dim]` each, from its slot of a layer's pages.
///
/// # Panics
///
/// Lengths do not fit together, or the slot is behind the end of the layer.
pub fn read(
    level: Level,
    shape: Shape,
    layer: &[u8],
    slot: usize,
    keys: &mut [f32],
    values: &mut [f32],
) {
    assert!(
        keys.len() == shape.width() && values.len() == shape.width(),
        "{} keys and {} values are not {}",
        keys.len(),
        values.len(),
        shape.width(),
    );
    let Some(page_bytes) = shape.page_bytes() else {
        return;
    };
    let (block, slot) = (slot / shape.block_size, slot % shape.block_size);
    level.run(Read {
        shape,
        page: &layer[block * page_bytes..][..page_bytes],
        slot,
        out: [(Part::Keys, keys), (Part::Values, values)],
    });
}

struct Read<'a> {
    shape: Shape,
    page: &'a [u8],
    slot: usize,
    out: [(Part, &'a mut [f32]); 2],
}

impl Pass for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let shape = self.shape;
        for (part, out) in self.out {
            for (head, out) in out.chunks_exact_mut(shape.head_dim).enumerate() {
                let bytes = shape.head_dim * shape.format.number_bytes();
                let numbers = &self.page[shape.numbers(part, head)][self.slot * bytes..][..bytes];
                let scales = self.page[shape.scales(part, head)].as_chunks::<4>().0;
                let scale = scales
                    .get(self.slot)
                    .map_or(1.0, |it| f32::from_ne_bytes(*it));
                decode(shape.format, numbers, scale, out);
            }
        }
    }
}

#[inline(always)]
fn decode(format: Format, numbers: &[u8], scale: f32, out: &mut [f32]) {
    match format {
        Format::F32 => {
            for (out, bytes) in out.iter_mut().zip(numbers.as_chunks::<4>().0) {
                *out = f32::from_ne_bytes(*bytes);
            }
        }
        Format::Bf16 => {
            for (out, bytes) in out.iter_mut().zip(numbers.as_chunks::<2>().0) {
                *out = bf16_to_f32(u16::from_ne_bytes(*bytes));
            }
        }
        Format::F16 => {
            for (out, bytes) in out.iter_mut().zip(numbers.as_chunks::<2>().0) {
                *out = f16_to_f32(u16::from_ne_bytes(*bytes));
            }
        }
        Format::Int8 => {
            for (out, code) in out.iter_mut().zip(numbers) {
                *out = scale * f32::from(code.cast_signed());
            }
        }
        Format::Fp8 => {
            for (out, code) in out.iter_mut().zip(numbers) {
                *out = scale * fp8_to_f32(*code);
            }
        }
    }
}
