//! The writer's side: which vertices are linked, and how the graph heals where one is taken out.

use hashbrown::HashMap;

use super::GraphOptions;
use super::random::Random;
use super::vertices::{Vertices, View};
use super::walk::{Candidate, with_scratch};
use crate::Error;

/// What only the writer knows.
#[derive(Debug)]
pub(super) struct Wiring {
    /// Links of a vertex when they were chosen anew.
    links: usize,
    /// Most links of a vertex.
    capacity: usize,
    /// Vertices that are looked at for a new one's links.
    effort: usize,
    /// The place of each key.
    pub(super) places: HashMap<u64, u32>,
    /// Places without an entry.
    pub(super) free: Vec<u32>,
    /// The vertices that link to each place.
    incoming: Vec<Vec<u32>>,
    /// The vertex whose link to this one is never given up, so that there is a way to every vertex; [`NONE`] of the
    /// first one.
    parents: Vec<u32>,
    random: Random,
}

/// Entries of a scout, in a small collection.
const ENTRIES_OF_SCOUT: usize = 16;

/// Scouts of a large one.
const MOST_SCOUTS: usize = 256;

/// No place.
const NONE: u32 = u32::MAX;

/// New links of some vertices, to be written together.
pub(super) type Plan = HashMap<u32, Vec<u32>>;

impl Wiring {
    /// Of the vertices as they are.
    pub(super) fn of(vertices: &Vertices, options: &GraphOptions) -> Result<Self, Error> {
        let view = vertices.view()?;
        let mut wiring = Self {
            links: options.links,
            capacity: options.capacity(),
            effort: options.build_effort,
            random: Random::new(options.seed),
            places: HashMap::with_capacity(vertices.count),
            free: Vec::new(),
            incoming: vec![Vec::new(); vertices.places()],
            parents: vec![NONE; vertices.places()],
        };
        for (place, live) in (0_u32..).zip(&vertices.live) {
            if !live {
                wiring.free.push(place);
                continue;
            }
            wiring.places.insert(vertices.keys[place as usize], place);
            for link in view.links(place) {
                wiring.incoming[*link as usize].push(place);
            }
        }
        wiring.find_parents(&view);
        Ok(wiring)
    }

