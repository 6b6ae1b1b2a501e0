//! `Sampler`.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use inferail_sampler::{Batch, Error, History, Input, Job, Picked, Place, Row, Sampler};
use numpy::PyArray1;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arguments::{ids, number};
use super::history::PyHistory;
use super::options::Options;
use super::rows::{Logits, Mask};
use super::samples::PySamples;
use crate::error::{config_error, sampler_error, sampling_error};
use crate::gil::run_sized;

/// Chooses tokens.
#[pyclass(frozen, name = "Sampler", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PySampler {
    inner: Sampler,
    batch: Batch,
    threads: Option<NonZeroUsize>,
    seed: u64,
    /// The seed was given: rows do not differ by their place in a batch.
    is_seeded: bool,
    calls: AtomicU64,
}

/// Ids and probabilities.
type Shares<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<f64>>);

/// Where each row is drawn, as it was given.
#[derive(Default)]
struct Where<'a, 'py> {
    histories: Option<&'a Bound<'py, PyAny>>,
    positions: Option<&'a Bound<'py, PyAny>>,
    seeds: Option<&'a Bound<'py, PyAny>>,
    sample_indices: Option<&'a Bound<'py, PyAny>>,
    mask: Option<&'a Bound<'py, PyAny>>,
    dtype: Option<&'a str>,
}

#[pymethods]
impl PySampler {
    #[new]
    #[pyo3(signature = (**options), text_signature = "(*, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, typical_p=1.0, top_n_sigma=None, epsilon=0.0, eta=0.0, xtc_probability=0.0, xtc_threshold=0.1, xtc_protected=(), dry_multiplier=0.0, dry_base=1.75, dry_allowed_length=2, dry_window=None, dry_breakers=(), repetition_penalty=1.0, frequency_penalty=0.0, presence_penalty=0.0, penalty_window=None, logit_bias=None, allowed=None, banned=(), min_tokens=0, stop_tokens=(), dynamic_temperature_range=0.0, dynamic_temperature_exponent=1.0, mirostat=0, mirostat_tau=5.0, mirostat_eta=0.1, mirostat_m=100, seed=None, compat='openai', logprobs=None, logprobs_mode='raw', strict=False, threads=None)")]
    fn new(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let Options {
            parameters,
            seed,
            threads,
        } = Options::new(py, options)?;
        let inner = Sampler::new(parameters).map_err(|error| sampler_error(py, &error))?;
        let threads = match threads.map(NonZeroUsize::new) {
            Some(None) => {
                let problem = "threads must be 1 or more, or None for all processors, not 0";
                return Err(config_error(py, problem.to_owned()));
            }
            threads => threads.flatten(),
        };
        Ok(Self {
            inner,
            batch: Batch::default(),
            threads,
            // The state of a hasher is random.
            seed: seed.unwrap_or_else(|| RandomState::new().hash_one(0)),
            is_seeded: seed.is_some(),
            calls: AtomicU64::new(0),
        })
    }

    /// What the draws depend on: as given, or random.
    #[getter]
    fn seed(&self) -> u64 {
        self.seed
    }

    /// A sequence that is `prompt` so far.
    #[pyo3(signature = (prompt = None))]
    fn history(&self, prompt: Option<&Bound<'_, PyAny>>) -> PyResult<PyHistory> {
        let prompt = prompt.map_or(Ok(Vec::new()), |prompt| ids("prompt", prompt))?;
        Ok(self.inner.history(&prompt).into())
    }

