//! A prompt is opened: what of it is there, and blocks for the rest.

use super::block::NONE;
use super::order::NEVER;
use super::plan::{Copy, Event, Load, Plan};
use super::pool::Near;
use super::sequence::{Opening, Sequence, SequenceId};
use super::{Manager, out_of_blocks};
use crate::Error;
use crate::hash::Name;
use crate::tiers::{Key, Lower};

/// What a tier calls the block of a group: groups have the same names and other pages.
pub const fn key(group: u32, name: Name) -> Key {
    name ^ ((group as u128) << 64 | group as u128)
}

impl Manager {
    /// A sequence that begins with `tokens`. What others have committed is found; the rest has blocks of its own.
    ///
    /// At least the last token is always left to be computed, since a model that sees nothing says nothing.
    ///
    /// # Errors
    /// [`Error::OutOfBlocks`]; [`Error::Token`]. Nothing has changed then.
    pub fn open(
        &mut self,
        tokens: &[u32],
        opening: &Opening,
        lower: Option<&dyn Lower>,
        plan: &mut Plan,
    ) -> Result<SequenceId, Error> {
        self.check_tokens(tokens)?;
        for pool in &mut self.pools {
            pool.clock += 1;
        }
        let seed = opening.seed.unwrap_or(self.plain_seed);
        let place = self.place();
        let mut sequence = std::mem::take(&mut self.sequences[place as usize]);
        sequence.seed = seed;
        sequence.priority = opening.priority;
        sequence.ttl = opening.ttl;
        let done = self.open_in(&mut sequence, tokens, lower, plan);
        if done.is_err() {
            self.give_up(&mut sequence);
        }
        self.sequences[place as usize] = sequence;
        if let Err(error) = done {
            self.leave(place);
            return Err(error);
        }
        Ok(self.id(place))
    }

    fn open_in(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        lower: Option<&dyn Lower>,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let block_size = self.settings.block_size;
        let usable = tokens.len().saturating_sub(1);
        let found = self.find_blocks(sequence, &tokens[..usable]);
        self.use_blocks(sequence, found);
        let total = tokens.len().div_ceil(block_size);
        let mut available = usize::MAX;
        for pool in &self.pools {
            available = available.min(pool.available());
            if pool.available() < total - found {
                return Err(out_of_blocks(pool, total - found));
            }
        }
        sequence.chain = self.last_name(sequence, found);
        let rest = &tokens[found * block_size..];
        let usable_rest = &tokens[found * block_size..usable];
        let loaded = self.plan_loads(sequence, usable_rest, lower, plan)?;
        let slots = if loaded == 0 && total - found < available {
            self.plan_copy(sequence, usable_rest, plan)?
        } else {
            0
        };
        self.add_blocks(sequence, &rest[loaded * block_size..], slots > 0, plan)?;
        sequence.length = tokens.len();
        sequence.named = found + loaded;
        sequence.cached = (found + loaded) * block_size + slots;
        sequence.written = sequence.cached;
        self.counts.asked_tokens += tokens.len() as u64;
        self.counts.cached_tokens += sequence.cached as u64;
        self.counts.copied_tokens += slots as u64;
        self.counts.loaded_tokens += (loaded * block_size) as u64;
        Ok(())
    }

    /// How many blocks of the prompt are there in every group; they are in the tables then.
    fn find_blocks(&mut self, sequence: &mut Sequence, tokens: &[u32]) -> usize {
        let pool = &self.pools[self.lead];
        let table = &mut sequence.tables[self.lead];
        if pool.window.is_some() {
            return self.find_in_windows(sequence, tokens);
        }
        let Some(mut parent) = pool.find_root(sequence.seed) else {
            return 0;
        };
        for row in tokens.chunks_exact(self.settings.block_size) {
            let found = match pool.near_child(parent, row) {
                Near::Found(at) => Some(at),
                Near::Absent => None,
                Near::Unknown => {
                    let name = self.namer.name(pool.parent_name(parent), row);
                    pool.find(name).filter(|at| pool.is_same(*at, parent, row))
                }
            };
            let Some(at) = found else { break };
            table.push(at);
            parent = at;
        }
        if self.pools.len() == 1 {
            return table.len();
        }
        self.names.clear();
        let names = table.iter().map(|at| pool.block(*at).name);
        self.names.extend(names);
        self.find_in_groups(sequence)
    }

