//! Many rows at once.
//!
//! Threads live as long as the call, as those of a tokenizer's batch do: nothing spins or waits between calls, and nothing is
//! left locked in a child that a process forks. Starting one takes 10 to 25 µs, so a few rows stay on the calling thread.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, ScopedJoinHandle, available_parallelism, scope};

use crate::{Error, Input, Picked, Place, Sampler, Scratch};

/// Fewer logits than these are read by the calling thread: 100 µs of work.
const SHARED_LOGITS: usize = 1 << 20;

/// A row to draw from.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// How.
    pub sampler: &'a Sampler,
    /// From what.
    pub input: Input<'a>,
    /// Where.
    pub place: Place,
}

/// Memory for rows that are drawn from one after the other or at the same time.
#[derive(Debug)]
pub struct Batch {
    spare: Mutex<Vec<Scratch>>,
    /// To ask for it reads files of the system: 10 µs.
    processors: usize,
}

impl Default for Batch {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            spare: Mutex::default(),
            processors,
        }
    }
}

impl Batch {
    /// Memory that nobody uses now, for the time of `work`.
    pub fn with<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = spare().pop().unwrap_or_default();
        let result = work(&mut scratch);
        spare().push(scratch);
        result
    }

    /// A token for each job, in their order, on at most `threads` threads; without a number, as many as the process may use.
    ///
    /// What is drawn does not depend on how many threads there are.
    pub fn pick(
        &self,
        jobs: &[Job<'_>],
        threads: Option<NonZeroUsize>,
    ) -> Vec<Result<Picked, Error>> {
        let logits: usize = jobs.iter().map(|job| job.input.row.len()).sum();
        let most = if logits < SHARED_LOGITS {
            1
        } else {
            jobs.len()
        };
        let threads = most.min(threads.map_or(self.processors, NonZeroUsize::get));
        let next = AtomicUsize::new(0);
        let run = || {
            self.with(|scratch| {
                let mut picked = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else {
                        return picked;
                    };
                    picked.push((at, job.sampler.pick(&job.input, &job.place, scratch)));
                }
            })
        };
        if threads < 2 {
            return run().into_iter().map(|(_, picked)| picked).collect();
        }
        let mut picked = scope(|scope| {
            let others: Vec<ScopedJoinHandle<'_, _>> = (1..threads)
                .map_while(|_| Builder::new().spawn_scoped(scope, run).ok())
                .collect();
            let mut picked = run();
            for other in others {
                match other.join() {
                    Ok(theirs) => picked.extend(theirs),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            picked
        });
        picked.sort_unstable_by_key(|(at, _)| *at);
        picked.into_iter().map(|(_, picked)| picked).collect()
    }
}
