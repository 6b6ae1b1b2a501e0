//! Memory of pages.

use std::io;

use memmap2::MmapMut;

/// Zeros that cost no memory until they are touched, beginning at a page of the system, so at a multiple of 64 bytes.
///
/// Where the system has huge pages it is asked for them: a walk through a cache touches a new small page for every block
/// and head, and looking up its address then takes as long as reading it.
#[derive(Debug)]
pub struct Memory(MmapMut);

impl Memory {
    /// `bytes` zeros, more than none.
    ///
    /// # Errors
    ///
    /// If the system has no such range of addresses, or refuses so much memory.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let map = MmapMut::map_anon(bytes)?;
        // Advice that is not taken changes nothing but the speed.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(map))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
