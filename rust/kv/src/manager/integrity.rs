//! Whether everything that the blocks say of each other is so.

use hashbrown::{HashMap, HashSet};

use super::Manager;
use super::block::{NONE, ROOT, State};
use super::plan::Plan;
use super::pool::Pool;
use crate::Error;

impl Manager {
    /// Looks at every block, list, table and name. Slow: for tests, and for whoever doubts.
    ///
    /// # Errors
    /// [`Error::Damaged`] says what is wrong first.
    pub fn check_integrity(&self, plan: &Plan) -> Result<(), Error> {
        for group in 0..self.pools.len() {
            let problem = self.problem_of(group, plan);
            if let Some(problem) = problem {
                let problem = format!("group {group}: {problem}");
                return Err(Error::Damaged { problem });
            }
        }
        for sequence in self.sequences.iter().filter(|one| one.is_live) {
            let blocks = sequence.length.div_ceil(self.settings.block_size);
            let is_right = sequence.cached <= sequence.written
                && sequence.written <= sequence.length
                && sequence.named * self.settings.block_size <= sequence.written
                && sequence.tables.iter().all(|table| table.len() == blocks);
            if !is_right {
                let problem = "a sequence's numbers do not fit together".to_owned();
                return Err(Error::Damaged { problem });
            }
        }
        Ok(())
    }

    fn problem_of(&self, group: usize, plan: &Plan) -> Option<String> {
        let pool = &self.pools[group];
        let mut references: HashMap<u32, u32> = HashMap::new();
        let live = self.sequences.iter().filter(|sequence| sequence.is_live);
        let used = live.flat_map(|sequence| sequence.tables[group].iter().copied());
        let held = plan.held.iter().filter(|held| held.0 as usize == group);
        for at in used.chain(held.map(|held| held.1)).filter(|at| *at != NONE) {
            *references.entry(at).or_default() += 1;
        }
        for (at, block) in (0..).zip(&pool.blocks) {
            let counted = references.get(&at).copied().unwrap_or(0);
            if block.references != counted {
                return Some(format!(
                    "block {at} has {} references, {counted} are to be found",
                    block.references
                ));
            }
            let is_right = match block.state {
                State::Free => counted == 0,
                State::Private => counted > 0,
                State::Named => true,
            };
            if !is_right {
                return Some(format!(
                    "block {at} is {:?} with {counted} users",
                    block.state
                ));
            }
            if let Some(problem) = self.problem_of_name(pool, at, group == self.lead) {
                return Some(format!("block {at} {problem}"));
            }
        }
        problem_of_lists(pool).or_else(|| problem_of_tables(self, group))
    }

    fn problem_of_name(&self, pool: &Pool, at: u32, is_lead: bool) -> Option<&'static str> {
        let block = pool.block(at);
        if block.state != State::Named {
            return (block.child != NONE).then_some("has no name, but children");
        }
        if pool.find(block.name) != Some(at) {
            return Some("is not found by its name");
        }
        if pool.window.is_some() {
            return None;
        }
        if block.parent & ROOT == 0 && pool.block(block.parent).state != State::Named {
            return Some("continues one that has no name");
        }
        let expected = self
            .namer
            .name(pool.parent_name(block.parent), pool.tokens(at));
        if is_lead && block.name != expected {
            return Some("has another name than its tokens");
        }
        let mut child = pool.first_child(block.parent);
        let mut before = NONE;
        for _ in 0..=pool.blocks.len() {
            if child == NONE {
                return Some("is not among the children of its parent");
            }
            if pool.block(child).sibling_before != before {
                return Some("has a neighbour that does not know it");
            }
            if child == at {
                return None;
            }
            before = child;
            child = pool.block(child).sibling_after;
        }
        Some("is in a circle of children")
    }
}

fn problem_of_lists(pool: &Pool) -> Option<String> {
    let count = |state| {
        pool.blocks
            .iter()
            .filter(|block| block.state == state)
            .count()
    };
    if count(State::Free) != pool.num_free {
        return Some(format!(
            "{} blocks are free, not {}",
            count(State::Free),
            pool.num_free
        ));
    }
    if pool.count_free_list() != pool.num_free {
        return Some("the list of free blocks is broken".to_owned());
    }
    if count(State::Named) != pool.named() {
        return Some("the index has another number of blocks than have names".to_owned());
    }
    let idle = pool.blocks.iter().filter(|block| block.is_idle()).count();
    if idle != pool.idle {
        return Some(format!("{idle} blocks are idle, not {}", pool.idle));
    }
    let members = pool.order.members(&pool.blocks);
    let mut gone = HashSet::new();
    for at in &members {
        let block = pool.block(*at);
        let mut child = block.child;
        while pool.order.has_parents() && child != NONE {
            if !gone.contains(&child) {
                return Some(format!(
                    "block {at} would go before block {child}, which continues it"
                ));
            }
            child = pool.block(child).sibling_after;
        }
        if !block.is_idle() || !gone.insert(*at) {
            return Some(format!("block {at} is to go, but is in use or twice there"));
        }
    }
    let has_parents = pool.order.has_parents();
    let expected = pool
        .blocks
        .iter()
        .filter(|block| block.is_idle() && (has_parents || block.child == NONE));
    (expected.count() != members.len()).then(|| "some idle block would never go".to_owned())
}

/// A sequence's named blocks continue each other, and have its seed.
fn problem_of_tables(manager: &Manager, group: usize) -> Option<String> {
    let pool = &manager.pools[group];
    for sequence in manager.sequences.iter().filter(|one| one.is_live) {
        let table = &sequence.tables[group];
        for (depth, at) in table[..sequence.named].iter().enumerate() {
            if *at == NONE {
                continue;
            }
            let block = pool.block(*at);
            if block.state != State::Named || block.depth as usize != depth {
                return Some(format!("block {at} is not what its sequence takes it for"));
            }
            let parent = match depth {
                _ if pool.window.is_some() => continue,
                0 => pool.find_root(sequence.seed),
                _ => Some(table[depth - 1]),
            };
            if Some(block.parent) != parent {
                return Some(format!(
                    "block {at} continues another block than in its sequence"
                ));
            }
        }
    }
    None
}