    /// A token for each row.
    #[pyo3(signature = (logits, *, histories = None, positions = None, seeds = None, sample_indices = None, mask = None, dtype = None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "all but one are keywords of Python"
    )]
    fn sample<'py>(
        &self,
        logits: &Bound<'py, PyAny>,
        histories: Option<&Bound<'py, PyAny>>,
        positions: Option<&Bound<'py, PyAny>>,
        seeds: Option<&Bound<'py, PyAny>>,
        sample_indices: Option<&Bound<'py, PyAny>>,
        mask: Option<&Bound<'py, PyAny>>,
        dtype: Option<&str>,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let place = Where {
            histories,
            positions,
            seeds,
            sample_indices,
            mask,
            dtype,
        };
        let picked = pick(&[self], logits, &place)?;
        let tokens = picked.iter().map(|picked| picked.token);
        Ok(PyArray1::from_iter(logits.py(), tokens))
    }

    /// A token for each row, with log probabilities and flags.
    #[pyo3(signature = (logits, *, histories = None, positions = None, seeds = None, sample_indices = None, mask = None, dtype = None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "all but one are keywords of Python"
    )]
    fn sample_detailed<'py>(
        &self,
        logits: &Bound<'py, PyAny>,
        histories: Option<&Bound<'py, PyAny>>,
        positions: Option<&Bound<'py, PyAny>>,
        seeds: Option<&Bound<'py, PyAny>>,
        sample_indices: Option<&Bound<'py, PyAny>>,
        mask: Option<&Bound<'py, PyAny>>,
        dtype: Option<&str>,
    ) -> PyResult<PySamples> {
        let place = Where {
            histories,
            positions,
            seeds,
            sample_indices,
            mask,
            dtype,
        };
        let picked = pick(&[self], logits, &place)?;
        let vocabulary = Logits::new(logits, dtype)?
            .rows(logits.py())?
            .first()
            .map_or(0, Row::len);
        let top = self
            .inner
            .parameters()
            .logprobs
            .unwrap_or(0)
            .min(vocabulary);
        Ok(PySamples::new(picked, top))
    }

    /// What could be drawn from one row: ids and probabilities.
    #[pyo3(signature = (logits, *, history = None, position = None, seed = None, sample_index = None, mask = None, dtype = None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "all but one are keywords of Python"
    )]
    fn distribution<'py>(
        &self,
        logits: &Bound<'py, PyAny>,
        history: Option<&Bound<'py, PyHistory>>,
        position: Option<u64>,
        seed: Option<u64>,
        sample_index: Option<u32>,
        mask: Option<&Bound<'py, PyAny>>,
        dtype: Option<&str>,
    ) -> PyResult<Shares<'py>> {
        let py = logits.py();
        let logits = Logits::new(logits, dtype)?;
        let rows = logits.rows(py)?;
        let &[row] = rows.as_slice() else {
            let problem = format!("a distribution is of one row, not of {}", rows.len());
            return Err(config_error(py, problem));
        };
        let mask = mask.map(Mask::new).transpose()?;
        let mask = mask
            .as_ref()
            .map(|mask| mask.rows(py, 1, row.len()))
            .transpose()?;
        let history = history.map(|history| history.get().lock(py));
        let kept = history
            .as_ref()
            .map_or(0, |history| history.position() as u64);
        let place = Place {
            seed: seed.unwrap_or(self.seed),
            position: position.unwrap_or(kept),
            sample: sample_index.unwrap_or(0),
        };
        let input = Input {
            row,
            mask: mask.map(|mask| mask[0]),
            history: history.as_deref(),
        };
        let found = run_sized(py, size_of::<f32>() * row.len(), || {
            self.batch
                .with(|scratch| self.inner.distribution(&input, &place, scratch))
        });
        let found = found.map_err(|error| row_error(py, &error, 0))?;
        let probabilities = PyArray1::from_vec(py, found.probabilities);
        Ok((PyArray1::from_vec(py, found.ids), probabilities))
    }
}

/// A token for each row, each with a sampler of its own: requests with different parameters in one batch.
#[pyfunction]
#[pyo3(signature = (samplers, logits, *, histories = None, positions = None, sample_indices = None, mask = None, dtype = None))]
pub(crate) fn sample_each<'py>(
    samplers: &Bound<'py, PyAny>,
    logits: &Bound<'py, PyAny>,
    histories: Option<&Bound<'py, PyAny>>,
    positions: Option<&Bound<'py, PyAny>>,
    sample_indices: Option<&Bound<'py, PyAny>>,
    mask: Option<&Bound<'py, PyAny>>,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let py = logits.py();
    let samplers: Vec<Bound<'py, PySampler>> = samplers.extract()?;
    let samplers: Vec<&PySampler> = samplers.iter().map(Bound::get).collect();
    let place = Where {
        histories,
        positions,
        seeds: None,
        sample_indices,
        mask,
        dtype,
    };
    let picked = pick(&samplers, logits, &place)?;
    Ok(PyArray1::from_iter(
        py,
        picked.iter().map(|picked| picked.token),
    ))
}

/// One sampler for all rows, or one for each.
fn pick(
    samplers: &[&PySampler],
    logits: &Bound<'_, PyAny>,
    place: &Where<'_, '_>,
) -> PyResult<Vec<Picked>> {
    let py = logits.py();
    let logits = Logits::new(logits, place.dtype)?;
    let rows = logits.rows(py)?;
    let first = match samplers {
        [one] => *one,
        [first, ..] if samplers.len() == rows.len() => *first,
        _ => {
            let count = samplers.len();
            let problem = format!(
                "samplers must be one for each row, not {count} for {}",
                rows.len()
            );
            return Err(config_error(py, problem));
        }
    };
    let sampler = |at: usize| samplers.get(at).copied().unwrap_or(first);
    let vocabulary = rows.first().map_or(0, Row::len);
    let mask = place.mask.map(Mask::new).transpose()?;
    let masks = mask
        .as_ref()
        .map(|mask| mask.rows(py, rows.len(), vocabulary))
        .transpose()?;
    let histories = histories(place.histories, rows.len(), py)?;
    let mut kept = lock_all(py, &histories);
    let places = places(py, &sampler, place, &kept, rows.len())?;
    let jobs: Vec<Job<'_>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| Job {
            sampler: &sampler(at).inner,
            input: Input {
                row: *row,
                mask: masks.as_ref().map(|masks| masks[at]),
                history: kept.get(at).map(|history| &**history),
            },
            place: places[at],
        })
        .collect();
    let bytes = size_of::<f32>() * vocabulary * rows.len();
    let picked = run_sized(py, bytes, || first.batch.pick(&jobs, first.threads));
    drop(jobs);
    let picked = picked.into_iter().enumerate();
    let picked = picked.map(|(row, picked)| picked.map_err(|error| row_error(py, &error, row)));
    let picked: Vec<Picked> = picked.collect::<PyResult<_>>()?;
    for (history, picked) in kept.iter_mut().zip(&picked) {
        if let Some(surprise) = picked.surprise {
            history.set_surprise(surprise);
        }
    }
    Ok(picked)
}