    /// A tree from the scouts along links.
    fn find_parents(&mut self, view: &View<'_>) {
        let mut is_reached = vec![false; self.parents.len()];
        for scout in view.scouts {
            let mut reached = vec![*scout];
            if std::mem::replace(&mut is_reached[*scout as usize], true) {
                continue;
            }
            while let Some(place) = reached.pop() {
                for link in view.links(place) {
                    if !std::mem::replace(&mut is_reached[*link as usize], true) {
                        self.parents[*link as usize] = place;
                        reached.push(*link);
                    }
                }
            }
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let lists: usize = self.incoming.iter().map(Vec::capacity).sum();
        lists * size_of::<u32>()
            + self.incoming.capacity() * size_of::<Vec<u32>>()
            + self.parents.capacity() * size_of::<u32>()
            + self.places.allocation_size()
    }

    /// A place for a new entry: a free one, or the next.
    pub(super) fn take_place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.incoming.push(Vec::new());
            self.parents.push(NONE);
            self.incoming.len() as u32 - 1
        })
    }

    /// Makes a new entry a scout, if there are few, or now and then in place of another: every entry has the same chance.
    pub(super) fn choose_scout(&mut self, vertices: &mut Vertices, place: u32) {
        let wanted = (vertices.count / ENTRIES_OF_SCOUT).clamp(1, MOST_SCOUTS);
        if vertices.scouts.len() < wanted {
            vertices.scouts.push(place);
            return;
        }
        let chosen = self.random.below(vertices.count);
        if let Some(scout) = vertices.scouts.get_mut(chosen) {
            *scout = place;
        }
    }

    /// The links to and from a vertex that has none yet.
    pub(super) fn join(&mut self, view: &View<'_>, place: u32) -> Plan {
        let mut plan = Plan::new();
        let found =
            with_scratch(|scratch| scratch.walk(view, view.target(place), self.effort).to_vec());
        let chosen = self.choose(view, place, &found);
        self.set(view, &mut plan, place, chosen.clone());
        let has_parent = chosen
            .iter()
            .any(|other| self.adopt(view, &mut plan, *other, place));
        if !has_parent {
            // All of them have as many children as they can have: any other one will do.
            let mut others = found.iter().map(|candidate| candidate.place());
            others.any(|other| self.adopt(view, &mut plan, other, place));
        }
        for other in chosen {
            if self.parents[place as usize] != other {
                self.add(view, &mut plan, other, place);
            }
        }
        plan
    }

    /// What becomes of the links when a vertex is taken out.
    pub(super) fn leave(&mut self, view: &View<'_>, place: u32) -> Plan {
        let mut plan = Plan::new();
        let links = view.links(place);
        self.set(view, &mut plan, place, Vec::new());
        for other in self.incoming[place as usize].clone() {
            let mut list = current(view, &plan, other).to_vec();
            list.retain(|link| *link != place);
            if let Some(link) = bridge(view, other, &list, links) {
                list.push(link);
            }
            self.set(view, &mut plan, other, list);
        }
        let above = std::mem::replace(&mut self.parents[place as usize], NONE);
        for link in links {
            if self.parents[*link as usize] == place {
                self.parents[*link as usize] = NONE;
                self.find_parent(view, &mut plan, *link, above);
            }
        }
        self.incoming[place as usize] = Vec::new();
        plan
    }

    /// Another parent for a vertex that lost its own: one that links to it already, else one that it links to, else
    /// the parent's parent.
    fn find_parent(&mut self, view: &View<'_>, plan: &mut Plan, place: u32, above: u32) {
        let linked = self.incoming[place as usize].iter().copied();
        if let Some(parent) = linked.clone().find(|other| !self.descends(*other, place)) {
            self.parents[place as usize] = parent;
            return;
        }
        let mut others = current(view, plan, place).to_vec();
        others.extend((above != NONE).then_some(above));
        for other in others {
            if !self.descends(other, place) && self.adopt(view, plan, other, place) {
                return;
            }
        }
    }

    /// Whether the way to a vertex leads over another one, or begins there.
    fn descends(&self, place: u32, from: u32) -> bool {
        let mut at = place;
        while at != from {
            if at == NONE {
                return false;
            }
            at = self.parents[at as usize];
        }
        true
    }

    /// Links `parent` to a vertex for good, unless all its links are of that kind.
    fn adopt(&mut self, view: &View<'_>, plan: &mut Plan, parent: u32, place: u32) -> bool {
        let list = current(view, plan, parent);
        let children = list
            .iter()
            .filter(|link| self.parents[**link as usize] == parent);
        if children.count() >= self.capacity {
            return false;
        }
        self.parents[place as usize] = parent;
        self.add(view, plan, parent, place);
        true
    }

    /// Adds a link, or gives up a needless one.
    fn add(&mut self, view: &View<'_>, plan: &mut Plan, from: u32, to: u32) {
        let mut list = current(view, plan, from).to_vec();
        list.push(to);
        if list.len() > self.capacity {
            list = self.prune(view, from, &list);
        }
        self.set(view, plan, from, list);
    }

    /// The links worth keeping of too many; those to children are.
    fn prune(&self, view: &View<'_>, place: u32, list: &[u32]) -> Vec<u32> {
        let target = view.target(place);
        let near = list
            .iter()
            .map(|link| Candidate::new(view.near(target, *link), *link));
        let mut near: Vec<Candidate> = near.collect();
        near.sort_by(|left, right| right.near.total_cmp(&left.near));
        let places = near.iter().map(|candidate| candidate.place());
        let mut kept: Vec<u32> = places
            .filter(|link| self.parents[*link as usize] == place)
            .collect();
        let most = self.links.max(kept.len());
        for link in self.choose(view, place, &near) {
            if kept.len() == most {
                break;
            }
            if !kept.contains(&link) {
                kept.push(link);
            }
        }
        kept
    }

    /// Links in different directions: of the candidates, best first, those that none chosen before is nearer to.
    fn choose(&self, view: &View<'_>, place: u32, candidates: &[Candidate]) -> Vec<u32> {
        let mut chosen: Vec<u32> = Vec::with_capacity(self.links);
        let mut others = Vec::new();
        for candidate in candidates {
            if chosen.len() == self.links {
                break;
            }
            if occluded(view, place, *candidate, &chosen) {
                others.push(candidate.place());
            } else {
                chosen.push(candidate.place());
            }
        }
        let room = fill(self.links).saturating_sub(chosen.len());
        chosen.extend(others.into_iter().take(room));
        chosen
    }

    fn set(&mut self, view: &View<'_>, plan: &mut Plan, place: u32, list: Vec<u32>) {
        let before = current(view, plan, place);
        for link in before.iter().filter(|link| !list.contains(link)) {
            let incoming = &mut self.incoming[*link as usize];
            incoming.retain(|from| *from != place);
            // What the popular ones of another time needed is given back.
            if incoming.capacity() > 2 * incoming.len() + 8 {
                incoming.shrink_to(incoming.len() + 4);
            }
        }
        for link in list.iter().filter(|link| !before.contains(link)) {
            self.incoming[*link as usize].push(place);
        }
        plan.insert(place, list);
    }
}

