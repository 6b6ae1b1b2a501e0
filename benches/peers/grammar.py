"""Grammars: what a mask costs before each token, and the first mask of a schema, over a vocabulary of 200,000 tokens.

    make peers                                                   # with everything else, into benches/RESULTS.md
    python benches/peers/grammar.py --peers inferail,llguidance --rounds 5 --no-write

A valid value of each schema is replayed token by token: mask into an array that is there already, then accept. One process, one
thread, wall time; the peers take turns, and of each mask the median of the rounds is kept. A grammar is compiled anew in each
round. A peer that refuses a schema or a valid token is told below the table.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from grammar_schemas import CASES
from report import ROOT, command_line, number, table, write_section
from rounds import arguments, build

VOCABULARY = "o200k_base"
# outlines-core builds the whole automaton first; on these it takes minutes or gigabytes.
SKIPPED = {"outlines-core": {"big", "anything", "open", "tree", "tools", "lengths", "patterns"}}


@dataclass(slots=True)
class Setup:
    """The vocabulary and what is replayed.

    Attributes:
        tokenizer: Ours; its ids are everyone's.
        tokens: The bytes of each id.
        special: Ids of special tokens.
        end: The id that ends a sequence.
    """

    tokenizer: Any
    tokens: list[bytes]
    special: list[int]
    end: int

    @property
    def words(self) -> int:
        """Of a mask."""
        return -(-len(self.tokens) // 32)


# Compiles a schema: gives what begins a sequence, which gives `mask` and `accept`.
Steps = tuple[Callable[[], object], Callable[[int], object]]
Compile = Callable[[Any], Steps]


def inferail(setup: Setup) -> Compile:
    """`Grammar.from_schema` and `Matcher.mask(out)`."""
    from inferail.core import Grammar, Vocabulary

    vocabulary = Vocabulary.of(setup.tokenizer, eos=setup.end)
    row = np.zeros(setup.words, np.uint32)
    fresh = iter(range(1_000_000))

    def compile_schema(schema: Any) -> Steps:
        # Grammars are remembered by their text: a comment makes it another.
        matcher = Grammar.from_schema({**schema, "$comment": str(next(fresh))}, vocabulary).matcher()
        return lambda: matcher.mask(row), matcher.accept

    return compile_schema


def llguidance(setup: Setup) -> Compile:
    """The wheel: `LLMatcher` and `fill_next_token_bitmask`, with the separators of ours."""
    import llguidance
    import llguidance.numpy

    class Wrapped:
        eos_token_id, bos_token_id = setup.end, None
        tokens, special_token_ids = setup.tokens, setup.special

        def __call__(self, text: str | bytes) -> list[int]:
            text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            ids: list[int] = setup.tokenizer.encode_ordinary(text, as_list=True)
            return ids

    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Wrapped()), n_vocab=len(setup.tokens))
    row = np.zeros((1, setup.words), np.int32)
    options = {"item_separator": ", ?", "key_separator": ": ?", "whitespace_flexible": False}

    def compile_schema(schema: Any) -> Steps:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options)
        matcher = llguidance.LLMatcher(tokenizer, grammar)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return lambda: llguidance.numpy.fill_next_token_bitmask(matcher, row, 0), matcher.consume_token

    return compile_schema


def xgrammar(setup: Setup) -> Compile:
    """`GrammarCompiler.compile_json_schema`, one thread, no cache, and `fill_next_token_bitmask`."""
    import xgrammar

    information = xgrammar.TokenizerInfo(
        setup.tokens, vocab_type=xgrammar.VocabType.RAW, vocab_size=len(setup.tokens), stop_token_ids=[setup.end]
    )
    compiler = xgrammar.GrammarCompiler(information, max_threads=1, cache_enabled=False)
    row = xgrammar.allocate_token_bitmask(1, len(setup.tokens))

    def compile_schema(schema: Any) -> Steps:
        compiled = compiler.compile_json_schema(json.dumps(schema), any_whitespace=False, strict_mode=False)
        matcher = xgrammar.GrammarMatcher(compiled)
        return lambda: matcher.fill_next_token_bitmask(row), matcher.accept_token

    return compile_schema


def outlines_core(setup: Setup) -> Compile:
    """`Index` of the schema's regular expression, and `Guide.write_mask_into`."""
    from outlines_core import Guide, Index, Vocabulary
    from outlines_core.json_schema import build_regex_from_schema

    named: dict[bytes | str, list[int]] = {}
    for token, spelled in enumerate(setup.tokens):
        if token not in setup.special and spelled:
            named.setdefault(spelled, []).append(token)
    vocabulary = Vocabulary(setup.end, named)
    row = np.zeros(setup.words, np.uint32)

    def compile_schema(schema: Any) -> Steps:
        guide = Guide(Index(build_regex_from_schema(json.dumps(schema)), vocabulary))
        return (
            lambda: guide.write_mask_into(row.ctypes.data, row.size, row.itemsize),
            lambda token: guide.advance(token, return_tokens=False),
        )

    return compile_schema


PEERS = {"inferail": inferail, "llguidance": llguidance, "xgrammar": xgrammar, "outlines-core": outlines_core}


@dataclass(slots=True)
class Found:
    """Of one peer on one schema, one list per round.

    Attributes:
        first: Compiling and the first mask, ns.
        masks: Each mask, ns.
        accepts: Each accept, ns.
    """

    first: list[int] = field(default_factory=list)
    masks: list[list[int]] = field(default_factory=list)
    accepts: list[list[int]] = field(default_factory=list)


