//! Sequences grow, divide and end.

use super::block::{NONE, State};
use super::plan::{Copy, Plan};
use super::sequence::{Sequence, SequenceId};
use super::{Manager, out_of_blocks};
use crate::Error;

impl Manager {
    /// More tokens at the end of a sequence, with blocks for them. A last block that a fork shares is copied first.
    ///
    /// # Errors
    /// [`Error::Released`]; [`Error::Token`]; [`Error::OutOfBlocks`]. Nothing has changed then.
    pub fn append(&mut self, id: SequenceId, tokens: &[u32], plan: &mut Plan) -> Result<(), Error> {
        self.sequence(id)?;
        self.check_tokens(tokens)?;
        if tokens.is_empty() {
            return Ok(());
        }
        let mut sequence = std::mem::take(&mut self.sequences[id.place as usize]);
        let done = self.append_to(&mut sequence, tokens, plan);
        self.sequences[id.place as usize] = sequence;
        done
    }

    fn append_to(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let block_size = self.settings.block_size;
        let slot = sequence.length % block_size;
        let total = (sequence.length + tokens.len()).div_ceil(block_size);
        for (group, pool) in self.pools.iter().enumerate() {
            let shared = self.is_shared(sequence, group, slot, plan);
            let needed = total - sequence.tables[group].len() + usize::from(shared);
            if needed > pool.available() {
                return Err(out_of_blocks(pool, needed));
            }
        }
        for group in 0..self.pools.len() {
            if self.is_shared(sequence, group, slot, plan) {
                self.copy_tail(sequence, group, slot, plan)?;
            }
            let mut rest = tokens;
            if slot > 0 {
                let (first, others) = tokens.split_at(tokens.len().min(block_size - slot));
                self.pools[group].write(sequence.last_block(group), slot, first);
                rest = others;
            }
            for row in rest.chunks(block_size) {
                let block = self.take(group, plan)?;
                self.pools[group].write(block, 0, row);
                sequence.tables[group].push(block);
            }
        }
        sequence.length += tokens.len();
        Ok(())
    }

    /// Whether the last block is begun, and somebody else has it too, or can find it: a fork was cut within a block that
    /// another has committed.
    fn is_shared(&self, sequence: &Sequence, group: usize, slot: usize, plan: &Plan) -> bool {
        if slot == 0 {
            return false;
        }
        let last = sequence.last_block(group);
        let block = self.pools[group].block(last);
        if block.references == 1 || block.state == State::Named {
            return block.state == State::Named;
        }
        // What the plan keeps counts as well, and is nobody's.
        let held = plan.held.iter();
        let held = held.filter(|held| **held == (group as u32, last)).count();
        block.references as usize - held > 1
    }

    fn copy_tail(
        &mut self,
        sequence: &mut Sequence,
        group: usize,
        slots: usize,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let from = sequence.last_block(group);
        let to = self.take(group, plan)?;
        self.hold(group, from, plan);
        self.hold(group, to, plan);
        let pool = &mut self.pools[group];
        pool.copy_tokens(from, to, slots);
        pool.release(from);
        if let Some(last) = sequence.tables[group].last_mut() {
            *last = to;
        }
        plan.copies.push(Copy {
            group: group as u32,
            from,
            to,
            slots: slots as u32,
        });
        Ok(())
    }

    /// Another sequence of the same tokens, which shares every block.
    ///
    /// # Errors
    /// [`Error::Released`].
    pub fn fork(&mut self, id: SequenceId) -> Result<SequenceId, Error> {
        self.sequence(id)?;
        let place = self.place();
        let mut child = std::mem::take(&mut self.sequences[place as usize]);
        let parent = &self.sequences[id.place as usize];
        child.length = parent.length;
        child.written = parent.written;
        child.cached = parent.cached;
        child.named = parent.named;
        child.is_sealed = parent.is_sealed;
        child.seed = parent.seed;
        child.chain = parent.chain;
        child.priority = parent.priority;
        child.ttl = parent.ttl;
        child.given_back.clone_from(&parent.given_back);
        child.tables.clone_from(&parent.tables);
        for (pool, table) in self.pools.iter_mut().zip(&child.tables) {
            for at in table.iter().copied().filter(|at| *at != NONE) {
                pool.acquire(at);
            }
        }
        self.sequences[place as usize] = child;
        Ok(self.id(place))
    }

    /// Forgets the tokens behind the first `length`, of which none is written: a draft that was rejected.
    ///
    /// # Errors
    /// [`Error::Released`]; [`Error::Commit`]: some of them are written, or there are not so many.
    pub fn truncate(&mut self, id: SequenceId, length: usize) -> Result<(), Error> {
        let known = self.sequence(id)?;
        if length < known.written || length > known.length {
            return Err(Error::Commit {
                given: length,
                written: known.written,
                length: known.length,
            });
        }
        let sequence = &mut self.sequences[id.place as usize];
        sequence.length = length;
        let blocks = length.div_ceil(self.settings.block_size);
        for (pool, table) in self.pools.iter_mut().zip(&mut sequence.tables) {
            for at in table.drain(blocks..).rev().filter(|at| *at != NONE) {
                pool.release(at);
            }
        }
        Ok(())
    }

    /// A sequence ends. What it has committed waits to be found again.
    ///
    /// While a plan keeps blocks, it keeps those of the sequence too: a block that is kept must not lose its parents.
    ///
    /// # Errors
    /// [`Error::Released`]: it has ended already.
    pub fn release(&mut self, id: SequenceId, plan: &mut Plan) -> Result<(), Error> {
        self.sequence(id)?;
        let sequence = &mut self.sequences[id.place as usize];
        let is_kept = !plan.held.is_empty();
        for (group, (pool, table)) in (0..).zip(self.pools.iter_mut().zip(&mut sequence.tables)) {
            pool.clock += 1;
            // From the end: a block waits in front of the one that it continues.
            for at in table.drain(..).rev().filter(|at| *at != NONE) {
                if is_kept {
                    plan.held.push((group, at));
                } else {
                    pool.release(at);
                }
            }
        }
        self.leave(id.place);
        Ok(())
    }
}
