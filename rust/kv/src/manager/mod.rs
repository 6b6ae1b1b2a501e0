//! The manager: which block holds what, for whom, and what goes first. It touches no page.

mod block;
mod find;
mod grow;
mod index;
mod integrity;
mod name;
mod order;
mod plan;
mod pool;
mod sequence;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

pub use self::find::key;
pub use self::plan::{Copy, Event, Load, Offload, Plan};
use self::plan::{Events, Telling};
use self::pool::Pool;
use self::sequence::Sequence;
pub use self::sequence::{Opening, SequenceId};
use crate::hash::{Name, Namer};
use crate::settings::Settings;
use crate::{Error, memory};

/// In a block table: the block was given back, it is outside of the window of its layers.
pub const NO_BLOCK: u32 = block::NONE;

/// What a manager has done so far, and how full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Blocks of all pools.
    pub blocks: usize,
    /// Blocks that hold nothing.
    pub free: usize,
    /// Blocks that nobody has and that can be found.
    pub idle: usize,
    /// Blocks that can be found, idle or not.
    pub named: usize,
    /// Sequences that are open.
    pub sequences: usize,
    /// Tokens of prompts that were opened.
    pub asked_tokens: u64,
    /// Tokens of them that were there.
    pub cached_tokens: u64,
    /// Of these, tokens whose slots were copied.
    pub copied_tokens: u64,
    /// Of these, tokens that a tier below had.
    pub loaded_tokens: u64,
    /// Blocks whose content had to go.
    pub evictions: u64,
    /// Blocks that turned out to be equal to another when they were full, and were freed.
    pub duplicates: u64,
    /// Events that nobody fetched in time.
    pub dropped_events: u64,
}

/// Blocks of one or several pools, and the sequences that have them.
///
/// Not for several threads at once: whoever shares it puts a lock around it.
#[derive(Debug)]
pub struct Manager {
    settings: Settings,
    namer: Namer,
    pools: Vec<Pool>,
    /// The group whose tokens are compared: the first that looks at everything, or the first.
    lead: usize,
    sequences: Vec<Sequence>,
    free_places: Vec<u32>,
    plain_seed: Name,
    events: Events,
    counts: Stats,
    /// Names of a prompt's blocks, while it is opened.
    names: Vec<Name>,
}