    /// As `find_blocks`, where no group looks at everything: every name has to be made.
    fn find_in_windows(&mut self, sequence: &mut Sequence, tokens: &[u32]) -> usize {
        self.names.clear();
        let mut name = sequence.seed;
        for row in tokens.chunks_exact(self.settings.block_size) {
            name = self.namer.name(name, row);
            self.names.push(name);
        }
        let pool = &self.pools[self.lead];
        // A name whose block has other tokens is nobody's: a name of 128 bits that is met twice.
        for (name, row) in self
            .names
            .iter_mut()
            .zip(tokens.chunks_exact(self.settings.block_size))
        {
            if pool
                .find(*name)
                .is_some_and(|at| !pool.is_same(at, NONE, row))
            {
                *name = 0;
            }
        }
        self.find_in_groups(sequence)
    }

    /// The longest beginning whose blocks every group has that needs them, written to the tables.
    fn find_in_groups(&self, sequence: &mut Sequence) -> usize {
        let block_size = self.settings.block_size;
        let mut blocks = self.names.len();
        loop {
            let before = blocks;
            for pool in &self.pools {
                let has = |at: usize| pool.find(self.names[at]).is_some();
                blocks = match pool.window {
                    None => (0..blocks).find(|at| !has(*at)).unwrap_or(blocks),
                    Some(window) => {
                        longest(blocks, |end| first_needed(end, window, block_size), has)
                    }
                };
            }
            if blocks == before {
                break;
            }
        }
        for (group, pool) in self.pools.iter().enumerate() {
            let first = pool
                .window
                .map_or(0, |window| first_needed(blocks, window, block_size));
            let table = &mut sequence.tables[group];
            table.clear();
            table.resize(first, NONE);
            let rest = self.names[first..blocks].iter();
            table.extend(rest.map(|name| pool.find(*name).unwrap_or(NONE)));
            sequence.given_back[group] = first;
        }
        blocks
    }

    /// The blocks that were found are in use.
    fn use_blocks(&mut self, sequence: &Sequence, found: usize) {
        for (pool, table) in self.pools.iter_mut().zip(&sequence.tables) {
            let ends = sequence
                .ttl
                .map_or(NEVER, |ttl| pool.now.saturating_add(ttl));
            for at in table[..found].iter().copied().filter(|at| *at != NONE) {
                pool.acquire(at);
                pool.to_front(at);
                let block = &mut pool.blocks[at as usize];
                block.hits = block.hits.saturating_add(1);
                pool.order
                    .set_priority(block, at, (sequence.priority, ends), pool.now);
            }
        }
    }

    /// Undoes what `open_in` did so far.
    fn give_up(&mut self, sequence: &mut Sequence) {
        for (pool, table) in self.pools.iter_mut().zip(&mut sequence.tables) {
            while let Some(at) = table.pop() {
                if at != NONE {
                    pool.release(at);
                }
            }
        }
    }

    /// The name of the last of the blocks that were found.
    fn last_name(&self, sequence: &Sequence, found: usize) -> Name {
        match sequence.last_block(self.lead) {
            _ if found == 0 => sequence.seed,
            NONE => self.names[found - 1],
            at => self.pools[self.lead].block(at).name,
        }
    }

