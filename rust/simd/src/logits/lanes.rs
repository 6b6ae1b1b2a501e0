//! What an instruction set has to offer.

/// Numbers in a register, or in as many as it takes.
pub(crate) const WIDTH: usize = 16;

/// Sixteen numbers at once.
///
/// Implementations are `#[inline(always)]`, and so must be whatever calls them, up to `Pass::run`: code that is not
/// inlined there is compiled for the oldest CPU.
pub(crate) trait Lanes: Copy {
    /// Whether sixteen numbers are one register, of which there are 32.
    const WIDE: bool;

    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `f64`.
    type D: Copy;

    fn splat(self, value: f32) -> Self::F;
    fn load(self, values: &[f32; WIDTH]) -> Self::F;
    /// IEEE 754 binary16.
    fn load_f16(self, values: &[u16; WIDTH]) -> Self::F;
    /// The upper half of a binary32.
    fn load_bf16(self, values: &[u16; WIDTH]) -> Self::F;
    /// Signed bytes.
    fn load_int8(self, values: &[i8; WIDTH]) -> Self::F;
    /// FP8 E4M3 in units of 2⁻⁸, so that the bits are those of a binary16.
    fn load_fp8(self, values: &[u8; WIDTH]) -> Self::F;
    fn store(self, values: Self::F, out: &mut [f32; WIDTH]);
    /// The sum of each of four: lane `i` is added to lane `i + 8`, then 4, 2 and 1 apart.
    fn totals(self, values: [Self::F; 4]) -> [f32; 4];
    /// Lanes whose bit is not set become −∞.
    fn keep(self, values: Self::F, lanes: u16) -> Self::F;
    /// Lanes whose bit is not set become 0.
    fn keep_or_zero(self, values: Self::F, lanes: u16) -> Self::F;
    /// The larger one; `other` where `values` is not a number.
    fn max(self, values: Self::F, other: Self::F) -> Self::F;
    /// The largest lane, none of which is NaN.
    fn largest(self, values: Self::F) -> f32;
    /// Lanes with `left >= right`.
    fn at_least(self, left: Self::F, right: Self::F) -> u16;
    /// Lanes where either is NaN.
    fn unordered(self, left: Self::F, right: Self::F) -> u16;
    fn add(self, left: Self::F, right: Self::F) -> Self::F;
    fn sub(self, left: Self::F, right: Self::F) -> Self::F;
    fn mul(self, left: Self::F, right: Self::F) -> Self::F;
    /// `left * right + plus`, rounded once.
    fn mul_add(self, left: Self::F, right: Self::F, plus: Self::F) -> Self::F;
    /// Adds the lowest bits of `powers` to the exponents of `values`.
    fn raise(self, values: Self::F, powers: Self::F) -> Self::F;
    /// Lanes of `lanes` to the front of `out`; what stands behind them is overwritten too.
    fn compress(self, values: Self::F, lanes: u16, out: &mut [f32; WIDTH]);
    /// `first` plus the index of each bit of `lanes` to the front of `out`; the rest is overwritten too.
    fn positions(self, lanes: u16, first: u32, out: &mut [u32; WIDTH]);

    fn widen(self, values: Self::F) -> Self::D;
    fn splat_f64(self, value: f64) -> Self::D;
    fn store_f64(self, values: Self::D, out: &mut [f64; WIDTH]);
    fn keep_f64(self, values: Self::D, lanes: u16) -> Self::D;
    /// Lanes with `left >= right`.
    fn at_least_f64(self, left: Self::D, right: Self::D) -> u16;
    fn add_f64(self, left: Self::D, right: Self::D) -> Self::D;
    fn sub_f64(self, left: Self::D, right: Self::D) -> Self::D;
    fn mul_f64(self, left: Self::D, right: Self::D) -> Self::D;
    fn mul_add_f64(self, left: Self::D, right: Self::D, plus: Self::D) -> Self::D;
    fn max_f64(self, values: Self::D, other: Self::D) -> Self::D;
    fn raise_f64(self, values: Self::D, powers: Self::D) -> Self::D;
    /// The sum of all: lane `i` is added to lane `i + 8`, then 4, 2 and 1 apart.
    fn sum_f64(self, values: Self::D) -> f64;
}
