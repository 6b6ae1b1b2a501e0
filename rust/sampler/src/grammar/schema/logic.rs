//! Keywords about the value as a whole: constants, `oneOf`, `not` and `if`.

use serde_json::{Map, Value, json};

use super::reference::require;
use super::{Rewriter, Written, array, join, numbers};
use crate::grammar::error::Error;

/// The values of `const` or `enum`, all of which the engine can write.
pub(super) fn constants(key: &str, value: &Value, path: &str) -> Result<Value, Error> {
    if key == "enum" {
        array(value, path)?;
    }
    check_constant(key, value, path, 0)?;
    Ok(value.clone())
}

fn check_constant(key: &str, value: &Value, path: &str, depth: usize) -> Result<(), Error> {
    match value {
        Value::Number(number) => numbers::check_exact(key, number, path),
        Value::String(text) if !is_writable(text) => {
            let reason = "a control character without a short escape is never written";
            Err(Error::unsupported(key, path, reason))
        }
        Value::Array(items) if depth < super::MAX_DEPTH => items
            .iter()
            .try_for_each(|item| check_constant(key, item, path, depth + 1)),
        Value::Object(map) if depth < super::MAX_DEPTH => map
            .values()
            .try_for_each(|value| check_constant(key, value, path, depth + 1)),
        _ => Ok(()),
    }
}

fn is_writable(text: &str) -> bool {
    let short = ['\n', '\r', '\t', '\u{8}', '\u{c}'];
    text.chars()
        .all(|character| !character.is_ascii_control() || short.contains(&character))
}

impl<'a> Rewriter<'a> {
    /// The branches of `oneOf` for `anyOf`, which is the same where no value is valid against two.
    pub(super) fn one_of(
        &mut self,
        map: &'a Map<String, Value>,
        value: &'a Value,
        path: &str,
    ) -> Result<Vec<Value>, Error> {
        let branches = array(value, path)?;
        let tag = map
            .get("discriminator")
            .and_then(|mapping| mapping.get("propertyName"));
        let tag = tag.and_then(Value::as_str);
        if self.are_disjoint(map, branches, None) {
            return self.schemas(value, path);
        }
        let Some(tag) = tag.filter(|tag| self.are_disjoint(map, branches, Some(tag))) else {
            let reason = "two branches may be valid for one value; give each another type, or a required \
                          property with another const";
            return Err(Error::unsupported("oneOf", path, reason));
        };
        let branches = branches.iter().enumerate();
        branches
            .map(|(at, branch)| self.tagged(branch, tag, &join(path, &at.to_string())))
            .collect()
    }

    fn are_disjoint(
        &self,
        map: &Map<String, Value>,
        branches: &[Value],
        tag: Option<&str>,
    ) -> bool {
        let whole = self.shape(&Value::Object(map.clone()), "oneOf", 0);
        let shapes: Vec<_> = branches
            .iter()
            .map(|branch| {
                let mut shape = self.shape(branch, "", 0).meet(whole.clone());
                if let Some(tag) = tag {
                    shape.require(tag);
                }
                shape
            })
            .collect();
        let mut pairs = shapes
            .iter()
            .enumerate()
            .flat_map(|(at, shape)| shapes[at + 1..].iter().map(move |other| (shape, other)));
        // Where the tag is what tells them apart, it has to be there: a value that is no object has none.
        let are_objects = tag.is_none() || shapes.iter().all(super::shape::Shape::is_object);
        are_objects && pairs.all(|(shape, other)| shape.is_disjoint(other))
    }

    /// A branch that has to have the tag which tells it from the others, as its discriminator says.
    fn tagged(&mut self, branch: &'a Value, tag: &str, path: &str) -> Result<Value, Error> {
        let mut branch = branch;
        for _ in 0..=super::MAX_DEPTH {
            let Value::Object(map) = branch else { break };
            let Some(reference) = map.get("$ref") else {
                let mut written = self.schema(branch, path)?;
                if let Value::Object(map) = &mut written {
                    require(map, tag);
                }
                return Ok(written);
            };
            let has_more = map.keys().any(|key| key != "$ref" && !self.is_ignored(key));
            let resolved = self.resolve(reference, path)?;
            let is_chain = resolved.schema.get("$ref").is_some();
            if has_more && !self.is_old {
                let reason = "a branch of a discriminated union is a reference and nothing else";
                return Err(Error::unsupported("oneOf", path, reason));
            }
            if !is_chain {
                let number = self.definition(resolved, Some(tag))?;
                return Ok(json!({ "$ref": format!("#/$defs/{number}") }));
            }
            branch = resolved.schema;
        }
        Err(Error::schema(path, "a reference leads to itself"))
    }

    /// `not`, of nothing, of everything and of types.
    pub(super) fn not(
        &mut self,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let refused = Error::unsupported("not", path, "only types can be negated");
        let map = match value {
            Value::Bool(false) => return Ok(()),
            Value::Bool(true) => &Map::new(),
            Value::Object(map) => map,
            _ => return Err(Error::schema(path, "a schema is an object or a boolean")),
        };
        let keys: Vec<&String> = map.keys().filter(|key| !self.is_ignored(key)).collect();
        match keys[..] {
            [] => written.all_of.push(Value::Bool(false)),
            [key] if key == "type" => {
                super::types(&map[key], &join(path, key))?;
                let others = other_types(&map[key]).ok_or(refused)?;
                written.all_of.push(json!({ "type": others }));
            }
            _ => return Err(refused),
        }
        Ok(())
    }

    /// `if` whose answer is known.
    pub(super) fn condition(
        &mut self,
        map: &'a Map<String, Value>,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let has_branch = map.contains_key("then") || map.contains_key("else");
        let known = match value {
            Value::Bool(known) => *known,
            Value::Object(map) if map.keys().all(|key| self.is_ignored(key)) => true,
            _ if !has_branch => return Ok(()),
            _ => {
                let reason = "write the cases as anyOf";
                return Err(Error::unsupported("if", &join(path, "if"), reason));
            }
        };
        let key = if known { "then" } else { "else" };
        if let Some(branch) = map.get(key) {
            let branch = self.schema(branch, &join(path, key))?;
            written.all_of.push(branch);
        }
        Ok(())
    }
}

/// The types that are not in `types`; None if these are fractions only, for which there is no name.
fn other_types(types: &Value) -> Option<Vec<&'static str>> {
    let has = |name: &str| match types {
        Value::Array(names) => names.iter().any(|known| known == name),
        known => known == name,
    };
    if has("integer") && !has("number") {
        return None;
    }
    let all = ["null", "boolean", "number", "string", "array", "object"];
    Some(all.into_iter().filter(|name| !has(name)).collect())
}
