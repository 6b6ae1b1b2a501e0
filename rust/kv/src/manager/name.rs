//! What was computed can be found by others; what could not be loaded cannot.

use super::Manager;
use super::block::{NONE, ROOT, State};
use super::plan::{Copy, Event, Load, Plan};
use super::sequence::{Sequence, SequenceId};
use crate::Error;
use crate::hash::Name;

/// What became of a block that is full.
enum Naming {
    Done,
    /// Its name is another's, of other tokens.
    Taken,
}

impl Manager {
    /// The first `total` tokens of a sequence have K and V in the pages now. Their full blocks can be found by others.
    ///
    /// A block that is equal to one that can be found is given up for it: the sequence's table has that one from now on.
    /// That is safe since both hold the same numbers and a table is read anew for each step; a kernel that still reads the
    /// old one was started before anything can be written to it.
    ///
    /// Blocks that are outside of every window from the next token on are given back.
    ///
    /// # Errors
    /// [`Error::Released`]; [`Error::Commit`]: more than there are, or fewer than were written.
    pub fn commit(&mut self, id: SequenceId, total: usize) -> Result<(), Error> {
        let known = self.sequence(id)?;
        if total < known.written || total > known.length {
            return Err(Error::Commit {
                given: total,
                written: known.written,
                length: known.length,
            });
        }
        let mut sequence = std::mem::take(&mut self.sequences[id.place as usize]);
        let last = total / self.settings.block_size;
        if !sequence.is_sealed && sequence.named < last {
            self.make_names(&sequence, last);
            let first = sequence.named;
            while sequence.named < last {
                let name = self.names[sequence.named - first];
                if let Naming::Taken = self.give_name(&mut sequence, name) {
                    sequence.is_sealed = true;
                    break;
                }
                sequence.named += 1;
            }
        }
        sequence.written = total;
        self.leave_windows(&mut sequence);
        self.sequences[id.place as usize] = sequence;
        Ok(())
    }

    /// The names of a sequence's blocks from the first that has none up to `last`. All of them first, so that what the
    /// index knows of them comes from memory at once.
    fn make_names(&mut self, sequence: &Sequence, last: usize) {
        let lead = &self.pools[self.lead];
        let mut name = sequence.chain;
        self.names.clear();
        for at in &sequence.tables[self.lead][sequence.named..last] {
            name = match lead.block(*at).state {
                // A fork of it was first.
                State::Named => lead.block(*at).name,
                _ => self.namer.name(name, lead.tokens(*at)),
            };
            self.names.push(name);
            for pool in &self.pools {
                pool.touch(name);
            }
        }
    }

    fn give_name(&mut self, sequence: &mut Sequence, name: Name) -> Naming {
        let depth = sequence.named;
        // The lead compares tokens, so it goes first.
        let first = self.lead;
        let others = (0..self.pools.len()).filter(|group| *group != first);
        for group in std::iter::once(first).chain(others) {
            let at = sequence.tables[group][depth];
            let pool = &self.pools[group];
            if at == NONE || pool.block(at).state == State::Named {
                continue;
            }
            let Some(known) = pool.find(name) else {
                self.publish(sequence, group, depth, name);
                continue;
            };
            let parent = match depth {
                0 => pool.find_root(sequence.seed).unwrap_or(ROOT),
                depth => sequence.tables[group][depth - 1],
            };
            if !pool.is_same(known, parent, pool.tokens(at)) {
                return Naming::Taken;
            }
            let pool = &mut self.pools[group];
            pool.acquire(known);
            pool.release(at);
            sequence.tables[group][depth] = known;
            self.counts.duplicates += 1;
        }
        sequence.chain = name;
        Naming::Done
    }

    /// Gives back what the layers of a window will not look at again.
    fn leave_windows(&mut self, sequence: &mut Sequence) {
        for (group, pool) in self.pools.iter_mut().enumerate() {
            let Some(window) = pool.window else { continue };
            // The next token that is computed is number `written`; it looks at itself and the window - 1 before it.
            let first = (sequence.written + 1).saturating_sub(window) / pool.block_size;
            let table = &mut sequence.tables[group];
            while sequence.given_back[group] < first.min(table.len()) {
                let at = &mut table[sequence.given_back[group]];
                if *at != NONE {
                    pool.release(*at);
                    *at = NONE;
                }
                sequence.given_back[group] += 1;
            }
        }
    }

    /// Some blocks of a plan could not be loaded: nobody finds them again, and the sequences that have them have fewer
    /// cached tokens. Call it before [`Manager::finish`]. Returns how many sequences that are.
    pub fn fail_loads(&mut self, failed: &[Load], plan: &Plan) -> usize {
        self.fail(failed, &[], plan)
    }

    /// As [`Manager::fail_loads`], with copies that could not be made.
    pub fn fail(&mut self, failed: &[Load], uncopied: &[Copy], plan: &Plan) -> usize {
        let mut wrong: Vec<(u32, u32)> =
            uncopied.iter().map(|copy| (copy.group, copy.to)).collect();
        for load in failed {
            let pool = &mut self.pools[load.group as usize];
            let mut forgotten = Vec::new();
            if pool.block(load.block).state == State::Named {
                pool.forget(load.block, &mut forgotten);
            }
            wrong.push((load.group, load.block));
            for (block, name) in forgotten {
                let group = load.group;
                wrong.push((group, block));
                if self.settings.events {
                    self.events.push(Event::Removed { group, block, name });
                }
            }
        }
        for copy in &plan.copies {
            if wrong.contains(&(copy.group, copy.from)) {
                wrong.push((copy.group, copy.to));
            }
        }
        let mut sequences = std::mem::take(&mut self.sequences);
        let live = sequences.iter_mut().filter(|sequence| sequence.is_live);
        let lost: Vec<usize> = live.filter_map(|one| self.shorten(one, &wrong)).collect();
        self.sequences = sequences;
        let counts = &mut self.counts;
        let tokens = |blocks: usize| (blocks * self.settings.block_size) as u64;
        counts.cached_tokens = counts
            .cached_tokens
            .saturating_sub(lost.iter().sum::<usize>() as u64);
        // A plan loads a block for every group.
        let loads = failed.len() / self.pools.len();
        counts.loaded_tokens = counts.loaded_tokens.saturating_sub(tokens(loads));
        lost.len()
    }

    /// How many cached tokens a sequence has lost; nothing, if it has none of those blocks.
    fn shorten(&self, sequence: &mut Sequence, wrong: &[(u32, u32)]) -> Option<usize> {
        let first = sequence
            .tables
            .iter()
            .zip(0..)
            .filter_map(|(table, group)| table.iter().position(|at| wrong.contains(&(group, *at))));
        let first = first.min()?;
        let written = first * self.settings.block_size;
        let lost = sequence.cached.saturating_sub(written);
        sequence.cached = sequence.cached.min(written);
        sequence.written = sequence.written.min(written);
        if first < sequence.named {
            sequence.named = first;
            sequence.is_sealed = false;
            let lead = &self.pools[self.lead];
            sequence.chain = match first {
                0 => sequence.seed,
                first => lead.block(sequence.tables[self.lead][first - 1]).name,
            };
        }
        Some(lost)
    }
}
