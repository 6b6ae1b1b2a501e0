//! The keyword arguments of `Sampler`.

use inferail_sampler::{
    Compat, Dry, DynamicTemperature, Exclusion, LogprobsMode, Mirostat, MirostatVersion, Parameters,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arguments::{ids, number};
use crate::error::config_error;

/// What `Sampler` was called with.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) parameters: Parameters,
    pub(super) seed: Option<u64>,
    pub(super) threads: Option<usize>,
}

/// Values that belong together only when all are known.
struct Pieces {
    dynamic: DynamicTemperature,
    exclusion: Exclusion,
    dry: Dry,
    mirostat: Mirostat,
    mirostat_version: u8,
}

impl Default for Pieces {
    fn default() -> Self {
        Self {
            dynamic: DynamicTemperature {
                range: 0.0,
                exponent: 1.0,
            },
            exclusion: Exclusion {
                probability: 0.0,
                threshold: 0.1,
                protected: Vec::new(),
            },
            dry: Dry {
                multiplier: 0.0,
                base: 1.75,
                allowed_length: 2,
                window: None,
                breakers: Vec::new(),
            },
            mirostat: Mirostat {
                version: MirostatVersion::Two,
                tau: 5.0,
                eta: 0.1,
                considered: 100,
            },
            mirostat_version: 0,
        }
    }
}

impl Options {
    /// Reads keyword arguments; they are too many for a signature.
    pub(super) fn new(py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut options = Self::default();
        let mut pieces = Pieces::default();
        for (name, value) in given.into_iter().flatten() {
            let name: String = name.extract()?;
            if !options.read(&name, &value)?
                && !options.read_tokens(&name, &value)?
                && !pieces.read(&name, &value)?
            {
                let problem = format!("Sampler() got an unexpected keyword argument '{name}'");
                return Err(PyTypeError::new_err(problem));
            }
        }
        pieces.put_into(py, &mut options.parameters)?;
        Ok(options)
    }

    /// Whether `name` is one of these; then it is read.
    fn read(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let parameters = &mut self.parameters;
        match name {
            "temperature" => parameters.temperature = value.extract()?,
            "top_k" => parameters.top_k = optional(name, value)?.unwrap_or(0),
            "top_p" => parameters.top_p = value.extract()?,
            "min_p" => parameters.min_p = value.extract()?,
            "typical_p" => parameters.typical_p = value.extract()?,
            "top_n_sigma" => parameters.top_n_sigma = value.extract()?,
            "epsilon" => parameters.epsilon = value.extract()?,
            "eta" => parameters.eta = value.extract()?,
            "repetition_penalty" => parameters.repetition_penalty = value.extract()?,
            "frequency_penalty" => parameters.frequency_penalty = value.extract()?,
            "presence_penalty" => parameters.presence_penalty = value.extract()?,
            "penalty_window" => parameters.penalty_window = optional(name, value)?,
            "min_tokens" => parameters.min_tokens = number(name, value)?,
            "seed" => self.seed = optional(name, value)?,
            "threads" => self.threads = optional(name, value)?,
            "compat" => parameters.compat = compat(value)?,
            "logprobs" => parameters.logprobs = optional(name, value)?,
            "logprobs_mode" => parameters.logprobs_mode = logprobs_mode(value)?,
            "strict" => parameters.strict = value.extract()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_tokens(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let parameters = &mut self.parameters;
        let given = !value.is_none();
        match name {
            "logit_bias" if given => parameters.logit_bias = bias(value)?,
            "allowed" if given => parameters.allowed = Some(ids(name, value)?),
            "banned" if given => parameters.banned = ids(name, value)?,
            "stop_tokens" if given => parameters.stop_tokens = ids(name, value)?,
            "logit_bias" | "allowed" | "banned" | "stop_tokens" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Pieces {
    fn read(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        match name {
            "dynamic_temperature_range" => self.dynamic.range = value.extract()?,
            "dynamic_temperature_exponent" => self.dynamic.exponent = value.extract()?,
            "xtc_probability" => self.exclusion.probability = value.extract()?,
            "xtc_threshold" => self.exclusion.threshold = value.extract()?,
            "xtc_protected" => self.exclusion.protected = ids(name, value)?,
            "dry_multiplier" => self.dry.multiplier = value.extract()?,
            "dry_base" => self.dry.base = value.extract()?,
            "dry_allowed_length" => self.dry.allowed_length = number(name, value)?,
            "dry_window" => self.dry.window = optional(name, value)?,
            "dry_breakers" => self.dry.breakers = ids(name, value)?,
            "mirostat" => self.mirostat_version = number(name, value)?,
            "mirostat_tau" => self.mirostat.tau = value.extract()?,
            "mirostat_eta" => self.mirostat.eta = value.extract()?,
            "mirostat_m" => self.mirostat.considered = number(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn put_into(mut self, py: Python<'_>, parameters: &mut Parameters) -> PyResult<()> {
        // A value that is off is handed on if it means nothing, so that it is refused and not ignored.
        let is_off = |value: f64| value == 0.0;
        parameters.dynamic_temperature = (!is_off(self.dynamic.range)).then_some(self.dynamic);
        parameters.exclusion = (!is_off(self.exclusion.probability)).then_some(self.exclusion);
        parameters.dry = (!is_off(self.dry.multiplier)).then_some(self.dry);
        self.mirostat.version = match self.mirostat_version {
            0 => return Ok(()),
            1 => MirostatVersion::One,
            2 => MirostatVersion::Two,
            other => {
                let problem = format!("mirostat must be 0 (off), 1 or 2, not {other}");
                return Err(config_error(py, problem));
            }
        };
        parameters.mirostat = Some(self.mirostat);
        Ok(())
    }
}

fn optional<'py, T>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    if value.is_none() {
        Ok(None)
    } else {
        number(name, value).map(Some)
    }
}

/// A mapping of ids to numbers, in ascending order of the ids.
fn bias(value: &Bound<'_, PyAny>) -> PyResult<Vec<(u32, f64)>> {
    let mut bias = Vec::new();
    for item in value.call_method0("items")?.try_iter()? {
        let (id, amount): (Bound<'_, PyAny>, f64) = item?.extract()?;
        bias.push((number("logit_bias", &id)?, amount));
    }
    bias.sort_unstable_by_key(|(id, _)| *id);
    Ok(bias)
}

fn compat(value: &Bound<'_, PyAny>) -> PyResult<Compat> {
    let name: String = value.extract()?;
    Ok(match name.as_str() {
        "openai" | "vllm" => Compat::Vllm,
        "hf" => Compat::Hf,
        "llamacpp" => Compat::LlamaCpp,
        "sglang" => Compat::Sglang,
        "mlx" => Compat::Mlx,
        _ => {
            let problem = format!(
                "compat must be \"openai\", \"vllm\", \"hf\", \"llamacpp\", \"sglang\" or \"mlx\", not {name:?}"
            );
            return Err(config_error(value.py(), problem));
        }
    })
}

fn logprobs_mode(value: &Bound<'_, PyAny>) -> PyResult<LogprobsMode> {
    let name: String = value.extract()?;
    match name.as_str() {
        "raw" => Ok(LogprobsMode::Raw),
        "processed" => Ok(LogprobsMode::Processed),
        _ => {
            let problem = format!("logprobs_mode must be \"raw\" or \"processed\", not {name:?}");
            Err(config_error(value.py(), problem))
        }
    }
}
