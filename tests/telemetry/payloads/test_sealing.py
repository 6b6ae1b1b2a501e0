"""Keys: what is sealed with one is opened with the same one, and with nothing else."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError, FormatError
from inferail.telemetry.payloads.sealing import Key, Sealer, read_keys

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PASSPHRASE = "correct horse battery"


@pytest.mark.parametrize("key", [None, KEY, PASSPHRASE], ids=["plain", "key", "passphrase"])
def test_sealer_opens_what_it_sealed(key: Key | None) -> None:
    sealer = Sealer(key)

    entry = sealer.seal("id", b"what was asked")

    assert sealer.open("id", entry) == b"what was asked"
    assert (b"what was asked" in entry) is (key is None)


@given(plain=st.binary(max_size=200), identity=st.text(max_size=40), flipped=st.integers(0), bit=st.integers(0, 7))
def test_sealer_refuses_any_changed_bit(plain: bytes, identity: str, flipped: int, bit: int) -> None:
    sealer = Sealer([KEY, OTHER])
    entry = bytearray(sealer.seal(identity, plain))
    place = flipped % len(entry)
    entry[place] ^= 1 << bit

    # The byte that says "plain" instead of "keyed" is one of them: what it then gives is not what was sealed.
    try:
        opened = sealer.open(identity, bytes(entry))
    except (ConfigError, FormatError):
        return
    assert place == 5
    assert opened != plain


def test_sealer_refuses_the_entry_of_another_id() -> None:
    sealer = Sealer(KEY)

    with pytest.raises(FormatError, match="changed after it was written"):
        sealer.open("another", sealer.seal("id", b"x"))


@pytest.mark.parametrize(
    "keys", [None, OTHER, [OTHER, os.urandom(32)], PASSPHRASE], ids=["none", "one", "two", "words"]
)
def test_sealer_names_the_missing_key_when_none_fits(keys: object) -> None:
    entry = Sealer(KEY).seal("id", b"x")

    with pytest.raises(ConfigError, match=r"encrypted with the key [0-9a-f]{16}, which is not among the keys"):
        Sealer(keys).open("id", entry)  # type: ignore[arg-type]


def test_sealer_opens_with_an_older_key_and_seals_with_the_newer() -> None:
    old = Sealer(OTHER).seal("id", b"x")
    both = Sealer([KEY, OTHER])

    assert both.open("id", old) == b"x"
    assert Sealer(KEY).open("id", both.seal("id", b"y")) == b"y"


def test_sealer_asks_for_one_salt_when_it_seals_with_a_passphrase() -> None:
    asked: list[bytes] = []

    def salt() -> bytes:
        asked.append(b"s" * 16)
        return asked[-1]

    sealer = Sealer(PASSPHRASE, new_salt=salt)
    entries = [sealer.seal("id", b"x") for _ in range(2)]

    assert len(asked) == 1
    assert [sealer.open("id", entry) for entry in entries] == [b"x", b"x"]
    assert entries[0] != entries[1]


@pytest.mark.parametrize(
    "entry", [b"", b"IRFP", b"IRFP\x01", b"IRFP\x02\x00x", b"IRFP\x01\x09x", b"IRFP\x01\x01short", b"\x00" * 99]
)
def test_sealer_refuses_what_is_no_entry(entry: bytes) -> None:
    with pytest.raises(FormatError):
        Sealer(KEY).open("id", entry)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"short", "a key has 32 bytes, not 5"),
        ("hunter2", "a passphrase has at least 12 characters, this one has 7"),
        ([], "key is an empty list"),
        ([12], "a key is 32 bytes or a passphrase, not int"),
    ],
)
def test_sealer_refuses_a_wrong_key_without_showing_it(key: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Sealer(key)  # type: ignore[arg-type]

    assert "hunter2" not in str(caught.value)


def test_sealer_shows_no_key_in_its_repr() -> None:
    sealer = Sealer([KEY, PASSPHRASE])
    sealer.seal("id", b"x")

    assert repr(sealer) == "Sealer(2 keys)"


def test_key_file_holds_keys_in_every_form(tmp_path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        f"# the new one first\n{KEY.hex()}\n\n{base64.b64encode(OTHER).decode()}\npassphrase: {PASSPHRASE}\n"
    )

    assert read_keys(file) == [KEY, OTHER, PASSPHRASE]


def test_key_file_may_be_the_key_itself(tmp_path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff" * 32)

    assert read_keys(file) == [b"\xff" * 32]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0123", "line 1 of the key file .* is no key"),
        ("# nothing\n\nhunter2hunter2", "line 3 of the key file"),
        ("passphrase: short", "line 1 of the key file"),
        ("", "holds no key"),
    ],
)
def test_key_file_that_holds_no_key_is_refused(tmp_path, content: str, message: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)

    with pytest.raises(ConfigError, match=message) as caught:
        read_keys(file)

    assert "hunter2" not in str(caught.value)


def test_key_file_that_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_keys(tmp_path / "nowhere")