impl Manager {
    /// One with nothing in it, whose names no other process can guess: fast ones, if nobody has to trust them alone.
    ///
    /// # Errors
    /// [`Error::Parameter`]: a setting means nothing. [`Error::Memory`]: its lists alone do not fit into memory.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let namer = Namer::random();
        let is_compared = settings.groups.len() == 1 && !settings.offload;
        Self::with_namer(settings, if is_compared { namer.fast() } else { namer })
    }

    /// One whose names are those of every other one with the same secret.
    ///
    /// # Errors
    /// As [`Manager::new`].
    pub fn with_namer(settings: Settings, namer: Namer) -> Result<Self, Error> {
        settings.check()?;
        let blocks: usize = settings.groups.iter().map(|group| group.blocks).sum();
        let line = size_of::<block::Block>() + 16 + 4 * settings.block_size;
        memory::check(blocks as u64 * line as u64)?;
        let lead = settings
            .groups
            .iter()
            .position(|group| group.window.is_none())
            .unwrap_or(0);
        let pools: Result<_, _> = settings
            .groups
            .iter()
            .enumerate()
            .map(|(number, group)| Pool::new(&settings, group, number == lead))
            .collect();
        let pools = pools.map_err(|_| memory::refused(blocks as u64 * line as u64))?;
        Ok(Self {
            pools,
            lead,
            sequences: Vec::new(),
            free_places: Vec::new(),
            plain_seed: namer.seed(&[]),
            events: Events::default(),
            counts: Stats::default(),
            names: Vec::new(),
            settings,
            namer,
        })
    }

    /// As it was made.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the chain of a prompt begins with that has a salt, an adapter or other inputs than tokens.
    pub fn seed(&self, parts: &[&[u8]]) -> Name {
        self.namer.seed(parts)
    }

    /// What makes names and seeds.
    pub fn namer(&self) -> &Namer {
        &self.namer
    }

    /// The time in milliseconds, from any beginning; it never goes back.
    pub fn set_now(&mut self, now: u64) {
        for pool in &mut self.pools {
            pool.now = pool.now.max(now);
        }
    }

    /// Lets go of the blocks that a plan keeps, after its moves were made or are certain to be made in order.
    pub fn finish(&mut self, plan: &mut Plan) {
        for (group, block) in plan.held.drain(..) {
            self.pools[group as usize].release(block);
        }
    }

    /// Empties a plan that is finished.
    pub fn clear(&mut self, plan: &mut Plan) {
        self.finish(plan);
        plan.clear();
    }

    /// Evicts everything that nobody has: the model has other weights now. Nothing is offloaded.
    pub fn evict_all(&mut self) {
        for group in 0..self.pools.len() {
            loop {
                let (pool, mut telling) = self.telling(group, None);
                if !pool.evict_first(&mut telling) {
                    break;
                }
            }
        }
    }

    /// How full it is, and what it has done.
    pub fn stats(&self) -> Stats {
        let sum = |count: fn(&Pool) -> usize| self.pools.iter().map(count).sum();
        Stats {
            blocks: sum(|pool| pool.capacity),
            free: sum(|pool| pool.available() - pool.idle),
            idle: sum(|pool| pool.idle),
            named: sum(Pool::named),
            sequences: self.sequences.len() - self.free_places.len(),
            dropped_events: self.events.dropped,
            ..self.counts
        }
    }

    /// What was stored and removed since the last call, if the settings want it told.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.waiting.drain(..).collect()
    }

    /// The blocks of a sequence in a group, the first one first; [`NO_BLOCK`] where one was given back.
    ///
    /// # Errors
    /// [`Error::Released`].
    pub fn table(&self, id: SequenceId, group: usize) -> Result<&[u32], Error> {
        let sequence = self.sequence(id)?;
        Ok(sequence.tables.get(group).map_or(&[], Vec::as_slice))
    }

    /// Tokens of a sequence.
    ///
    /// # Errors
    /// [`Error::Released`].
    pub fn length(&self, id: SequenceId) -> Result<usize, Error> {
        Ok(self.sequence(id)?.length)
    }

    /// Tokens whose K and V are in the pages.
    ///
    /// # Errors
    /// [`Error::Released`].
    pub fn written(&self, id: SequenceId) -> Result<usize, Error> {
        Ok(self.sequence(id)?.written)
    }

    /// Tokens whose K and V were there when the sequence was opened.
    ///
    /// # Errors
    /// [`Error::Released`].
    pub fn cached(&self, id: SequenceId) -> Result<usize, Error> {
        Ok(self.sequence(id)?.cached)
    }

    /// How many groups there are.
    pub fn num_groups(&self) -> usize {
        self.pools.len()
    }

    fn sequence(&self, id: SequenceId) -> Result<&Sequence, Error> {
        let sequence = self.sequences.get(id.place as usize);
        sequence
            .filter(|sequence| sequence.is_live && sequence.generation == id.generation)
            .ok_or(Error::Released)
    }

    /// A place for one more sequence.
    fn place(&mut self) -> u32 {
        let place = self.free_places.pop().unwrap_or_else(|| {
            self.sequences.push(Sequence::default());
            (self.sequences.len() - 1) as u32
        });
        self.sequences[place as usize].reset(self.pools.len());
        place
    }

    fn id(&self, place: u32) -> SequenceId {
        SequenceId {
            place,
            generation: self.sequences[place as usize].generation,
        }
    }

    fn leave(&mut self, place: u32) {
        let sequence = &mut self.sequences[place as usize];
        sequence.is_live = false;
        sequence.generation = sequence.generation.wrapping_add(1);
        self.free_places.push(place);
    }

    /// A pool, and who is told what happens in it.
    fn telling<'a>(
        &'a mut self,
        group: usize,
        plan: Option<&'a mut Plan>,
    ) -> (&'a mut Pool, Telling<'a>) {
        let offloads = plan.map(|plan| &mut plan.offloads);
        let telling = Telling {
            group: group as u32,
            offloads: offloads.filter(|_| self.settings.offload),
            events: self.settings.events.then_some(&mut self.events),
            evictions: &mut self.counts.evictions,
        };
        (&mut self.pools[group], telling)
    }

    /// A new block of a group, written to its sequence's table by the caller.
    fn take(&mut self, group: usize, plan: &mut Plan) -> Result<u32, Error> {
        let (pool, mut telling) = self.telling(group, Some(plan));
        pool.take(&mut telling)
            .ok_or_else(|| out_of_blocks(&self.pools[group], 1))
    }

    fn hold(&mut self, group: usize, block: u32, plan: &mut Plan) {
        self.pools[group].acquire(block);
        plan.held.push((group as u32, block));
    }

    /// Whether all ids are below the vocabulary, if it was given.
    ///
    /// # Errors
    /// [`Error::Token`] says which is not.
    pub fn check_tokens(&self, tokens: &[u32]) -> Result<(), Error> {
        let Some(vocabulary) = self.settings.vocabulary else {
            return Ok(());
        };
        // A maximum of all is vectorised; looking for the first is not.
        if tokens.iter().copied().max().unwrap_or(0) < vocabulary {
            return Ok(());
        }
        let wrong = tokens.iter().position(|token| *token >= vocabulary);
        let position = wrong.unwrap_or(0);
        Err(Error::Token {
            position,
            value: tokens[position],
            vocabulary,
        })
    }
}

fn out_of_blocks(pool: &Pool, needed: usize) -> Error {
    Error::OutOfBlocks {
        needed,
        free: pool.available(),
        total: pool.capacity,
    }
}
