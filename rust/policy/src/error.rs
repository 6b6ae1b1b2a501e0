//! What can be wrong with the arguments of a policy.

/// Why a policy could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value that means nothing.
    #[error("{name} must be {expected}, not {value}")]
    Parameter {
        /// As the user spells it.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        value: String,
    },
}

/// Refuses a value that is not a finite number of at least `least`.
pub(crate) fn at_least(name: &'static str, value: f64, least: f64) -> Result<f64, Error> {
    if value.is_finite() && value >= least {
        return Ok(value);
    }
    let expected = if least > 0.0 {
        "a finite number above its smallest"
    } else {
        "a finite number, 0 or more"
    };
    Err(Error::Parameter {
        name,
        expected,
        value: value.to_string(),
    })
}
