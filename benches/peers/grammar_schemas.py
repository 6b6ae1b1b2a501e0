"""Schemas of the kinds that tools and answers have, each with a value that is valid against it."""

from __future__ import annotations

from typing import Any

STRING, INTEGER, NUMBER, BOOLEAN = ({"type": name} for name in ("string", "integer", "number", "boolean"))
SENTENCE = "The queue drains in order, even when a worker leaves early; nothing is lost on the way."


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _big() -> tuple[dict[str, Any], dict[str, Any]]:
    """A configuration of 24 sections of 12 fields of every kind."""
    fields: dict[str, tuple[Any, Any]] = {
        "enabled": (BOOLEAN, True),
        "level": ({"enum": ["debug", "info", "warning", "error"]}, "warning"),
        "retries": ({"type": "integer", "minimum": 0, "maximum": 10}, 3),
        "ratio": ({"type": "number", "minimum": 0, "maximum": 1}, 0.25),
        "endpoint": (STRING, "https://example.com/v1"),
        "since": ({"type": "string", "format": "date"}, "2024-02-29"),
        "hosts": ({"type": "array", "items": STRING, "maxItems": 8}, ["alpha", "beta"]),
        "limits": (closed({"soft": INTEGER, "hard": INTEGER}), {"soft": 10, "hard": 20}),
        "note": ({"type": ["string", "null"]}, None),
        "mode": ({"enum": [f"mode-{number}" for number in range(40)]}, "mode-17"),
        "weights": ({"type": "array", "items": NUMBER, "minItems": 1, "maxItems": 4}, [0.5, 1.5]),
        "owner": ({"type": "string", "pattern": "^[a-z]{2,12}$"}, "runtime"),
    }
    section = {name: schema for name, (schema, _) in fields.items()}
    value = {name: value for name, (_, value) in fields.items()}
    names = [f"section_{number}" for number in range(24)]
    return closed({name: closed(section) for name in names}), dict.fromkeys(names[:24], value)


def _tree() -> tuple[dict[str, Any], dict[str, Any]]:
    node = closed({"name": STRING, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}})
    leaf: dict[str, Any] = {"name": "leaf", "children": []}
    inner = {"name": "inner", "children": [leaf, leaf]}
    return {"$defs": {"node": node}, "$ref": "#/$defs/node"}, {"name": "root", "children": [inner, inner, leaf]}


def _union() -> tuple[dict[str, Any], list[Any]]:
    tools = {
        "search": {"query": STRING, "limit": INTEGER},
        "read": {"path": STRING},
        "write": {"path": STRING, "content": STRING},
        "run": {"command": {"type": "array", "items": STRING}, "timeout": NUMBER},
    }
    branches = [closed({"tool": {"const": name}, **fields}) for name, fields in tools.items()]
    calls = [
        {"tool": "search", "query": "drain a queue", "limit": 5},
        {"tool": "write", "path": "notes.md", "content": SENTENCE},
        {"tool": "run", "command": ["make", "test"], "timeout": 2.5},
    ]
    return {"type": "array", "items": {"anyOf": branches}}, calls


CASES: dict[str, tuple[Any, Any]] = {
    "answer": (closed({"answer": STRING}), {"answer": SENTENCE}),
    "label": (
        closed({"label": {"enum": ["spam", "ham", "unsure"]}, "score": NUMBER}),
        {"label": "unsure", "score": 0.5},
    ),
    "weather": (
        closed({"city": STRING, "unit": {"enum": ["celsius", "fahrenheit"]}, "days": INTEGER}),
        {"city": "San Sebastián", "unit": "celsius", "days": 3},
    ),
    "person": (
        closed(
            {
                "name": STRING,
                "age": {"type": "integer", "minimum": 0, "maximum": 150},
                "tags": {"type": "array", "items": STRING},
            }
        ),
        {"name": "Ada Lovelace", "age": 36, "tags": ["mathematics", "engines", "poetry"]},
    ),
    "lengths": (
        closed({"title": {**STRING, "maxLength": 60}, "summary": {**STRING, "minLength": 10, "maxLength": 200}}),
        {"title": "Queues that drain", "summary": SENTENCE},
    ),
    "patterns": (
        closed({"id": {**STRING, "pattern": "^[A-Z]{3}-[0-9]{4}$"}, "when": {**STRING, "format": "date-time"}}),
        {"id": "ABC-1234", "when": "2024-02-29T12:30:00Z"},
    ),
    "numbers": ({"type": "array", "items": NUMBER}, [1, 2.5, -3, 1000000, 0.125, 12, 13, 14.75]),
    "open": (
        {"type": "object", "properties": {"id": INTEGER}, "required": ["id"], "additionalProperties": STRING},
        {"id": 12, "first": "one", "second": "two words", "third": SENTENCE},
    ),
    "anything": ({"type": "object"}, {"a": [1, 2, {"b": None}], "text": SENTENCE, "deep": {"er": {"still": [True]}}}),
    "tree": _tree(),
    "tools": _union(),
    "big": _big(),
}