    /// Blocks for those rows that a tier below has in every group. They can be found from now on.
    fn plan_loads(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        lower: Option<&dyn Lower>,
        plan: &mut Plan,
    ) -> Result<usize, Error> {
        let Some(lower) = lower else { return Ok(0) };
        if self.pools.iter().any(|pool| pool.window.is_some()) {
            return Ok(0);
        }
        let mut loaded = 0;
        for row in tokens.chunks_exact(self.settings.block_size) {
            let depth = sequence.tables[self.lead].len();
            let name = self.namer.name(sequence.chain, row);
            let groups = 0..self.pools.len() as u32;
            let is_taken = self.pools.iter().any(|pool| pool.find(name).is_some());
            if is_taken
                || !groups
                    .into_iter()
                    .all(|group| lower.contains(key(group, name)))
            {
                break;
            }
            for group in 0..self.pools.len() {
                let block = self.take(group, plan)?;
                self.pools[group].write(block, 0, row);
                sequence.tables[group].push(block);
                self.publish(sequence, group, depth, name);
                self.hold(group, block, plan);
                let group = group as u32;
                plan.loads.push(Load { group, block, name });
            }
            sequence.chain = name;
            loaded += 1;
        }
        Ok(loaded)
    }

    /// A block for a row of which another block has the first slots. How many they are.
    fn plan_copy(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        plan: &mut Plan,
    ) -> Result<usize, Error> {
        if !self.settings.partial || self.pools.len() > 1 || tokens.is_empty() {
            return Ok(0);
        }
        let pool = &self.pools[0];
        let parent = match sequence.last_block(0) {
            NONE => pool.find_root(sequence.seed),
            at => Some(at),
        };
        let Some((from, slots)) = parent.and_then(|parent| pool.most_common(parent, tokens)) else {
            return Ok(0);
        };
        self.hold(0, from, plan);
        let to = self.take(0, plan)?;
        self.hold(0, to, plan);
        sequence.tables[0].push(to);
        plan.copies.push(Copy {
            group: 0,
            from,
            to,
            slots: slots as u32,
        });
        Ok(slots)
    }

    /// Blocks of its own for the tokens of a sequence that are in none; the first of them may be there already.
    fn add_blocks(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        has_first: bool,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        for group in 0..self.pools.len() {
            self.pools[group].touch_next(tokens.len().div_ceil(self.settings.block_size));
            for (number, row) in tokens.chunks(self.settings.block_size).enumerate() {
                let block = if number == 0 && has_first {
                    sequence.last_block(group)
                } else {
                    let block = self.take(group, plan)?;
                    sequence.tables[group].push(block);
                    block
                };
                self.pools[group].write(block, 0, row);
            }
        }
        Ok(())
    }

    /// A sequence's block can be found by its name from now on, which nobody else's has.
    pub(super) fn publish(&mut self, sequence: &Sequence, group: usize, depth: usize, name: Name) {
        let block = sequence.tables[group][depth];
        let pool = &mut self.pools[group];
        let parent = match depth {
            _ if pool.window.is_some() => NONE,
            0 => pool.root(sequence.seed),
            depth => sequence.tables[group][depth - 1],
        };
        pool.set_name(block, name, parent, depth as u32);
        let ends = sequence
            .ttl
            .map_or(NEVER, |ttl| pool.now.saturating_add(ttl));
        let (order, now) = (&mut pool.order, pool.now);
        order.set_priority(
            &mut pool.blocks[block as usize],
            block,
            (sequence.priority, ends),
            now,
        );
        if self.settings.events {
            let lead = &self.pools[self.lead];
            let tokens = lead.tokens(sequence.tables[self.lead][depth]).into();
            let event = Event::Stored {
                group: group as u32,
                block,
                name,
                parent: sequence.chain,
                tokens,
            };
            self.events.push(event);
        }
    }
}

/// The first of `blocks` blocks that a layer needs that looks at its last `window` tokens, its own among them.
pub(super) const fn first_needed(blocks: usize, window: usize, block_size: usize) -> usize {
    (blocks * block_size + 1).saturating_sub(window) / block_size
}

/// The most blocks, up to `blocks`, whose needed ones are all there.
fn longest(blocks: usize, first: impl Fn(usize) -> usize, has: impl Fn(usize) -> bool) -> usize {
    let mut end = blocks;
    let mut at = blocks;
    while end > 0 && at > first(end) {
        at -= 1;
        if !has(at) {
            end = at;
        }
    }
    end
}
