"""dotprompt's template language as Jinja: its helpers, and the Handlebars blocks that its files use.

Both languages write `{{name}}`; everything else of Handlebars begins with a sign that Jinja does not know (`{{#if`, `{{/if}}`,
`{{else}}`, `{{>part}}`, `{{!`, `{{@index}}`, `{{role "user"}}`), so a file may use either, or both. Text without such tags is
Jinja already and comes back as it was.

Inside `{{#each}}` and `{{#with}}` names belong to the item, as in Handlebars: `name` there is `this.name`, `../name` the one
outside. HTML is never escaped, as in dotprompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from inferail.errors import FormatError

__all__ = ["AROUND", "MARK", "WHOLE", "role_tags", "to_jinja"]

MARK: Final = "inferail_mark"
"""The variable whose value begins and ends each marker in a rendered text. It is drawn anew for each rendering, so that no
variable can hold a marker: what a user typed never becomes a role."""

WHOLE: Final = "inferail_variables"
"""The variable that holds all variables: `this` outside of every block."""

AROUND: Final = "inferail_context"
"""The variable that holds what a template reads as `@name`: the user, the session, the state."""

_TAG: Final = re.compile(
    r"(?P<raw>\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\})"
    r"|(?P<comment>\{#.*?#\}|\{\{~?!--.*?--~?\}\}|\{\{~?![^}]*\}\})"
    r"|(?P<statement>\{%.*?%\})"
    r"|(?P<escaped>\\\{\{.*?\}\})"
    r"|\{\{\{(?P<plain>.*?)\}\}\}"
    r"|\{\{(?P<tag>(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^'\"}]|\}(?!\}))*)\}\}",
    re.DOTALL,
)
_PATH: Final = re.compile(r"(?:\.\./)*(?:this|\.|@?[A-Za-z_][\w-]*)(?:[./](?:[A-Za-z_][\w-]*|\[?\d+\]?|\[\w+\]))*|\.\.")
_WORD: Final = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[\w-]+=(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s|]+)|\|[^|]*\||[^\s]+"
)
_BOUND: Final = re.compile(r"\{%-?\s*(?:for\s+(?P<loop>[\w\s,]+?)\s+in\b|set\s+(?P<set>\w+))")
_LITERALS: Final = {"true": "true", "false": "false", "null": "none", "undefined": "none"}
_DATA: Final = {"@index": "loop.index0", "@first": "loop.first", "@last": "loop.last"}
_ROLE: Final = re.compile(r"\{\{~?\s*role\s+[\"'](?P<role>\w+)[\"'][^}]*\}\}|\{\{~?\s*(?P<history>history)\s*~?\}\}")
_MAX_PARTIALS: Final = 20


@dataclass(slots=True)
class _Block:
    """An open block: what ends it, and the variable that names in it belong to."""

    name: str
    end: str
    context: str | None = None
    over: str | None = None
    names: frozenset[str] = field(default_factory=frozenset[str])


def to_jinja(text: str, partial: Callable[[str], str] | None = None) -> str:
    """The template in Jinja.

    Args:
        text: The body of a prompt file.
        partial: Gives the text of a part (`{{>name}}`), which is put in its place.

    Raises:
        FormatError: A block that is not closed, a helper or a path that is not known; the line is told.
    """
    return _Translation(partial, bound=frozenset(_bound(text))).of(text, depth=0)


def role_tags(text: str) -> Iterator[tuple[str, int, int]]:
    """Where the roles of a body begin: role (or `history`), beginning and end of the tag."""
    for found in _ROLE.finditer(text):
        yield (found["role"] or "history"), found.start(), found.end()


def _bound(text: str) -> Iterator[str]:
    """Names that the template's own Jinja sets: they belong to nothing around them."""
    for found in _BOUND.finditer(text):
        yield from (name.strip() for name in (found["loop"] or found["set"]).split(","))


