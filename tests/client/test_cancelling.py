"""`Cancellation.cancel` ends a synchronous call that waits, wherever it waits."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

import inferail as ir
from inferail.testing.sandbox import Sandbox

QUESTION = "What is a Target?"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@contextmanager
def cancelled_soon() -> Generator[None]:
    """A Scope that another thread cancels; only its deadline would end the call otherwise."""
    cancellation = ir.Cancellation()
    timer = threading.Timer(0.1, cancellation.cancel)
    with ir.scope(timeout=30.0, cancellation=cancellation):
        timer.start()
        yield
    timer.join()


def client(sandbox: Sandbox, fault: str) -> ir.Client:
    return ir.Client(ir.Target(f"openai:docs@{fault}", base_url=sandbox.base_url("openai"), api_key="key"))


def test_cancelling_ends_a_call_that_waits_for_its_answer(sandbox):
    with client(sandbox, "hang") as asked, cancelled_soon(), pytest.raises(ir.CancelledError) as caught:
        asked.complete(QUESTION)

    error = caught.value
    assert (error.provider, error.model) == ("openai", "docs@hang")
    assert [attempt.error for attempt in error.attempts] == ["CancelledError"]
    assert [record.error for record in asked.records] == ["CancelledError"]


@pytest.mark.parametrize("fault", ["hang", "stall-3"])
def test_cancelling_ends_a_stream_that_waits_and_keeps_its_partial(sandbox, fault):
    asked, cancellation = client(sandbox, fault), ir.Cancellation()
    timer = threading.Timer(0.1, cancellation.cancel)
    with asked, ir.scope(timeout=30.0, cancellation=cancellation), pytest.raises(ir.CancelledError) as caught:
        if fault == "hang":  # it never gets as far as its first words
            timer.start()
        with asked.stream(QUESTION) as stream:
            for _ in stream.text():
                if timer.ident is None:
                    timer.start()
    timer.join()

    error = caught.value
    assert (error.provider, error.model) == ("openai", f"docs@{fault}")
    assert bool(error.partial and error.partial.text) is (fault == "stall-3")
    assert [attempt.error for attempt in error.attempts] == ["CancelledError"]
    assert [record.error for record in asked.records] == ["CancelledError"]


def test_cancelling_ends_the_wait_before_a_retry(sandbox):
    with client(sandbox, "429-3") as asked, cancelled_soon(), pytest.raises(ir.CancelledError) as caught:
        asked.complete(QUESTION)

    assert (caught.value.provider, caught.value.model) == ("openai", "docs@429-3")
    assert [attempt.error for attempt in caught.value.attempts] == ["RateLimitError"]
    assert [record.error for record in asked.records] == ["RateLimitError"]
