"""One tokenizer in many threads and in processes that were forked."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.tokenizer import files

from inferail.core import Tokenizer

THREADS = 16
TEXTS = [
    "Rails and routes, 12345.\n" * 40,
    "Привет, мир! 你好 👩‍👩‍👧 " * 40,
    "x = {'a': [1, 2]}\n\n\t" * 60,
    "a" * 3000,
    "",
]
# More than is encoded by the calling thread alone.
BATCH = TEXTS * 20


@pytest.fixture(params=["o200k_base", "llama3", "llama2", "t5", "bert_cased"])
def tokenizer(request) -> Tokenizer:
    """One of every kind of model."""
    if request.param == "o200k_base":
        return Tokenizer.from_tiktoken(files.tiktoken(), pattern=files.PATTERN)
    return Tokenizer.from_bytes(files.WHOLE[f"tokenizer.json {request.param}"])


def test_threads_get_the_ids_of_one_thread(tokenizer):
    expected = Tokenizer.encode_batch(tokenizer, TEXTS, as_list=True, threads=1)
    decoded = [tokenizer.decode(ids) for ids in expected]
    start = threading.Barrier(THREADS)

    def work(number: int) -> bool:
        start.wait()
        order = [(at + number) % len(TEXTS) for at in range(len(TEXTS) * 8)]
        return all(
            tokenizer.encode(TEXTS[at], as_list=True) == expected[at]
            and tokenizer.decode(expected[at]) == decoded[at]
            and tokenizer.count(TEXTS[at]) == len(expected[at])
            for at in order
        )

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))


def test_batches_of_several_threads_have_the_ids_of_one(tokenizer):
    one = tokenizer.encode_batch(BATCH, as_list=True, threads=1)

    assert tokenizer.encode_batch(BATCH, as_list=True, threads=4) == one
    assert tokenizer.count_batch(BATCH, threads=4) == [len(ids) for ids in one]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_process_encodes_batches_while_the_parent_does(tokenizer):
    """A child has none of its parent's threads: nothing may wait for one of them, or for a lock that one holds."""
    expected = tokenizer.encode_batch(BATCH, as_list=True, threads=4)
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            tokenizer.encode_batch(BATCH, threads=2)

    busy = threading.Thread(target=keep_busy)
    busy.start()
    children = []
    try:
        for _ in range(4):
            child = os.fork()
            if child == 0:
                same = tokenizer.encode_batch(BATCH, as_list=True, threads=4) == expected
                os._exit(0 if same else 1)
            children.append(child)
        assert [_ended(child) for child in children] == [0] * len(children)
    finally:
        stop.set()
        busy.join()


def _ended(child: int) -> int:
    """The exit status of a child; one that hangs is ended after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        threading.Event().wait(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1
