"""Redactors: how fast they look for personal data in text, and how much of it they find; one thread.

    make peers                                                    # with everything else, into benches/RESULTS.md
    python benches/peers/redaction.py --peers inferail,presidio --rounds 1 --no-write

Presidio with its pattern recognisers for English (models of names need a download), scrubadub with its default detectors.
Speed: prose of 4 kB with an e-mail address every 117 characters, the peers in turns. Found: the held-out half of
tests/telemetry/redaction_cases.txt, which inferail's authors wrote; a finding counts where it begins and ends where the label
does. Only kinds that a peer says it knows are counted for it.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version

from report import ROOT, command_line, number, table, write_section

sys.path[:0] = [str(ROOT / "python"), str(ROOT)]

from tests.telemetry.redaction_cases import Span, cases, scores

PROSE = "Dear team, please review the document below and answer by Friday. Write to ada@example.com if you are late, or not. "
TEXT = PROSE * 35
Find = Callable[[str], Iterable[Span]]


def inferail() -> tuple[Find, frozenset[str]]:
    """Ours, with every kind."""
    from inferail.telemetry.redaction import Redactor

    redactor = Redactor()
    return (
        lambda text: [(one.kind, one.start, one.end) for one in redactor.find(text)],
        frozenset(kind for case in cases() for kind, _, _ in case.spans),
    )


def presidio() -> tuple[Find, frozenset[str]]:
    """Presidio's recognisers by pattern, without a model of language."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    kinds = {
        "EMAIL_ADDRESS": "email",
        "PHONE_NUMBER": "phone",
        "CREDIT_CARD": "card",
        "IBAN_CODE": "iban",
        "US_SSN": "ssn",
        "IP_ADDRESS": "ip",
    }

    class NoEngine(NlpEngine):
        """Gives spaCy's words of English, which the words around a finding are looked up in."""

        words = spacy.blank("en")

        def load(self) -> None: ...
        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            words = self.words(text)
            lower = [word.lower_ for word in words]
            return NlpArtifacts([], words, [word.idx for word in words], lower, self, language)

        def process_batch(self, texts, language, **_):
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    for recogniser in list(registry.recognizers):
        if not set(recogniser.supported_entities) & set(kinds):
            registry.remove_recognizer(recogniser.name)
    engine = AnalyzerEngine(registry=registry, nlp_engine=NoEngine(), supported_languages=["en"])
    return (
        lambda text: [
            (kinds[one.entity_type], one.start, one.end)
            for one in engine.analyze(text, language="en", entities=list(kinds))
        ],
        frozenset(kinds.values()),
    )


def scrubadub() -> tuple[Find, frozenset[str]]:
    """scrubadub's default detectors."""
    import scrubadub as library

    kinds = {"email": "email", "phone": "phone", "credit_card": "card", "social_security_number": "ssn"}
    scrubber = library.Scrubber()
    return (
        lambda text: [(kinds[one.type], one.beg, one.end) for one in scrubber.iter_filth(text) if one.type in kinds],
        frozenset(kinds.values()),
    )


PEERS: dict[str, Callable[[], tuple[Find, frozenset[str]]]] = {
    "inferail": inferail,
    "presidio": presidio,
    "scrubadub": scrubadub,
}
_PACKAGES = {"presidio": "presidio-analyzer", "scrubadub": "scrubadub"}


def _speed(find: Find) -> float:
    """MB/s, the best of some turns of at least a tenth of a second."""
    began, turns = time.perf_counter(), 0
    while time.perf_counter() - began < 0.1:
        list(find(TEXT))
        turns += 1
    return len(TEXT) * turns / (time.perf_counter() - began) / 1e6


def _quality(find: Find, known: frozenset[str]) -> tuple[str, str]:
    """F1 over all known kinds, and the kinds."""
    held_out = [case for case in cases() if not case.tuned]
    for case in held_out:
        object.__setattr__(case, "spans", frozenset(span for span in case.spans if span[0] in known))
    found = scores(held_out, find)["all"]
    return f"{found.f1:.3f} (precision {found.precision:.3f}, recall {found.recall:.3f})", ", ".join(sorted(known))


def main() -> None:
    """Measures, prints the table, and writes it into `benches/RESULTS.md` when nothing was left out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-write", action="store_true", help="print the table, leave RESULTS.md alone")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    made = {name: PEERS[name]() for name in options.peers.split(",")}
    speeds: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(options.rounds):
        names = list(made)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            speeds[name].append(_speed(made[name][0]))
    ours = statistics.median(speeds.get("inferail", [0.0]))
    rows = []
    for name, (find, known) in made.items():
        speed = statistics.median(speeds[name])
        rows.append([name, number(speed), f"{number(ours / speed)} ×", *_quality(find, known)])
    text = table(["redactor", "MB/s", "ours is faster by", "F1 on the held-out half", "its kinds"], rows)
    print(text)
    if options.peers == ",".join(PEERS) and not options.no_write:
        versions = {_PACKAGES[name]: version(_PACKAGES[name]) for name in made if name in _PACKAGES}
        path = write_section("redaction", "Redaction of personal data", command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
