"""JSON on its way through a guard: each string, key and number by itself, and then the text as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from inferail.pipelines.guards.verdict import Blocked, Verdict

if TYPE_CHECKING:
    from inferail.pipelines.guards.guard import PieceGuard, Watcher
    from inferail.pipelines.guards.verdict import Stage

__all__ = ["read_json", "restored_json"]


def read_json(guard: PieceGuard, text: str, stage: Stage, session: dict[Any, Any]) -> tuple[str, list[Verdict]]:
    """What may pass of JSON text, and what the guard noted. Text that is no JSON is read as it is.

    Raises:
        Blocked: It is not to pass. So is JSON with a key twice, which readers understand in different ways, and JSON that
            would still hold something after its strings were changed.
    """
    read = guard.read_json(text, stage, session)
    if read is not None:
        return read
    noted: list[Verdict] = []

    def whole(part: str) -> str:
        watcher = guard.watch(stage, session)
        passed = watcher.read(part)
        noted.extend(watcher.noted)
        return passed

    try:
        value = json.loads(text, object_pairs_hook=_object)
        changed = _changed(value, whole)
    except (ValueError, RecursionError):
        return whole(text), noted
    if changed != value:
        text = json.dumps(changed, ensure_ascii=False)
    if whole(text) != text:
        raise Blocked(noted[-1].reason)
    return text, noted


def restored_json(watch: Callable[[], Watcher], text: str) -> str:
    """JSON text whose strings went through a watcher; text that is no JSON went through as it is."""

    def whole(part: str) -> str:
        return watch().read(part)

    try:
        value = json.loads(text)
        changed = _changed(value, whole)
    except (ValueError, RecursionError):
        return whole(text)
    return text if changed == value else json.dumps(changed, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Blocked("duplicate_keys")
    return made


def _changed(value: Any, read: Callable[[str], str]) -> Any:
    match value:
        case str():
            return read(value)
        case dict():
            return {read(key): _changed(each, read) for key, each in cast("Any", value).items()}
        case list():
            return [_changed(each, read) for each in cast("Any", value)]
        case bool() | None:
            return value
        case _:
            shown = json.dumps(value)
            passed = read(shown)
            return value if passed == shown else passed
