//! Manager, pages and tiers as one: what a plan says is done before it is seen.

use std::sync::Arc;

use crate::manager::{Copy, Load, Manager, Opening, Plan, SequenceId, key};
use crate::store::Store;
use crate::tiers::Lower;
use crate::{Error, Settings};

/// A manager with the pages that it plans for, or without any.
///
/// With pages every call moves them as it has to: offloads, then loads, then copies. A block that a tier cannot bring
/// back, or whose checksum is wrong, shortens what its sequences have cached: it is a miss, never a wrong answer.
///
/// Without pages the moves wait in a plan, which the engine fetches and makes before it writes to a page.
#[derive(Debug)]
pub struct Cache {
    manager: Manager,
    pages: Option<Pages>,
    plan: Plan,
}

/// Stores by group, and what is below them.
struct Pages {
    stores: Vec<Arc<dyn Store>>,
    lower: Option<Arc<dyn Lower>>,
    /// Bytes of a block, by group.
    block_bytes: Vec<usize>,
    /// A block on its way, of the largest group.
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pages")
            .field("stores", &self.stores.len())
            .field("has_lower", &self.lower.is_some())
            .finish_non_exhaustive()
    }
}

/// What could not be moved.
#[derive(Default)]
struct Failed {
    loads: Vec<Load>,
    copies: Vec<Copy>,
    error: Option<Error>,
}

impl Cache {
    /// Block tables alone, for an engine with pages of its own.
    pub fn new(manager: Manager) -> Self {
        Self {
            manager,
            pages: None,
            plan: Plan::default(),
        }
    }

    /// With the pages of each group, and perhaps tiers below. `block_bytes` are those of a block of each group.
    ///
    /// # Errors
    /// [`Error::Parameter`]: a store has another geometry than its group. As [`Manager::new`] otherwise.
    pub fn with_pages(
        mut settings: Settings,
        stores: Vec<Arc<dyn Store>>,
        block_bytes: &[usize],
        lower: Option<Arc<dyn Lower>>,
    ) -> Result<Self, Error> {
        let fits = stores.len() == settings.groups.len()
            && stores.len() == block_bytes.len()
            && stores.iter().zip(&settings.groups).all(|(store, group)| {
                let layout = store.layout();
                layout.blocks == group.blocks && layout.block_size == settings.block_size
            });
        if !fits {
            return Err(Error::Parameter {
                name: "stores",
                expected: "one for each group, of as many blocks and tokens a block",
                value: format!("{} for {} groups", stores.len(), settings.groups.len()),
            });
        }
        for (group, bytes) in settings.groups.iter_mut().zip(block_bytes) {
            group.block_bytes = *bytes;
        }
        settings.offload = lower.is_some();
        let largest = block_bytes.iter().copied().max().unwrap_or(0);
        Ok(Self {
            manager: Manager::new(settings)?,
            pages: Some(Pages {
                stores,
                bytes: vec![0; if lower.is_some() { largest } else { 0 }],
                lower,
                block_bytes: block_bytes.to_vec(),
            }),
            plan: Plan::default(),
        })
    }

    /// What knows the blocks.
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// What knows the blocks, to be changed in ways that move no page.
    pub fn manager_mut(&mut self) -> &mut Manager {
        &mut self.manager
    }

    /// As [`Manager::open`].
    ///
    /// # Errors
    /// As [`Manager::open`], and those of the stores; nothing is open then.
    pub fn open(&mut self, tokens: &[u32], opening: &Opening) -> Result<SequenceId, Error> {
        let lower = self.pages.as_ref().and_then(|pages| pages.lower.clone());
        let id = self
            .manager
            .open(tokens, opening, lower.as_deref(), &mut self.plan)?;
        if let Err(error) = self.settle() {
            self.release(id)?;
            return Err(error);
        }
        Ok(id)
    }

    /// As [`Manager::append`].
    ///
    /// # Errors
    /// As [`Manager::append`], and those of the stores.
    pub fn append(&mut self, id: SequenceId, tokens: &[u32]) -> Result<(), Error> {
        self.manager.append(id, tokens, &mut self.plan)?;
        self.settle()
    }

    /// As [`Manager::release`].
    ///
    /// # Errors
    /// As [`Manager::release`].
    pub fn release(&mut self, id: SequenceId) -> Result<(), Error> {
        self.manager.release(id, &mut self.plan)
    }

    /// The moves that wait to be made, in order: offloads, loads, copies. None with pages of its own, it has made them.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Forgets the moves: they are made, or will be before any page is written.
    pub fn clear_plan(&mut self) {
        self.manager.clear(&mut self.plan);
    }

    /// As [`Manager::check_integrity`].
    ///
    /// # Errors
    /// As [`Manager::check_integrity`].
    pub fn check_integrity(&self) -> Result<(), Error> {
        self.manager.check_integrity(&self.plan)
    }

    /// Makes the moves, if there are pages.
    fn settle(&mut self) -> Result<(), Error> {
        let Some(pages) = &mut self.pages else {
            return Ok(());
        };
        if self.plan.is_empty() {
            return Ok(());
        }
        let failed = pages.make(&self.plan);
        if !failed.loads.is_empty() || !failed.copies.is_empty() {
            self.manager.fail(&failed.loads, &failed.copies, &self.plan);
        }
        self.manager.clear(&mut self.plan);
        failed.error.map_or(Ok(()), Err)
    }
}

impl Pages {
    fn make(&mut self, plan: &Plan) -> Failed {
        let mut failed = Failed::default();
        if let Some(lower) = &self.lower {
            for offload in &plan.offloads {
                let store = &self.stores[offload.group as usize];
                let bytes = &mut self.bytes[..self.block_bytes[offload.group as usize]];
                // A block that cannot be read is not offered; the device will say so again when it matters.
                if store.read_block(offload.block, bytes).is_ok() {
                    let name = key(offload.group, offload.name);
                    lower.offer(name, store.layout().block_size, bytes);
                }
            }
            for load in &plan.loads {
                let store = &self.stores[load.group as usize];
                let bytes = &mut self.bytes[..self.block_bytes[load.group as usize]];
                let is_there = lower.load(key(load.group, load.name), bytes);
                let written = is_there.then(|| store.write_block(load.block, bytes));
                match written {
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        failed.loads.push(*load);
                        failed.error = Some(error);
                    }
                    None => failed.loads.push(*load),
                }
            }
        }
        for copy in &plan.copies {
            let store = &self.stores[copy.group as usize];
            if let Err(error) = store.copy_slots(copy.from, copy.to, copy.slots as usize) {
                failed.copies.push(*copy);
                failed.error = Some(error);
            }
        }
        failed
    }
}
