//! Log probabilities of the drawn token and of the most likely ones.

use inferail_simd::logits::{Row, Scale};

use crate::row::chain::{Chain, List, Memory, Need, Selection};
use crate::row::view::View;

/// Natural logarithms of probabilities. The sums are in double precision, the exponentials of a row in single: the error is
/// below 2e-6.
#[derive(Debug, Clone, PartialEq)]
pub struct Logprobs {
    /// Of the drawn token.
    pub logprob: f64,
    /// How many tokens are at least as likely, itself included: 1 for the most likely one alone.
    pub rank: u64,
    /// The most likely tokens, best first, of equal ones the lowest id first.
    pub top: Vec<(u32, f64)>,
}

/// Of the logits as they came, without mask, penalties, temperature and filters. −∞ where all are.
pub(crate) fn raw(
    sampled: &View<'_>,
    row: Row<'_>,
    token: u32,
    top: usize,
    memory: &mut Memory,
) -> Logprobs {
    let Memory {
        passes,
        list,
        selection,
        ..
    } = memory;
    let view = View {
        level: sampled.level,
        row,
        mask: None,
        changed: &[],
    };
    let is_same = sampled.mask.is_none() && sampled.changed.is_empty();
    let maximum = if is_same {
        passes
            .maxima
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max)
    } else {
        view.maximum(passes).0
    };
    let value = row.get(token as usize).filter(|value| !value.is_nan());
    let value = value.unwrap_or(f32::NEG_INFINITY);
    if !maximum.is_finite() {
        return infinite(&view, maximum, value, top, memory);
    }
    let scale = Scale {
        maximum,
        inverse_temperature: 1.0,
    };
    let threshold = top_threshold(&passes.maxima, top);
    let rest = view.tail(passes, scale, threshold, list);
    list.weigh(view.level, scale);
    let total = (list.total() + rest).ln();
    let logprob = |value: f32| f64::from(value) - f64::from(maximum) - total;
    let best = best(list, selection, top).into_iter();
    Logprobs {
        logprob: logprob(value),
        rank: view.level.count(view.members(), &passes.maxima, value),
        top: best.map(|(id, value)| (id, logprob(value))).collect(),
    }
}

/// Of a row whose largest logit is not finite: those that are +∞ share the whole.
fn infinite(
    view: &View<'_>,
    maximum: f32,
    value: f32,
    top: usize,
    memory: &mut Memory,
) -> Logprobs {
    let Memory {
        passes,
        list,
        selection,
        ..
    } = memory;
    view.collect(passes, f32::INFINITY, list);
    let share = -(list.len() as f64).ln();
    let logprob = if value == f32::INFINITY {
        share
    } else {
        f64::NEG_INFINITY
    };
    let rank = view.level.count(view.members(), &passes.maxima, value);
    let infinite = if maximum == f32::INFINITY {
        best(list, selection, top)
    } else {
        Vec::new()
    };
    Logprobs {
        logprob,
        rank,
        top: infinite.into_iter().map(|(id, _)| (id, share)).collect(),
    }
}

/// Of what was left to draw from.
pub(crate) fn processed(chain: &mut Chain<'_>, token: u32, top: usize) -> Logprobs {
    chain.list();
    let Memory {
        list, selection, ..
    } = chain.memory();
    let total = list.total().ln();
    let drawn = list.ids.binary_search(&token);
    let value = drawn.map_or(f32::NEG_INFINITY, |at| list.values[at]);
    let rank = list.values.iter().filter(|other| **other >= value).count() as u64;
    let best = best(list, selection, top);
    let logprob = |id: u32| {
        let at = list.ids.binary_search(&id);
        at.map_or(f64::NEG_INFINITY, |at| list.weights[at].ln() - total)
    };
    let top = best.into_iter().map(|(id, _)| (id, logprob(id))).collect();
    Logprobs {
        logprob: logprob(token),
        rank,
        top,
    }
}

/// A logit that at least `top` logits reach, if there are so many.
fn top_threshold(maxima: &[f32], top: usize) -> f32 {
    if top == 0 {
        return f32::INFINITY;
    }
    if top > maxima.len() {
        return f32::MIN;
    }
    let mut maxima = maxima.to_vec();
    let (_, value, _) = maxima.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
    value.max(f32::MIN)
}

/// The largest `top` of a list, in order.
fn best(list: &List, selection: &mut Selection, top: usize) -> Vec<(u32, f32)> {
    if top == 0 {
        return Vec::new();
    }
    let need = Need {
        sum: top as f64,
        beyond: false,
    };
    let found = selection.prefix(&list.values, None, need, None);
    let Some(found) = found else {
        return Vec::new();
    };
    let (value, last) = (list.values[found.last], found.last);
    let items = list
        .ids
        .iter()
        .copied()
        .zip(list.values.iter().copied())
        .enumerate();
    let kept = items.filter(|(at, (_, other))| *other > value || (*other == value && *at <= last));
    let mut best: Vec<(u32, f32)> = kept.map(|(_, item)| item).collect();
    best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    best
}
