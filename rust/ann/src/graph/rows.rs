//! Rows of numbers under their places: in memory, or in a snapshot where it is mapped.

use inferail_simd::map::Number;
use inferail_simd::prefetch;

use crate::Error;
use crate::storage::Section;

/// Rows that are allocated together: what is there never moves.
const PAGE_ROWS: usize = 1024;

/// Bytes of a cache line.
const LINE: usize = 64;

/// `[rows, width]`
#[derive(Debug)]
pub(super) struct Rows<T> {
    width: usize,
    memory: Memory<T>,
}

#[derive(Debug)]
enum Memory<T> {
    Own(Vec<Page<T>>),
    Mapped(Section),
}

/// [`PAGE_ROWS`] rows, the first of which begins where a cache line does.
#[derive(Debug)]
struct Page<T> {
    numbers: Box<[T]>,
    start: usize,
}

/// All rows, ready to be read without a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowsView<'a, T> {
    width: usize,
    pages: &'a [Page<T>],
    /// Instead of pages.
    mapped: &'a [T],
}

impl<T: Number + Default> Rows<T> {
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            memory: Memory::Own(Vec::new()),
        }
    }

    /// Rows of a snapshot; `section` has a whole number of them.
    pub(super) fn mapped(width: usize, section: Section) -> Self {
        Self {
            width,
            memory: Memory::Mapped(section),
        }
    }

    /// All rows. Of a snapshot, the first call reads them from end to end.
    pub(super) fn view(&self) -> Result<RowsView<'_, T>, Error> {
        let (pages, mapped) = match &self.memory {
            Memory::Own(pages) => (pages.as_slice(), [].as_slice()),
            Memory::Mapped(section) => ([].as_slice(), section.numbers()?),
        };
        Ok(RowsView {
            width: self.width,
            pages,
            mapped,
        })
    }

    /// One row; of a snapshot, only what is around it is read.
    #[inline]
    pub(super) fn row(&self, place: u32) -> Result<&[T], Error> {
        match &self.memory {
            Memory::Own(pages) => Ok(row_of(pages, self.width, place)),
            Memory::Mapped(section) => {
                let start = place as usize * self.width;
                section.numbers_in(start..start + self.width)
            }
        }
    }

    /// Asks for a row that is in memory.
    pub(super) fn prefetch(&self, place: u32) {
        if let Memory::Own(pages) = &self.memory {
            let row = row_of(pages, self.width, place);
            for line in (0..row.len()).step_by(LINE / size_of::<T>()) {
                prefetch(row, line);
            }
        }
    }

    /// Writes a row; nothing happens if the rows are those of a snapshot still.
    pub(super) fn put(&mut self, place: u32, row: &[T]) {
        let Memory::Own(pages) = &mut self.memory else {
            return;
        };
        let (page, row_of_page) = divide(place);
        while pages.len() <= page {
            pages.push(Page::new(self.width));
        }
        let page = &mut pages[page];
        let start = page.start + row_of_page * self.width;
        page.numbers[start..start + row.len()].copy_from_slice(row);
    }

    /// Copies what is mapped, so that it can be written.
    pub(super) fn take_into_memory(&mut self) -> Result<(), Error> {
        let Memory::Mapped(section) = &self.memory else {
            return Ok(());
        };
        let numbers = section.numbers::<T>()?;
        let pages = numbers.chunks(PAGE_ROWS * self.width).map(|numbers| {
            let mut page = Page::new(self.width);
            page.numbers[page.start..page.start + numbers.len()].copy_from_slice(numbers);
            page
        });
        self.memory = Memory::Own(pages.collect());
        Ok(())
    }

    /// Bytes in memory of `rows` rows.
    pub(super) fn bytes(&self, rows: usize) -> usize {
        match self.memory {
            Memory::Own(_) => rows * self.width * size_of::<T>(),
            Memory::Mapped(_) => 0,
        }
    }
}

impl<T: Number + Default> Page<T> {
    fn new(width: usize) -> Self {
        let extra = LINE / size_of::<T>();
        let numbers = vec![T::default(); PAGE_ROWS * width + extra].into_boxed_slice();
        // Where no alignment can be told, rows begin anywhere.
        let start = numbers.as_ptr().align_offset(LINE);
        Self {
            start: if start < extra { start } else { 0 },
            numbers,
        }
    }
}

impl<'a, T> RowsView<'a, T> {
    #[inline]
    pub(super) fn row(&self, place: u32) -> &'a [T] {
        if self.mapped.is_empty() {
            return row_of(self.pages, self.width, place);
        }
        let start = place as usize * self.width;
        &self.mapped[start..start + self.width]
    }
}

#[inline]
fn row_of<T>(pages: &[Page<T>], width: usize, place: u32) -> &[T] {
    let (page, row) = divide(place);
    let page = &pages[page];
    let start = page.start + row * width;
    &page.numbers[start..start + width]
}

#[inline]
fn divide(place: u32) -> (usize, usize) {
    (place as usize / PAGE_ROWS, place as usize % PAGE_ROWS)
}
