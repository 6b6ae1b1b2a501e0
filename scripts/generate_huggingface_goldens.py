"""Writes what Hugging Face `tokenizers` makes of small tokenizers: the goldens of rust/tokenizer/tests/huggingface.rs.

Run with `tokenizers` 0.23.3 installed: `python scripts/generate_huggingface_goldens.py FOLDER [--random COUNT]`.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It wasn't there, they're gone; 12345 67 890!",
    "def main(argument: int) -> None:\n    return argument + 1  # naïve café résumé",
    "Привет, мир! Как дела? 你好，世界。こんにちは世界 안녕하세요 مرحبا",
    "hello hello world worlds wording unwanted running runner's",
]
TEXTS = [
    "",
    " ",
    "Hello, world!",
    "  hello   world  ",
    "   x",
    "It wasn't naïve, they're 12345 running.\n\n  tail ",
    "ÀÉÎ õü ﬁne ½ Ⅷ ① ｆｕｌｌ e\u0301 \u1100\u1161",
    "你好 world 世界。 Привет мир",
    "<s>hello</s> <mask> hello<mask>  world",
    "a<extra>b <extra> c<Word>d <Word> Word",
    "▁hello ▁▁ world",
    "emoji 😀😀 \u200d👨\u200d👩\u200d👧 \x00\x01\ufffd\xa0tab\tnew\r\n",
    "x" * 120,
    "<0x41> 1,2.3-4_5",
]
ALPHABET = [
    *"abehlorstw nT'.,!12\n\t",
    "  ",
    "é",
    "e\u0301",
    "ﬁ",
    "Ⅷ",
    "世",
    "界",
    "м",
    "и",
    "😀",
    "▁",
    "<s>",
    "<mask>",
    "<extra>",
    "<Word>",
    "\xa0",
    "ı",
    "İ",
    "\u200d",
    "\u3000",
]


def trained(model: Any, trainer: Any, **parts: Any) -> Tokenizer:
    """A tokenizer with `parts`, trained on the corpus."""
    tokenizer = Tokenizer(model)
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(
        [AddedToken("<s>"), AddedToken("</s>"), AddedToken("<mask>", lstrip=True, rstrip=True)]
    )
    tokenizer.add_tokens(
        [
            AddedToken("<extra>", normalized=True),
            AddedToken("<Word>", single_word=True, normalized=True),
            AddedToken("Word", single_word=True, normalized=False),
        ]
    )
    return tokenizer


def byte_level(size: int = 420, **options: Any) -> tuple[Any, Any]:
    """A byte-level model and its trainer."""
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    return models.BPE(**options), trainer


def byte_level_tokenizers() -> dict[str, Tokenizer]:
    """The shapes of GPT-2, RoBERTa, Llama 3, DeepSeek, Qwen and Claude."""
    made: dict[str, Tokenizer] = {}
    level = pre_tokenizers.ByteLevel
    made["gpt2"] = trained(
        *byte_level(),
        pre_tokenizer=level(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
        post_processor=processors.ByteLevel(trim_offsets=False),
    )
    made["roberta"] = trained(*byte_level(), pre_tokenizer=level(add_prefix_space=True), decoder=decoders.ByteLevel())
    made["roberta"].post_processor = processors.RobertaProcessing(
        ("</s>", 421), ("<s>", 420), trim_offsets=True, add_prefix_space=True
    )
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    made["llama3"] = trained(
        *byte_level(ignore_merges=True),
        pre_tokenizer=pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), level(add_prefix_space=False, use_regex=False)]
        ),
        decoder=decoders.ByteLevel(),
    )
    made["llama3"].post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 420)]),
        ]
    )
    digits = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"),
            pre_tokenizers.Split(Regex("[一-龥]+"), "isolated"),
            pre_tokenizers.Punctuation("contiguous"),
            level(add_prefix_space=False, use_regex=True),
        ]
    )
    made["deepseek"] = trained(
        *byte_level(), normalizer=normalizers.Sequence([]), pre_tokenizer=digits, decoder=decoders.ByteLevel()
    )
    made["qwen"] = trained(
        *byte_level(),
        normalizer=normalizers.NFC(),
        pre_tokenizer=level(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
    )
    made["claude"] = trained(
        *byte_level(),
        normalizer=normalizers.NFKC(),
        pre_tokenizer=level(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
        post_processor=processors.ByteLevel(trim_offsets=True),
    )
    return made


def sentence_tokenizers() -> dict[str, Tokenizer]:
    """The shapes of Llama 2, Gemma and Mistral: pieces of SentencePiece with bytes to fall back on."""
    made: dict[str, Tokenizer] = {}
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]

    def sentence() -> tuple[Any, Any]:
        return models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True), trainers.BpeTrainer(
            vocab_size=600, special_tokens=["<unk>", *bytes_], limit_alphabet=60, show_progress=False
        )

    fallback = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made["llama2"] = trained(
        *sentence(),
        normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        decoder=fallback,
    )
    made["llama2"].post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B </s>",
        special_tokens=[("<s>", made["llama2"].token_to_id("<s>")), ("</s>", made["llama2"].token_to_id("</s>"))],
    )
    made["gemma"] = trained(
        *sentence(),
        normalizer=normalizers.Replace(" ", "▁"),
        pre_tokenizer=pre_tokenizers.Split(" ", "merged_with_previous"),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
    )
    for scheme in ("first", "always", "never"):
        for split in (True, False):
            made[f"mistral_{scheme}_{'split' if split else 'whole'}"] = trained(
                *sentence(),
                pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split),
                decoder=decoders.Metaspace(prepend_scheme=scheme),
            )
    return made


def unigram_tokenizers() -> dict[str, Tokenizer]:
    """The shapes of T5 and ALBERT."""
    made: dict[str, Tokenizer] = {}

    def unigram() -> tuple[Any, Any]:
        return models.Unigram(), trainers.UnigramTrainer(
            vocab_size=150, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
        )

    made["t5"] = trained(
        *unigram(),
        normalizer=normalizers.Sequence(
            [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
        ),
        pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        decoder=decoders.Metaspace(),
    )
    made["albert"] = trained(
        *unigram(),
        normalizer=normalizers.Sequence(
            [
                normalizers.Replace("``", '"'),
                normalizers.NFKD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Strip(),
            ]
        ),
        pre_tokenizer=pre_tokenizers.Metaspace(),
        decoder=decoders.Metaspace(),
    )
    return made


def word_tokenizers() -> dict[str, Tokenizer]:
    """The shapes of BERT, a list of words, and every behavior of a split."""
    made: dict[str, Tokenizer] = {}

    def word_piece() -> tuple[Any, Any]:
        return models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100), trainers.WordPieceTrainer(
            vocab_size=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
        )

    for name, lower in (("bert_uncased", True), ("bert_cased", False)):
        made[name] = trained(
            *word_piece(),
            normalizer=normalizers.BertNormalizer(lowercase=lower),
            pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
            decoder=decoders.WordPiece(),
        )
        made[name].post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    made["bert_processing"] = trained(
        *word_piece(), normalizer=normalizers.BertNormalizer(), pre_tokenizer=pre_tokenizers.Whitespace()
    )
    made["bert_processing"].post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    words = trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False)
    made["words"] = trained(
        models.WordLevel(unk_token="[UNK]"),
        words,
        pre_tokenizer=pre_tokenizers.Sequence(
            [
                pre_tokenizers.CharDelimiterSplit(" "),
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.FixedLength(5),
            ]
        ),
    )
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            made[f"split_{behavior}_{invert}".lower()] = trained(
                *word_piece(), pre_tokenizer=pre_tokenizers.Split(Regex("[ol.]"), behavior, invert)
            )
    return made


def tokenizers() -> dict[str, Tokenizer]:
    """Tokenizers in the shapes of the families in use."""
    return byte_level_tokenizers() | sentence_tokenizers() | unigram_tokenizers() | word_tokenizers()


def case(tokenizer: Tokenizer, text: str, pair: str | None, *, special: bool) -> dict[str, Any]:
    """What the reference makes of a text."""
    encoding = tokenizer.encode(text, pair, add_special_tokens=special)
    return {
        "text": text,
        "pair": pair,
        "special": special,
        "ids": encoding.ids,
        "offsets": encoding.offsets,
        "type_ids": encoding.type_ids,
        "special_tokens_mask": encoding.special_tokens_mask,
        "attention_mask": encoding.attention_mask,
        "words": encoding.word_ids,
        "sequences": encoding.sequence_ids,
        "decoded": tokenizer.decode(encoding.ids, skip_special_tokens=False),
        "decoded_without": tokenizer.decode(encoding.ids, skip_special_tokens=True),
    }


def main() -> None:
    """Writes one file a tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--random", type=int, default=0, help="as many random texts in place of the fixed ones")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(7)
    texts = TEXTS
    if options.random:
        texts = ["".join(source.choices(ALPHABET, k=source.randint(1, 24))) for _ in range(options.random)]
    for name, tokenizer in tokenizers().items():
        cases = [case(tokenizer, text, None, special=True) for text in texts]
        cases += [case(tokenizer, text, texts[index - 1], special=bool(index % 2)) for index, text in enumerate(texts)]
        golden = {"tokenizer": json.loads(tokenizer.to_str()), "cases": cases}
        limits = [(6, "right", "longest_first", 16), (9, "left", "longest_first", None), (5, "right", "only_first", 8)]
        golden["limited"] = []
        for length, direction, strategy, fixed in limits:
            tokenizer.enable_truncation(length, direction=direction, strategy=strategy)
            tokenizer.enable_padding(direction=direction, length=fixed, pad_to_multiple_of=8, pad_id=1)
            limited = [case(tokenizer, texts[index], None, special=True) for index in range(2, 6)]
            golden["limited"].append(
                {"tokenizer": json.loads(tokenizer.to_str()), "cases": limited}
                if name in {"gpt2", "bert_cased"}
                else {}
            )
        golden["limited"] = [limited for limited in golden["limited"] if limited]
        (options.folder / f"{name}.json").write_text(
            json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
