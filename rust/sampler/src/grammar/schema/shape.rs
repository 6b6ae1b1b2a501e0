//! What a schema says about a value at first sight: enough to see that no value is valid against two of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Rewriter;

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const INTEGER: u8 = 4;
const FRACTION: u8 = 8;
const STRING: u8 = 16;
const ARRAY: u8 = 32;
const OBJECT: u8 = 64;
const ALL: u8 = 127;

/// How far references and combinations are followed.
const MAX_DEPTH: usize = 12;

/// What is known of every value that is valid.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    types: u8,
    /// All it can be, if these are few.
    values: Option<Vec<Value>>,
    /// What a property can be, if it is there.
    tags: BTreeMap<String, Vec<Value>>,
    required: BTreeSet<String>,
    /// Sets of names, each of which has those of all properties.
    closed: Vec<BTreeSet<String>>,
}

impl Shape {
    fn any() -> Self {
        Self {
            types: ALL,
            values: None,
            tags: BTreeMap::new(),
            required: BTreeSet::new(),
            closed: Vec::new(),
        }
    }

    /// Whether every valid value is an object.
    pub(super) fn is_object(&self) -> bool {
        self.types & !OBJECT == 0
    }

    pub(super) fn require(&mut self, name: &str) {
        self.required.insert(name.to_owned());
    }

    /// What holds where both hold.
    pub(super) fn meet(mut self, other: Self) -> Self {
        self.types &= other.types;
        self.values = match (self.values, other.values) {
            (Some(mine), Some(others)) => Some(
                mine.into_iter()
                    .filter(|value| contains(&others, value))
                    .collect(),
            ),
            (mine, others) => mine.or(others),
        };
        for (name, values) in other.tags {
            self.tags
                .entry(name)
                .and_modify(|known| known.retain(|value| contains(&values, value)))
                .or_insert(values);
        }
        self.required.extend(other.required);
        self.closed.extend(other.closed);
        self
    }

    /// What holds where one of the two holds.
    fn join(mut self, other: &Self) -> Self {
        self.types |= other.types;
        self.values = match (self.values, &other.values) {
            (Some(mine), Some(others)) => Some([mine, others.clone()].concat()),
            _ => None,
        };
        self.tags.retain(|name, values| {
            other.tags.get(name).is_some_and(|others| {
                values.extend_from_slice(others);
                true
            })
        });
        self.required.retain(|name| other.required.contains(name));
        self.closed.clear();
        self
    }

    /// Whether it is certain that no value has both shapes.
    pub(super) fn is_disjoint(&self, other: &Self) -> bool {
        let common = self.types & other.types;
        if common == 0 {
            return true;
        }
        if let (Some(mine), Some(others)) = (&self.values, &other.values)
            && !mine.iter().any(|value| contains(others, value))
        {
            return true;
        }
        common == OBJECT && (self.differs_in_tag(other) || self.lacks(other) || other.lacks(self))
    }

    fn differs_in_tag(&self, other: &Self) -> bool {
        self.required.intersection(&other.required).any(|name| {
            match (self.tags.get(name), other.tags.get(name)) {
                (Some(mine), Some(others)) => !mine.iter().any(|value| contains(others, value)),
                _ => false,
            }
        })
    }

    /// Whether it has no place for a property that `other` must have.
    fn lacks(&self, other: &Self) -> bool {
        let required = &other.required;
        self.closed
            .iter()
            .any(|names| required.iter().any(|name| !names.contains(name)))
    }
}

fn contains(values: &[Value], value: &Value) -> bool {
    values.iter().any(|known| equal(known, value))
}

/// Equality of JSON Schema: numbers by value.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same =
                |(key, value): (&String, &Value)| b.get(key).is_some_and(|b| equal(value, b));
            a.len() == b.len() && a.iter().all(same)
        }
        (a, b) => a == b,
    }
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(number) if number.is_f64() => INTEGER | FRACTION,
        Value::Number(_) => INTEGER,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

fn types_of(value: &Value) -> u8 {
    let one = |name: &Value| match name.as_str() {
        Some("null") => NULL,
        Some("boolean") => BOOLEAN,
        Some("integer") => INTEGER,
        Some("number") => INTEGER | FRACTION,
        Some("string") => STRING,
        Some("array") => ARRAY,
        Some("object") => OBJECT,
        _ => ALL,
    };
    match value {
        Value::Array(names) => names.iter().fold(0, |types, name| types | one(name)),
        name => one(name),
    }
}

impl Rewriter<'_> {
    /// The shape of `schema`, without its keyword `except`.
    pub(super) fn shape(&self, schema: &Value, except: &str, depth: usize) -> Shape {
        let mut shape = Shape::any();
        let map = match schema {
            Value::Object(map) if depth < MAX_DEPTH => map,
            Value::Bool(false) => {
                shape.types = 0;
                return shape;
            }
            _ => return shape,
        };
        for (key, value) in map
            .iter()
            .filter(|(key, _)| *key != except && !self.is_ignored(key))
        {
            let of_key = match key.as_str() {
                "$ref" => match self.resolve(value, "") {
                    Ok(resolved) => self.shape(resolved.schema, "", depth + 1),
                    Err(_) => Shape::any(),
                },
                "allOf" => self.all_shape(value, depth),
                "anyOf" | "oneOf" => self.any_shape(value, depth),
                "properties" => self.properties_shape(map, value, depth),
                _ => simple_shape(key, value),
            };
            shape = shape.meet(of_key);
        }
        shape
    }

    fn all_shape(&self, schemas: &Value, depth: usize) -> Shape {
        let schemas = schemas.as_array().into_iter().flatten();
        schemas.fold(Shape::any(), |shape, schema| {
            shape.meet(self.shape(schema, "", depth + 1))
        })
    }

    fn any_shape(&self, schemas: &Value, depth: usize) -> Shape {
        let schemas = schemas.as_array().into_iter().flatten();
        let shapes = schemas.map(|schema| self.shape(schema, "", depth + 1));
        shapes
            .reduce(|shape, next| shape.join(&next))
            .unwrap_or_else(Shape::any)
    }

    fn properties_shape(&self, map: &Map<String, Value>, value: &Value, depth: usize) -> Shape {
        let mut shape = Shape::any();
        let Value::Object(properties) = value else {
            return shape;
        };
        for (name, schema) in properties {
            if let Some(values) = self.shape(schema, "", depth + 1).values {
                shape.tags.insert(name.clone(), values);
            }
        }
        let is_closed = map.get("additionalProperties") == Some(&Value::Bool(false));
        if is_closed
            && !map.contains_key("patternProperties")
            && !self.is_ignored("additionalProperties")
        {
            shape.closed.push(properties.keys().cloned().collect());
        }
        shape
    }
}

fn simple_shape(key: &str, value: &Value) -> Shape {
    let mut shape = Shape::any();
    match (key, value) {
        ("type", value) => shape.types = types_of(value),
        ("const", value) => {
            shape.types = type_of(value);
            shape.values = Some(vec![value.clone()]);
        }
        ("enum", Value::Array(values)) => {
            shape.types = values.iter().fold(0, |types, value| types | type_of(value));
            shape.values = Some(values.clone());
        }
        ("required", Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            shape.required = names.map(str::to_owned).collect();
        }
        _ => {}
    }
    shape
}