class _Translation:
    def __init__(self, partial: Callable[[str], str] | None, bound: frozenset[str]) -> None:
        self._partial = partial
        self._bound = bound
        self._blocks: list[_Block] = []
        self._number = 0
        self._text = ""
        self._at = 0

    def of(self, text: str, depth: int) -> str:
        if depth > _MAX_PARTIALS:
            raise FormatError("a part of the prompt includes itself")
        outer, opened = (self._text, self._at), len(self._blocks)
        self._text = text
        pieces: list[str] = []
        end = 0
        for found in _TAG.finditer(text):
            pieces.append(text[end : found.start()])
            self._at = found.start()
            alone = _stands_alone(text, found.start(), found.end())
            pieces.append(self._tag(found, depth, "" if alone else "+"))
            end = found.end()
            if found["comment"] and alone:  # takes its line with it, as a block does
                pieces[-2:] = [pieces[-2].rstrip(" \t")]
                end = text.find("\n", end) + 1 or len(text)
        pieces.append(text[end:])
        if len(self._blocks) > opened:
            raise self._wrong(f"{{{{#{self._blocks[-1].name}}}}} is not closed")
        self._text, self._at = outer
        return "".join(pieces)

    def _tag(self, found: re.Match[str], depth: int, inline: str) -> str:
        """What a tag is in Jinja; `inline` is the sign by which a block keeps the blanks around it."""
        if found["comment"]:
            return ""
        if found["statement"]:
            return _kept_inline(found["statement"], inline)
        if found["escaped"]:
            return "{% raw %}" + found["escaped"][1:] + "{% endraw %}"
        if found["plain"] is not None:
            return "{{ " + self._expression(found["plain"].strip()) + " }}"
        if found["tag"] is None:
            return found[0]
        inner = found["tag"]
        left, right = ("-" if inner.startswith("~") else ""), ("-" if inner.endswith("~") else "")
        body = inner.strip("~").strip()
        sign, rest = body[:1], body[1:].strip()
        if sign in "#/" or body == "else" or body.startswith("else "):
            left, right = left or inline, right or inline
        if sign == "#":
            return self._open(rest, left, right)
        if sign == "/":
            return self._close(rest, left, right)
        if sign == ">":
            return self._part(rest, depth)
        if body == "else" or body.startswith("else "):
            return self._else(body[4:].strip(), left, right)
        return self._helper(body, left, right) or self._shown(found[0], body, left, right)

    def _shown(self, tag: str, body: str, left: str, right: str) -> str:
        """A value that is written out."""
        shown = self._expression(body.removeprefix("&").strip())
        # As it was where nothing had to be translated: Jinja has signs of its own there.
        if shown == body and not (left or right):
            return tag
        return f"{{{{{left} {shown} {right}}}}}"

    def _open(self, rest: str, left: str, right: str) -> str:
        name, *arguments = _words(rest) or [""]
        if name in ("if", "unless") and len(arguments) == 1:
            condition = self._expression(arguments[0])
            self._blocks.append(_Block(name, "endif"))
            return f"{{%{left} if {condition if name == 'if' else f'not ({condition})'} {right}%}}"
        if name in ("ifEquals", "unlessEquals") and len(arguments) == 2:
            one, other = (self._expression(argument) for argument in arguments)
            self._blocks.append(_Block(name, "endif"))
            return f"{{%{left} if {one} {'==' if name == 'ifEquals' else '!='} {other} {right}%}}"
        if name in ("each", "with") and arguments:
            return self._scope(name, arguments, left, right)
        raise self._wrong(
            f"{{{{#{name}}}}} is not known or has the wrong arguments: if, unless, each, with, ifEquals, unlessEquals"
        )

    def _scope(self, name: str, arguments: list[str], left: str, right: str) -> str:
        over = self._expression(arguments[0])
        given = [word.strip("|").split() for word in arguments if word.startswith("|")]
        names = given[0] if given else []
        self._number += 1
        context = names[0] if names else f"item_{self._number}"
        if name == "with":
            self._blocks.append(_Block(name, "endwith", context, names=frozenset(names)))
            return f"{{%{left} with {context} = {over} {right}%}}"
        self._blocks.append(_Block(name, "endfor", context, over, frozenset(names)))
        # Handlebars goes through the values of a mapping, Jinja through its keys.
        loop = f"{{%{left} for {context} in ({over}.values() if {over} is mapping else {over}) {right}%}}"
        return loop + (f"{{% set {names[1]} = loop.index0 %}}" if len(names) > 1 else "")

    def _close(self, rest: str, left: str, right: str) -> str:
        if not self._blocks or self._blocks[-1].name != rest:
            opened = f"; {{{{#{self._blocks[-1].name}}}}} is open" if self._blocks else ""
            raise self._wrong(f"{{{{/{rest}}}}} closes nothing{opened}")
        return f"{{%{left} {self._blocks.pop().end} {right}%}}"

    def _else(self, rest: str, left: str, right: str) -> str:
        if not self._blocks:
            raise self._wrong("{{else}} stands in no block")
        if not rest:
            return f"{{%{left} else {right}%}}"
        name, *arguments = _words(rest)
        if name != "if" or len(arguments) != 1 or self._blocks[-1].end != "endif":
            raise self._wrong("after {{else}} only an if may follow")
        return f"{{%{left} elif {self._expression(arguments[0])} {right}%}}"

    def _part(self, rest: str, depth: int) -> str:
        name, *arguments = _words(rest) or [""]
        if self._partial is None:
            raise self._wrong("a part {{>…}} needs the folder it is in: load it with a PromptLibrary")
        inner = self.of(self._partial(name), depth + 1)
        for argument in arguments:
            if "=" not in argument:
                raise self._wrong("a part takes arguments by name: {{>part name=value}}")
        if not arguments:
            return inner
        given = ", ".join(
            f"{key} = {self._expression(value)}"
            for key, _, value in (argument.partition("=") for argument in arguments)
        )
        return f"{{% with {given} %}}{inner}{{% endwith %}}"

    def _helper(self, body: str, left: str, right: str) -> str | None:
        if body == "history":
            return self._marked("history", [], left, right)
        words = _words(body)
        name, arguments = (words[0], words[1:]) if words else ("", [])
        if name in ("role", "section") and len(arguments) >= 1 and _is_text(arguments[0]):
            return self._marked(name, [self._expression(arguments[0])], left, right)
        by_name = dict(word.split("=", 1) for word in arguments if "=" in word and not _is_text(word))
        if name == "media" and arguments:
            if "url" not in by_name:
                raise self._wrong("a picture needs its address: {{media url=photo}}")
            wanted = [by_name["url"], by_name.get("contentType", by_name.get("mime_type", '""'))]
            return self._marked(name, [self._expression(value) for value in wanted], left, right)
        if name == "json" and arguments and not arguments[0].startswith("|"):
            indent = by_name.get("indent")
            style = "separators=(',', ':')" if indent is None else f"indent={self._expression(indent)}"
            filtered = f"tojson({style})"
            return f"{{{{{left} {self._expression(arguments[0])} | {filtered} {right}}}}}"
        if name and len(words) > 1 and _PATH.fullmatch(name) and all(_is_argument(word) for word in arguments):
            raise self._wrong(f"the helper {name[:40]} is not known: role, history, media, section, json")
        return None

    def _marked(self, kind: str, expressions: list[str], left: str, right: str) -> str:
        arguments = "".join(f" ~ '\\x1f' ~ {expression}" for expression in expressions)
        return f"{{{{{left} {MARK} ~ '{kind}'{arguments} ~ {MARK} {right}}}}}"

    def _expression(self, text: str) -> str:
        if text in _LITERALS:
            return _LITERALS[text]
        if _PATH.fullmatch(text):
            return self._path(text)
        context = self._context(0)
        # Jinja of the file's own, in which `this` is still the item.
        return text if context is None else re.sub(r"\bthis\b", context, text)

    def _path(self, path: str) -> str:
        if path in _DATA:
            return _DATA[path]
        if path == "@key":
            over = next((block.over for block in reversed(self._blocks) if block.over), None)
            return f"({over} | list)[loop.index0]"
        if path.startswith("@root."):
            return _dotted(path.removeprefix("@root."))
        if path.startswith("@"):
            first, _, rest = path[1:].partition(".")
            # What is around a prompt need not be there: a name in nothing is nothing, as in Handlebars.
            around = f"{AROUND}.{first}"
            return f"({around} | default({{}})).{_dotted(rest)}" if rest else around
        outwards = 0
        while path.startswith("../") or path == "..":
            outwards += 1
            path = path[3:] or "this"
        context = self._context(outwards)
        first = re.split(r"[./]", path, maxsplit=1)[0] if path != "." else "this"
        if path in (".", "this") or first == "this" or path.startswith("./"):
            context = context or WHOLE
            rest = re.sub(r"^(?:this|\.)[./]?", "", path)
            return f"{context}.{_dotted(rest)}" if rest else context
        named = {name for block in self._blocks for name in block.names}
        if context is None or first in named or first in self._bound or first == "loop":
            return _dotted(path)
        return f"{context}.{_dotted(path)}"

    def _context(self, outwards: int) -> str | None:
        contexts = [block.context for block in self._blocks if block.context]
        return contexts[-1 - outwards] if outwards < len(contexts) else None

    def _wrong(self, problem: str) -> FormatError:
        line = self._text.count("\n", 0, self._at) + 1
        return FormatError(f"{problem} (line {line} of the template)")


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a tag has its lines for itself: then a block takes them with it."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    after = text[end : text.find("\n", end) if "\n" in text[end:] else len(text)]
    return not before.strip() and not after.strip()


