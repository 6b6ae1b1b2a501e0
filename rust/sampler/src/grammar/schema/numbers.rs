//! Numbers: bounds, multiples and counts.

use serde_json::{Map, Number, Value};

use super::Written;
use crate::grammar::error::Error;

/// The engine reads numbers as doubles: integers are exact up to here.
const MAX_EXACT: u64 = 1 << 53;
/// Beyond these, what the engine computes of a remainder does not fit its 32 bits.
const MAX_COEFFICIENT: u64 = 400_000_000;
const MAX_EXPONENT: u32 = 7;

/// `coefficient / 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    coefficient: u64,
    exponent: u32,
}

/// Makes sure that the engine knows the number exactly.
pub(super) fn check_exact(key: &str, number: &Number, path: &str) -> Result<(), Error> {
    let is_exact = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(integer), _, _) => integer.unsigned_abs() <= MAX_EXACT,
        (_, Some(integer), _) => integer <= MAX_EXACT,
        (_, _, Some(real)) => real.abs() <= MAX_EXACT as f64,
        _ => false,
    };
    if is_exact {
        return Ok(());
    }
    let reason = format!("{number} is beyond 2^53, where numbers are not exact");
    Err(Error::unsupported(key, path, reason))
}

/// A bound. In draft 4 an exclusive bound is a boolean beside the other.
pub(super) fn bound(
    map: &Map<String, Value>,
    key: &str,
    value: &Value,
    path: &str,
    written: &mut Written,
) -> Result<(), Error> {
    let (inclusive, exclusive) = if key.ends_with("inimum") {
        ("minimum", "exclusiveMinimum")
    } else {
        ("maximum", "exclusiveMaximum")
    };
    let value = match value {
        Value::Bool(false) if key == exclusive => return Ok(()),
        Value::Bool(true) if key == exclusive => match map.get(inclusive) {
            Some(value) => value,
            None => return Ok(()),
        },
        value => value,
    };
    let Value::Number(number) = value else {
        return Err(Error::schema(path, "it has to be a number"));
    };
    check_exact(key, number, path)?;
    written.plain(key, value.clone());
    Ok(())
}

/// A number of characters, items or properties.
pub(super) fn count(value: &Value, path: &str) -> Result<u64, Error> {
    let whole = |real: f64| {
        let is_count = real.fract() == 0.0 && (0.0..=MAX_EXACT as f64).contains(&real);
        is_count.then_some(real as u64)
    };
    let count = value.as_u64().or_else(|| value.as_f64().and_then(whole));
    count.ok_or_else(|| Error::schema(path, "it has to be an integer from 0"))
}

/// Makes sure that the engine knows `multipleOf` exactly, together with all others, which are in `multiples`.
pub(super) fn multiple_of(
    multiples: &mut Option<Decimal>,
    value: &Value,
    path: &str,
) -> Result<(), Error> {
    let Value::Number(number) = value else {
        return Err(Error::schema(path, "it has to be a number"));
    };
    if number.as_f64().is_some_and(|number| number <= 0.0) {
        return Err(Error::schema(path, "it has to be above 0"));
    }
    let decimal = decimal(&number.to_string()).filter(|decimal| decimal.is_seen_by_engine(number));
    let together = decimal.and_then(|decimal| match *multiples {
        None => Some(decimal),
        Some(others) => decimal.common_multiple(others),
    });
    let reason = format!("{number} has too many digits, or has with others too large a multiple");
    let together = together.ok_or_else(|| Error::unsupported("multipleOf", path, reason))?;
    *multiples = Some(together);
    Ok(())
}

fn decimal(text: &str) -> Option<Decimal> {
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut coefficient: u64 = format!("{whole}{fraction}").parse().ok()?;
    let mut exponent = i64::try_from(fraction.len()).ok()? - power.parse::<i64>().ok()?;
    while exponent < 0 {
        coefficient = coefficient.checked_mul(10)?;
        exponent += 1;
    }
    Some(Decimal {
        coefficient,
        exponent: u32::try_from(exponent)
            .ok()
            .filter(|exponent| *exponent <= MAX_EXPONENT)?,
    })
}

impl Decimal {
    /// The engine multiplies the double by 10 until it is whole; that may end at another number.
    fn is_seen_by_engine(self, number: &Number) -> bool {
        let Some(mut real) = number.as_f64() else {
            return false;
        };
        let mut exponent = 0;
        while real.fract() != 0.0 && exponent <= MAX_EXPONENT {
            real *= 10.0;
            exponent += 1;
        }
        self.coefficient <= MAX_COEFFICIENT
            && exponent == self.exponent
            && (real as u64) == self.coefficient
    }

    /// Their least common multiple, where it can be computed in 32 bits as the engine does.
    fn common_multiple(self, other: Self) -> Option<Self> {
        if self == other {
            return Some(self);
        }
        let exponent = self.exponent.max(other.exponent);
        let scaled = |number: Self| {
            let scale = 10_u64.checked_pow(exponent - number.exponent)?;
            number.coefficient.checked_mul(scale)
        };
        let (a, b) = (scaled(self)?, scaled(other)?);
        let product = a
            .checked_mul(b)
            .filter(|product| u32::try_from(*product).is_ok())?;
        let coefficient = product / greatest_common_divisor(a, b);
        (coefficient <= MAX_COEFFICIENT).then_some(Self {
            coefficient,
            exponent,
        })
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn decimals_are_exact() {
        let cases = [
            ("0.01", 1, 2),
            ("2.50", 25, 1),
            ("1e-3", 1, 3),
            ("3", 3, 0),
            ("1e2", 100, 0),
        ];

        for (text, coefficient, exponent) in cases {
            let expected = Decimal {
                coefficient,
                exponent,
            };
            assert_eq!(decimal(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn multiples_whose_product_is_over_32_bits_are_refused() {
        let mut multiples = None;
        multiple_of(&mut multiples, &json!(65_537), "").unwrap();

        let error = multiple_of(&mut multiples, &json!(65_539), "").unwrap_err();

        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    }
}
