//! Pages in the machine's memory.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use inferail_simd::pages::{self, Level, Memory, Part, Row};

use super::{Layout, Sizes, Store, available_memory};
use crate::Error;

/// Pages in the machine's memory, 64-byte aligned, in huge pages where the system gives them.
///
/// Memory is taken when a page is first written, so that a large pool costs nothing until it is used. Every layer has its
/// own lock: a layer is read by any number of threads or written by one.
#[derive(Debug)]
pub struct Cpu {
    layout: Layout,
    sizes: Sizes,
    level: Level,
    layers: Vec<RwLock<Memory>>,
}

impl Cpu {
    /// An empty store.
    ///
    /// # Errors
    /// A layout that means nothing, and one that is larger than the memory that this machine has free.
    pub fn new(layout: Layout) -> Result<Self, Error> {
        Self::within(layout, available_memory())
    }

    /// The same, refused above `available` bytes; `None` asks the system alone, which may promise more than it has.
    ///
    /// # Errors
    /// As above.
    pub fn within(layout: Layout, available: Option<usize>) -> Result<Self, Error> {
        let sizes = layout.sizes()?;
        if let Some(available) = available
            && sizes.store > available
        {
            return Err(Error::Memory {
                needed: sizes.store as u64,
                available: available as u64,
            });
        }
        let layer = |_| {
            Memory::new(sizes.layer)
                .map(RwLock::new)
                .map_err(|_| Error::Memory {
                    needed: sizes.store as u64,
                    available: available.unwrap_or(0) as u64,
                })
        };
        Ok(Self {
            layout,
            sizes,
            level: Level::best(),
            layers: (0..layout.layers).map(layer).collect::<Result<_, _>>()?,
        })
    }

    /// Bytes of its parts.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The instruction set it computes with.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The address of a layer's first byte; its `sizes().layer` bytes stay there as long as the store.
    ///
    /// Who reads or writes through it is outside the locks, as with any memory that is shared with Python: it has to be
    /// sure that nobody writes, or reads, the same slots meanwhile.
    ///
    /// # Errors
    /// A layer that the store has not.
    pub fn address(&self, layer: usize) -> Result<usize, Error> {
        Ok(self.read(layer)?.as_slice().as_ptr().expose_provenance())
    }

    /// Writes keys and values of tokens, `[slots.len(), kv_heads, head_dim]` each, to the tokens' slots of a layer.
    ///
    /// Slot `s` is token `s % block_size` of block `s / block_size`; a slot below 0 is left out, of two tokens with one
    /// slot the last one stays. Rounding and its bounds: [`pages::write`].
    ///
    /// # Errors
    /// A layer or a slot that the store has not, or lengths that do not fit; then nothing is written.
    pub fn write(
        &self,
        layer: usize,
        slots: &[i64],
        keys: Row<'_>,
        values: Row<'_>,
    ) -> Result<(), Error> {
        let numbers = slots.len() * self.layout.shape().width();
        same_length("keys", keys.len(), numbers)?;
        same_length("values", values.len(), numbers)?;
        let slots_of_pool = self.layout.blocks * self.layout.block_size;
        let beyond = |slot: &&i64| usize::try_from(**slot).is_ok_and(|slot| slot >= slots_of_pool);
        if let Some(slot) = slots.iter().find(beyond) {
            return Err(Error::Parameter {
                name: "slots",
                expected: "below blocks × block_size",
                value: slot.to_string(),
            });
        }
        let mut memory = self.write_lock(layer)?;
        let shape = self.layout.shape();
        pages::write(
            self.level,
            shape,
            memory.as_mut_slice(),
            slots,
            keys,
            values,
        );
        Ok(())
    }

