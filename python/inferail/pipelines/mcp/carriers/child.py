"""A child process that is spoken to in lines: started with a clean environment, never waited for without end."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from inferail.core import NDJSONParser
from inferail.errors import ConnectError

__all__ = ["Child"]

# What a program needs to find its files and to speak the user's language; nothing in it is a key.
_INHERITED: Final = (
    (
        "APPDATA",
        "COMSPEC",
        "HOMEDRIVE",
        "HOMEPATH",
        "LOCALAPPDATA",
        "PATH",
        "PATHEXT",
        "PROGRAMDATA",
        "PROGRAMFILES",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "USERNAME",
        "USERPROFILE",
        "WINDIR",
    )
    if sys.platform == "win32"
    else ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
)
_READ: Final = 65536
# Seconds that what a process wrote before it ended has to arrive; a grandchild may hold the pipe open for good.
_LAST_WORDS: Final = 1.0


class Child:
    """One process. Threads read and write its pipes, so neither a full pipe nor a silent process blocks anybody."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str | Path | None,
        line_bytes: int,
        stderr_bytes: int,
        on_line: Callable[[bytes], None],
        on_end: Callable[[int | None, Exception | None], None],
    ) -> None:
        """Starts the process.

        Args:
            command: Program and arguments; no shell reads them.
            environment: Added to the few variables that every program needs.
            directory: Where it runs.
            line_bytes: Longest line that is taken.
            stderr_bytes: How much of what it writes to standard error is kept, the newest.
            on_line: Called in a thread with each line of its output.
            on_end: Called in a thread, once: with its exit status, or with why its output is read no further.

        Raises:
            ConnectError: It cannot be started.
        """
        inherited = {name: value for name in _INHERITED if (value := os.environ.get(name)) is not None}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command, and no shell
                [*command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**inherited, **environment},
                cwd=directory,
                # Its own group: what it starts itself (npx starts node) is ended with it, and Ctrl-C is ours alone.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            name = Path(command[0]).name
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "a wrong argument"
            raise ConnectError(f"the MCP server {name} cannot be started: {reason}") from None
        self.pid = self._process.pid
        self._line_bytes = line_bytes
        self._stderr_bytes = stderr_bytes
        self._on_line, self._on_end = on_line, on_end
        self._errors = bytearray()
        self._lock = threading.Lock()
        self._ended = False
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._reader = self._thread(self._read)
        self._thread(self._write)
        self._thread(self._read_errors)
        self._thread(self._wait)

    @property
    def stderr(self) -> str:
        """The end of what it wrote to standard error."""
        with self._lock:
            return self._errors.decode(errors="replace")

    @property
    def waiting_bytes(self) -> int:
        """What it has not taken yet of what was sent."""
        return self._waiting_bytes

    def send(self, line: bytes) -> None:
        """Writes a line, when it can take it; returns at once."""
        with self._lock:
            self._waiting_bytes += len(line)
        self._outgoing.put(line)

    def finish(self) -> None:
        """Closes its input, which asks it to end."""
        self._outgoing.put(None)

    def end(self, *, force: bool = False) -> None:
        """Ends it and what it has started: asks, or with `force` kills."""
        if self._process.poll() is not None:
            return
        if sys.platform == "win32":
            self._process.kill() if force else self._process.terminate()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL if force else signal.SIGTERM)

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name="inferail-mcp-child", daemon=True)
        thread.start()
        return thread

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - a pipe was asked for
        lines = NDJSONParser(max_line_bytes=self._line_bytes)
        try:
            with stdout:
                while data := os.read(stdout.fileno(), _READ):
                    for line in lines.feed(data):
                        self._on_line(line)
            # Whoever closes its output says nothing any more, whether it has ended or not.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS)
            self._note_end(self._process.returncode, None)
            self.end()
        except Exception as error:  # noqa: BLE001 - told to whoever waits; a thread has nobody to raise to
            self._note_end(None, error)
            self.end(force=True)

    def _read_errors(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(OSError, ValueError), stderr:
            while data := os.read(stderr.fileno(), _READ):
                with self._lock:
                    self._errors += data
                    del self._errors[: -self._stderr_bytes]

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(OSError, ValueError):
            while (line := self._outgoing.get()) is not None:
                stdin.write(line + b"\n")
                stdin.flush()
                with self._lock:
                    self._waiting_bytes -= len(line)
        with contextlib.suppress(OSError, ValueError):
            stdin.close()

    def _wait(self) -> None:
        status = self._process.wait()
        self._outgoing.put(None)
        self._reader.join(_LAST_WORDS)
        self._note_end(status, None)

    def _note_end(self, status: int | None, error: Exception | None) -> None:
        with self._lock:
            first, self._ended = not self._ended, True
        if first:
            self._on_end(status, error)
