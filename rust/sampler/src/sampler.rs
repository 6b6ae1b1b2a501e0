//! One row, one token.

use inferail_simd::logits::{Level, Row};

use crate::history::History;
use crate::random::philox::{Purpose, uniform};
use crate::row::chain::{Chain, Drawn, Memory};
use crate::row::edits::{Allowed, Edits};
use crate::row::logprobs::{self, Logprobs};
use crate::row::view::View;
use crate::settings::parameters::{LogprobsMode, Parameters};
use crate::{Distribution, Error};

/// Chooses tokens by fixed parameters. Safe to share between threads: whatever changes is in [`Scratch`] and [`History`].
///
/// # Examples
///
/// ```
/// use inferail_sampler::{Parameters, Place, Row, Sampler, Scratch};
///
/// let parameters = Parameters { temperature: 0.7, top_p: 0.9, ..Parameters::default() };
/// let sampler = Sampler::new(parameters)?;
/// let logits = [1.0, 3.0, 2.0];
/// let picked = sampler.pick(&Row::F32(&logits).into(), &Place::new(7, 0), &mut Scratch::default())?;
///
/// assert!(picked.token < 3);
/// # Ok::<(), inferail_sampler::Error>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    parameters: Parameters,
    allowed: Allowed,
    level: Level,
}

/// Memory of one thread: rows of one vocabulary share it.
#[derive(Debug, Default)]
pub struct Scratch {
    edits: Edits,
    memory: Memory,
}

/// A row, and what the sequence that it belongs to allows.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Logits, `[vocab]`.
    pub row: Row<'a>,
    /// Bit `id % 32` of word `id / 32` says whether token `id` may follow.
    pub mask: Option<&'a [u32]>,
    /// What penalties look at.
    pub history: Option<&'a History>,
}

impl<'a> From<Row<'a>> for Input<'a> {
    fn from(row: Row<'a>) -> Self {
        Self {
            row,
            mask: None,
            history: None,
        }
    }
}

/// What a draw depends on, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of the request.
    pub seed: u64,
    /// Of the token in its sequence.
    pub position: u64,
    /// Tells apart the sequences of one request.
    pub sample: u32,
}

impl Place {
    /// Of the first sequence of a request.
    pub fn new(seed: u64, position: u64) -> Self {
        Self {
            seed,
            position,
            sample: 0,
        }
    }

    fn uniform(&self, purpose: Purpose) -> f64 {
        uniform(self.seed, self.position, purpose, self.sample)
    }
}

/// A token and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Picked {
    /// Its id.
    pub token: u32,
    /// A logit was not a number, and counted as −∞.
    pub unordered: bool,
    /// A logit was +∞: the token is one of those, all equally likely.
    pub infinite: bool,
    /// If they were asked for.
    pub logprobs: Option<Logprobs>,
    /// What [`History::set_surprise`] is to be told, with Mirostat.
    pub surprise: Option<f64>,
}

/// A row after penalties.
struct Prepared<'a> {
    view: View<'a>,
    maximum: f32,
    unordered: bool,
}

impl Sampler {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: one means nothing.
    pub fn new(parameters: Parameters) -> Result<Self, Error> {
        let parameters = parameters.checked()?;
        let allowed = Allowed::new(&parameters);
        Ok(Self {
            parameters,
            allowed,
            level: Level::best(),
        })
    }

