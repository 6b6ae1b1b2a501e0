//! What an instruction set has to offer.

/// Columns of a panel.
pub(super) const COLUMNS: usize = 16;

/// Rows of the largest tile of any instruction set.
pub(super) const MOST_ROWS: usize = 12;

/// 64 bytes that lie in one line of the cache: what a panel has for one, two or four inputs.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line<T>(pub(super) [T; COLUMNS]);

/// One input of a panel.
pub(super) type F32Line = Line<f32>;
/// Two inputs of a panel: the upper halves of binary32.
pub(super) type Bf16Line = Line<[u16; 2]>;
/// Four inputs of a panel.
pub(super) type Int8Line = Line<[i8; 4]>;

/// Makes sure that a tile can be computed without looking again.
///
/// # Panics
///
/// A row is shorter than the panel.
#[inline(always)]
pub(super) fn check_lengths<T, L, const R: usize>(rows: &[&[T]; R], panel: &[Line<L>]) {
    for row in rows {
        assert!(row.len() >= panel.len(), "a row is shorter than its panel");
    }
}

/// Tiles: some rows times one panel.
///
/// `rows` are as long as the panel; what is beyond is not read. Implementations are `#[inline(always)]`, and so must be
/// whatever calls them, up to `Pass::run`: code that is not inlined there is compiled for the oldest CPU.
pub(super) trait Kernel: Copy {
    /// Rows of the largest tile, at most [`MOST_ROWS`].
    const ROWS: usize;

    /// Whether inputs are rounded to bf16 where the weights are in it.
    const ROUNDS: bool = false;

    /// Each product is added with one rounding, input after input.
    fn f32<const R: usize>(self, rows: [&[f32]; R], panel: &[F32Line]) -> [[f32; COLUMNS]; R];

    /// The same with weights that are widened.
    fn bf16<const R: usize>(
        self,
        rows: [&[[f32; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R];

    /// Inputs in bf16 too, two products at a time; the order of the sum is the instruction's.
    fn rounded<const R: usize>(
        self,
        rows: [&[[u16; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R];

    /// Exact: `quantize` sees to it that no sum overflows.
    fn int8<const R: usize>(
        self,
        rows: [&[[i16; 4]]; R],
        panel: &[Int8Line],
    ) -> [[i32; COLUMNS]; R];
}

/// A loop over tiles or rows.
pub(super) trait Pass {
    /// What comes out.
    type Output;

    /// Runs it; to be marked `#[inline(always)]`.
    fn run<K: Kernel>(self, kernel: K) -> Self::Output;
}
