"""The part of `_core.pyi` that describes tokenizers. There is no such module: import from `inferail.core`."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, final, overload, type_check_only

import numpy as np
from numpy.typing import NDArray

from inferail.tokenizer.as_hf import Tokenizer as HuggingFaceTokenizer
from inferail.tokenizer.as_tiktoken import Encoding as TiktokenEncoding
from inferail.tokenizer.counting import TokenCount

_Path: TypeAlias = str | os.PathLike[str]
_Ids: TypeAlias = Iterable[int] | NDArray[np.integer[Any]]
_Side: TypeAlias = Literal["left", "right"]
_Specials: TypeAlias = Literal["all"] | Collection[str]

@type_check_only
class _Model(Protocol):
    """A model of pydantic."""

    def model_dump(self) -> dict[str, Any]: ...

@type_check_only
class _Dataclass(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

@type_check_only
class _ForChatTemplate(Protocol):
    """A `Message` or a `Tool` of `inferail`, or anything else that says what a template should see instead of it."""

    def for_chat_template(self) -> Any: ...

# Any value of theirs is a text, a number, a boolean, None, a list, a tuple, a mapping, or again one of these.
_Item: TypeAlias = Mapping[str, Any] | _Model | _ForChatTemplate | _Dataclass

@final
class Tokenizer:
    """Text to token ids and back, id for id as in tiktoken and Hugging Face `tokenizers`.

    Immutable: nothing one thread does is seen by another, and it survives `os.fork`. Releases the GIL for texts of more
    than 64 KiB. A text may have 2 GiB; half a surrogate pair in it is read as U+FFFD.

    Pickled with its whole vocabulary, or by its name if it came with the package.
    """

    @classmethod
    def from_file(
        cls,
        path: _Path,
        *,
        ids: Literal["file", "hf"] = "file",
        config: bytes | _Path | None = None,
        name: str | None = None,
        estimate: str | None = None,
    ) -> Tokenizer:
        """The tokenizer of a `tokenizer.json`, `tekken.json`, SentencePiece `.model` or GGUF file, or of a folder with one.

        Args:
            path: The file; what it is, is seen from its first bytes. Or a folder: the first it has of `tokenizer.json`,
                `tekken.json` and `tokenizer.model`.
            ids: Which ids added tokens get where the file leaves ids out: those `"file"` says, or those that Hugging Face
                `tokenizers` counts on with, `"hf"`.
            config: Where chat templates and the names of special tokens are: a `tokenizer_config.json`, what is in one, or
                a file that ends in `.jinja`. None takes those of a GGUF file itself, and of the three files named above
                what is beside them: `tokenizer_config.json`, `chat_template.jinja`, `additional_chat_templates/*.jinja`.
            name: What `.name` says.
            estimate: What `.estimate` says.

        Raises:
            FormatError: It is none of these, broken, or uses what is not built, which is told; `.path`, `.offset`.
        """
    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        /,
        *,
        ids: Literal["file", "hf"] = "file",
        config: bytes | _Path | None = None,
        name: str | None = None,
        estimate: str | None = None,
    ) -> Tokenizer:
        """The tokenizer of what is in a file, as `from_file`; nothing is beside it."""
    @classmethod
    def from_tiktoken(
        cls,
        ranks: bytes | _Path,
        *,
        pattern: str,
        special_tokens: Mapping[str, int] | None = None,
        config: bytes | _Path | None = None,
        name: str | None = None,
        estimate: str | None = None,
    ) -> Tokenizer:
        """The tokenizer of a `.tiktoken` file, which has ranks only.

        Args:
            ranks: The file, or what is in it.
            pattern: The regular expression whose matches are encoded each for itself.
            special_tokens: What is found in a text before everything else, and its ids.
            config: As in `from_file`; nothing is looked for beside the ranks.
            name: What `.name` says.
            estimate: What `.estimate` says.

        Raises:
            FormatError: It is no such file; `.offset` says where.
            ConfigError: The pattern cannot be compiled.
        """
    @classmethod
    def named(cls, name: str, /, *, config: bytes | _Path | None = None, estimate: str | None = None) -> Tokenizer:
        """A tokenizer that came with the package: `cl100k_base`, `o200k_base`, `o200k_harmony`, `p50k_base`, `r50k_base`.

        Needs no network and no file of yours. What it reads is read once in a process. `config` as in `from_tiktoken`.

        Raises:
            ConfigError: There is none of that name.
        """
    @classmethod
    def for_model(cls, model: str, /) -> Tokenizer:
        """The tokenizer of a hosted model, `"gpt-5-mini"` or `"openai:gpt-5-mini"`.

        For a model whose tokenizer is not public, one that comes near, whose `estimate` says so and on what basis.

        Raises:
            ConfigError: Nothing is known about the model.
        """
    @classmethod
    def from_pretrained(
        cls,
        repository: str,
        /,
        *,
        revision: str | None = None,
        token: str | None = None,
        local_files_only: bool = False,
    ) -> Tokenizer:
        """The tokenizer of a repository of Hugging Face, from its cache on this machine.

        What is not in the cache is downloaded with `huggingface_hub`, the extra `inferail[hub]`. Its chat templates and
        special tokens come along, as in `from_file`; of `additional_chat_templates` only what is in the cache already.

        Raises:
            ConfigError: It is not in the cache, and may not or cannot be downloaded.
            FormatError: Its files are broken, or use what is not built.
        """
    def as_estimate(self, basis: str, /) -> Tokenizer:
        """The same tokenizer, standing in for another: its `estimate` is `basis`."""
    @property
    def name(self) -> str | None:
        """What it is called."""
    @property
    def estimate(self) -> str | None:
        """Why its counts are estimates and on what basis; None where they are exact."""
    @property
    def vocabulary_size(self) -> int:
        """One more than the highest id, special tokens included."""
    @property
    def special_tokens(self) -> dict[str, int]:
        """Special tokens and their ids, a new dict every time."""
    @property
    def chat_template(self) -> str | dict[str, str] | None:
        """The chat template; several by name, a new dict every time; None where there is none."""
    @property
    def special_tokens_map(self) -> dict[str, str | list[str]]:
        """How special tokens are spelled, by the names that chat templates use: `bos_token`, `eos_token`, `image_token`.

        From the `tokenizer_config.json` or the GGUF file; those without a name are under `additional_special_tokens`. A new
        dict every time.
        """
    @property
    def bos_token(self) -> str | None:
        """How the token that begins a text is spelled, if that is known."""
    @property
    def eos_token(self) -> str | None:
        """How the token that ends an answer is spelled, if that is known."""
    @property
    def added_tokens(self) -> list[dict[str, Any]]:
        """Every token that is looked for in a text before everything else, special or not.

        Each a dict of `id`, `content`, `special`, the flags `single_word`, `lstrip`, `rstrip` and `normalized` of the file,
        and whether the model has the token too, `in_model`.
        """
    @property
    def truncation(self) -> dict[str, Any] | None:
        """How the file says texts are cut: keywords of `encode_detailed`. Nothing does so unless asked to."""
    @property
    def padding(self) -> dict[str, Any] | None:
        """How the file says texts are filled up: `length`, `multiple_of`, `padding_side`, `pad_id`, `pad_type_id`."""
    def num_added_tokens(self, *, pair: bool = False) -> int:
        """How many special tokens `add_special_tokens` puts around one text, or two."""
    @property
    def pattern(self) -> str | None:
        """The regular expression that cuts a text into pieces, where it was made from ranks."""
    @overload
    def encode(
        self,
        text: str,
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        as_list: Literal[False] = False,
    ) -> NDArray[np.uint32]: ...
    @overload
    def encode(
        self,
        text: str,
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        as_list: Literal[True],
    ) -> list[int]: ...
    @overload
    def encode(
        self,
        text: str,
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        as_list: bool,
    ) -> NDArray[np.uint32] | list[int]:
        """The ids of `text`: uint32 `[tokens]`, or a list.

        Args:
            text: Any text.
            allowed_special: Special tokens whose spelling in `text` becomes their id.
            disallowed_special: Special tokens whose spelling is an error; `"all"` means all that are not allowed. The
                spelling of any other is text.
            add_special_tokens: Whether the tokens that the file says a model expects around a text are put there.
            max_tokens: Most tokens, those included; others beyond it are cut off, and on the right never made.
            truncation_side: Where they are cut off.
            as_list: Whether to make a list.

        Raises:
            ConfigError: `text` has the spelling of a special token that is not allowed in it, or `max_tokens` is less than
                the tokens around it.
        """
    @overload
    def encode_ordinary(self, text: str, *, as_list: Literal[False] = False) -> NDArray[np.uint32]: ...
    @overload
    def encode_ordinary(self, text: str, *, as_list: Literal[True]) -> list[int]: ...
    @overload
    def encode_ordinary(self, text: str, *, as_list: bool) -> NDArray[np.uint32] | list[int]:
        """The ids of `text`, special tokens in it being text like any other: what a user typed can never be one."""
    def encode_detailed(
        self,
        text: str | Sequence[str],
        pair: str | Sequence[str] | None = None,
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        offsets: Literal["characters", "bytes"] = "characters",
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        truncate: Literal["longest", "first", "second"] = "longest",
        stride: int | None = None,
    ) -> Encoding:
        """The tokens of `text`, or of two texts, with where each comes from.

        Args:
            text: Any text, or the words of one: each is encoded for itself and has offsets of its own.
            pair: A second text, for models that read two.
            allowed_special: As in `encode`, for both texts.
            disallowed_special: As in `encode`, for both texts.
            add_special_tokens: Whether the tokens that a model expects around a text are put there.
            offsets: What `Encoding.offsets` counts.
            max_tokens: Most tokens, those around the texts included.
            truncation_side: Where tokens are cut off.
            truncate: Which text of a pair is cut.
            stride: What is cut off is kept in `Encoding.overflowing`, in parts that share so many tokens with their
                neighbours; None drops it.

        Raises:
            ConfigError: A text has the spelling of a special token that is not allowed in it, or cannot be cut so short.
        """
    def encode_unstable(
        self, text: str, *, allowed_special: _Specials = (), disallowed_special: _Specials = "all"
    ) -> tuple[list[int], list[list[int]]]:
        """The ids of a text that goes on: those that stay, and every way the rest may come out.

        The rest are the last piece of the text and what white space is before it. Every token that could begin in it and
        end behind it is tried: some ten thousand where a text ends in a space. For tokenizers of ranks.

        Returns:
            The ids that stay whatever follows, and lists of ids of which one follows; the bytes of each begin with the
            rest of the text. What tiktoken calls `encode_with_unstable`.

        Raises:
            ConfigError: As `encode`, or the tokenizer is none of ranks.
        """
    @overload
    def encode_batch(
        self,
        texts: Iterable[str],
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        as_list: Literal[False] = False,
        threads: int | None = None,
    ) -> list[NDArray[np.uint32]]: ...
    @overload
    def encode_batch(
        self,
        texts: Iterable[str],
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        as_list: Literal[True],
        threads: int | None = None,
    ) -> list[list[int]]:
        """The ids of each text, as `encode` gives them.

        On at most `threads` threads, by default as many as the process may use; they live for the call, and a batch of
        less than 64 KiB needs none.
        """
    def encode_batch_flat(
        self,
        texts: Iterable[str],
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        threads: int | None = None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
        """The ids of all texts in a row, and where each text's begin and the last one's end: uint64 `[texts + 1]`."""
    def encode_batch_padded(
        self,
        texts: Iterable[str],
        *,
        pad_id: int,
        length: int | None = None,
        padding_side: _Side = "right",
        allowed_special: _Specials = (),
        disallowed_special: _Specials = "all",
        add_special_tokens: bool = False,
        max_tokens: int | None = None,
        truncation_side: _Side = "right",
        threads: int | None = None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """The ids of each text in a row of their own, uint32 `[texts, width]`, and which of them are not padding.

        Args:
            texts: Any texts.
            pad_id: What fills a row.
            length: The least width; a longer text makes it wider, unless `max_tokens` cuts it.
            padding_side: Where rows are filled.
            allowed_special: As in `encode`.
            disallowed_special: As in `encode`.
            add_special_tokens: As in `encode`.
            max_tokens: As in `encode`, for each text.
            truncation_side: As in `encode`.
            threads: As in `encode_batch`.
        """
    def count(
        self,
        text: str,
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = (),
        add_special_tokens: bool = False,
    ) -> int:
        """How many tokens `text` has. Unlike for `encode`, special tokens in it are text unless they are allowed."""
    def count_till_limit(
        self,
        text: str,
        limit: int,
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = (),
        add_special_tokens: bool = False,
    ) -> int | None:
        """How many tokens `text` has, or None if they are more than `limit`; the rest of the text is then not read."""
    def count_batch(
        self,
        texts: Iterable[str],
        *,
        allowed_special: _Specials = (),
        disallowed_special: _Specials = (),
        add_special_tokens: bool = False,
        threads: int | None = None,
    ) -> list[int]:
        """How many tokens each text has, as `count` says."""
    @overload
    def apply_chat_template(
        self,
        messages: Iterable[_Item],
        *,
        tools: Iterable[_Item] | None = None,
        documents: Iterable[_Item] | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        chat_template: str | None = None,
        tokenize: Literal[True] = True,
        as_list: Literal[False] = False,
        disallowed_special: _Specials = (),
        now: datetime | None = None,
        **variables: Any,
    ) -> NDArray[np.uint32]: ...
    @overload
    def apply_chat_template(
        self,
        messages: Iterable[_Item],
        *,
        tools: Iterable[_Item] | None = None,
        documents: Iterable[_Item] | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        chat_template: str | None = None,
        tokenize: Literal[True] = True,
        as_list: Literal[True],
        disallowed_special: _Specials = (),
        now: datetime | None = None,
        **variables: Any,
    ) -> list[int]: ...
    @overload
    def apply_chat_template(
        self,
        messages: Iterable[_Item],
        *,
        tools: Iterable[_Item] | None = None,
        documents: Iterable[_Item] | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        chat_template: str | None = None,
        tokenize: Literal[False],
        as_list: bool = False,
        disallowed_special: _Specials = (),
        now: datetime | None = None,
        **variables: Any,
    ) -> str: ...
    @overload
    def apply_chat_template(
        self,
        messages: Iterable[_Item],
        *,
        tools: Iterable[_Item] | None = None,
        documents: Iterable[_Item] | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        chat_template: str | None = None,
        tokenize: bool = True,
        as_list: bool = False,
        disallowed_special: _Specials = (),
        now: datetime | None = None,
        **variables: Any,
    ) -> NDArray[np.uint32] | list[int] | str:
        """A conversation as the model reads it, rendered as `transformers` renders it: uint32 `[tokens]`, a list, or text.

        What the rendered text spells of special tokens becomes those tokens; none is put around it.

        Args:
            messages: Dictionaries, models of pydantic, dataclasses or `Message` objects.
            tools: JSON schemas of the tools the model may call, or `Tool` objects.
            documents: What the model may read, for templates that know of such.
            add_generation_prompt: Whether the text ends with what begins an answer.
            continue_final_message: Whether it ends inside the last message, for the model to go on with it.
            chat_template: The name of one of several templates, or the text of another. None takes `tool_use` where there
                are tools and such a template, `default` otherwise.
            tokenize: Whether the text is encoded.
            as_list: Whether ids come as a list.
            disallowed_special: Special tokens whose spelling in a message is an error; `"all"` means all. Without it, what a
                user typed can become a control token, as in `transformers`.
            now: What `strftime_now` writes; None is the local time of the call.
            **variables: Whatever else the template asks for.

        Raises:
            ConfigError: There is no template; it refuses the conversation (words that it put together from the conversation
                are in `.detail`); a message has a special token that is not allowed in it; or an argument holds what JSON
                does not have.
            FormatError: The template is broken, does not end, or writes too much; the line is told.

        The GIL is released for conversations of more than 64 KiB.
        """
    def count_messages(
        self, messages: Iterable[_Item], *, model: str | None = None, tools: Iterable[_Item] | None = None
    ) -> TokenCount:
        """How many tokens a conversation has, with what begins the answer, and whether that is exact.

        With a chat template the number is that of the rendered conversation. Otherwise, or where `model` is named, it is that
        of the texts and of what the model's family adds around them (docs/chat-templates.md has the numbers and their
        sources).

        Args:
            messages: As in `apply_chat_template`.
            model: A hosted model or a provider: `"gpt-4o"`, `"anthropic"`. None goes by the name of the tokenizer.
            tools: As in `apply_chat_template`.

        Raises:
            ConfigError: As `apply_chat_template`.
        """
    def decode(self, ids: _Ids, *, skip_special_tokens: bool = False, errors: str = "replace") -> str:
        """The text of `ids`.

        Args:
            ids: An array of uint32, or whole numbers in anything.
            skip_special_tokens: Whether special tokens give no text.
            errors: What to do with bytes that are no UTF-8, as in `bytes.decode`.

        Raises:
            ConfigError: No token has one of the ids.
            UnicodeDecodeError: As `errors` says.
        """
    def decode_batch(
        self, rows: Iterable[_Ids], *, skip_special_tokens: bool = False, errors: str = "replace"
    ) -> list[str]:
        """The text of each row of ids, as `decode` gives it."""
    def decode_bytes(self, ids: _Ids, /) -> bytes:
        """The bytes that `ids` stand for.

        Raises:
            ConfigError: No token has one of the ids.
        """
    def streaming_decoder(self, *, skip_special_tokens: bool = False) -> StreamingDecoder:
        """A decoder for ids that arrive one after another."""
    def token_bytes(self, id: int, /) -> bytes:  # noqa: A002
        """The bytes of one token.

        Raises:
            ConfigError: No token has that id.
        """
    def token_name(self, id: int, /) -> str | None:  # noqa: A002
        """What a token is called in its file (`Ġhello`, `▁hello`, `##lo`); None where no token has that id.

        Files of ranks have no names: theirs are the bytes in the alphabet of GPT-2, `Ġhello`.
        """
    def token_names(self) -> list[str | None]:
        """What the token of every id is called in its file, as `token_name` says. A new list every time."""
    def vocabulary(self) -> list[bytes | None]:
        """The bytes of every token, by id, special tokens included; None where no token has the id.

        For masks of grammars. A new list every time.
        """
    def as_hf(self) -> HuggingFaceTokenizer:
        """The same tokenizer in the shape of `tokenizers.Tokenizer`, for code that was written for that."""
    def as_tiktoken(self) -> TiktokenEncoding:
        """The same tokenizer in the shape of `tiktoken.Encoding`, for code that was written for that."""
    def __copy__(self) -> Tokenizer: ...
    def __deepcopy__(self, memo: object, /) -> Tokenizer: ...

@final
class Template:
    """A text with holes: Jinja, in the environment of chat templates (blocks take their line, no `include`).

    Immutable and safe to use from several threads at once. A template reaches nothing but its variables; one that does not
    end, or writes too much, is ended.
    """

    def __new__(cls, source: str, /) -> Template:
        """Compiles a template.

        Raises:
            FormatError: It is no Jinja, or too long; the line is told.
        """
    @property
    def variables(self) -> list[str]:
        """The variables that may be looked up, sorted, with the path that is asked for (`user.name`); a new list every time.

        Those that the template sets itself are not among them, functions such as `range` are.
        """
    def render(self, variables: dict[str, Any], /) -> str:
        """The text with these variables in it; one that is missing is empty.

        Raises:
            ConfigError: A variable holds what JSON does not have, or the template refuses (`raise_exception`).
            FormatError: The template asks for something that is not there, does not end, or writes too much.

        The GIL is released for variables of more than 64 KiB.
        """

@final
class Encoding:
    """The tokens of a text with all that is known about each. Made by `Tokenizer.encode_detailed`."""

    def __len__(self) -> int: ...
    @property
    def ids(self) -> NDArray[np.uint32]:
        """Ids: uint32 `[tokens]`, a copy every time."""
    @property
    def offsets(self) -> NDArray[np.uint32]:
        """Where each token begins and ends in its text: uint32 `[tokens, 2]`; 0, 0 for one that stands for no text."""
    @property
    def type_ids(self) -> NDArray[np.uint32]:
        """The kind of segment each token belongs to, for models that ask: uint32 `[tokens]`."""
    @property
    def special_tokens_mask(self) -> NDArray[np.bool_]:
        """Which tokens were put around the texts: bool `[tokens]`."""
    @property
    def attention_mask(self) -> NDArray[np.bool_]:
        """Which tokens are not padding: bool `[tokens]`."""
    @property
    def word_ids(self) -> list[int | None]:
        """The piece of its text that each token is part of."""
    @property
    def sequence_ids(self) -> list[int | None]:
        """0 for a token of the first text, 1 for one of the second, None for one that was put there."""
    @property
    def tokens(self) -> list[str]:
        """What each token is called, as `Tokenizer.token_name` says; an unknown text of a unigram model by itself."""
    @property
    def overflowing(self) -> list[Encoding]:
        """What truncation left over, if `stride` was given: parts of at most `max_tokens`, completed like the first."""
    def padded(self, length: int, *, pad_id: int, pad_type_id: int = 0, padding_side: _Side = "right") -> Encoding:
        """The same with padding, at least `length` tokens; what was left over is filled up too."""

@final
class StreamingDecoder:
    """Text of ids while they arrive. Made by `Tokenizer.streaming_decoder`; safe to use from several threads in turn.

    Text comes as soon as it is certain, never a broken character, and at most 3 bytes are held back. All that it gives
    in a row is what `decode` gives for all ids in a row.
    """

    def feed(self, ids: int | _Ids, /) -> str:
        """The text that the next id or ids make certain, perhaps none.

        Raises:
            ConfigError: No token has one of the ids; nothing was taken.
        """
    def finish(self) -> str:
        """What is left at the end: U+FFFD where a character was begun, or nothing. It begins anew afterwards."""