def _replay(make: Compile, schema: Any, ids: Sequence[int], found: Found) -> None:
    clock = time.perf_counter_ns
    begun = clock()
    mask, accept = make(schema)
    mask()
    found.first.append(clock() - begun)
    masks, accepts = [], []
    for token in ids:
        begun = clock()
        mask()
        masked = clock()
        taken = accept(token)
        accepts.append(clock() - masked)
        masks.append(masked - begun)
        if taken is False:
            raise ValueError("refused a valid token")
    # The first was measured with the compilation, and may be remembered.
    found.masks.append(masks[1:])
    found.accepts.append(accepts[1:])


def _measure(
    setup: Setup, peers: Sequence[str], names: Sequence[str], rounds: int
) -> tuple[dict[tuple[str, str], Found], list[str]]:
    found: dict[tuple[str, str], Found] = {}
    refused = []
    makers = {peer: PEERS[peer](setup) for peer in peers}
    for name in names:
        schema, value = CASES[name]
        ids = setup.tokenizer.encode_ordinary(json.dumps(value, ensure_ascii=False), as_list=True)
        able = [peer for peer in peers if name not in SKIPPED.get(peer, ())]
        for turn in range(-1, rounds):  # the first is not kept
            for peer in [*able[turn % len(able) :], *able[: turn % len(able)]]:
                cell = found.setdefault((peer, name), Found())
                gc.collect()
                try:
                    _replay(makers[peer], schema, ids, cell if turn >= 0 else Found())
                except Exception as error:  # noqa: BLE001 - whatever a peer raises, it is told
                    refused.append(f"{peer} on {name}: {str(error).splitlines()[0][:120]}")
                    able.remove(peer)
                    found.pop((peer, name))
        sys.stderr.write(f"{name}: {len(ids)} tokens\n")
    return found, refused


def _steps(rounds: list[list[int]]) -> list[float]:
    """The median of each step over the rounds, µs."""
    return [statistics.median(step) / 1e3 for step in zip(*rounds, strict=True)]


def _line(cells: list[Found]) -> list[float]:
    masks = sorted(step for cell in cells for step in _steps(cell.masks))
    accepts = sorted(step for cell in cells for step in _steps(cell.accepts))
    firsts = [statistics.median(cell.first) / 1e6 for cell in cells]
    at = [masks[int(len(masks) * share)] for share in (0.5, 0.9, 0.99)]
    return [*at, statistics.fmean(masks), statistics.median(accepts), statistics.median(firsts), max(firsts)]


def _tables(found: dict[tuple[str, str], Found], peers: Sequence[str], names: Sequence[str]) -> str:
    columns = [
        "peer",
        "schemas",
        "mask p50, µs",
        "ratio",
        "p90",
        "p99",
        "mean",
        "ratio",
        "accept p50",
        "first mask p50, ms",
        "max",
    ]
    parts = []
    everyone = [name for name in names if all((peer, name) in found for peer in peers if peer != "outlines-core")]
    few = [name for name in everyone if (("outlines-core"), name) in found]
    for title, shared in (("Schemas that the first three take", everyone), ("Schemas that all take", few)):
        rows = []
        ours = _line([found["inferail", name] for name in shared]) if shared else []
        for peer in peers:
            cells = [found[peer, name] for name in shared if (peer, name) in found]
            if not shared or len(cells) < len(shared):
                continue
            p50, p90, p99, mean, accept, first, most = line = _line(cells)
            ratios = [number(line[0] / ours[0]), number(line[3] / ours[3])]
            rows.append(
                [
                    peer,
                    str(len(cells)),
                    number(p50),
                    ratios[0],
                    number(p90),
                    number(p99),
                    number(mean),
                    ratios[1],
                    number(accept),
                    number(first),
                    number(most),
                ]
            )
        parts.append(f"### {title}\n\n{table(columns, rows)}")
    each = [
        [name, *(number(_line([found[peer, name]])[0]) if (peer, name) in found else "–" for peer in peers)]
        for name in names
    ]
    parts.append(f"### Mask p50 by schema, µs\n\n{table(['schema', *peers], each)}")
    return "\n\n".join(parts)


def _bytes(tokenizer: Any, token: int) -> bytes:
    """Of a token; nothing of an id that is none."""
    try:
        return bytes(tokenizer.decode_bytes([token]))
    except ValueError:
        return b""


def main() -> None:
    """Measures, prints the tables, and writes them into `benches/RESULTS.md` when nothing was left out."""
    options = arguments(__doc__ or "", list(PEERS), list(CASES))
    sys.path.insert(0, str(ROOT / "python"))
    from inferail.core import Tokenizer

    versions = {"inferail": build()["version"]}
    versions |= {peer: metadata.version(peer) for peer in options.peers if peer != "inferail"}
    tokenizer = Tokenizer.named(VOCABULARY)
    special = list(tokenizer.special_tokens.values())
    ids = range(tokenizer.vocabulary_size)
    tokens = [_bytes(tokenizer, token) for token in ids]
    setup = Setup(tokenizer, tokens, special, tokenizer.special_tokens["<|endoftext|>"])
    rounds = 1 if options.quick else 5 * options.rounds
    found, refused = _measure(setup, options.peers, options.workloads, rounds)
    intro = (
        f"{VOCABULARY}, {len(tokens):,} tokens; {len(CASES)} schemas. Wall time on one thread, the median of {rounds} rounds for "
        "each mask, peers interleaved in one process; quantiles over all masks but the first of each schema."
    )
    told = "".join(f"\n- {line}" for line in refused)
    skipped = "".join(f"\n- {peer} was not asked for: {', '.join(sorted(names))}" for peer, names in SKIPPED.items())
    text = f"{intro}\n\n{_tables(found, options.peers, options.workloads)}\n{told}{skipped}"
    print(text)
    if options.whole and not options.no_write:
        path = write_section("grammar", "Grammars", command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