/// Puts a vertex near it in place of a scout that is taken out; its links are as they were.
pub(super) fn replace_scout(vertices: &mut Vertices, place: u32) -> Result<(), Error> {
    let Some(position) = vertices.scouts.iter().position(|scout| *scout == place) else {
        return Ok(());
    };
    let scouts = &vertices.scouts;
    let links = vertices.view()?.links(place);
    let near = links.iter().find(|link| !scouts.contains(link)).copied();
    // The last one: any other entry.
    let other = || vertices.live_places().find(|other| *other != place);
    match near.or_else(|| (scouts.len() == 1).then(other).flatten()) {
        Some(near) => vertices.scouts[position] = near,
        None => {
            vertices.scouts.swap_remove(position);
        }
    }
    Ok(())
}

/// Of `candidates` the best link that `list` does not make needless.
fn bridge(view: &View<'_>, place: u32, list: &[u32], candidates: &[u32]) -> Option<u32> {
    let target = view.target(place);
    let new = candidates
        .iter()
        .filter(|link| **link != place && !list.contains(link));
    let near = new.map(|link| Candidate::new(view.near(target, *link), *link));
    let mut near: Vec<Candidate> = near.collect();
    near.sort_by(|left, right| right.near.total_cmp(&left.near));
    let open = near
        .iter()
        .find(|candidate| !occluded(view, place, **candidate, list));
    open.or(near.first()).map(|candidate| candidate.place())
}

/// A vertex's links as they will be.
fn current<'a>(view: &View<'a>, plan: &'a Plan, place: u32) -> &'a [u32] {
    match plan.get(&place) {
        Some(list) => list,
        None => view.links(place),
    }
}

/// Links that a vertex gets in any case, needless ones among them.
fn fill(links: usize) -> usize {
    links / 2
}

/// Whether one of `chosen` is nearer to the candidate than the vertex at `place` is.
fn occluded(view: &View<'_>, place: u32, candidate: Candidate, chosen: &[u32]) -> bool {
    let own = candidate.near + view.bias(candidate.place()) - view.bias(place);
    let target = view.target(candidate.place());
    chosen.iter().any(|other| view.near(target, *other) >= own)
}
