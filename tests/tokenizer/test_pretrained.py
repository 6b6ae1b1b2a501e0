"""Tokenizers of repositories: the cache of the hub as it lies on disk, and downloads from a hub on loopback."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest
from tests.tokenizer.hub import COMMIT, Hub, serving

from inferail.core import Tokenizer
from inferail.errors import ConfigError, ConnectError, FormatError, NotFoundError, PermissionDeniedError
from inferail.tokenizer import pretrained

TOKEN = "hf_" + "secret" * 5
OTHER = "f" * 40


# 63 pieces, trained on four sentences.
MODEL = (Path(__file__).parent / "small.model").read_bytes()
TEXT = "hello small world"

PLAIN = {"tokenizer.model": MODEL}
WHOLE = {**PLAIN, "tokenizer_config.json": b'{"bos_token": "<s>"}', "chat_template.jinja": b"{{ messages }}"}


def _is_read(tokenizer: Tokenizer) -> bool:
    ids = Tokenizer.from_bytes(MODEL).encode(TEXT, as_list=True)
    return len(ids) > 1 and tokenizer.encode(TEXT, as_list=True) == ids


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, and none of the variables that could send a test elsewhere."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # `huggingface_hub` tries for half a minute, with pauses in between.
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch):
    with serving(Hub(WHOLE)) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        yield served


def _put(cache: Path, files: dict[str, bytes], *, ref: str | None = "main", commit: str = COMMIT) -> Path:
    """Files in the cache as `huggingface_hub` lays them: links to blobs."""
    home = cache / "models--org--name"
    snapshot = home / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    (home / "blobs").mkdir(exist_ok=True)
    for name, content in files.items():
        blob = home / "blobs" / f"{commit}-{name}"
        blob.write_bytes(content)
        (snapshot / name).symlink_to(Path("../../blobs") / blob.name)
    if ref is not None:
        path = home / "refs" / ref
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit)
    return snapshot


@pytest.mark.parametrize(
    ("ref", "revision"),
    [
        pytest.param("main", None, id="default"),
        pytest.param("main", "main", id="branch"),
        pytest.param("v1.0", "v1.0", id="tag"),
        pytest.param("refs/pr/3", "refs/pr/3", id="pull-request"),
        pytest.param(None, COMMIT, id="commit"),
    ],
)
def test_cache_is_read_at_every_kind_of_revision(cache, ref, revision):
    """Serves R10."""
    _put(cache, WHOLE, ref=ref)

    tokenizer = Tokenizer.from_pretrained("org/name", revision=revision, local_files_only=True)

    assert _is_read(tokenizer)
    assert tokenizer.name == "org/name"


def test_whole_cache_is_used_without_a_question_to_the_hub(cache, hub):
    _put(cache, WHOLE)

    Tokenizer.from_pretrained("org/name")

    assert not hub.requests


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        pytest.param({"HF_HUB_CACHE": "{tmp}/a", "HF_HOME": "{tmp}/b"}, "a", id="cache"),
        pytest.param({"HUGGINGFACE_HUB_CACHE": "{tmp}/a"}, "a", id="old-name"),
        pytest.param({"HF_HOME": "{tmp}/b"}, "b/hub", id="home"),
        pytest.param({"XDG_CACHE_HOME": "{tmp}/c"}, "c/huggingface/hub", id="xdg"),
        pytest.param({"HOME": "{tmp}/d"}, "d/.cache/huggingface/hub", id="user"),
        pytest.param({"HF_HOME": "~/e", "HOME": "{tmp}"}, "e/hub", id="tilde"),
        pytest.param({"HF_HOME": "$HOME/f", "HOME": "{tmp}"}, "f/hub", id="variable"),
    ],
)
def test_cache_is_where_the_variables_say(monkeypatch, tmp_path, variables, folder):
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))

    assert pretrained.cache_folder() == tmp_path / folder


def test_folder_is_read_as_it_is(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(MODEL)

    assert _is_read(Tokenizer.from_pretrained(str(tmp_path)))


def test_folder_without_a_tokenizer_is_a_format_error(tmp_path):
    with pytest.raises(FormatError, match=r"has none of tokenizer\.json") as caught:
        Tokenizer.from_pretrained(str(tmp_path))

    assert caught.value.path == str(tmp_path)


def test_damaged_file_is_a_format_error_with_its_path(cache):
    snapshot = _put(cache, {**WHOLE, "tokenizer.model": MODEL[:-20]})

    with pytest.raises(FormatError) as caught:
        Tokenizer.from_pretrained("org/name", local_files_only=True)

    assert caught.value.path == str(snapshot / "tokenizer.model")


@pytest.mark.parametrize(
    "name", ["", "../x", "a/../b", "org/name/more", "a--b/c", "org/..", "org\\name", "/usr/x", "a b"]
)
def test_name_that_could_leave_the_cache_is_a_config_error(name):
    with pytest.raises(ConfigError, match="neither a folder nor the name"):
        pretrained.from_pretrained(name, local_files_only=True)


@pytest.mark.parametrize("revision", ["..", "../../x", "/etc/passwd", "a//b", "refs/./x", "refs/../.."])
def test_revision_that_could_leave_the_cache_is_a_config_error(revision):
    with pytest.raises(ConfigError, match="a revision is"):
        pretrained.from_pretrained("org/name", revision=revision, local_files_only=True)


def test_damaged_ref_is_no_way_out_of_the_cache(cache):
    _put(cache, WHOLE)
    (cache / "models--org--name" / "refs" / "main").write_text("../../../x")

    assert pretrained.find("org/name") is None


@pytest.mark.parametrize("offline", ["local_files_only", "HF_HUB_OFFLINE"])
def test_nothing_in_the_cache_and_no_connection_is_a_config_error(monkeypatch, hub, offline):
    if offline == "HF_HUB_OFFLINE":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(ConfigError, match="nothing may be downloaded"):
        Tokenizer.from_pretrained("org/name", local_files_only=offline == "local_files_only")

    assert not hub.requests


def test_without_the_package_a_download_is_a_config_error_that_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(ConfigError, match=r'pip install "inferail\[hub\]"'):
        Tokenizer.from_pretrained("org/name")


def test_without_the_package_what_is_cached_is_enough(monkeypatch, cache):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    _put(cache, PLAIN)

    assert _is_read(Tokenizer.from_pretrained("org/name"))


def test_download_fills_the_cache_and_happens_once(cache, hub):
    """Serves R10."""
    first = Tokenizer.from_pretrained("org/name")
    asked = len(hub.requests)
    second = Tokenizer.from_pretrained("org/name")

    assert _is_read(first)
    assert _is_read(second)
    assert len(hub.requests) == asked
    assert {path.name for path in (cache / "models--org--name" / "snapshots" / COMMIT).iterdir()} == set(WHOLE)


def test_file_that_the_repository_does_not_have_is_asked_for_once(hub):
    hub.files = PLAIN

    Tokenizer.from_pretrained("org/name")
    asked = len(hub.requests)
    Tokenizer.from_pretrained("org/name")

    assert len(hub.requests) == asked


def test_half_a_cache_is_completed(cache, hub):
    """Another program has fetched the vocabulary alone: the chat template must not be missing for ever."""
    snapshot = _put(cache, PLAIN)

    Tokenizer.from_pretrained("org/name")

    assert (snapshot / "tokenizer_config.json").is_file()


def test_all_files_are_of_one_commit(hub):
    hub.revisions = ("main", "v2")

    Tokenizer.from_pretrained("org/name", revision="v2")

    later = [line for line in hub.requests if "tokenizer_config" in line or "chat_template" in line]
    assert later
    assert all(f"/resolve/{COMMIT}/" in line for line in later)


def test_token_opens_a_private_repository(hub):
    hub.token = TOKEN

    assert _is_read(Tokenizer.from_pretrained("org/name", token=TOKEN))


@pytest.mark.parametrize(
    ("changes", "name", "revision", "expected"),
    [
        pytest.param({}, "org/other", None, NotFoundError, id="repository"),
        pytest.param({"token": TOKEN}, "org/name", None, NotFoundError, id="private"),
        pytest.param({"token": TOKEN, "gated": True}, "org/name", None, PermissionDeniedError, id="gated"),
        pytest.param({}, "org/name", "v9", NotFoundError, id="revision"),
        pytest.param({"files": {"README.md": b""}}, "org/name", None, FormatError, id="no-tokenizer"),
        pytest.param({"failing": True}, "org/name", None, ConnectError, id="hub-fails"),
    ],
)
def test_what_the_hub_refuses_is_a_typed_error(hub, changes, name, revision, expected):
    for attribute, value in changes.items():
        setattr(hub, attribute, value)

    with pytest.raises(expected, match=name) as caught:
        Tokenizer.from_pretrained(name, revision=revision, token="hf_" + "wrong" * 6)

    assert "wrong" not in f"{caught.value} {caught.value!r}"
    assert hub.address not in str(caught.value)


def test_hub_that_cannot_be_reached_is_a_connect_error(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(ConnectError, match="cannot be reached"):
        Tokenizer.from_pretrained("org/name")


def test_half_a_cache_is_enough_when_the_hub_cannot_be_reached(cache, hub):
    hub.failing = True
    _put(cache, PLAIN)

    assert _is_read(Tokenizer.from_pretrained("org/name"))


def test_tokenizer_json_is_read_before_the_others(cache):
    snapshot = _put(cache, {**WHOLE, "tokenizer.json": b"{}"})

    with pytest.raises(FormatError) as caught:
        Tokenizer.from_pretrained("org/name")

    assert caught.value.path == str(snapshot / "tokenizer.json")


def test_cached_tokenizer_counts_exactly_for_a_model_of_its_family(cache):
    """Serves R149."""
    _put(cache, WHOLE)
    shutil.move(cache / "models--org--name", cache / "models--deepseek-ai--DeepSeek-V3")

    tokenizer = Tokenizer.for_model("openrouter:deepseek/deepseek-v3.1")

    assert tokenizer.estimate is None
    assert tokenizer.name == "deepseek-ai/DeepSeek-V3"
