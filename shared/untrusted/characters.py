"""Characters that a reader does not see, or not as what they are."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from shared.untrusted.flags import Flag

_BIDI_TURNS = "\u202a-\u202e\u2066-\u2069"
_BIDI_MARKS = "\u200e\u200f\u061c"
# What takes no room and says nothing: controls, fillers, joiners, tags, selectors, private use, halves of pairs.
_UNSEEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065"
    "\u206a-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_SYMBOL = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff"
)
_SELECTED = f"[{_SYMBOL}][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]{{0,2}}"
# An emoji's own joiners and selectors; flags of regions are spelt in tag characters after a black flag.
_EMOJI = (
    f"{_SELECTED}(?:\u200d{_SELECTED}){{0,8}}(?:(?<=\U0001f3f4)[\U000e0030-\U000e007a]{{3,6}}\U000e007f)?"
    "|[0-9#*]\ufe0f\u20e3"
)
# Joiners and selectors that Arabic, Indic, Burmese, Khmer and Mongolian are spelt with.
_JOINED = "[\u0620-\u07ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af]"
_SPELLING = f"(?<={_JOINED})[\u200c\u200d\u180b-\u180e](?={_JOINED})"

_LEGIT_OR_NOT: Final = re.compile(f"({_EMOJI}|{_SPELLING})|[{_UNSEEN}{_BIDI_TURNS}{_BIDI_MARKS}]")
_UNSEEN_ONE: Final = re.compile(f"[{_UNSEEN}]")
_TURN: Final = re.compile(f"[{_BIDI_TURNS}]")
_MARK: Final = re.compile(f"[{_BIDI_MARKS}]")
_RIGHT_TO_LEFT: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]")
_LINE_END: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")

# Letters that look like Latin ones, where Unicode's own folding (NFKC) and the names of characters do not tell.
_LOOK_ALIKES: Final = {
    "a": "АаΑαᎪɑꓮ⍺", "b": "ВЬΒᏴꓐƄ", "c": "СсᏟϲꓚⅽ", "d": "ԁᎠꓓɗ", "e": "ЕеΕεᎬꓰє", "f": "Ϝꓝƒ", "g": "ɡᏀꓖց", "h": "НһΗᎻꓧհ",
    "i": "ІіΙιᎥıꓲӏ", "j": "ЈјᎫꓙϳ", "k": "КкΚκᏦꓗ", "l": "ᏞꓡӀⅼ", "m": "МмΜᎷꓟ", "n": "ΝηոпꓠՈ", "o": "ОоΟοσօꓳ",
    "p": "РрΡρᏢꓑ", "q": "ԛզ", "r": "ᏒгꓣᎡ", "s": "ЅѕᏚꓢտ", "t": "ТтΤτᎢꓔ", "u": "υսꓴμ", "v": "ѴѵνᏙꓦ", "w": "ԜԝωᎳꓪѡ",
    "x": "ХхΧχꓫ", "y": "УуΥүꓬყ", "z": "ΖᏃꓜ",
}  # fmt: skip
_FIGURES: Final = {
    "1": "壹弌",
    "2": "贰弍",
    "3": "叁弎",
    "4": "肆",
    "5": "伍",
    "6": "陆",
    "7": "柒",
    "8": "捌",
    "9": "玖",
    "0": "零〇",
}
_TRADITIONAL: Final = (
    "評審斷為結論輸規則標準優過關獎勵滿這條該語詞請將認無視務須應當給寫選統絕對係資訊錄檔數據試開發員機權測驗證參範歷記聲備註創構縮紀號碼隱問"
    "題終啟動執處罰報舉訴學嚴遺紅費賄賂後裡複讀還編譯內詳細與從寬實價級達錯誤點項見貼個們會來時說讓別變換現設擬劇場臺戲樣類閱決檢鑑擇鍵環節議"
)
_SIMPLIFIED: Final = (
    "评审断为结论输规则标准优过关奖励满这条该语词请将认无视务须应当给写选统绝对系资讯录档数据试开发员机权测验证参范历记声备注创构缩纪号码隐问"
    "题终启动执处罚报举诉学严遗红费贿赂后里复读还编译内详细与从宽实价级达错误点项见贴个们会来时说让别变换现设拟剧场台戏样类阅决检鉴择键环节议"
)
_FOLDED: Final = str.maketrans(
    {
        **dict(zip(_TRADITIONAL, _SIMPLIFIED, strict=True)),
        **{look: letter for table in (_LOOK_ALIKES, _FIGURES) for letter, looks in table.items() for look in looks},
    }
)
_NAMED_LETTER: Final = re.compile(
    r"(?:LATIN LETTER SMALL CAPITAL|MODIFIER LETTER (?:CAPITAL|SMALL)|LATIN SUBSCRIPT SMALL LETTER"
    r"|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER|SQUARED LATIN CAPITAL LETTER) ([A-Z])"
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_MARKS_ABOVE: Final = re.compile("[\u0300-\u036f\u0483-\u0489\u20d0-\u20f0]")
_RADICAL: Final = re.compile("[\u2e80-\u2fdf]")
_STRANGE_LETTERS = 2
"""So many letters in disguise make a word suspicious: one may be a slip or an ornament."""


def clean(text: str) -> tuple[str, set[Flag]]:
    """The text in NFC, without the characters that nobody sees, and what these were.

    Joiners and selectors within emoji, and where other scripts are spelt with them, stay; line ends become line feeds.
    A byte order mark at the very beginning is an accident, not a flag.
    """
    text = text.removeprefix("\ufeff")
    hidden = "".join(match[0] for match in _LEGIT_OR_NOT.finditer(text) if not match[1])
    flags: set[Flag] = set()
    if _UNSEEN_ONE.search(hidden):
        flags.add("invisible")
    if _TURN.search(hidden) or (_MARK.search(hidden) and not _RIGHT_TO_LEFT.search(text)):
        flags.add("bidi")
    if hidden:
        text = _LEGIT_OR_NOT.sub(lambda match: match[1] or "", text)
    return unicodedata.normalize("NFC", _LINE_END.sub("\n", text)), flags


def fold(text: str) -> str:
    """The text as a reader would take it: small letters without accents, one form of each letter and digit.

    For looking at only; what is shown to a model keeps its form.
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", "".join(map(_plain, text)))
    return unicodedata.normalize("NFC", _MARKS_ABOVE.sub("", decomposed)).translate(_FOLDED).casefold()