    /// Reads keys and values of the first tokens of a sequence, `[tokens, kv_heads, head_dim]` each, as the pages hold them.
    ///
    /// # Errors
    /// A layer or a block that the store has not, or lengths that do not fit.
    pub fn gather(
        &self,
        layer: usize,
        table: &[u32],
        tokens: usize,
        keys: &mut [f32],
        values: &mut [f32],
    ) -> Result<(), Error> {
        let shape = self.layout.shape();
        let width = shape.width();
        same_length("keys", keys.len(), tokens.saturating_mul(width))?;
        same_length("values", values.len(), tokens.saturating_mul(width))?;
        self.layout.check_table(table, tokens)?;
        let memory = self.read(layer)?;
        let rows = keys
            .chunks_exact_mut(width)
            .zip(values.chunks_exact_mut(width));
        for (token, (keys, values)) in rows.enumerate() {
            let block = table[token / shape.block_size] as usize;
            let slot = block * shape.block_size + token % shape.block_size;
            pages::read(self.level, shape, memory.as_slice(), slot, keys, values);
        }
        Ok(())
    }

    /// A layer, to be read. A thread that panicked while it wrote has left some bytes old and some new, no more.
    pub(super) fn read(&self, layer: usize) -> Result<RwLockReadGuard<'_, Memory>, Error> {
        let memory = self.layer(layer)?.read();
        Ok(memory.unwrap_or_else(PoisonError::into_inner))
    }

    fn write_lock(&self, layer: usize) -> Result<RwLockWriteGuard<'_, Memory>, Error> {
        let memory = self.layer(layer)?.write();
        Ok(memory.unwrap_or_else(PoisonError::into_inner))
    }

    fn layer(&self, layer: usize) -> Result<&RwLock<Memory>, Error> {
        self.layers.get(layer).ok_or_else(|| Error::Parameter {
            name: "layer",
            expected: "one of the cache's layers",
            value: layer.to_string(),
        })
    }

    fn page(&self, block: u32) -> std::ops::Range<usize> {
        let first = block as usize * self.sizes.page;
        first..first + self.sizes.page
    }
}

pub(super) fn same_length(name: &'static str, length: usize, expected: usize) -> Result<(), Error> {
    if length == expected {
        Ok(())
    } else {
        Err(Error::Length {
            name,
            expected,
            length,
        })
    }
}

impl Store for Cpu {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn copy_slots(&self, from: u32, to: u32, slots: usize) -> Result<(), Error> {
        self.layout.check_block(from)?;
        self.layout.check_block(to)?;
        let shape = self.layout.shape();
        if slots > shape.block_size {
            return Err(Error::Parameter {
                name: "slots",
                expected: "at most block_size",
                value: slots.to_string(),
            });
        }
        if from == to {
            return Ok(());
        }
        let row = shape.head_dim * shape.format.number_bytes();
        let (from, to) = (self.page(from).start, self.page(to).start);
        for layer in 0..self.layout.layers {
            let mut memory = self.write_lock(layer)?;
            let bytes = memory.as_mut_slice();
            for part in [Part::Keys, Part::Values] {
                for head in 0..shape.kv_heads {
                    let numbers = shape.numbers(part, head).start;
                    bytes.copy_within(from + numbers..from + numbers + slots * row, to + numbers);
                    let scales = shape.scales(part, head);
                    let length = scales.len().min(slots * size_of::<f32>());
                    let scales = scales.start;
                    bytes.copy_within(from + scales..from + scales + length, to + scales);
                }
            }
        }
        Ok(())
    }

    fn read_block(&self, block: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.layout.check_block(block)?;
        same_length("bytes", bytes.len(), self.sizes.block)?;
        for (layer, out) in bytes.chunks_exact_mut(self.sizes.page).enumerate() {
            out.copy_from_slice(&self.read(layer)?.as_slice()[self.page(block)]);
        }
        Ok(())
    }

    fn write_block(&self, block: u32, bytes: &[u8]) -> Result<(), Error> {
        self.layout.check_block(block)?;
        same_length("bytes", bytes.len(), self.sizes.block)?;
        for (layer, page) in bytes.chunks_exact(self.sizes.page).enumerate() {
            self.write_lock(layer)?.as_mut_slice()[self.page(block)].copy_from_slice(page);
        }
        Ok(())
    }
}
