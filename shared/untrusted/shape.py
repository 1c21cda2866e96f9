"""The shape of a text: too little, too much, too often, or in another tongue."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

LONG = 600
"""More characters than a greeting needs: the starter set's longest has 75, of the paper's 1 in 2,000 has over 200."""


def _words(listed: str) -> list[str]:
    return listed.split()


_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN: Final = re.compile(f"[{_HAN}]|[^\\W\\d_{_HAN}]+")
_HAN_LETTER: Final = re.compile(f"[{_HAN}]")
_LATIN_WORD: Final = re.compile("[a-z\u00df-\u00f6\u00f8-\u017f]+(?:['’-][a-z\u00df-\u00f6\u00f8-\u017f]+)*")
_LETTER: Final = re.compile(r"[^\W\d_]")
# Han, Latin and the scripts of China's own minorities are at home in a greeting; letters of kaomoji stand alone.
_AT_HOME = f"{_HAN}a-zA-Z\u00c0-\u024f\u0f00-\u0fff\u1800-\u18af\uff21-\uff5a"
_FOREIGN: Final = re.compile(f"[^\\W\\d_{_AT_HOME}]{{2,}}")
_FOREIGN_LETTERS = 8
_WISHES: Final = frozenset(
    _words("""
    happy happiest happiness birthday anniversary congratulations congrats congratulation wish wishes wishing love
    loved loving joy joyful joyous merry christmas year years new dear dearest best luck lucky heart hearts
    hearted smile smiles dream dreams friend friends friendship health healthy peace peaceful blessing blessings
    bless success successful bright light shine sweet home family mom dad mother father baby journey life together
    forever welcome thank thanks cheers sun sunshine star stars celebrate celebration hope enjoy day night good
    morning warm warmth beautiful wonderful amazing great miss hug hugs kiss laugh laughter prosperity prosperous
    fortune auspiciousness safe trip travel wedding bride groom wine young age
    """)
)
_WORDS_A_WISH = 8
"""A passage in English has a word of wishes for so many words, or it is none of a greeting."""
# Small words of Spanish, Portuguese, French, Italian, German and Dutch that are none in English or pinyin.
_FOREIGN_WORDS: Final = frozenset(
    _words("""
    el los las una unos del por para que con como pero este esta esto su sus lo al muy mas ya favor solo le les
    des est et pour avec dans sur ce cette cet ces vous votre vos nous je il elle ne pas plus du aux della delle
    di che per questo questa sono non gli uno der die das den dem und ist nicht ein eine einen mit fur auf auch
    bitte sie ihr wir ich zu zum zur het een niet voor met deze dit van uw os um uma nao isso essa esse sem em
    """)
)
_FOREIGN_WORDS_AMONG = (4, 2)
"""Of so many words and more, so many foreign ones."""
_LAUGHTER = "哈呵嘿嘻嘎啦咚锵噹叮哇呜喵汪~～"
# One to four characters said six times running, whatever stands between.
_RUN: Final = re.compile(rf"(?![{_LAUGHTER}])([^\W_]{{1,4}})(?:[^\w]{{0,3}}\1){{5,}}")
_LONG_RUN: Final = re.compile(r"(\S)\1{23,}|(\S{2,8}?)\2{11,}")
# Signs of approval and one-word answers, said four times running.
_ANSWERS: Final = re.compile(
    r"(?:(?:[✓✔✅☑👍💯⭐🌟★]\ufe0f?|通过|合格|优秀|满分|优|是|对|好|真|[01]|yes|ok|pass|passed|true|good|perfect|accept|approved|a\+?)[^\w]{0,3}){6,}"
)
_TIMES = 5
_COUNTED: Final = re.compile(
    r"(?<![\d.:/年月])[01](?![\d.:/年月日点岁号个周])|\b(?:yes|ok|pass|passed|true|good|perfect|accept|one)\b|合格|通过|满分|优秀|达标"
)
_GRAM = 4
_REPETITIVE_FROM = 120
_DISTINCT = 0.5
_SAME_SENTENCE = 3


def is_degenerate(folded: str) -> bool:
    """Whether the text has too few words to be a greeting, or only one over and over."""
    tokens = _TOKEN.findall(folded)
    return len(tokens) < 3 or len(set(tokens)) < 2


def is_stuffed(folded: str) -> bool:
    """Whether the text says one thing over and over."""
    if _RUN.search(folded) or _LONG_RUN.search(folded) or _ANSWERS.search(folded):
        return True
    counts = Counter(_COUNTED.findall(folded))
    if counts and max(counts.values()) >= _TIMES:
        return True
    grams = [folded[start : start + _GRAM] for start in range(len(folded) - _GRAM + 1)]
    return len(grams) >= _REPETITIVE_FROM and len(set(grams)) < _DISTINCT * len(grams)


def is_foreign(folded: str) -> bool:
    """Whether the text goes on in a foreign language.

    English within Chinese is everyday language, and so are wishes in English: Latin words count where they are many and
    wish nothing. Other scripts count from a handful of letters on.
    """
    if sum(map(len, _FOREIGN.findall(folded))) >= _FOREIGN_LETTERS:
        return True
    for passage in re.split(f"[{_HAN}。！？!?\n]+", folded):
        words = _LATIN_WORD.findall(passage)
        least, foreign = _FOREIGN_WORDS_AMONG
        if len(words) >= least and sum(word in _FOREIGN_WORDS for word in words) >= foreign:
            return True
        if len(words) >= _WORDS_A_WISH and sum(word in _WISHES for word in words) * _WORDS_A_WISH < len(words):
            return True
    return False
