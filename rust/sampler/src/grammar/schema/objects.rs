//! Objects.

use serde_json::{Map, Value, json};

use super::{Rewriter, Written, array, join, pattern};
use crate::grammar::error::Error;

/// Most properties others may depend on: each doubles the grammar.
const MAX_DEPENDENTS: usize = 4;

impl<'a> Rewriter<'a> {
    pub(super) fn properties(
        &mut self,
        key: &str,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let value = match key {
            "properties" => self.schema_map(value, path)?.into(),
            "additionalProperties" => self.schema(value, path)?,
            "required" => {
                names(value, path)?;
                value.clone()
            }
            _ => self.pattern_properties(value, path)?,
        };
        written.plain(key, value);
        Ok(())
    }

    fn pattern_properties(&mut self, value: &'a Value, path: &str) -> Result<Value, Error> {
        let mut translated = Map::new();
        for (name, schema) in self.schema_map(value, path)? {
            let here = join(path, &name);
            let patterns = pattern::translate(&name, &here)?;
            let [pattern] = &patterns[..] else {
                let reason = "look-around is not supported";
                return Err(Error::unsupported("patternProperties", &here, reason));
            };
            if translated.insert(pattern.clone(), schema).is_some() {
                let reason = "two patterns match the same names";
                return Err(Error::unsupported("patternProperties", &here, reason));
            }
        }
        Ok(translated.into())
    }

    /// `propertyNames` of an object that says nothing else about names: those of a list, or those of a pattern.
    pub(super) fn property_names(
        &mut self,
        map: &'a Map<String, Value>,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let here = &join(path, "propertyNames");
        let refused = || {
            let reason = "it is supported with enum, const or pattern, beside neither properties nor \
                          patternProperties";
            Error::unsupported("propertyNames", here, reason)
        };
        let value = match value.get("$ref") {
            Some(reference) => self.resolve(reference, here)?.schema,
            None => value,
        };
        let said = match value {
            Value::Bool(true) => return Ok(()),
            Value::Object(said) => said,
            _ => return Err(refused()),
        };
        let is_said = |key: &&String| *key != "type" && !self.is_ignored(key);
        let said: Vec<(&String, &Value)> = said.iter().filter(|(key, _)| is_said(key)).collect();
        let has_names = map.contains_key("properties") || map.contains_key("patternProperties");
        let values = match map.get("additionalProperties") {
            _ if said.is_empty() => return Ok(()),
            _ if has_names || said.len() > 1 => return Err(refused()),
            Some(schema) => self.schema(schema, &join(path, "additionalProperties"))?,
            None => Value::Bool(true),
        };
        let (key, said) = said[0];
        let names = |names: &[Value]| -> Map<String, Value> {
            let names = names.iter().filter_map(Value::as_str);
            names
                .map(|name| (name.to_owned(), values.clone()))
                .collect()
        };
        match (key.as_str(), said) {
            ("enum", Value::Array(listed)) => written.plain("properties", names(listed)),
            ("const", name) => written.plain("properties", names(std::slice::from_ref(name))),
            ("pattern", Value::String(pattern)) => {
                let [pattern] = &pattern::translate(pattern, here)?[..] else {
                    return Err(refused());
                };
                written.plain("patternProperties", json!({ pattern: values }));
            }
            _ => return Err(refused()),
        }
        written.plain("additionalProperties", Value::Bool(false));
        Ok(())
    }

    /// Either the property is not there, or what depends on it holds.
    pub(super) fn dependents(
        &mut self,
        map: &'a Map<String, Value>,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let key = path.rsplit('/').next().unwrap_or_default();
        let Value::Object(dependents) = value else {
            return Err(Error::schema(path, "it has to be an object"));
        };
        if dependents.len() > MAX_DEPENDENTS {
            let reason = format!("of more than {MAX_DEPENDENTS} properties it is not supported");
            return Err(Error::unsupported(key, path, reason));
        }
        let is_object = map.get("type").is_some_and(|name| name == "object");
        for (name, dependent) in dependents {
            let here = join(path, name);
            let mut absent = json!({ "properties": { name: false } });
            let mut present = json!({ "required": [name] });
            if is_object {
                absent["type"] = "object".into();
                present["type"] = "object".into();
            }
            match dependent {
                Value::Array(_) => {
                    let others = names(dependent, &here)?
                        .into_iter()
                        .filter(|other| other != name);
                    let all = std::iter::once(name.as_str()).chain(others);
                    present["required"] = all.collect::<Vec<_>>().into();
                }
                schema => present["allOf"] = vec![self.schema(schema, &here)?].into(),
            }
            written.all_of.push(json!({ "anyOf": [absent, present] }));
        }
        Ok(())
    }
}

fn names<'v>(value: &'v Value, path: &str) -> Result<Vec<&'v str>, Error> {
    let names = array(value, path)?.iter().map(Value::as_str);
    let names: Option<Vec<_>> = names.collect();
    names.ok_or_else(|| Error::schema(path, "it has to be an array of texts"))
}

/// Refuses `minProperties` where names that are not listed would have to count: one may be written twice.
pub(super) fn check_count(written: &Written, path: &str) -> Result<(), Error> {
    let count = |key| written.plain.get(key).and_then(Value::as_u64);
    let required = written.plain.get("required").and_then(Value::as_array);
    let mut required: Vec<&Value> = required.into_iter().flatten().collect();
    required.sort_by_key(|name| name.as_str());
    required.dedup();
    let at_least = count("minProperties").unwrap_or(0);
    if at_least.saturating_sub(required.len() as u64) < 2 {
        return Ok(());
    }
    let reason = "it is supported up to one above the number of required properties";
    Err(Error::unsupported(
        "minProperties",
        &join(path, "minProperties"),
        reason,
    ))
}