fn places<'a>(
    py: Python<'_>,
    sampler: &impl Fn(usize) -> &'a PySampler,
    place: &Where<'_, '_>,
    kept: &[MutexGuard<'_, History>],
    rows: usize,
) -> PyResult<Vec<Place>> {
    let seeds = for_each(py, "seeds", place.seeds, rows)?;
    let positions = for_each(py, "positions", place.positions, rows)?;
    let samples = for_each::<u32>(py, "sample_indices", place.sample_indices, rows)?;
    // Without a history the calls are counted: the next one draws anew.
    let counted = positions.is_none() && kept.is_empty() && rows > 0;
    let call = if counted {
        sampler(0).calls.fetch_add(1, Ordering::Relaxed)
    } else {
        0
    };
    let place = |at: usize| Place {
        seed: seeds.as_ref().map_or(sampler(at).seed, |seeds| seeds[at]),
        position: match (&positions, kept.get(at)) {
            (Some(positions), _) => positions[at],
            (None, Some(history)) => history.position() as u64,
            (None, None) => call,
        },
        sample: match &samples {
            Some(samples) => samples[at],
            // Without a seed the rows of a batch are strangers to each other.
            None if !sampler(at).is_seeded && seeds.is_none() => at as u32,
            None => 0,
        },
    };
    Ok((0..rows).map(place).collect())
}

/// A number for all rows, or one for each.
fn for_each<T>(
    py: Python<'_>,
    name: &str,
    given: Option<&Bound<'_, PyAny>>,
    rows: usize,
) -> PyResult<Option<Vec<T>>>
where
    T: Copy + for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    let Some(given) = given else { return Ok(None) };
    if !given.hasattr("__len__")? {
        return Ok(Some(vec![number(name, given)?; rows]));
    }
    let given = if given.hasattr("tolist")? {
        given.call_method0("tolist")?
    } else {
        given.clone()
    };
    let numbers: Vec<T> = given
        .try_iter()?
        .map(|item| number(name, &item?))
        .collect::<PyResult<_>>()?;
    if numbers.len() != rows {
        let count = numbers.len();
        let problem =
            format!("{name} must be one number or one for each row, not {count} for {rows}");
        return Err(config_error(py, problem));
    }
    Ok(Some(numbers))
}

/// One history for each row, no two of them the same.
fn histories<'py>(
    given: Option<&Bound<'py, PyAny>>,
    rows: usize,
    py: Python<'py>,
) -> PyResult<Vec<Bound<'py, PyHistory>>> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let list: Vec<Bound<'py, PyHistory>> = match given.cast::<PyHistory>() {
        Ok(one) => vec![one.clone()],
        Err(_) => given
            .try_iter()?
            .map(|item| Ok(item?.cast_into()?))
            .collect::<PyResult<_>>()?,
    };
    if list.len() != rows {
        let problem = format!(
            "histories must be one for each row, not {} for {rows}",
            list.len()
        );
        return Err(config_error(py, problem));
    }
    let mut places: Vec<usize> = list
        .iter()
        .map(|history| history.as_ptr() as usize)
        .collect();
    places.sort_unstable();
    if places.array_windows().any(|[a, b]| a == b) {
        // Its lock would be waited for twice.
        let problem = "two rows have the same history: pass history.fork() for each of them";
        return Err(PyTypeError::new_err(problem));
    }
    Ok(list)
}

/// Locks every history, in the order of their places in memory: two threads then cannot wait for each other.
fn lock_all<'a>(
    py: Python<'_>,
    histories: &'a [Bound<'_, PyHistory>],
) -> Vec<MutexGuard<'a, History>> {
    let mut order: Vec<usize> = (0..histories.len()).collect();
    order.sort_unstable_by_key(|at| histories[*at].as_ptr() as usize);
    let mut locked: Vec<(usize, MutexGuard<'a, History>)> = order
        .into_iter()
        .map(|at| (at, histories[at].get().lock(py)))
        .collect();
    locked.sort_unstable_by_key(|(at, _)| *at);
    locked.into_iter().map(|(_, history)| history).collect()
}

fn row_error(py: Python<'_>, error: &Error, row: usize) -> PyErr {
    match error {
        Error::NothingLeft { .. } | Error::NotFinite { .. } => {
            let message = format!("row {row}: {error}");
            sampling_error(py, message, row).unwrap_or_else(|error| error)
        }
        _ => sampler_error(py, error),
    }
}
