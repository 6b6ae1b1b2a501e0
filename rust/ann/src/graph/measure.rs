//! How much a search finds of what there is, and what effort that takes.

use super::{GraphIndex, default_effort, parameter, random::Random};
use crate::Error;
use crate::search::{Best, Collector};
use crate::vector::Vector;

/// How much of a query made up from two entries is the second one.
const MIXED: f32 = 0.3;

/// Queries that [`GraphIndex::tune`] makes up.
const TUNED: usize = 200;

/// What a query should find.
struct Truth<'a> {
    query: &'a [f32],
    /// How many there are.
    count: usize,
    /// The score of the last of them.
    floor: f32,
}

impl GraphIndex {
    /// The share of the true `k` nearest entries that [`GraphIndex::search`] finds, 0 to 1, over `sample` queries.
    ///
    /// The queries are made up, each from two entries that lie anywhere: 0.7 of one and 0.3 of the other. Every entry is
    /// compared with every query, so that it takes as long as `sample` searches of all there is. Changes wait for it,
    /// searches do not.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] of a sample, a `k` or an effort of 0; [`Error::Damaged`] of the file that it was opened from.
    pub fn recall(&self, sample: usize, k: usize, effort: Option<usize>) -> Result<f64, Error> {
        if sample == 0 {
            return Err(parameter("sample", "1 or more", sample));
        }
        let queries = self.made_up(sample)?;
        let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
        self.recall_of(&queries, k, effort)
    }

    /// The same over queries of your own.
    ///
    /// # Errors
    ///
    /// As [`GraphIndex::search`].
    pub fn recall_of(
        &self,
        queries: &[&[f32]],
        k: usize,
        effort: Option<usize>,
    ) -> Result<f64, Error> {
        let _no_changes = self.lock();
        let truth = self.truth(queries, k)?;
        self.found(&truth, k, effort.unwrap_or_else(|| default_effort(k)))
    }

    /// The smallest effort with which searches reach a recall, over your queries or 200 made up ones.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] of a recall that is not above 0 and at most 1; as [`GraphIndex::recall`].
    pub fn tune(&self, recall: f64, k: usize, queries: Option<&[&[f32]]>) -> Result<usize, Error> {
        if !(recall > 0.0 && recall <= 1.0) {
            return Err(Error::Parameter {
                name: "recall",
                expected: "above 0 and at most 1",
                value: recall.to_string(),
            });
        }
        let own = match queries {
            Some(_) => Vec::new(),
            None => self.made_up(TUNED)?,
        };
        let own: Vec<&[f32]> = own.iter().map(Vec::as_slice).collect();
        let _no_changes = self.lock();
        let truth = self.truth(queries.unwrap_or(&own), k)?;
        // Too little is below, enough is `enough`: which there is, since a large effort looks at every entry.
        let (mut below, mut enough) = (k - 1, k);
        while self.found(&truth, k, enough)? < recall {
            below = enough;
            enough *= 2;
        }
        while enough - below > 1 + below / 32 {
            let middle = usize::midpoint(below, enough);
            if self.found(&truth, k, middle)? < recall {
                below = middle;
            } else {
                enough = middle;
            }
        }
        Ok(enough)
    }

    /// Queries like those that may come: between two entries.
    fn made_up(&self, count: usize) -> Result<Vec<Vec<f32>>, Error> {
        let _no_changes = self.lock();
        let vertices = self.read();
        let places: Vec<u32> = vertices.live_places().collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut random = Random::new(!self.options.seed);
        let query = |_| {
            let mut any = || vertices.numbers(places[random.below(places.len())]);
            let (mut query, other) = (any()?, any()?);
            for (number, other) in query.iter_mut().zip(other) {
                *number += (other - *number) * MIXED;
            }
            Ok(query)
        };
        (0..count).map(query).collect()
    }

    /// What the queries should find, by a look at every entry.
    fn truth<'a>(&self, queries: &[&'a [f32]], k: usize) -> Result<Vec<Truth<'a>>, Error> {
        if k == 0 {
            return Err(parameter("k", "1 or more", k));
        }
        let ready = queries.iter().enumerate();
        let ready = ready.map(|(row, query)| {
            let vector = Vector::new(self.level, &self.settings, query, row)?;
            Ok((vector, Best::of(k)))
        });
        let mut ready: Vec<(Vector, Best)> = ready.collect::<Result<_, Error>>()?;
        let vertices = self.read();
        for place in vertices.live_places() {
            let key = vertices.keys[place as usize];
            for (query, best) in &mut ready {
                let score = vertices.score(query, place)?;
                if score >= best.floor() {
                    best.offer(score, key);
                }
            }
        }
        let truth = queries.iter().zip(ready).map(|(query, (_, best))| {
            let found = best.found();
            Truth {
                query,
                count: found.len(),
                floor: found.last().map_or(f32::INFINITY, |(score, _)| *score),
            }
        });
        Ok(truth.collect())
    }

    /// The share of it that searches find. Another entry with the score of the last one is as good.
    fn found(&self, truth: &[Truth<'_>], k: usize, effort: usize) -> Result<f64, Error> {
        let (mut found, mut wanted) = (0, 0);
        for truth in truth {
            let results = self.inner_search(truth.query, k, Some(effort))?;
            found += results
                .iter()
                .filter(|(score, _)| *score >= truth.floor)
                .count();
            wanted += truth.count;
        }
        Ok(if wanted == 0 {
            1.0
        } else {
            f64::from(found as u32) / f64::from(wanted as u32)
        })
    }
}
