//! JSON Schemas as the engine enforces them.
//!
//! Every keyword is written so that the engine enforces it to the letter, or refused by its name. References become
//! definitions with numbers, formats become patterns, arrays and bounds of old drafts those of 2020-12, and `oneOf` becomes
//! `anyOf` where no value can be valid against two branches.

mod arrays;
mod formats;
mod logic;
mod numbers;
mod objects;
pub(super) mod pattern;
mod reference;
mod shape;
mod strings;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::compiled::SchemaOptions;
use super::error::Error;
use reference::Target;

/// Most schemas inside one another, through references too.
pub(super) const MAX_DEPTH: usize = 300;
/// Most schemas in all.
const MAX_SCHEMAS: usize = 50_000;

/// Keywords that say nothing about what is valid.
const ANNOTATIONS: [&str; 31] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$id",
    "$recursiveAnchor",
    "$schema",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "enumDescriptions",
    "enumNames",
    "errorMessage",
    "example",
    "examples",
    "externalDocs",
    "id",
    "markdownDescription",
    "markdownEnumDescriptions",
    "propertyOrdering",
    "readOnly",
    "title",
    "tsType",
    "writeOnly",
    "xml",
];

/// The value in the JSON text `text`.
///
/// # Errors
///
/// [`Error::Invalid`].
pub(super) fn parse(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::schema("", error.to_string()))
}

/// The schema `root` as the engine is given it; errors name places below `path`.
///
/// # Errors
///
/// [`Error::Unsupported`], [`Error::Invalid`], [`Error::TooLarge`].
pub(super) fn prepare(root: &Value, options: &SchemaOptions, path: &str) -> Result<Value, Error> {
    let mut rewriter = Rewriter {
        root,
        ignored: &options.ignored,
        is_old: is_old(root),
        is_embedded: false,
        names: BTreeMap::new(),
        definitions: Vec::new(),
        num_schemas: 0,
        depth: 0,
        multiples: None,
    };
    let mut schema = match rewriter.schema(root, path)? {
        Value::Object(schema) => schema,
        Value::Bool(false) => {
            return Err(Error::Unsatisfiable {
                kind: "JSON Schema",
                problem: "the schema is false".to_owned(),
            });
        }
        _ => Map::new(),
    };
    let definitions = rewriter.definitions.into_iter().enumerate();
    let definitions: Map<String, Value> = definitions
        .map(|(number, schema)| (number.to_string(), schema))
        .collect();
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), definitions.into());
    }
    schema.insert("x-guidance".to_owned(), options.whitespace.settings());
    Ok(schema.into())
}

/// Whether the schema is of a draft up to 7, in which nothing stands beside `$ref`.
fn is_old(root: &Value) -> bool {
    let schema = root.get("$schema").and_then(Value::as_str);
    schema.is_some_and(|schema| {
        ["draft-03", "draft-04", "draft-06", "draft-07"]
            .iter()
            .any(|draft| schema.contains(draft))
    })
}

struct Rewriter<'a> {
    root: &'a Value,
    ignored: &'a [String],
    is_old: bool,
    /// Whether we are inside a schema with an `$id` of its own, where references mean something else.
    is_embedded: bool,
    names: BTreeMap<Target, usize>,
    definitions: Vec<Value>,
    num_schemas: usize,
    depth: usize,
    /// The least common multiple of every `multipleOf`: the engine computes some of it in 32 bits.
    multiples: Option<numbers::Decimal>,
}

/// A schema as it is written.
#[derive(Default)]
struct Written {
    /// Keywords about values of one type; the engine has to see them together.
    plain: Map<String, Value>,
    /// Those that hold for the value as a whole.
    applied: Map<String, Value>,
    /// How many of `applied` come before `plain`: properties keep their order.
    before: Option<usize>,
    /// Schemas that have to hold as well.
    all_of: Vec<Value>,
}

impl Written {
    fn plain(&mut self, key: &str, value: impl Into<Value>) {
        let before = self.applied.len();
        if key == "properties" {
            self.before = Some(before);
        }
        self.before.get_or_insert(before);
        self.plain.insert(key.to_owned(), value.into());
    }

    fn apply(&mut self, key: &str, value: impl Into<Value>) {
        if self.applied.contains_key(key) {
            self.all_of.push(json!({ key: value.into() }));
        } else {
            self.applied.insert(key.to_owned(), value.into());
        }
    }

    fn finish(mut self) -> Value {
        if let Some(Value::Array(given)) = self.applied.get_mut("allOf") {
            given.append(&mut self.all_of);
        } else if !self.all_of.is_empty() {
            self.applied.insert("allOf".to_owned(), self.all_of.into());
        }
        let mut schema = Map::new();
        for (at, (key, value)) in self.applied.into_iter().enumerate() {
            if self.before == Some(at) {
                schema.append(&mut self.plain);
            }
            schema.insert(key, value);
        }
        schema.append(&mut self.plain);
        schema.into()
    }
}

