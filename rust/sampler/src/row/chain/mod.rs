//! The chain of filters, from a whole row to the tokens that may be drawn.
//!
//! As long as nothing was cut, a step works on the row and reads as little of it as it can; its result is a list, or, where
//! a list would be long, the row and the logit at which it is cut off. Every later step works on the list.

mod draw;
mod filters;
mod list;
mod nucleus;
mod select;

use inferail_simd::logits::Scale;

pub(crate) use draw::Drawn;
pub(crate) use list::List;
pub(crate) use select::{Need, Selection};

use crate::row::view::{Passes, View};
use crate::settings::compat::{Conventions, Stage};
use crate::settings::parameters::{DynamicTemperature, Parameters};

/// Memory of a chain.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) passes: Passes,
    pub(crate) list: List,
    pub(crate) selection: Selection,
    spare: List,
}

/// What is left.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    /// The whole row.
    Row,
    /// Logits of the row above a value, and with it up to an id; the masses are theirs.
    Above { value: f32, last: u32 },
    /// The list.
    List,
}

/// A row on its way through the filters.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    view: View<'a>,
    parameters: &'a Parameters,
    conventions: Conventions,
    memory: &'a mut Memory,
    scale: Scale,
    /// Before any filter.
    row_maximum: f32,
    left: Left,
    /// The number in [0, 1) that decides whether top choices are excluded.
    chance: f64,
}

impl<'a> Chain<'a> {
    /// `maximum` is the largest logit of `view`, and finite; the maxima of the blocks are in `memory`.
    pub(crate) fn new(
        view: View<'a>,
        parameters: &'a Parameters,
        memory: &'a mut Memory,
        maximum: f32,
        chance: f64,
    ) -> Self {
        let conventions = parameters.compat.conventions();
        let scale = Scale {
            maximum,
            inverse_temperature: 1.0,
        };
        Self {
            view,
            parameters,
            conventions,
            memory,
            scale,
            row_maximum: maximum,
            left: Left::Row,
            chance,
        }
    }

    /// The list, and what selects from it.
    pub(crate) fn memory(&mut self) -> &mut Memory {
        self.memory
    }

    /// Takes every step; Mirostat with a largest surprise of `surprise` takes the place of the filters.
    pub(crate) fn run(&mut self, surprise: Option<f64>) {
        if let (Some(mirostat), Some(surprise)) = (self.parameters.mirostat, surprise) {
            self.temper();
            self.mirostat(mirostat, surprise);
            return;
        }
        for stage in self.conventions.stages {
            self.step(*stage);
        }
    }

    fn step(&mut self, stage: Stage) {
        let parameters = self.parameters;
        let top_p_keeps_all = parameters.top_p >= 1.0
            || (parameters.top_p == 0.0 && self.conventions.top_p_zero_is_off);
        match stage {
            Stage::Temperature => self.temper(),
            Stage::TopK if parameters.top_k > 0 => {
                self.top_k(parameters.top_k, self.conventions.top_k_keeps_ties);
            }
            Stage::TopP if !top_p_keeps_all => self.top_p(parameters.top_p),
            Stage::JointTopKTopP => self.top_k_and_top_p(top_p_keeps_all),
            Stage::MinP if parameters.min_p > 0.0 => self.min_p(parameters.min_p),
            Stage::Typical if parameters.typical_p < 1.0 => self.typical(parameters.typical_p),
            Stage::Epsilon if parameters.epsilon > 0.0 => self.epsilon(parameters.epsilon),
            Stage::Eta if parameters.eta > 0.0 => self.eta(parameters.eta),
            Stage::TopNSigma => {
                if let Some(sigma) = parameters.top_n_sigma.filter(|sigma| *sigma > 0.0) {
                    self.top_n_sigma(sigma);
                }
            }
            Stage::Exclusion => self.exclude(),
            _ => {}
        }
    }

    fn temper(&mut self) {
        if self.parameters.is_greedy() {
            return;
        }
        if matches!(self.left, Left::Above { .. }) {
            // The masses are those of the temperature so far.
            self.list();
        }
        let mut temperature = self.parameters.temperature;
        if let Some(dynamic) = self.parameters.dynamic_temperature {
            temperature = self.dynamic_temperature(dynamic);
        }
        // A dynamic temperature may come to 0.
        self.scale.inverse_temperature = 1.0 / temperature.max(1e-5);
    }

    /// As in llama.cpp (`llama_sampler_temp_ext`): by the entropy over the logits that are left.
    fn dynamic_temperature(&mut self, dynamic: DynamicTemperature) -> f64 {
        let (entropy, count) = self.entropy();
        let temperature = self.parameters.temperature;
        let (least, most) = (
            (temperature - dynamic.range).max(0.0),
            temperature + dynamic.range,
        );
        if count < 2 {
            return temperature;
        }
        let normalised = entropy / (count as f64).ln();
        least + (most - least) * normalised.clamp(0.0, 1.0).powf(dynamic.exponent)
    }

    /// Entropy of what is left, nats, and how many tokens that are.
    fn entropy(&mut self) -> (f64, u64) {
        if self.left == Left::Row {
            let Memory { passes, spare, .. } = &mut *self.memory;
            let nothing = [f32::INFINITY; 2];
            let all = self.view.weigh(passes, self.scale, nothing, spare);
            let count = self.view.count(self.row_maximum);
            return (all.total.ln() - all.powers / all.total, count);
        }
        let list = self.list();
        let total = list.total();
        let logarithm = |weight: &f64| {
            if *weight > 0.0 {
                weight * weight.ln()
            } else {
                0.0
            }
        };
        let powers: f64 = list.weights.iter().map(logarithm).sum();
        (total.ln() - powers / total, list.len() as u64)
    }

    /// The sum of all weights that are left.
    fn total(&mut self) -> f64 {
        if self.left == Left::Row {
            let Memory { passes, spare, .. } = &mut *self.memory;
            return self
                .view
                .weigh(passes, self.scale, [f32::INFINITY; 2], spare)
                .total;
        }
        self.list().total()
    }

    /// What is left as a list, with weights.
    pub(crate) fn list(&mut self) -> &mut List {
        let Memory { passes, list, .. } = &mut *self.memory;
        match self.left {
            Left::List => {}
            Left::Row => self.view.collect(passes, f32::MIN, list),
            Left::Above { value, last } => {
                self.view.collect(passes, value, list);
                list.retain(|list, at| list.values[at] > value || list.ids[at] <= last);
            }
        }
        self.left = Left::List;
        list.weigh(self.view.level, self.scale);
        list
    }
}
