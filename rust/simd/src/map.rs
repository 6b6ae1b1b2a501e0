//! Files as memory, read only, and checked views of their bytes as numbers.

use std::fs::File;
use std::io;

use bytemuck::Pod;

use crate::vectors::LeadBlock;

/// A file as memory: nothing is read before it is touched, and what is touched stays in the cache of the system, shared
/// with every process that maps the same file.
///
/// **The file must not change while it is mapped.** Nothing can keep another process from truncating it; touching what
/// is gone then ends this process with SIGBUS, and touching what was overwritten reads what is there now. So map files
/// of your own only: such as are replaced by renaming and never written in place, or only behind the mapped bytes, by
/// the holder of a lock.
#[derive(Debug)]
pub struct Map(memmap2::Mmap);

impl Map {
    /// The whole of `file` as it is now; what is appended later is not in it. The file may be closed afterwards.
    ///
    /// # Errors
    ///
    /// If the system cannot map it (a pipe, a folder, no address space).
    pub fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is private to reading, so that nothing of this process writes through it; that no other
        // process changes the mapped bytes is asked of the caller in the type's documentation (SAFETY.md, maps).
        let map = unsafe { memmap2::Mmap::map(file) }?;
        Ok(Self(map))
    }

    /// A copy of `bytes` that begins at a multiple of the page size, as a file does that is mapped.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn copied(bytes: &[u8]) -> io::Result<Self> {
        let mut map = memmap2::MmapMut::map_anon(bytes.len())?;
        map.copy_from_slice(bytes);
        map.make_read_only().map(Self)
    }

    /// All bytes of the file.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// A number, or a struct of them, for which any bytes of its size stand.
pub trait Number: Pod {}

impl Number for u8 {}
impl Number for i8 {}
impl Number for u16 {}
impl Number for u32 {}
impl Number for u64 {}
impl Number for f32 {}
impl Number for LeadBlock {}

/// The numbers that `bytes` are, in the byte order of this machine, without a copy.
///
/// `None` if the bytes begin at an address that is not a multiple of the number's size, or end inside one.
pub fn view<T: Number>(bytes: &[u8]) -> Option<&[T]> {
    bytemuck::try_cast_slice(bytes).ok()
}

/// The bytes of `numbers`, in the byte order of this machine, without a copy.
pub fn bytes<T: Number>(numbers: &[T]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}
