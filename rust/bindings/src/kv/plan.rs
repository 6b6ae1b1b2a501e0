//! `Plan`.

use std::sync::Arc;

use inferail_kv::manager::{Plan, key};
use inferail_kv::{Cache, Error, Opening, SequenceId};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use super::arguments::{Options, Tokens};
use super::sequence::PySequence;
use super::settings::whole;
use super::shared::Shared;
use crate::error::config_error;

/// The block tables of one group, side by side.
#[derive(Debug, Default)]
struct Tables {
    /// Where each row begins, and where the last one ends.
    indptr: Vec<i32>,
    indices: Vec<i32>,
}

/// One step of a scheduler.
#[derive(Debug)]
#[pyclass(frozen, name = "Plan", module = "inferail.core")]
pub(crate) struct PyPlan {
    opened: Vec<Option<Py<PySequence>>>,
    short: Vec<Py<PySequence>>,
    rows: Vec<Py<PySequence>>,
    tables: Vec<Tables>,
    lengths: Vec<i32>,
    written: Vec<i32>,
    moves: Moves,
}

/// The moves of a plan as numbers for Python.
#[derive(Debug, Default)]
pub(super) struct Moves {
    offloads: Vec<(u32, u32, u128)>,
    loads: Vec<(u32, u32, u128)>,
    /// Group, from, to, slots.
    copies: Vec<[i32; 4]>,
}

impl Moves {
    /// What a cache has waiting, which it forgets.
    pub(super) fn fetch(cache: &mut Cache) -> Self {
        let Plan {
            offloads,
            loads,
            copies,
            ..
        } = cache.plan();
        let moves = Self {
            offloads: offloads
                .iter()
                .map(|one| (one.group, one.block, key(one.group, one.name)))
                .collect(),
            loads: loads
                .iter()
                .map(|one| (one.group, one.block, key(one.group, one.name)))
                .collect(),
            copies: copies
                .iter()
                .map(|one| [one.group, one.from, one.to, one.slots].map(|number| number as i32))
                .collect(),
        };
        cache.clear_plan();
        moves
    }
}

