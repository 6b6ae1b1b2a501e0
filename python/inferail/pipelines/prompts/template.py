"""A prompt as code: a text with typed variables, its settings and its version, rendered to messages."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.client import CallOptions
from inferail.core import Template
from inferail.errors import ConfigError, FormatError
from inferail.pipelines.prompts import frontmatter
from inferail.pipelines.prompts.dialect import AROUND, MARK, WHOLE, to_jinja
from inferail.pipelines.prompts.picoschema import json_schema
from inferail.pipelines.prompts.settings import Settings, settings_of
from inferail.pipelines.prompts.variables import check_schema, problems
from inferail.types.message import Audio, File, Image, Message, Part, Role, Text
from inferail.types.request import NO_SAMPLING, Sampling

if TYPE_CHECKING:
    from inferail.types.tools import Tool

__all__ = ["PromptTemplate", "Rendered"]

PROMPT_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}\Z")
_ROLES: Final[Mapping[str, Role]] = {"system": "system", "user": "user", "model": "assistant", "assistant": "assistant"}
_HASH_DIGITS: Final = 12
_FUNCTIONS: Final = frozenset(
    {"range", "dict", "namespace", "raise_exception", "strftime_now", "debug", "loop", MARK, WHOLE, AROUND}
)
_MEDIA: Final = (Image, Audio, File)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt with its variables in it, ready to be sent: `client.complete(prompt.messages, **prompt.options)`.

    Attributes:
        messages: What is said.
        name: The prompt's name.
        version: Its version, as in `PromptTemplate.version`.
        model: The model that the file names, as `provider:model`; it is asked only if you pass it on.
        sampling: How tokens are drawn, as the file says.
        output: JSON Schema of the answer, if the file has one.
        tools: The tools that the file names.
        provider_options: What the file says to providers by name.
    """

    messages: tuple[Message, ...] = field(repr=False)
    name: str
    version: str
    model: str | None = None
    sampling: Sampling = NO_SAMPLING
    output: Mapping[str, Any] | None = field(default=None, repr=False)
    tools: tuple[Tool, ...] = ()
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]], repr=False)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that every Record of a call then has: `prompt` and `prompt_version`."""
        return {"prompt": self.name, "prompt_version": self.version}

    @property
    def options(self) -> CallOptions:
        """The options of a call: labels, sampling, tools and provider options; neither the model nor the output."""
        options: CallOptions = {"labels": self.labels}
        if self.sampling != NO_SAMPLING:
            options["sampling"] = self.sampling
        if self.tools:
            options["tools"] = self.tools
        if self.provider_options:
            options["provider_options"] = self.provider_options
        return options


class PromptTemplate:
    """A prompt file: a head of settings, and a text in Jinja or dotprompt's Handlebars.

    ::

        ---
        model: openai/gpt-5-mini
        version: 1.2.0
        config: {temperature: 0.2}
        input: {schema: {topic: string, audience?: string}}
        ---
        {{role "system"}}Explain things in two sentences.
        {{role "user"}}Explain {{topic}}{% if audience %} to {{audience}}{% endif %}.

    Everything that can be wrong with a file is found when it is loaded: its head, its schema, its blocks, a variable that the
    text uses and the schema does not have. Immutable and safe to use from several threads.

    Attributes:
        name: What it is called in records.
        path: The file, if it is from one.
        source: The whole text, lines ended by line feeds.
        body: The text without its head.
        first_line: The line of the file on which the body begins.
        head: What the head says, as plain data.
        settings: Model, version, sampling, tools.
        schema: JSON Schema of the variables, or None.
        defaults: Values of variables that are left out.
        output: JSON Schema of the answer, or None.
        variables: Names that the text uses, sorted.
        partials: Texts of the parts that it includes, by name.
        hash: SHA-256 of the file and its parts, 64 hexadecimal digits.
    """

    def __init__(
        self,
        source: str,
        *,
        name: str = "prompt",
        partials: Mapping[str, str] | Callable[[str], str] | None = None,
        schemas: Mapping[str, Mapping[str, Any]] | None = None,
        path: Path | None = None,
    ) -> None:
        """Reads and compiles a prompt.

        Args:
            source: The whole text of the file.
            name: What it is called in records; letters, digits, `_`, `-`, `.` and `/`.
            partials: Texts of the parts that it includes (`{{>name}}`), by name.
            schemas: JSON Schemas that its head may call by name.
            path: The file, for errors.

        Raises:
            FormatError: The head, a schema or the text is wrong; the line is told.
            ConfigError: The name is wrong, or the head is YAML and PyYAML is not installed.
        """
        if not isinstance(name, str) or not PROMPT_NAME.match(name):
            raise ConfigError("a prompt's name has letters, digits, _, -, . and /, at most 200")
        self.name = name
        self.path = path
        self.source = source.replace("\r\n", "\n").replace("\r", "\n")
        used: dict[str, str] = {}
        try:
            head, body, self.first_line = frontmatter.split(self.source)
            self.body = body.strip()
            self.head: Mapping[str, Any] = frontmatter.read(head)
            self.settings: Settings = settings_of(self.head)
            self.schema = _input_schema(self.head, schemas)
            self.defaults: Mapping[str, Any] = _mapping(_mapping(self.head, "input"), "default")
            self.output: Mapping[str, Any] | None = _output_schema(self.head, schemas)
            self._template = Template(to_jinja(self.body, _recorded(partials, used)))
            paths = [path for path in self._template.variables if path.split(".")[0] not in _FUNCTIONS]
            self.variables = tuple(dict.fromkeys(path.split(".")[0] for path in paths))
            self.partials: Mapping[str, str] = used
            self._check_variables(paths)
        except FormatError as error:
            error.path = error.path or (str(path) if path is not None else name)
            raise
        self.hash = _hash(self.source, used)

    def __repr__(self) -> str:
        return f"PromptTemplate({self.name!r}, version={self.version!r})"

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        folder: str | os.PathLike[str] | None = None,
        source: str | None = None,
        schemas: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> PromptTemplate:
        """The prompt in a file, called like it without its ending.

        Args:
            path: The file.
            folder: Where names of parts begin: `{{>tone}}` is `_tone.prompt` there; by default the file's own folder. The
                prompt's name begins there too.
            source: A text to be taken instead of the file's, for an earlier version of it.
            schemas: JSON Schemas that its head may call by name.

        Raises:
            FormatError: The file is wrong; `.path` says which.
            ConfigError: It cannot be read.
        """
        file = Path(path)
        root = file.parent if folder is None else Path(folder)

        def part(name: str) -> str:
            if not PROMPT_NAME.match(name) or ".." in name:
                raise FormatError("a part has letters, digits, _, -, . and / in its name")
            inside, _, stem = name.rpartition("/")
            return read_text(root / inside / f"_{stem}.prompt")

        name = (file.relative_to(root) if file.is_relative_to(root) else Path(file.name)).as_posix()
        text = read_text(file) if source is None else source
        return cls(text, name=name.removesuffix(".prompt"), partials=part, schemas=schemas, path=file)

    @property
    def version(self) -> str:
        """The version that the head gives and the beginning of the hash, `1.2.0+3f9a1c2b7e04`; without one the hash alone."""
        digits = self.hash[:_HASH_DIGITS]
        return digits if self.settings.version is None else f"{self.settings.version}+{digits}"

    def render(
        self,
        variables: Mapping[str, Any] | None = None,
        /,
        *,
        history: Sequence[Message] = (),
        tools: Iterable[Tool] = (),
        context: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Rendered:
        """The messages with these variables in them.

        Args:
            variables: By name. An optional one that is left out, or None, is empty.
            history: Earlier turns, put where `{{history}}` stands; without it before the last message if that is the
                user's, else behind all.
            tools: Where the tools that the head names are taken from.
            context: What the text reads as `{{@name}}`: the user, the session. It needs no schema.
            more: Variables whose names are no argument of this method.

        Raises:
            ConfigError: A variable is missing, not declared or of the wrong type (all of them are told, no value is);
                a tool is missing; nothing is left to be said.
            FormatError: The text asks for what is not there, or does not end.
        """
        given = {**(variables or {}), **more}
        mark = f"\x02{secrets.token_hex(8)}\x03"
        media: list[Part] = []
        values = cast("dict[str, Any]", _plain({**self.defaults, **given}, mark, media))
        if self.schema is not None:
            wrong = problems(values, self.schema)
            if wrong:
                raise ConfigError(f"the prompt {self.name} cannot be rendered: {'; '.join(wrong[:10])}")
        shown = _without_none(values)
        present = {**shown, MARK: mark, WHOLE: shown, AROUND: _without_none(_plain(context or {}, mark, media))}
        messages = _messages(self._template.render(present), mark, media, history)
        if not messages:
            raise ConfigError(f"nothing is left of the prompt {self.name}: its text is empty with these variables")
        return Rendered(
            messages,
            self.name,
            self.version,
            self.settings.model,
            self.settings.sampling,
            self.output,
            self._chosen(tools),
            self.settings.provider_options,
        )

    def _chosen(self, tools: Iterable[Tool]) -> tuple[Tool, ...]:
        if not self.settings.tools:
            return ()
        by_name = {tool.name: tool for tool in tools}
        missing = [name for name in self.settings.tools if name not in by_name]
        if missing:
            raise ConfigError(f"the prompt {self.name} names the tools {', '.join(missing)}: pass them, tools=[…]")
        return tuple(by_name[name] for name in self.settings.tools)

    def _check_variables(self, paths: Sequence[str]) -> None:
        """Raises FormatError where the text uses a variable that the schema does not have."""
        if self.schema is None:
            return
        for path in paths:
            if not _is_declared(path.split("."), self.schema):
                known = ", ".join(self.schema.get("properties", {})) or "none"
                raise FormatError(f"the text uses {path[:80]}, which input.schema does not have (it has: {known})")
        if self.defaults:
            loose: dict[str, Any] = {**self.schema, "required": []}
            if wrong := problems(dict(self.defaults), loose):
                raise FormatError(f"input.default does not fit input.schema: {'; '.join(wrong[:5])}")


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: It cannot be read.
        FormatError: It is no UTF-8; `.offset` says where.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8", path=str(path), offset=error.start) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None


def _recorded(
    partials: Mapping[str, str] | Callable[[str], str] | None, used: dict[str, str]
) -> Callable[[str], str] | None:
    """Gives parts and notes which: they belong to the version."""
    if partials is None:
        return None

    def get(name: str) -> str:
        if callable(partials):
            text = partials(name)
        elif name in partials:
            text = partials[name]
        else:
            raise FormatError(f"there is no part {name[:80]!r}")
        used[name] = text.replace("\r\n", "\n").replace("\r", "\n")
        return frontmatter.split(used[name])[1].strip()

    return get


def _hash(source: str, partials: Mapping[str, str]) -> str:
    """SHA-256 of the file and of the parts it includes: a byte more is another version."""
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass"))
    for name in sorted(partials):
        digest.update(f"\x00{name}\x00{partials[name]}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FormatError(f"{name} in the head is a mapping")
    return cast("Mapping[str, Any]", value)


def _input_schema(head: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any] | None:
    given = _mapping(head, "input").get("schema")
    if given is None:
        return None
    schema = json_schema(given, schemas)
    if schema.get("type") != "object":
        raise FormatError("input.schema is a mapping of variables to types")
    # A variable that is not declared is a mistake, unless the schema says that there may be others.
    schema.setdefault("additionalProperties", False)
    check_schema(schema)
    return schema


def _output_schema(
    head: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]] | None
) -> Mapping[str, Any] | None:
    output = _mapping(head, "output")
    kind = output.get("format")
    if kind not in (None, "json", "text", "media"):
        raise FormatError("output.format is json or text")
    if output.get("schema") is None:
        return None
    if kind == "text":
        raise FormatError("output.schema is for output.format json")
    return json_schema(output["schema"], schemas)


def _is_declared(path: Sequence[str], schema: Mapping[str, Any]) -> bool:
    """Whether a schema has a place for what a path asks for; methods of values are not looked into."""
    if not path or not isinstance(schema.get("properties"), Mapping):
        return True
    properties: Mapping[str, Any] = schema["properties"]
    if path[0] in properties:
        return _is_declared(path[1:], properties[path[0]])
    return schema.get("additionalProperties", True) is not False or path[0] in ("items", "keys", "values", "get")


def _plain(value: Any, mark: str, media: list[Part]) -> Any:
    """Variables as templates read them; a picture, recording or file becomes a word that stands for it."""
    if isinstance(value, _MEDIA):
        media.append(value)
        return f"{_handle(mark)}{len(media) - 1}"
    if isinstance(value, Mapping):
        mapping: dict[Any, Any] = {**cast("Mapping[Any, object]", value)}
        return {name: _plain(item, mark, media) for name, item in mapping.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, mark, media) for item in cast("Sequence[Any]", value)]
    for method in ("model_dump", "for_chat_template"):
        if not isinstance(value, type) and (dump := getattr(value, method, None)) is not None:
            return _plain(dump(), mark, media)
    return value


def _without_none(value: Any) -> Any:
    """Without what is None, so that it is empty in the text instead of the word None."""
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {name: _without_none(item) for name, item in items if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in cast("list[object]", value)]
    return value


def _messages(text: str, mark: str, media: Sequence[Part], history: Sequence[Message]) -> tuple[Message, ...]:
    """The rendered text cut at its markers: roles, history, pictures."""
    made: list[tuple[Role, list[Part]] | None] = []  # None is where the history goes
    role: Role = "user"
    parts: list[Part] = []
    made.append((role, parts))
    # Marks come in pairs, and nothing but the template can write one: between the two of a pair is what a helper says.
    pieces = text.split(mark)
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            _add_text(parts, piece)
            continue
        kind, *arguments = piece.split("\x1f")
        if kind == "media":
            parts.append(_media(arguments, _handle(mark), media))
        elif kind in ("role", "history"):
            chosen = "model" if kind == "history" else arguments[0]
            if chosen not in _ROLES:
                raise ConfigError("a role is system, user or model")
            if kind == "history":
                made.append(None)
            role, parts = _ROLES[chosen], []
            made.append((role, parts))
    return _placed(made, history, _handle(mark))


def _placed(
    made: Sequence[tuple[Role, list[Part]] | None], history: Sequence[Message], handle: str
) -> tuple[Message, ...]:
    """The messages that are not empty, with the history in its place."""
    messages: list[Message] = []
    for entry in made:
        if entry is None:
            messages += history
        elif trimmed := _trimmed(entry[1], handle):
            messages.append(Message(entry[0], trimmed))
    if None not in made and history:
        at = len(messages) - 1 if messages and messages[-1].role == "user" else len(messages)
        messages[at:at] = history
    return tuple(messages)


def _add_text(parts: list[Part], text: str) -> None:
    """Adds a text; one right behind another is one with it."""
    if parts and isinstance(last := parts[-1], Text):
        parts[-1] = Text(last.text + text)
    elif text:
        parts.append(Text(text))


def _trimmed(parts: Sequence[Part], handle: str) -> tuple[Part, ...]:
    """The parts without blanks at the borders; a picture in the middle of a text is an error, not a strange word."""
    kept: list[Part] = []
    for part in parts:
        if not isinstance(part, Text):
            kept.append(part)
            continue
        if handle in part.text:
            raise ConfigError("a picture, recording or file belongs into {{media url=…}}, not into the text")
        if text := part.text.strip():
            kept.append(Text(text))
    return tuple(kept)


def _handle(mark: str) -> str:
    """What words that stand for pictures begin with."""
    return f"\x04{mark[1:-1]}\x05"


def _media(arguments: Sequence[str], handle: str, media: Sequence[Part]) -> Part:
    address, media_type = arguments[0].strip(), arguments[1].strip() if len(arguments) > 1 else ""
    if address.startswith(handle):
        return media[int(address.removeprefix(handle))]
    if not address:
        raise ConfigError("the url of {{media}} is empty")
    kind = media_type or (address[5:].partition(";")[0] if address.startswith("data:") else "image/*")
    if kind.startswith("image/"):
        return Image(url=address) if kind == "image/*" else Image(url=address, media_type=kind)
    return File(url=address, media_type=kind)
