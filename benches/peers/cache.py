"""An exact cache hit: CPU time from the messages to the kept answer, memory store, one thread.

    make peers                                                   # with everything else, into benches/RESULTS.md
    python benches/peers/cache.py --peers inferail,gptcache --rounds 1 --no-write

Every peer answers one question of a long conversation twice and is measured from the second time on; each has to give the
text that it was given. What a key is made of differs: inferail and litellm hash the whole request, GPTCache the last prompt
alone. One process, peers interleaved, in a folder of its own, because GPTCache leaves a file in the working one.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from report import ROOT, command_line, number, table, write_section
from rounds import arguments, build

TEXT = "You have twenty five days of leave in the first year. " * 6
WORKLOADS = {"question": 1, "conversation": 20}  # how many turns there are
_TITLES = {"question": "one question", "conversation": "a conversation of 20 turns"}

Hit = Callable[[], str]


def _messages(turns: int) -> list[dict[str, str]]:
    said = [{"role": "system", "content": "You answer from the handbook."}]
    for turn in range(1, turns):
        role = "user" if turn % 2 else "assistant"
        said.append({"role": role, "content": f"Turn {turn}: and what about the days that are left at its end? " * 3})
    return [*said, {"role": "user", "content": "How many days of leave do I have in the first year?"}]


def inferail(turns: int) -> Hit:
    """`Cached.generate` over an `ExactCache` in memory; the request is made anew each time."""
    import inferail as ir
    from inferail.testing import ScriptedModel

    makers = {"system": ir.system, "user": ir.user, "assistant": ir.assistant}
    messages = _messages(turns)
    cached = ir.Cached(ScriptedModel([TEXT]), ir.ExactCache())
    sampling = ir.Sampling(temperature=0.0, max_tokens=300)

    def hit() -> str:
        said = tuple([makers[message["role"]](message["content"]) for message in messages])
        try:
            cached.generate(ir.Request(said, sampling=sampling)).send(None)
        except StopIteration as done:
            return str(done.value.text)
        raise AssertionError("it waits for an event loop")

    return hit


def inferail_client(turns: int) -> Hit:
    """The same through `Client.complete`, with a record of each hit in the ledger."""
    import inferail as ir
    from inferail.testing import ScriptedModel

    makers = {"system": ir.system, "user": ir.user, "assistant": ir.assistant}
    messages = _messages(turns)
    client = ir.Client(ir.Cached(ScriptedModel([TEXT]), ir.ExactCache()))
    sampling = ir.Sampling(temperature=0.0, max_tokens=300)

    def hit() -> str:
        said = [makers[message["role"]](message["content"]) for message in messages]
        return client.complete(said, sampling=sampling).text

    return hit


def litellm(turns: int) -> Hit:
    """`completion(caching=True)` with its local cache; the provider's answer is its own mock."""
    import litellm as library
    from litellm.caching.caching import Cache

    library.cache = Cache(type="local")
    library.suppress_debug_info = True
    messages = _messages(turns)

    def hit() -> str:
        answer: Any = library.completion(
            model="gpt-4o-mini",
            messages=messages,
            temperature=0.0,
            max_tokens=300,
            api_key="x",
            mock_response=TEXT,
            caching=True,
        )
        return str(answer.choices[0].message.content)

    return hit


def gptcache(turns: int) -> Hit:
    """`adapter.api.get` with its map in memory, by the last prompt alone."""
    from gptcache import cache
    from gptcache.adapter.api import get, put
    from gptcache.processor.pre import get_prompt

    cache.init(pre_embedding_func=get_prompt)
    prompt = _messages(turns)[-1]["content"]
    put(prompt, TEXT)
    return lambda: str(get(prompt))


PEERS = {
    "inferail": inferail,
    "inferail-client": inferail_client,
    "litellm": litellm,
    "gptcache": gptcache,
}
_PACKAGES = {"litellm": "litellm", "gptcache": "gptcache"}


def _measure(peers: Sequence[str], turns: int, rounds: int, calls: int) -> dict[str, list[float]]:
    """Microseconds per hit of each peer, one number per round; the order rotates."""
    hits = {peer: PEERS[peer](turns) for peer in peers}
    for peer, hit in hits.items():
        for _ in range(3):
            if hit() != TEXT:
                raise SystemExit(f"{peer} gave another answer than the one that was kept")
    found: dict[str, list[float]] = {peer: [] for peer in hits}
    for turn in range(rounds):
        start = turn % len(hits)
        for peer in [*list(hits)[start:], *list(hits)[:start]]:
            hit = hits[peer]
            gc.collect()
            begun = time.process_time()
            for _ in range(calls):
                hit()
            found[peer].append((time.process_time() - begun) / calls * 1e6)
    return found


def main() -> None:
    """Measures, prints the table, and writes it into `benches/RESULTS.md` when nothing was left out."""
    options = arguments(__doc__ or "", list(PEERS), list(WORKLOADS))
    versions = {"inferail": build()["version"]}
    versions |= {_PACKAGES[peer]: metadata.version(_PACKAGES[peer]) for peer in options.peers if peer in _PACKAGES}
    rounds, calls = (1, 20) if options.quick else (3 * options.rounds, 300)
    sys.path.insert(0, str(ROOT / "python"))
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices while it is imported
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = os.getcwd()  # noqa: PTH109
        os.chdir(folder)
        for name in options.workloads:
            found = _measure(options.peers, WORKLOADS[name], rounds, calls)
            ours = statistics.median(found["inferail"]) if "inferail" in found else None
            for peer, values in found.items():
                median = statistics.median(values)
                rows.append([_TITLES[name], peer, number(median), number(median / ours) if ours else "–"])
        os.chdir(home)
    intro = (
        f"CPU time of all threads, medians of {rounds} rounds of {calls} hits, one process, peers interleaved. `gptcache` is "
        "its cache alone, by the last prompt; the other rows are whole calls, from messages to an answer object."
    )
    text = f"{intro}\n\n{table(['work', 'peer', 'µs per hit', 'ratio'], rows)}"
    print(text)
    if options.whole and not options.no_write:
        path = write_section("cache", "Exact cache hit", command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")
    sys.stdout.flush()
    os._exit(0)  # the numbers are out; litellm and GPTCache leave threads and files behind


if __name__ == "__main__":
    main()