/// What a step asks for, read from Python before the cache is locked.
#[derive(Debug, Default)]
pub(super) struct Step<'py> {
    release: Vec<Bound<'py, PySequence>>,
    commit: Vec<(Bound<'py, PySequence>, Option<usize>)>,
    append: Vec<(Bound<'py, PySequence>, Tokens<'py>)>,
    open: Vec<(Tokens<'py>, Opening)>,
    tables: Option<Vec<Bound<'py, PySequence>>>,
}

/// What a step has come to, before it is made into objects.
#[derive(Default)]
struct Outcome {
    opened: Vec<Option<SequenceId>>,
    /// Places in `append`.
    short: Vec<usize>,
    tables: Vec<Tables>,
    lengths: Vec<i32>,
    written: Vec<i32>,
    moves: Moves,
}

impl<'py> Step<'py> {
    pub(super) fn read(
        shared: &Arc<Shared>,
        release: Option<&Bound<'py, PyAny>>,
        commit: Option<&Bound<'py, PyAny>>,
        append: Option<&Bound<'py, PyAny>>,
        open: Option<&Bound<'py, PyAny>>,
        tables: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let one = |item: &Bound<'py, PyAny>| sequence(shared, item);
        let mut step = Self::default();
        for item in items(release)? {
            step.release.push(one(&item?)?);
        }
        for item in items(commit)? {
            let item = item?;
            step.commit.push(match item.cast::<PyTuple>() {
                Ok(pair) => {
                    let (item, total): (Bound<'py, PyAny>, i64) = pair.extract()?;
                    (one(&item)?, Some(whole(pair.py(), "commit", total)?))
                }
                Err(_) => (one(&item)?, None),
            });
        }
        for item in items(append)? {
            let (item, ids): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item?.extract()?;
            step.append.push((one(&item)?, Tokens::new(&ids)?));
        }
        for item in items(open)? {
            let item = item?;
            step.open.push(match item.cast::<PyTuple>() {
                Ok(pair) => {
                    let (ids, options): (Bound<'py, PyAny>, Bound<'py, PyDict>) = pair.extract()?;
                    let options = Options::from_dict(&options)?;
                    let opening = options.opening(ids.py(), &shared.namer)?;
                    (Tokens::new(&ids)?, opening)
                }
                Err(_) => (Tokens::new(&item)?, Opening::default()),
            });
        }
        if let Some(tables) = tables {
            let rows = tables.try_iter()?.map(|item| one(&item?));
            step.tables = Some(rows.collect::<PyResult<_>>()?);
        }
        Ok(step)
    }

    /// Everything of the step: commits, releases, appends, openings, and the tables that come of it.
    pub(super) fn run(self, py: Python<'py>, shared: &Arc<Shared>) -> PyResult<PyPlan> {
        let append = self
            .append
            .iter()
            .map(|(sequence, tokens)| Ok((sequence.get().id, tokens.as_slice()?)));
        let append: Vec<(SequenceId, &[u32])> = append.collect::<PyResult<_>>()?;
        let open = self
            .open
            .iter()
            .map(|(tokens, opening)| Ok((tokens.as_slice()?, *opening)));
        let open: Vec<(&[u32], Opening)> = open.collect::<PyResult<_>>()?;
        let release: Vec<SequenceId> = self.release.iter().map(|one| one.get().id).collect();
        let commit = self
            .commit
            .iter()
            .map(|(one, total)| (one.get().id, *total));
        let commit: Vec<(SequenceId, Option<usize>)> = commit.collect();
        let rows: Vec<Bound<'py, PySequence>> = match self.tables {
            Some(rows) => rows,
            None => self.append.iter().map(|(one, _)| one.clone()).collect(),
        };
        let row_ids: Vec<SequenceId> = rows.iter().map(|one| one.get().id).collect();
        let bytes = open.iter().map(|(tokens, _)| size_of_val(*tokens)).sum();
        let now = shared.now();
        let outcome = shared.work(py, bytes, |cache| {
            if let Some(now) = now {
                cache.manager_mut().set_now(now);
            }
            check(cache, &release, &commit, &append, &open, &row_ids)?;
            act(cache, &release, &commit, &append, &open, &row_ids)
        })?;
        for sequence in &self.release {
            sequence.get().set_released();
        }
        let mut opened = Vec::with_capacity(outcome.opened.len());
        for id in outcome.opened {
            let made = id.map(|id| Py::new(py, PySequence::new(shared.clone(), id)));
            opened.push(made.transpose()?);
        }
        let mut rows: Vec<Py<PySequence>> = rows.into_iter().map(Bound::unbind).collect();
        rows.extend(opened.iter().flatten().map(|one| one.clone_ref(py)));
        let short = outcome
            .short
            .iter()
            .map(|at| self.append[*at].0.clone().unbind());
        Ok(PyPlan {
            short: short.collect(),
            opened,
            rows,
            tables: outcome.tables,
            lengths: outcome.lengths,
            written: outcome.written,
            moves: outcome.moves,
        })
    }
}

/// Whether every sequence is open and every number can be: then nothing but a lack of blocks is in the way.
fn check(
    cache: &Cache,
    release: &[SequenceId],
    commit: &[(SequenceId, Option<usize>)],
    append: &[(SequenceId, &[u32])],
    open: &[(&[u32], Opening)],
    rows: &[SequenceId],
) -> Result<(), Error> {
    let manager = cache.manager();
    for (id, total) in commit {
        let (length, written) = (manager.length(*id)?, manager.written(*id)?);
        let given = total.unwrap_or(length);
        if !(written..=length).contains(&given) {
            return Err(Error::Commit {
                given,
                written,
                length,
            });
        }
    }
    for (number, id) in release.iter().enumerate() {
        manager.length(*id)?;
        if release[..number].contains(id) {
            return Err(Error::Released);
        }
    }
    for id in append.iter().map(|(id, _)| id).chain(rows) {
        manager.length(*id)?;
        if release.contains(id) {
            return Err(Error::Released);
        }
    }
    let tokens = append.iter().map(|(_, tokens)| tokens);
    for tokens in tokens.chain(open.iter().map(|(tokens, _)| tokens)) {
        manager.check_tokens(tokens)?;
    }
    Ok(())
}

fn act(
    cache: &mut Cache,
    release: &[SequenceId],
    commit: &[(SequenceId, Option<usize>)],
    append: &[(SequenceId, &[u32])],
    open: &[(&[u32], Opening)],
    rows: &[SequenceId],
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let manager = cache.manager_mut();
    for (id, total) in commit {
        let total = match total {
            Some(total) => *total,
            None => manager.length(*id)?,
        };
        manager.commit(*id, total)?;
    }
    for id in release {
        cache.release(*id)?;
    }
    for (number, (id, tokens)) in append.iter().enumerate() {
        match cache.append(*id, tokens) {
            Ok(()) => {}
            Err(Error::OutOfBlocks { .. }) => outcome.short.push(number),
            Err(error) => return Err(error),
        }
    }
    for (tokens, opening) in open {
        outcome.opened.push(match cache.open(tokens, opening) {
            Ok(id) => Some(id),
            Err(Error::OutOfBlocks { .. }) => None,
            Err(error) => return Err(error),
        });
    }
    let manager = cache.manager();
    let rows = rows.iter().chain(outcome.opened.iter().flatten());
    for group in 0..manager.num_groups() {
        let mut tables = Tables::default();
        tables.indptr.push(0);
        for id in rows.clone() {
            let table = manager.table(*id, group)?;
            tables
                .indices
                .extend_from_slice(bytemuck::cast_slice(table));
            tables.indptr.push(tables.indices.len() as i32);
        }
        outcome.tables.push(tables);
    }
    for id in rows {
        outcome.lengths.push(manager.length(*id)? as i32);
        outcome.written.push(manager.written(*id)? as i32);
    }
    outcome.moves = Moves::fetch(cache);
    Ok(outcome)
}

fn items<'py>(
    given: Option<&Bound<'py, PyAny>>,
) -> PyResult<impl Iterator<Item = PyResult<Bound<'py, PyAny>>>> {
    let iterator = given.map(PyAnyMethods::try_iter).transpose()?;
    Ok(iterator.into_iter().flatten())
}

