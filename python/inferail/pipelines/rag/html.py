"""HTML as Markdown: headings, paragraphs, lists, tables and code are kept, everything that is not shown is left out."""

from __future__ import annotations

import re
from html.parser import HTMLParser

__all__ = ["markdown_of"]

_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "object", "head"})
_HEADINGS = {f"h{depth}": depth for depth in range(1, 7)}
_BLOCKS = frozenset(
    {
        *_HEADINGS,
        "address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption", "figure",
        "footer", "form", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tr", "ul",
    }
)  # fmt: skip
_BLANKS = re.compile(r"[ \t\r\n\f]+")


def markdown_of(html: str) -> tuple[str, str]:
    """The text of a page as Markdown, and its title (empty where it has none).

    Comments, scripts, styles, and elements with `hidden` or `aria-hidden="true"` are not part of the text.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text(), _BLANKS.sub(" ", "".join(reader.title)).strip()


class _Reader(HTMLParser):
    """Collects blocks. A page that is not well formed is read as far as it can be: nothing raises."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self._blocks: list[tuple[int, str]] = []  # each with the number of the list that it is an item of, 0 for none
        self._list = 0
        self._words: list[str] = []
        self._prefix = ""
        self._hidden: list[str] = []
        self._in_title = False
        self._lists: list[int | None] = []
        self._pre = 0
        self._rows: list[list[str]] = []
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title" and not self._rows:
            self._in_title = True
            return
        given = dict(attrs)
        if self._hidden:
            if tag == self._hidden[0]:
                self._hidden.append(tag)
            return
        if (tag in _HIDDEN or "hidden" in given or given.get("aria-hidden") == "true") and tag not in _VOID:
            self._hidden.append(tag)
            return
        self._begin(tag)

    def _begin(self, tag: str) -> None:
        if self._cell and tag not in ("td", "th", "tr", "table"):
            self._words.append(" ")
            return
        if tag in _BLOCKS:
            self._flush()
        match tag:
            case "br":
                self._words.append("\n")
            case "ul" | "ol":
                self._list += not self._lists
                self._lists.append(None if tag == "ul" else 0)
            case "li":
                self._prefix = self._marker()
            case "pre":
                self._pre += 1
            case "tr":
                self._rows.append([])
            case "td" | "th":
                self._end_cell()
                self._cell = True
            case _ if tag in _HEADINGS:
                self._prefix = "#" * _HEADINGS[tag] + " "
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
            return
        if self._hidden:
            if tag == self._hidden[0]:
                self._hidden.pop()
            return
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()
        if tag == "table":
            self._end_table()
        elif tag in _BLOCKS and not self._cell:
            self._flush()
        if tag == "pre" and self._pre:
            self._pre -= 1
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._hidden:
            self._words.append(data)

    def text(self) -> str:
        """Everything so far."""
        self._end_table()
        self._flush()
        said, before = "", 0
        for number, block in self._blocks:
            said += ("\n" if number and number == before else "\n\n") + block
            before = number
        return said.lstrip("\n") + "\n" if said else ""

    def _marker(self) -> str:
        """What an item of the innermost list begins with."""
        if not self._lists:
            return "- "
        indent, number = "  " * (len(self._lists) - 1), self._lists[-1]
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number + 1}. "

    def _flush(self) -> None:
        """Ends a block. What an item of a list begins with waits for its first words."""
        said = "".join(self._words)
        self._words.clear()
        if self._pre:
            code = said.strip("\n")
            if code.strip():
                self._blocks.append((0, f"```\n{code}\n```"))
            return
        lines = (_BLANKS.sub(" ", line).strip() for line in said.split("\n"))
        shown = " ".join(line for line in lines if line)
        if shown:
            self._blocks.append((self._list if self._lists else 0, self._prefix + shown))
            self._prefix = ""
        elif self._prefix.startswith("#"):
            self._prefix = ""

    def _end_cell(self) -> None:
        if self._cell and self._rows:
            said = _BLANKS.sub(" ", "".join(self._words)).strip()
            self._rows[-1].append(said.replace("|", "\\|"))
            self._words.clear()
        self._cell = False

    def _end_table(self) -> None:
        rows = [row for row in self._rows if any(row)]
        self._rows = []
        if not rows:
            return
        width = max(len(row) for row in rows)
        lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
        lines.insert(1, "|" + "---|" * width)
        self._blocks.append((0, "\n".join(lines)))


_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
