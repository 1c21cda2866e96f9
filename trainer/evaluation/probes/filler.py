"""Filler: a greeting, and then sentences that add nothing."""

from __future__ import annotations

import random
from typing import Final

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.occasions import belongs_only_to, clearly_different, families_of
from trainer.evaluation.probes.probe import Materials
from trainer.evaluation.probes.sentences import ended, sentences_of

STOCK: Final = (
    "总之呢，想说的话很多，一时也说不完。",
    "说来说去，无非就是一份祝福罢了。",
    "字数不多，心意都在里面了。",
    "话不多说，后面还有几句。",
    "祝福这种话，多说几遍总没有坏处。",
    "以上这些，就是我要写的全部内容。",
    "希望你读完这段文字以后能够感到高兴。",
    "写到这里，我觉得还可以再写一点。",
    "反正该有的都会有，不该有的也不会有。",
    "好事情会一件接着一件，一件又接着一件。",
    "日子过了一天又是一天，过了一年又是一年。",
    "人生有很多阶段，每个阶段都很重要。",
    "时间过得真快，转眼之间又过去了很久。",
    "在这样一个日子里，有这样一些话要说。",
    "众所周知，祝福是表达心意的一种方式。",
    "不管怎么样，总归是要祝一祝的。",
    "凡是美好的，都值得拥有；凡是值得拥有的，都很美好。",
    "今天是今天，明天是明天，天天都要好。",
    "这里再补充一句，请一定收下。",
    "前面说过的，这里就当再说一遍。",
    "该说的说了，该祝的也祝了，仍然想再祝一下。",
    "如果觉得还不够，那就把上面的再看一遍。",
    "世上的好词好句太多，用在这里都合适。",
    "最后的最后，还是那些话，大家都懂的。",
)
"""Empty talk that fits any greeting and betters none; written for this, and nowhere else in the project."""

LEAST, MOST = 2, 4
"""Sentences of filler."""


def with_stock_filler(row: Labelled, source: random.Random) -> str:
    """A greeting and a few sentences of empty talk."""
    return ended(row.completion) + "".join(source.sample(STOCK, source.randint(LEAST, MOST)))


def with_others_sentences(materials: Materials) -> list[ProbeCase]:
    """Greetings, each followed by sentences of another one that is for a clearly different occasion, and names it."""
    cases: list[ProbeCase] = []
    for row in materials.honest:
        if len(cases) == materials.limit:
            break
        filler = _sentences_of_another(row, materials)
        if filler:
            cases.append(ProbeCase(prompt=row.prompt, honest=row.completion, tampered=ended(row.completion) + filler))
    return cases


def _sentences_of_another(row: Labelled, materials: Materials) -> str:
    """Up to `LEAST` sentences in a row, the first of which names the other occasion; empty where nothing fits."""
    if not families_of(row.prompt):
        return ""
    source = materials.random_of(row)
    for other in source.sample(materials.honest, len(materials.honest)):
        if not clearly_different(row.prompt, other.prompt):
            continue
        sentences = sentences_of(other.completion)
        for place, sentence in enumerate(sentences):
            if belongs_only_to(sentence, other.prompt, row.prompt) and not families_of(sentence) & families_of(
                row.completion
            ):
                return "".join(sentences[place : place + LEAST])
    return ""
