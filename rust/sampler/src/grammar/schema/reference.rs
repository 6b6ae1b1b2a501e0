//! `$ref`.

use serde_json::{Map, Value, json};

use super::{Rewriter, join};
use crate::grammar::error::Error;

/// A definition: where it is, and a property that it has to have beyond what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) path: Vec<String>,
    pub(super) tag: Option<String>,
}

/// What a reference leads to.
pub(super) struct Resolved<'a> {
    pub(super) path: Vec<String>,
    pub(super) schema: &'a Value,
    is_embedded: bool,
}

impl<'a> Rewriter<'a> {
    /// The reference `value` as the engine resolves it.
    pub(super) fn reference(&mut self, value: &'a Value, path: &str) -> Result<Value, Error> {
        let resolved = self.resolve(value, path)?;
        let number = self.definition(resolved, None)?;
        Ok(json!({ "$ref": format!("#/$defs/{number}") }))
    }

    /// The number of the definition `resolved`; written when it is met first.
    pub(super) fn definition(
        &mut self,
        resolved: Resolved<'a>,
        tag: Option<&str>,
    ) -> Result<usize, Error> {
        let target = Target {
            path: resolved.path,
            tag: tag.map(str::to_owned),
        };
        if let Some(number) = self.names.get(&target) {
            return Ok(*number);
        }
        let number = self.definitions.len();
        self.definitions.push(Value::Bool(true));
        self.names.insert(target.clone(), number);
        let path = target
            .path
            .iter()
            .fold(String::new(), |path, key| join(&path, key));
        let was_embedded = std::mem::replace(&mut self.is_embedded, resolved.is_embedded);
        let written = self.schema(resolved.schema, &path);
        self.is_embedded = was_embedded;
        let mut written = written?;
        if let (Some(tag), Value::Object(map)) = (tag, &mut written) {
            require(map, tag);
        }
        self.definitions[number] = written;
        Ok(number)
    }

    /// The schema that `value` refers to.
    pub(super) fn resolve(&self, value: &Value, path: &str) -> Result<Resolved<'a>, Error> {
        let Some(reference) = value.as_str() else {
            return Err(Error::schema(path, "a reference is a text"));
        };
        if self.is_embedded {
            let reason = "references inside a schema with an $id of its own are not supported";
            return Err(Error::unsupported("$ref", path, reason));
        }
        let id = self
            .root
            .get("$id")
            .or_else(|| self.root.get("id"))
            .and_then(Value::as_str);
        let local = id.and_then(|id| reference.strip_prefix(id.trim_end_matches('#')));
        let fragment = match local.unwrap_or(reference) {
            "" => "",
            local => local.strip_prefix('#').ok_or_else(|| {
                let reason = format!("{reference:?} leads to another document");
                Error::unsupported("$ref", path, reason)
            })?,
        };
        let keys = if fragment.is_empty() || fragment.starts_with('/') {
            pointer(fragment)
        } else {
            find_anchor(self.root, fragment, &mut Vec::new(), 0).unwrap_or_default()
        };
        let is_found = keys.is_empty() == fragment.is_empty();
        let found = is_found.then(|| self.follow(keys)).flatten();
        found.ok_or_else(|| Error::schema(path, format!("{reference:?} leads nowhere")))
    }

    fn follow(&self, keys: Vec<String>) -> Option<Resolved<'a>> {
        let mut schema = self.root;
        let mut is_embedded = false;
        for (at, key) in keys.iter().enumerate() {
            let has_id = schema.get("$id").is_some_and(Value::is_string);
            is_embedded |= at > 0 && has_id;
            schema = match schema {
                Value::Object(map) => map.get(key)?,
                Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(Resolved {
            path: keys,
            schema,
            is_embedded,
        })
    }
}

/// Makes `tag` a required property.
pub(super) fn require(map: &mut Map<String, Value>, tag: &str) {
    let required = map.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(names) = required
        && !names.iter().any(|name| name == tag)
    {
        names.push(tag.into());
    }
}

/// The keys of a JSON pointer in a fragment: RFC 6901, section 6.
fn pointer(fragment: &str) -> Vec<String> {
    let keys = fragment.split('/').skip(1);
    keys.map(|key| percent_decoded(key).replace("~1", "/").replace("~0", "~"))
        .collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let escaped = byte.filter(|_| *first == b'%');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the schema with the anchor `name` is.
fn find_anchor(
    value: &Value,
    name: &str,
    path: &mut Vec<String>,
    depth: usize,
) -> Option<Vec<String>> {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, item)| (at.to_string(), item))
            .collect(),
        _ => return None,
    };
    let is_named =
        |key: &str, expected: &str| value.get(key).is_some_and(|found| found == expected);
    let fragment = format!("#{name}");
    if is_named("$anchor", name) || is_named("$id", &fragment) || is_named("id", &fragment) {
        return Some(path.clone());
    }
    if depth > super::MAX_DEPTH {
        return None;
    }
    for (key, value) in entries {
        path.push(key);
        let found = find_anchor(value, name, path, depth + 1);
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}
