//! The options of a `KVCache`.

use inferail_kv::hash::Namer;
use inferail_kv::{Group, Policy, Settings};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::config_error;

/// How the groups were given: each with its blocks and its window.
pub(super) type Groups = Vec<(i64, Option<i64>)>;

/// Blocks of groups or of one.
pub(super) fn groups(
    py: Python<'_>,
    blocks: Option<i64>,
    window: Option<i64>,
    groups: Option<Groups>,
) -> PyResult<Vec<Group>> {
    let given = match (blocks, groups) {
        (Some(blocks), None) => vec![(blocks, window)],
        (None, Some(groups)) if window.is_none() => groups,
        _ => {
            let problem = "pass blocks=, perhaps with window=, or groups=[(blocks, window), ...]";
            return Err(config_error(py, problem.to_owned()));
        }
    };
    let made = given.into_iter().map(|(blocks, window)| {
        Ok(Group {
            blocks: whole(py, "blocks", blocks)?,
            window: window
                .map(|tokens| whole(py, "window", tokens))
                .transpose()?,
            block_bytes: 1,
        })
    });
    made.collect()
}

/// A number of 1 or more.
pub(super) fn whole(py: Python<'_>, name: &str, value: i64) -> PyResult<usize> {
    let number = usize::try_from(value).ok().filter(|number| *number > 0);
    number.ok_or_else(|| config_error(py, format!("{name} must be 1 or more, not {value}")))
}

pub(super) fn policy(py: Python<'_>, name: &str) -> PyResult<Policy> {
    match name {
        "lru" => Ok(Policy::Lru),
        "lfu" => Ok(Policy::Lfu),
        "priority" => Ok(Policy::Priority),
        "cost" => Ok(Policy::Cost),
        other => {
            let problem = format!("eviction must be lru, lfu, priority or cost, not {other:?}");
            Err(config_error(py, problem))
        }
    }
}

/// A secret of one's own, if there is one.
pub(super) fn namer(
    py: Python<'_>,
    secret: Option<&Bound<'_, PyBytes>>,
) -> PyResult<Option<Namer>> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    let bytes: Result<[u8; 16], _> = secret.as_bytes().try_into();
    bytes.map(|bytes| Some(Namer::new(bytes))).map_err(|_| {
        let problem = format!("secret must be 16 bytes, not {}", secret.as_bytes().len());
        config_error(py, problem)
    })
}

/// The first id that is none.
pub(super) fn vocabulary(py: Python<'_>, given: Option<i64>) -> PyResult<Option<u32>> {
    let Some(given) = given else { return Ok(None) };
    let limit = u32::try_from(given).ok().filter(|limit| *limit > 0);
    limit.map(Some).ok_or_else(|| {
        let problem = format!("vocabulary must be 1 to 2^32 - 1, not {given}");
        config_error(py, problem)
    })
}

/// What does not depend on whether there are pages.
pub(super) fn settings(
    block_size: usize,
    groups: Vec<Group>,
    policy: Policy,
    vocabulary: Option<u32>,
) -> Settings {
    Settings {
        groups,
        policy,
        vocabulary,
        ..Settings::new(block_size, 1)
    }
}
