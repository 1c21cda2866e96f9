"""Which requests are asked often: the paper reports greetings for high-frequency and for ordinary requests apart.

How often exactly the same words were asked says little: of 10,000 published queries none stands there more than four
times. What a request asks for is what is left of it without its year, without the words that all requests have (such
as 简短 and 暖心), and without the order of the rest: 舅公生日祝福语 简短 and 2025暖心祝舅公生日快乐 ask for the same. A
request is high-frequency where at least one in `ONE_IN` requests, and at least `LEAST`, ask for what it asks for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from trainer.data.folding import folded_text

ONE_IN = 500
LEAST = 3

_STOCK = (
    "祝福|祝愿|祝词|祝辞|祝贺|祝|贺词|贺语|恭喜|恭贺|寄语|问候|赠言|留言|吉祥话|吉利话|吉祥|吉利|文案|短句|长句|句子|金句|美句|佳句|语句|句"
    "|短信|微信|话语|词语|语录|的话|的|话|语|简短|简单|精简|精辟|独特|唯美|精致|暖心|感动|浪漫|高情商|高级感|高级|走心|大气|经典|快乐"
    "|最火|最新|最美|最好|最|怎么说|怎么写|怎样|如何|说什么|发朋友圈|朋友圈|大全|一句话|一句|几句|送给|写给|发给|送|给|对|我|你"
    "|两个字|四个字|六个字|八个字|四字|八字"
)
_TAKEN_OUT = re.compile(r"20\d\d年?|\W|_|" + "|".join(sorted(_STOCK.split("|"), key=len, reverse=True)))


def asked_for(request: str) -> str:
    """What a request asks for: what is left of it, in a fixed order; empty where it says no more than "a greeting"."""
    return "".join(sorted(_TAKEN_OUT.sub("", folded_text(request))))


class Frequencies:
    """How often things are asked for.

    Args:
        requests: All of them; one that stands there twice was asked twice.
    """

    def __init__(self, requests: Iterable[str]) -> None:
        self._counts = Counter(map(asked_for, requests))
        self.requests = self._counts.total()

    @property
    def threshold(self) -> int:
        """So often at least something is asked for that is asked for often."""
        return max(LEAST, -(-self.requests // ONE_IN))

    def is_high(self, request: str) -> bool:
        """Whether a request asks for what many ask for."""
        return self._counts[asked_for(request)] >= self.threshold
