//! Stop strings, ready to be found.

use std::collections::VecDeque;

use crate::Error;

/// Most stop strings.
const MAX_STRINGS: usize = 1024;
/// Most bytes of all of them together: their table has at most 256 numbers for each.
const MAX_BYTES: usize = 16 * 1024;

pub(super) const ROOT: u32 = 0;
/// What a state is marked with that ends no stop string.
const NO_STRING: u32 = u32::MAX;

/// Stop strings compiled to an automaton (Aho and Corasick, "Efficient string matching", 1975) that reads each byte once.
///
/// A state is the longest end of the text read so far with which a stop string begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopStrings {
    strings: Vec<String>,
    /// Which column of the table a byte has; bytes that are in no stop string share column 0.
    columns: Vec<u8>,
    num_columns: usize,
    /// The next state, `[states, columns]`.
    next: Vec<u32>,
    states: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    /// Which stop string it begins with, up to `depth` bytes.
    string: u32,
    depth: u32,
    /// The longest stop string that ends here.
    ended: u32,
    /// The longest state that ends this one, is shorter, and has a stop string going on from it.
    rest: u32,
    goes_on: bool,
}

impl StopStrings {
    /// Compiles them. They keep their order, in which they are numbered from 0; none at all never match.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: one is empty, there are more than 1,024, or they have more than 16,384 bytes together.
    pub fn new<S: AsRef<str>>(strings: &[S]) -> Result<Self, Error> {
        let strings: Vec<String> = strings
            .iter()
            .map(|string| string.as_ref().to_owned())
            .collect();
        check(&strings)?;
        Ok(Self::compiled(strings))
    }

    /// What was compiled.
    pub fn strings(&self) -> &[String] {
        &self.strings
    }

    fn compiled(strings: Vec<String>) -> Self {
        let mut columns = vec![0; 256];
        for byte in strings.iter().flat_map(|string| string.bytes()) {
            columns[usize::from(byte)] = 1;
        }
        // UTF-8 has no byte 0xFF: 255 columns are enough for those it has, and column 0 is for all others.
        let mut num_columns = 1;
        for column in columns.iter_mut().filter(|column| **column > 0) {
            *column = num_columns as u8;
            num_columns += 1;
        }
        let mut compiled = Self {
            strings,
            columns,
            num_columns,
            next: Vec::new(),
            states: Vec::new(),
        };
        compiled.plant();
        compiled.link();
        compiled
    }

    /// The state behind `state` and `byte`.
    pub(super) fn step(&self, state: u32, byte: u8) -> u32 {
        let column = usize::from(self.columns[usize::from(byte)]);
        self.next[state as usize * self.num_columns + column]
    }

    /// The stop string that ends at `state`, the longest if several do.
    pub(super) fn ended(&self, state: u32) -> Option<usize> {
        let ended = self.states[state as usize].ended;
        (ended != NO_STRING).then_some(ended as usize)
    }

    /// The text of `state`, which is the end of what was read.
    pub(super) fn text(&self, state: u32) -> &str {
        let State { string, depth, .. } = self.states[state as usize];
        let string = self.strings.get(string as usize).map_or("", String::as_str);
        // A state between feeds is behind whole characters; within one there is no text to give.
        string.get(..depth as usize).unwrap_or_default()
    }

    /// `state`, or where no stop string goes on from it, the longest shorter one from which one does.
    pub(super) fn open(&self, state: u32) -> u32 {
        let entry = self.states[state as usize];
        if entry.goes_on { state } else { entry.rest }
    }

    /// The tree of all beginnings.
    fn plant(&mut self) {
        let root = State {
            string: 0,
            depth: 0,
            ended: NO_STRING,
            rest: ROOT,
            goes_on: false,
        };
        self.states.push(root);
        self.next.resize(self.num_columns, ROOT);
        for (number, string) in self.strings.iter().enumerate() {
            let mut state = ROOT as usize;
            for (byte, depth) in string.bytes().zip(1..) {
                let at = state * self.num_columns + usize::from(self.columns[usize::from(byte)]);
                if self.next[at] == ROOT {
                    self.next[at] = self.states.len() as u32;
                    self.next.resize(self.next.len() + self.num_columns, ROOT);
                    self.states[state].goes_on = true;
                    self.states.push(State {
                        string: number as u32,
                        depth,
                        ..root
                    });
                }
                state = self.next[at] as usize;
            }
            // Of two that are equal the first counts.
            if self.states[state].ended == NO_STRING {
                self.states[state].ended = number as u32;
            }
        }
    }

    /// Makes the tree an automaton: where a state has no branch it goes where its longest shorter end goes.
    fn link(&mut self) {
        let mut shorter = vec![ROOT; self.states.len()];
        let mut queue = VecDeque::from([ROOT]);
        while let Some(state) = queue.pop_front() {
            let end = shorter[state as usize];
            self.inherit(state, end);
            for column in 0..self.num_columns {
                let at = state as usize * self.num_columns + column;
                let beside = self.next[end as usize * self.num_columns + column];
                let branch = self.next[at];
                if branch == ROOT {
                    self.next[at] = if state == ROOT { ROOT } else { beside };
                } else {
                    shorter[branch as usize] = if state == ROOT { ROOT } else { beside };
                    queue.push_back(branch);
                }
            }
        }
    }

    fn inherit(&mut self, state: u32, end: u32) {
        let shorter = self.states[end as usize];
        let entry = &mut self.states[state as usize];
        if entry.ended == NO_STRING {
            entry.ended = shorter.ended;
        }
        entry.rest = if shorter.goes_on { end } else { shorter.rest };
    }
}

impl Default for StopStrings {
    /// None at all.
    fn default() -> Self {
        Self::compiled(Vec::new())
    }
}

fn check(strings: &[String]) -> Result<(), Error> {
    let refused = |expected, value| {
        Err(Error::Parameter {
            name: "stop",
            expected,
            value,
        })
    };
    if strings.iter().any(String::is_empty) {
        return refused("strings that are not empty", "\"\"".to_owned());
    }
    if strings.len() > MAX_STRINGS {
        return refused("at most 1,024 strings", strings.len().to_string());
    }
    let bytes = strings.iter().map(String::len).sum::<usize>();
    if bytes > MAX_BYTES {
        return refused("at most 16,384 bytes in all its strings", bytes.to_string());
    }
    Ok(())
}