def flatten(text: str) -> str:
    """The text with fullwidth and other forms of ASCII signs as ASCII, one by one: places stay."""
    return text if text.isascii() else "".join(map(_flat, text))


def is_disguised(text: str) -> bool:
    """Whether words of the text are written in letters that only look like the ones they stand for."""
    if text.isascii():
        return False
    if _RADICAL.search(text) or any(_is_strange_digit(character) for character in text):
        return True
    lone = 0
    for word in _WORD.findall(text):
        strange = sum(map(_is_strange, word))
        latin = sum(map(str.isascii, word))
        if strange and (latin or (strange >= _STRANGE_LETTERS and strange == len(word))):
            return True
        lone += strange == len(word) == 1
    return lone >= _STRANGE_LETTERS


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if character.isascii() or "\u3400" <= character <= "\u9fff":
        return character
    if named := _NAMED_LETTER.match(unicodedata.name(character, "")):
        return named[1].lower()
    figure = unicodedata.digit(character, None)
    return character if figure is None else str(figure)


@lru_cache(maxsize=4096)
def _flat(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 and folded.isascii() else {"‹": "<", "›": ">", "｡": "."}.get(character, character)


@lru_cache(maxsize=4096)
def _is_strange(character: str) -> bool:
    """Whether a letter is none of ASCII but is taken for one; accents, fullwidth and roman numerals are honest."""
    if character.isascii() or "\u3400" <= character <= "\u9fff" or "\uff21" <= character <= "\uff5a":
        return False
    if "\u2160" <= character <= "\u217f" or unicodedata.normalize("NFD", character)[0].isascii():
        return False
    folded = fold(character)
    return len(folded) == 1 and "a" <= folded <= "z"


@lru_cache(maxsize=4096)
def _is_strange_digit(character: str) -> bool:
    """Whether a decimal digit is of neither Latin nor fullwidth form: mathematical, Arabic, Indian …

    The Thai one is the cheek of a kaomoji.
    """
    return character.isdecimal() and not (character.isascii() or "\uff10" <= character <= "\uff19" or character == "๑")