    /// The same on another instruction set, which gives the same tokens.
    #[must_use]
    pub fn on(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// What it was made with.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A sequence that is `prompt` so far.
    pub fn history(&self, prompt: &[u32]) -> History {
        History::new(&self.parameters, prompt)
    }

    /// The next token of a sequence.
    ///
    /// # Errors
    ///
    /// [`Error::NothingLeft`]: no token may follow. [`Error::OutOfRange`]: a parameter names a token that the row does not
    /// have. [`Error::NotFinite`]: in strict mode.
    pub fn pick(
        &self,
        input: &Input<'_>,
        place: &Place,
        scratch: &mut Scratch,
    ) -> Result<Picked, Error> {
        let Scratch { edits, memory } = scratch;
        let prepared = self.prepare(input, edits, memory)?;
        let Prepared {
            view,
            maximum,
            unordered,
        } = prepared;
        let nothing = Error::NothingLeft { unordered };
        let infinite = maximum == f32::INFINITY;
        let mut surprise = None;
        let (token, logprobs) = if infinite {
            let token = self.pick_infinite(view, place, memory).ok_or(nothing)?;
            (token, None)
        } else if self.parameters.is_greedy() {
            let token = self
                .greedy(input, view, memory, maximum, place)
                .ok_or(nothing)?;
            (token, self.greedy_logprobs(view, token, memory, maximum))
        } else {
            let mut chain = self.chain(view, memory, maximum, place);
            chain.run(self.surprise(input));
            let drawn = chain.draw(place.uniform(Purpose::Token)).ok_or(nothing)?;
            surprise = self.next_surprise(input, drawn);
            let logprobs = self.processed(&mut chain, drawn.id);
            (drawn.id, logprobs)
        };
        let raw = self
            .parameters
            .logprobs
            .filter(|_| self.parameters.logprobs_mode == LogprobsMode::Raw);
        let logprobs = match raw {
            Some(top) => Some(logprobs::raw(&view, input.row, token, top, memory)),
            None => logprobs,
        };
        Ok(Picked {
            token,
            unordered,
            infinite,
            logprobs,
            surprise,
        })
    }

    /// Everything that [`Sampler::pick`] could draw.
    ///
    /// # Errors
    ///
    /// As for [`Sampler::pick`].
    pub fn distribution(
        &self,
        input: &Input<'_>,
        place: &Place,
        scratch: &mut Scratch,
    ) -> Result<Distribution, Error> {
        let Scratch { edits, memory } = scratch;
        let Prepared {
            view,
            maximum,
            unordered,
        } = self.prepare(input, edits, memory)?;
        let nothing = Error::NothingLeft { unordered };
        if maximum == f32::INFINITY {
            view.collect(&mut memory.passes, maximum, &mut memory.list);
            let mut ids = memory.list.ids.clone();
            if self.parameters.is_greedy() {
                ids.truncate(1);
            }
            let probabilities = vec![1.0 / ids.len() as f64; ids.len()];
            return Ok(Distribution { ids, probabilities });
        }
        if self.parameters.is_greedy() {
            let token = self
                .greedy(input, view, memory, maximum, place)
                .ok_or(nothing)?;
            return Ok(Distribution {
                ids: vec![token],
                probabilities: vec![1.0],
            });
        }
        let mut chain = self.chain(view, memory, maximum, place);
        chain.run(self.surprise(input));
        let list = chain.list();
        let total = list.total();
        let probabilities = list.weights.iter().map(|weight| weight / total).collect();
        Ok(Distribution {
            ids: list.ids.clone(),
            probabilities,
        })
    }

    fn prepare<'a>(
        &self,
        input: &Input<'a>,
        edits: &'a mut Edits,
        memory: &mut Memory,
    ) -> Result<Prepared<'a>, Error> {
        let vocabulary = input.row.len();
        let named = self.parameters.largest_id();
        if let Some((name, id)) = named.filter(|(_, id)| *id as usize >= vocabulary) {
            return Err(Error::OutOfRange {
                name,
                id,
                vocabulary,
            });
        }
        edits.prepare(
            &self.parameters,
            &self.allowed,
            input.row,
            input.mask,
            input.history,
        );
        let edits = &*edits;
        let view = View {
            level: self.level,
            row: input.row,
            mask: edits.mask(input.mask),
            changed: &edits.changed,
        };
        let (maximum, unordered) = view.maximum(&mut memory.passes);
        let unordered = unordered || edits.unordered;
        if self.parameters.strict && (unordered || maximum == f32::INFINITY) {
            return Err(Error::NotFinite { unordered });
        }
        if maximum == f32::NEG_INFINITY {
            return Err(Error::NothingLeft { unordered });
        }
        Ok(Prepared {
            view,
            maximum,
            unordered,
        })
    }

    fn chain<'a>(
        &'a self,
        view: View<'a>,
        memory: &'a mut Memory,
        maximum: f32,
        place: &Place,
    ) -> Chain<'a> {
        let chance = match &self.parameters.exclusion {
            Some(_) => place.uniform(Purpose::Exclusion),
            None => 0.0,
        };
        Chain::new(view, &self.parameters, memory, maximum, chance)
    }

    /// The most likely token: of all, or of what the filters left.
    fn greedy(
        &self,
        input: &Input<'_>,
        view: View<'_>,
        memory: &mut Memory,
        maximum: f32,
        place: &Place,
    ) -> Option<u32> {
        let is_last = self.parameters.compat.conventions().greed_is_last;
        if !is_last || self.parameters.mirostat.is_some() {
            return view.first(&memory.passes, maximum);
        }
        let mut chain = self.chain(view, memory, maximum, place);
        chain.run(self.surprise(input));
        chain.most_likely()
    }

    /// One of the tokens whose logit is +∞.
    fn pick_infinite(&self, view: View<'_>, place: &Place, memory: &mut Memory) -> Option<u32> {
        view.collect(&mut memory.passes, f32::INFINITY, &mut memory.list);
        let ids = &memory.list.ids;
        if self.parameters.is_greedy() {
            return ids.first().copied();
        }
        let at = (place.uniform(Purpose::Token) * ids.len() as f64) as usize;
        ids.get(at).or(ids.last()).copied()
    }

    fn surprise(&self, input: &Input<'_>) -> Option<f64> {
        let mirostat = self.parameters.mirostat?;
        let kept = input.history.and_then(History::surprise);
        Some(kept.unwrap_or(2.0 * mirostat.tau))
    }

    /// How Mirostat goes on after what was drawn.
    fn next_surprise(&self, input: &Input<'_>, drawn: Drawn) -> Option<f64> {
        let mirostat = self.parameters.mirostat?;
        let error = -drawn.probability.log2() - mirostat.tau;
        Some(self.surprise(input)? - mirostat.eta * error)
    }

    fn processed(&self, chain: &mut Chain<'_>, token: u32) -> Option<Logprobs> {
        let is_processed = self.parameters.logprobs_mode == LogprobsMode::Processed;
        let top = self.parameters.logprobs.filter(|_| is_processed)?;
        Some(logprobs::processed(chain, token, top))
    }

    /// As in vLLM: a greedy row has the distribution of its logits after penalties, which nothing has cut.
    fn greedy_logprobs(
        &self,
        view: View<'_>,
        token: u32,
        memory: &mut Memory,
        maximum: f32,
    ) -> Option<Logprobs> {
        let mut chain = Chain::new(view, &self.parameters, memory, maximum, 0.0);
        self.processed(&mut chain, token)
    }
}