def _kept_inline(statement: str, sign: str) -> str:
    """A statement of Jinja that leaves the blanks around it alone, unless it says what to do with them."""
    left = "" if statement[2] in "+-" else sign
    right = "" if statement[-3] in "+-" else sign
    return f"{{%{left}{statement[2:-2]}{right}%}}"


def _words(text: str) -> list[str]:
    """A tag's words: texts in quotes, `name=value`, and `as |names|` as one word."""
    return [word for word in _WORD.findall(text) if word != "as"]


def _is_text(word: str) -> bool:
    return len(word) >= 2 and word[0] == word[-1] and word[0] in "\"'"


def _is_argument(word: str) -> bool:
    """Whether a word could follow a helper's name, so that it is no operator of Jinja."""
    return _is_text(word) or "=" in word[1:] or (_PATH.fullmatch(word) is not None and word not in _OPERATORS)


_OPERATORS: Final = frozenset({"if", "else", "and", "or", "not", "in", "is"})


def _dotted(path: str) -> str:
    """`a/b.[0].c` as `a.b[0].c`."""
    first, *rest = [step for step in re.split(r"[./]", path) if step]
    made = first
    for step in rest:
        bare = step.strip("[]")
        made += f"[{bare}]" if bare.isdigit() else f".{bare}"
    return made
