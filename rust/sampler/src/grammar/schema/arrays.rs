//! Arrays.

use serde_json::{Map, Value};

use super::{Rewriter, Written, join};
use crate::grammar::error::Error;

/// Keywords with whose help something else is said about the same value.
const IN_PLACE: [&str; 9] = [
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "dependentSchemas",
    "dependencies",
    "contains",
];

impl<'a> Rewriter<'a> {
    /// Items by their place and all others, in the words of 2020-12.
    pub(super) fn items(
        &mut self,
        map: &'a Map<String, Value>,
        key: &str,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let here = &join(path, key);
        let has_tuple = map.get("items").is_some_and(Value::is_array);
        match key {
            "items" if has_tuple => {
                let items = self.schemas(value, here)?;
                written.plain("prefixItems", items);
            }
            "prefixItems" if !has_tuple => {
                let items = self.schemas(value, here)?;
                written.plain("prefixItems", items);
            }
            "items" => {
                let items = self.schema(value, here)?;
                written.plain("items", items);
            }
            "additionalItems" if has_tuple => {
                let items = self.schema(value, here)?;
                written.plain("items", items);
            }
            "prefixItems" => {
                let reason = "beside items that is an array it has no meaning";
                return Err(Error::unsupported(key, here, reason));
            }
            // Beside items that is no array it has no meaning.
            _ => {}
        }
        Ok(())
    }

    /// What no other keyword has spoken of, where it can be seen what that is.
    pub(super) fn unevaluated(
        &mut self,
        map: &'a Map<String, Value>,
        key: &str,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let here = &join(path, key);
        let is_everything =
            value == &Value::Bool(true) || value.as_object().is_some_and(Map::is_empty);
        if is_everything {
            return Ok(());
        }
        if IN_PLACE.iter().any(|key| map.contains_key(*key)) {
            let reason = "beside keywords that speak of the same value it is not supported";
            return Err(Error::unsupported(key, here, reason));
        }
        let same = if key == "unevaluatedItems" {
            "items"
        } else {
            "additionalProperties"
        };
        let is_tuple = same == "items" && map.get("items").is_some_and(Value::is_array);
        let rest = if is_tuple { "additionalItems" } else { same };
        if !map.contains_key(rest) {
            let schema = self.schema(value, here)?;
            written.plain(same, schema);
        }
        Ok(())
    }
}

/// Keywords that are fine only where they say nothing.
pub(super) fn check_unenforced(
    map: &Map<String, Value>,
    key: &str,
    value: &Value,
    path: &str,
) -> Result<(), Error> {
    let says_nothing = match key {
        "uniqueItems" => {
            let at_most = map.get("maxItems").and_then(Value::as_u64);
            value == &Value::Bool(false) || at_most.is_some_and(|count| count <= 1)
        }
        "contains" => {
            let at_least = map.get("minContains").and_then(Value::as_u64);
            at_least == Some(0) && !map.contains_key("maxContains")
        }
        _ => true,
    };
    if says_nothing {
        return Ok(());
    }
    let reason = match key {
        "uniqueItems" => "that items differ cannot be seen while they are written",
        _ => "which item it is cannot be seen while they are written",
    };
    Err(Error::unsupported(key, path, reason))
}