impl<'a> Rewriter<'a> {
    fn schema(&mut self, schema: &'a Value, path: &str) -> Result<Value, Error> {
        let map = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(map) => map,
            _ => return Err(Error::schema(path, "a schema is an object or a boolean")),
        };
        self.num_schemas += 1;
        if self.num_schemas > MAX_SCHEMAS || self.depth >= MAX_DEPTH {
            let limit = format!("over {MAX_SCHEMAS} schemas, or {MAX_DEPTH} inside one another");
            return Err(Error::TooLarge {
                what: "JSON Schema",
                problem: limit,
            });
        }
        let was_embedded = self.is_embedded;
        let id = map
            .get("$id")
            .or_else(|| map.get("id"))
            .and_then(Value::as_str);
        let is_root = std::ptr::eq(schema, self.root);
        self.is_embedded |= !is_root && id.is_some_and(|id| !id.starts_with('#'));
        self.depth += 1;
        let written = self.object(map, path);
        self.depth -= 1;
        self.is_embedded = was_embedded;
        written
    }

    fn object(&mut self, map: &'a Map<String, Value>, path: &str) -> Result<Value, Error> {
        let mut written = Written::default();
        if let Some(reference) = map.get("$ref").filter(|_| self.is_old) {
            return self.reference(reference, &join(path, "$ref"));
        }
        for (key, value) in map {
            if !self.is_ignored(key) {
                self.keyword(map, key, value, path, &mut written)?;
            }
        }
        if let Some(names) = map
            .get("propertyNames")
            .filter(|_| !self.is_ignored("propertyNames"))
        {
            self.property_names(map, names, path, &mut written)?;
        }
        objects::check_count(&written, path)?;
        Ok(written.finish())
    }

    fn is_ignored(&self, key: &str) -> bool {
        let is_extension = key.starts_with("x-") && key != "x-guidance";
        is_extension
            || ANNOTATIONS.binary_search(&key).is_ok()
            || self.ignored.iter().any(|ignored| ignored == key)
    }

    fn keyword(
        &mut self,
        map: &'a Map<String, Value>,
        key: &str,
        value: &'a Value,
        path: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let here = &join(path, key);
        match key {
            "type" => written.plain(key, types(value, here)?),
            "const" | "enum" => written.apply(key, logic::constants(key, value, here)?),
            "allOf" | "anyOf" => {
                let schemas = self.schemas(value, here)?;
                written.apply(key, schemas);
            }
            "oneOf" => {
                let schemas = self.one_of(map, value, here)?;
                written.apply("anyOf", schemas);
            }
            "$ref" => {
                let Value::Object(reference) = self.reference(value, here)? else {
                    return Err(Error::schema(here, "a reference is a text"));
                };
                reference
                    .into_iter()
                    .for_each(|(key, value)| written.apply(&key, value));
            }
            "not" => self.not(value, here, written)?,
            "if" => self.condition(map, value, path, written)?,
            // Read with `if`, and when all is known that is said of names.
            "then" | "else" | "propertyNames" => {}
            "properties" | "patternProperties" | "additionalProperties" | "required" => {
                self.properties(key, value, here, written)?;
            }
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                self.dependents(map, value, here, written)?;
            }
            "items" | "prefixItems" | "additionalItems" => {
                self.items(map, key, value, path, written)?;
            }
            "uniqueItems" | "contains" | "minContains" | "maxContains" => {
                arrays::check_unenforced(map, key, value, here)?;
            }
            "unevaluatedItems" | "unevaluatedProperties" => {
                self.unevaluated(map, key, value, path, written)?;
            }
            "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minLength"
            | "maxLength" => written.plain(key, numbers::count(value, here)?),
            "pattern" => strings::pattern(map, value, here, written)?,
            "format" => strings::format(map, value, here, written)?,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                numbers::bound(map, key, value, here, written)?;
            }
            "multipleOf" => {
                numbers::multiple_of(&mut self.multiples, value, here)?;
                written.plain(key, value.clone());
            }
            _ => return Err(unknown(key, here)),
        }
        Ok(())
    }

    fn schemas(&mut self, value: &'a Value, path: &str) -> Result<Vec<Value>, Error> {
        let schemas = array(value, path)?.iter().enumerate();
        schemas
            .map(|(at, schema)| self.schema(schema, &join(path, &at.to_string())))
            .collect()
    }

    fn schema_map(&mut self, value: &'a Value, path: &str) -> Result<Map<String, Value>, Error> {
        let Value::Object(schemas) = value else {
            return Err(Error::schema(path, "it has to be an object"));
        };
        let schemas = schemas.iter();
        schemas
            .map(|(key, schema)| Ok((key.clone(), self.schema(schema, &join(path, key))?)))
            .collect()
    }
}

fn unknown(key: &str, path: &str) -> Error {
    let reason = match key {
        "x-guidance" => "options of the engine are not taken from a schema",
        "$dynamicRef" | "$recursiveRef" => "only $ref is supported",
        "nullable" => "write \"type\": [..., \"null\"] instead",
        _ => {
            "it is no keyword that is known; if it is a note, ignore it by name or begin it with x-"
        }
    };
    Error::unsupported(key, path, reason)
}

fn array<'a>(value: &'a Value, path: &str) -> Result<&'a Vec<Value>, Error> {
    value
        .as_array()
        .ok_or_else(|| Error::schema(path, "it has to be an array"))
}

/// The place `key` below `path`, as a JSON pointer.
fn join(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn types(value: &Value, path: &str) -> Result<Value, Error> {
    let names: Vec<&Value> = match value {
        Value::Array(names) => names.iter().collect(),
        name => vec![name],
    };
    let known = [
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    for name in names {
        if !name.as_str().is_some_and(|name| known.contains(&name)) {
            return Err(Error::schema(path, format!("there is no type {name}")));
        }
    }
    Ok(value.clone())
}
