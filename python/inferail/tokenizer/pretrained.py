"""Tokenizers of repositories on the Hugging Face hub: out of its cache on this machine, or downloaded into it.

The cache is that of `huggingface_hub`, found as it finds it (`HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`):

::

    models--org--name/refs/main                  the commit that the branch, tag or pull request had
    models--org--name/snapshots/<commit>/…       links to the files of a commit
    models--org--name/.no_exist/<commit>/…       files that the commit does not have

What is in the cache is used as it is, without asking the hub whether there is something newer. Reading the cache needs no
other package; a download needs `huggingface_hub` (`pip install "inferail[hub]"`), which also knows `HF_ENDPOINT`,
`HF_TOKEN` and `HF_HUB_OFFLINE`.
"""

from __future__ import annotations

import os
import re
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inferail.core import Tokenizer
from inferail.egress import check, required
from inferail.errors import (
    ConfigError,
    ConnectError,
    FormatError,
    InferailError,
    NotFoundError,
    PermissionDeniedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cache_folder", "cached", "find", "from_pretrained"]

# The first of these is the tokenizer: where a repository has several, they agree, and this one says most.
VOCABULARIES: Final = ("tokenizer.json", "tekken.json", "tokenizer.model")
# What says how conversations are written, and which tokens are special.
SETTINGS: Final = ("tokenizer_config.json", "chat_template.jinja")

_NAME: Final = re.compile(r"(?:[\w.-]+/)?[\w.-]+", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_MAIN: Final = "main"
_HUB: Final = "huggingface"
_TRUE: Final = {"1", "ON", "YES", "TRUE"}


def from_pretrained(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    local_files_only: bool = False,
) -> Tokenizer:
    """The tokenizer of a repository on the hub, or of a folder with its files.

    Args:
        name: `"org/name"`, or the path of a folder.
        revision: A branch, a tag or a commit; None is `main`.
        token: For a repository that is private or gated. Without it, the one of `huggingface_hub` is used.
        local_files_only: Whether to make no connection at all.

    Raises:
        ConfigError: It is not in the cache, and must not or cannot be downloaded.
        NotFoundError: The hub has no such repository or revision.
        PermissionDeniedError: The repository is gated, and the token does not open it.
        ConnectError: The hub cannot be reached.
        FormatError: A file is damaged, or of a kind that is not supported.
    """
    folder = Path(name)
    if name and folder.is_dir():
        return _load(folder, name)
    revision = revision or _MAIN
    _check(name, revision)
    offline = local_files_only or os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE
    known = find(name, revision)
    if known is None and offline:
        raise ConfigError(
            f"no tokenizer of {name} at {revision} is in the Hugging Face cache {cache_folder()}, and nothing may be "
            "downloaded"
        )
    if known is None or not (offline or _is_complete(known)):
        known = _download(name, revision, token, known)
    return _load(known, name)


def cached(repository: str, revision: str = _MAIN) -> Tokenizer | None:
    """The tokenizer of a repository if it is in the cache, otherwise None.

    Raises:
        FormatError: It is there, and damaged.
    """
    folder = find(repository, revision)
    return None if folder is None else _load(folder, repository)


def find(repository: str, revision: str = _MAIN) -> Path | None:
    """The folder of the cache that has the vocabulary of a repository at a revision, or None."""
    home = cache_folder() / f"models--{repository.replace('/', '--')}"
    commit = revision
    if not _COMMIT.fullmatch(revision):
        try:
            commit = (home / "refs" / revision).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        if not _COMMIT.fullmatch(commit):
            return None
    folder = home / "snapshots" / commit
    return folder if any((folder / file).is_file() for file in VOCABULARIES) else None


def cache_folder() -> Path:
    """Where `huggingface_hub` keeps what it downloads, by the variables that it reads."""
    environment = os.environ
    explicit = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    if explicit:
        return _expanded(explicit)
    home = environment.get("HF_HOME")
    if home:
        return _expanded(home) / "hub"
    return _expanded(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()


def _check(repository: str, revision: str) -> None:
    """Both become parts of a path: nothing that leaves the cache may be in them."""
    if not _NAME.fullmatch(repository) or ".." in repository or "--" in repository:
        raise ConfigError(f"{repository!r} is neither a folder nor the name of a repository such as 'org/name'")
    if not revision or Path(revision).is_absolute() or not {"", ".", ".."}.isdisjoint(revision.split("/")):
        raise ConfigError(f"a revision is a branch, a tag or a commit, not {revision!r}")


def _is_complete(folder: Path) -> bool:
    """Whether the hub has nothing more to say: each of the settings is there, or known not to be."""
    missing = folder.parents[1] / ".no_exist" / folder.name
    return all((folder / file).is_file() or (missing / file).is_file() for file in SETTINGS)


def _load(folder: Path, name: str) -> Tokenizer:
    # Finds the vocabulary, and the settings beside it.
    return Tokenizer.from_file(folder, name=name)


def _download(repository: str, revision: str, token: str | None, known: Path | None) -> Path:
    """Brings the files of the tokenizer into the cache and gives their folder; `known` where that cannot be done."""
    try:
        hub: Any = import_module("huggingface_hub")
    except ImportError:
        if known is not None:
            return known
        raise ConfigError(
            f"{repository} at {revision} is not in the Hugging Face cache {cache_folder()}: "
            'pip install "inferail[hub]" to download it'
        ) from None
    # Both variables are read here as well: that package reads them once, when it is first imported.
    endpoint = os.environ.get("HF_ENDPOINT")
    if required() and known is not None:
        return known
    check(endpoint or "https://huggingface.co", "the Hugging Face hub")
    fetch = partial(hub.hf_hub_download, repository, token=token, cache_dir=cache_folder(), endpoint=endpoint)
    if known is not None:
        if _answers(hub, hub.hf_hub_url(repository, SETTINGS[0], revision=known.name, endpoint=endpoint), token):
            _fetch_settings(fetch, repository, known.name)
        return known
    folder = _first_of(fetch, repository, revision).parent
    # Of the same commit, also if the branch moves in between.
    _fetch_settings(fetch, repository, folder.name)
    return folder


def _answers(hub: Any, address: str, token: str | None) -> bool:
    """Whether the hub has something to say about a file.

    Asked once and without patience: a missing file is tried for half a minute, and here everything goes on without it.
    """
    try:
        hub.get_hf_file_metadata(address, token=token)
    except hub.errors.EntryNotFoundError:
        return True
    except Exception:  # noqa: BLE001 - those of its HTTP library, which is another one in each major version
        return False
    return True


def _fetch_settings(fetch: Callable[..., str], repository: str, commit: str) -> None:
    for file in SETTINGS:
        _fetch(partial(fetch, file, revision=commit), repository, commit)


def _first_of(fetch: Callable[..., str], repository: str, revision: str) -> Path:
    for file in VOCABULARIES:
        path = _fetch(partial(fetch, file, revision=revision), repository, revision)
        if path is not None:
            return path
    raise FormatError(f"{repository} at {revision} has none of {', '.join(VOCABULARIES)}")


def _fetch(fetch: Callable[[], str], repository: str, revision: str) -> Path | None:
    """One file, or None if the repository does not have it."""
    hub: Any = import_module("huggingface_hub.errors")
    try:
        return Path(fetch())
    except hub.LocalEntryNotFoundError as error:
        raise _hub_error(ConnectError, "the hub cannot be reached", repository, error) from None
    except hub.EntryNotFoundError:
        return None
    except hub.GatedRepoError as error:
        problem = "the repository is gated: accept its terms on the hub and pass the token of that account"
        raise _hub_error(PermissionDeniedError, problem, repository, error) from None
    except hub.RepositoryNotFoundError as error:
        problem = "the hub has no such repository, or it is private and the token does not open it"
        raise _hub_error(NotFoundError, problem, repository, error) from None
    except hub.RevisionNotFoundError as error:
        raise _hub_error(NotFoundError, f"the repository has no revision {revision}", repository, error) from None
    except (hub.HfHubHTTPError, OSError) as error:
        raise _hub_error(ConnectError, "the hub did not give the file", repository, error) from None


def _hub_error(kind: Callable[..., InferailError], problem: str, repository: str, error: Exception) -> Any:
    # What the hub says may quote addresses with credentials in them: it goes to `detail`, which is never printed.
    return kind(f"{repository}: {problem}", provider=_HUB, model=repository, detail=str(error))
