"""A batch in a process of its own, which kills itself in the middle of a write if it is told to."""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

from tests.batch.running_twins import Echo

import inferail as ir

ROWS = [f"row {number}" for number in range(8)]


class Noting(Echo):
    """Notes in a file what it is asked, before it answers."""

    def __init__(self, path, kill):
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._kill = kill

    async def generate(self, request):
        real_write(self._file, f"{request.messages[-1].text}\n".encode())
        response = await super().generate(request)
        self._kill()
        return response


real_write = os.write


def arm(where, number):
    """Kills this process at the `number`-th of those calls, with half of it done where that is possible."""
    left = [number]

    def kills():
        left[0] -= 1
        return left[0] == 0

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def write(file, data):
        if kills():
            real_write(file, bytes(data)[: len(data) // 2])
            die()
        return real_write(file, data)

    def wrapped(real):
        def call(*arguments, **keywords):
            if kills():
                die()
            return real(*arguments, **keywords)

        return call

    if where == "journal":
        os.write = write
    elif where == "fsync":
        os.fsync = wrapped(os.fsync)
    elif where in ("replace", "unlink"):
        setattr(Path, where, wrapped(getattr(Path, where)))
    return (lambda: kills() and die()) if where == "call" else (lambda: None)


def say(word):
    """For the test, which reads what this process writes."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def run(out, calls, where, number, way):
    """The batch, from where it was; each item that is given out is printed."""
    model = Noting(calls, arm(where, int(number)))
    options = {"to": out, "resume": True, "concurrency": 3, "fsync": 0.0}
    if way == "threads":
        with ir.Client(model) as client, client.batch(ROWS, **options) as batch:
            for item in batch:
                say(item.index)
        return

    async def work():
        async with ir.AsyncClient(model) as client, client.batch(ROWS, **options) as batch:
            async for item in batch:
                say(item.index)

    asyncio.run(work())


def full(path):
    """A batch whose checkpoint may not grow past 3,000 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    try:
        with ir.Client(Echo()) as client:
            client.batch([f"row {number}" for number in range(30)], checkpoint=path, concurrency=1).run()
    except ir.InferailError as error:
        say(type(error).__name__)


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(*sys.argv[2:])
    else:
        full(sys.argv[2])
