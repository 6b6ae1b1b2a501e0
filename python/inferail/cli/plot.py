"""Curves in a terminal, and the same as a picture."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

__all__ = ["check_pictures", "curves", "curves_picture", "picture", "terminal"]

Line: TypeAlias = Sequence[tuple[float, float]]
_SIGNS: Final = ("░", "█", "╳")
_MORE_SIGNS: Final = "o*+x#@%&"
_STYLES: Final = ("--", "-", ":", "-.")
_WIDTH, _HEIGHT = 60, 16


def terminal(lines: Mapping[str, Line], *, across: str, up: str, floor: float) -> str:
    """A plot of some lines, 0 to 1 across and `floor` to 1 up; a later line is drawn over an earlier one."""
    cells = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for sign, line in zip(_SIGNS, lines.values(), strict=False):
        for x, y in line:
            if y >= floor:
                column = min(_WIDTH - 1, int(x * _WIDTH))
                height = min(_HEIGHT - 1, int((1.0 - y) / (1.0 - floor) * (_HEIGHT - 1) + 0.5))
                cells[height][column] = sign
    rows = [up]
    for number, row in enumerate(cells):
        value = 1.0 - number * (1.0 - floor) / (_HEIGHT - 1)
        label = f"{value:4.2f}" if number % 3 == 0 else "    "
        rows.append(f"{label} │{''.join(row).rstrip()}")
    rows.append(f"     └{'─' * _WIDTH}")
    ticks = "".join(f"{tick / 5:<{_WIDTH // 5}.1f}" for tick in range(5))
    rows.append(f"      {ticks}1.0  {across}")
    rows.append("      " + "   ".join(f"{sign} {name}" for sign, name in zip(_SIGNS, lines, strict=False)))
    return "\n".join(rows)


def check_pictures() -> None:
    """Says that pictures cannot be drawn here, before anything else is done.

    Raises:
        ClickException: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise click.ClickException(
            "a picture needs matplotlib, which is not installed: pip install matplotlib, or leave --plot out"
        )


def curves(lines: Mapping[str, Line], *, across: str, up: str, log: bool = False) -> str:
    """A plot of some lines over whatever range they have; `log` is for what goes across. Points that are infinite are left out."""
    drawn = {name: _finite(line, log=log) for name, line in lines.items()}
    points = [point for line in drawn.values() for point in line]
    if not points:
        return f"{up}: nothing to draw"
    scale = math.log10 if log else float
    left, right = (end(scale(x) for x, _ in points) for end in (min, max))
    low, high = (end(y for _, y in points) for end in (min, max))
    cells = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for sign, line in zip(_MORE_SIGNS, drawn.values(), strict=False):
        for x, y in line:
            column = round((scale(x) - left) / ((right - left) or 1.0) * (_WIDTH - 1))
            height = round((high - y) / ((high - low) or 1.0) * (_HEIGHT - 1))
            cells[height][column] = sign
    rows = [up]
    for number, row in enumerate(cells):
        value = high - number * (high - low) / (_HEIGHT - 1)
        label = f"{value:8.3g}" if number % 3 == 0 else " " * 8
        rows.append(f"{label} │{''.join(row).rstrip()}")
    rows.append(f"{'':8} └{'─' * _WIDTH}")
    ticks = [left + (right - left) * tick / 4 for tick in range(5)]
    shown = "".join(f"{10**tick if log else tick:<{_WIDTH // 4}.3g}" for tick in ticks[:4])
    rows.append(f"{'':10}{shown}{10 ** ticks[4] if log else ticks[4]:.3g}  {across}")
    rows.append(f"{'':10}" + "   ".join(f"{sign} {name}" for sign, name in zip(_MORE_SIGNS, drawn, strict=False)))
    return "\n".join(rows)


def curves_picture(
    path: Path, lines: Mapping[str, Line], *, across: str, up: str, title: str, log: bool = False, marks: bool = False
) -> None:
    """Writes the same as a picture, with a mark at each point if there are few. Needs matplotlib.

    Raises:
        ClickException: matplotlib does not know the format.
    """
    figure: Any = importlib.import_module("matplotlib.figure").Figure(figsize=(7, 4.5), dpi=100)
    axes = figure.add_subplot()
    for number, (name, line) in enumerate(lines.items()):
        kept = _finite(line, log=log)
        style = _STYLES[number % len(_STYLES)]
        axes.plot(*zip(*kept, strict=True), style, marker="o" if marks else None, label=name, linewidth=2)
    if log:
        axes.set_xscale("log")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.tight_layout()
    _save(figure, path)


def _finite(line: Line, *, log: bool) -> list[tuple[float, float]]:
    return [(x, y) for x, y in line if math.isfinite(x) and math.isfinite(y) and (x > 0 or not log)]


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path)
    except ValueError as error:
        raise click.ClickException(f"{path.name} is no picture that matplotlib can write: name it .png") from error


def picture(path: Path, lines: Mapping[str, Line], *, across: str, up: str, floor: float, title: str) -> None:
    """Writes the same as a picture; its format is that of the file name. Needs matplotlib.

    Raises:
        ClickException: matplotlib does not know the format.
    """
    # Not a dependency, so it has no types here.
    figure: Any = importlib.import_module("matplotlib.figure").Figure(figsize=(7, 4.5), dpi=150)
    axes = figure.add_subplot()
    for style, (name, line) in zip(("--", "-", ":"), lines.items(), strict=False):
        axes.plot([x for x, _ in line], [y for _, y in line], style, label=name, linewidth=2)
    axes.set_xlim(0, 1)
    axes.set_ylim(floor, 1.005)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    figure.tight_layout()
    _save(figure, path)