fn sequence<'py>(
    shared: &Arc<Shared>,
    item: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PySequence>> {
    let py = item.py();
    let Ok(sequence) = item.cast::<PySequence>() else {
        let problem = "a plan takes the sequences that this cache has opened".to_owned();
        return Err(config_error(py, problem));
    };
    if sequence.get().is_of(shared) {
        Ok(sequence.clone())
    } else {
        Err(config_error(
            py,
            "the sequence is of another cache".to_owned(),
        ))
    }
}

/// Triples with the 16 bytes of a name.
fn with_names<'py>(
    py: Python<'py>,
    moves: &[(u32, u32, u128)],
) -> Vec<(u32, u32, Bound<'py, PyBytes>)> {
    let one = |(group, block, name): &(u32, u32, u128)| {
        (*group, *block, PyBytes::new(py, &name.to_le_bytes()))
    };
    moves.iter().map(one).collect()
}

#[pymethods]
impl PyPlan {
    /// The sequences of `open`, or None where there was no room.
    #[getter]
    fn opened(&self, py: Python<'_>) -> Vec<Option<Py<PySequence>>> {
        let one = |one: &Option<Py<PySequence>>| one.as_ref().map(|one| one.clone_ref(py));
        self.opened.iter().map(one).collect()
    }

    /// The sequences of `append` that got no room.
    #[getter]
    fn short(&self, py: Python<'_>) -> Vec<Py<PySequence>> {
        self.short.iter().map(|one| one.clone_ref(py)).collect()
    }

    /// The sequences whose rows follow.
    #[getter]
    fn rows(&self, py: Python<'_>) -> Vec<Py<PySequence>> {
        self.rows.iter().map(|one| one.clone_ref(py)).collect()
    }

    /// Tokens of each row.
    #[getter]
    fn num_tokens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        PyArray1::from_slice(py, &self.lengths)
    }

    /// Tokens of each row whose K and V are in the pages.
    #[getter]
    fn num_committed<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        PyArray1::from_slice(py, &self.written)
    }

    /// The tables, filled up with -1.
    #[getter]
    fn block_tables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        self.block_tables_of(py, 0)
    }

    /// The tables of a group, filled up with -1.
    #[pyo3(signature = (group, /))]
    fn block_tables_of<'py>(
        &self,
        py: Python<'py>,
        group: usize,
    ) -> PyResult<Bound<'py, PyArray2<i32>>> {
        let tables = self.tables_of(py, group)?;
        let bounds = tables.indptr.windows(2);
        let longest = bounds.clone().map(|bounds| bounds[1] - bounds[0]).max();
        let longest = longest.unwrap_or(0) as usize;
        let mut flat = Vec::with_capacity(longest * bounds.len());
        for (row, bounds) in bounds.enumerate() {
            let (start, end) = (bounds[0] as usize, bounds[1] as usize);
            flat.extend_from_slice(&tables.indices[start..end]);
            flat.resize((row + 1) * longest, -1);
        }
        PyArray1::from_vec(py, flat).reshape([tables.indptr.len() - 1, longest])
    }

    /// Where each row begins in `indices`.
    #[getter]
    fn indptr<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i32>>> {
        Ok(PyArray1::from_slice(py, &self.tables_of(py, 0)?.indptr))
    }

    /// The blocks of all rows side by side.
    #[getter]
    fn indices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i32>>> {
        Ok(PyArray1::from_slice(py, &self.tables_of(py, 0)?.indices))
    }

    /// Slots to copy: group, from, to, how many.
    #[getter]
    fn copies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        let rows = self.moves.copies.len();
        PyArray1::from_slice(py, self.moves.copies.as_flattened()).reshape([rows, 4])
    }

    /// Blocks whose content goes.
    #[getter]
    fn offloads<'py>(&self, py: Python<'py>) -> Vec<(u32, u32, Bound<'py, PyBytes>)> {
        with_names(py, &self.moves.offloads)
    }

    /// Blocks whose content comes from a tier.
    #[getter]
    fn loads<'py>(&self, py: Python<'py>) -> Vec<(u32, u32, Bound<'py, PyBytes>)> {
        with_names(py, &self.moves.loads)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Plan of {} rows, {} opened, {} short>",
            self.rows.len(),
            self.opened.iter().flatten().count(),
            self.short.len()
        )
    }
}

impl PyPlan {
    fn tables_of(&self, py: Python<'_>, group: usize) -> PyResult<&Tables> {
        self.tables.get(group).ok_or_else(|| {
            let problem = format!("group {group} of {}", self.tables.len());
            config_error(py, problem)
        })
    }
}
