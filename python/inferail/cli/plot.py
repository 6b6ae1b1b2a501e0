"""Curves in a terminal, and the same as a picture."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

__all__ = ["check_pictures", "picture", "terminal"]

Line: TypeAlias = Sequence[tuple[float, float]]
_SIGNS: Final = ("░", "█", "╳")
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
    try:
        figure.savefig(path)
    except ValueError as error:
        raise click.ClickException(f"{path.name} is no picture that matplotlib can write: name it .png") from error
