"""The audit reports the known flaws of the paper's published files, with the counts that brute force gives.

The files carry no licence and are in no repository of ours; ``ZHUFU_PAPER_DATA`` names the folder that holds them. They
may be the whole release or a part of it, so nothing is compared with a figure written down, but what must be so of any
part. Rows are read here by other means than the loaders'.
"""

from __future__ import annotations

import functools
import json
import unicodedata
from collections import Counter
from typing import Any

import pytest

from tests.integration.trainer.paper_files import paper_file
from trainer.data.audit.job import AuditJob, run_audit
from trainer.data.audit.labels import labels_of
from trainer.data.audit.leaks import leaks_into
from trainer.data.audit.length_shortcut import length_shortcut
from trainer.data.audit.style_shortcut import fitted_without
from trainer.data.entries import Source, read_source
from trainer.data.formats import load_prompts
from trainer.data.labelled import load_labelled
from trainer.data.similarity import near_within, ngrams
from trainer.data.split.job import SplitJob, make_split

TRAIN, TEST, SFT = "reward_data_train.json", "reward_data_test.json", "sft_data.json"
EVALUATION = "evaluate_data.public.json"
COMPARED = 25
"""Evaluation texts that are compared with all training texts one by one."""


def raw(name: str) -> list[dict[str, Any]]:
    text = paper_file(name).read_text(encoding="utf-8")
    if text.startswith("["):
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    return [json.loads(line) for line in text.split("\n") if line]


def read(name: str) -> Source:
    return read_source(str(paper_file(name)))


@functools.cache
def folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def pairs(name: str) -> list[tuple[str, str]]:
    return [(row["chosen"]["value"], row["rejected"]["value"]) for row in raw(name)]


def test_the_length_rule_beats_the_published_evaluators_on_the_evaluation_set() -> None:
    rows = raw(EVALUATION)
    lengths, labels = [len(row["response"]) for row in rows], [row["label"] for row in rows]
    by_hand = max(
        (sum((length >= least) == bool(label) for length, label in zip(lengths, labels, strict=True)), -least)
        for least in range(1, max(lengths) + 2)
    )
    evaluation = read(EVALUATION)
    found = length_shortcut(evaluation.kind, evaluation.entries, None)
    assert found is not None
    assert found.rule is not None
    assert (found.rule.longer_is_good, found.rule.characters) == (True, -by_hand[1])
    assert found.accuracy == pytest.approx(by_hand[0] / len(rows))
    assert by_hand[0] / len(rows) > 0.876
    good, bad = ([length for length, label in zip(lengths, labels, strict=True) if label == its] for its in (1, 0))
    wins = sum((one > other) + 0.5 * (one == other) for one in good for other in bad)
    assert found.auc is not None
    assert found.auc.mean == pytest.approx(wins / len(good) / len(bad))


def test_the_longer_one_wins_nearly_always_and_about_half_the_time_within_20_percent() -> None:
    lengths = [(len(chosen), len(rejected)) for chosen, rejected in pairs(TEST)]
    alike = [(one, other) for one, other in lengths if abs(one - other) <= 0.2 * max(one, other)]
    source = read(TEST)
    found = length_shortcut(source.kind, source.entries, None)
    assert found is not None
    for wins, some in ((found.longer_wins, lengths), (found.longer_wins_alike, alike)):
        assert wins is not None
        counted = (len(some), sum(one > other for one, other in some), sum(one == other for one, other in some))
        assert (wins.pairs, wins.longer, wins.equal) == counted
        assert wins.share.mean == pytest.approx(counted[1] / counted[0])
    assert found.longer_wins is not None
    assert found.longer_wins_alike is not None
    assert found.longer_wins.share.mean > 0.95
    assert found.longer_wins_alike.share.low < 0.5 < found.longer_wins_alike.share.high


def test_pairs_that_prefer_nothing_are_found_to_the_row() -> None:
    found = 0
    for name in (TRAIN, TEST):
        labels = labels_of(read(name).entries)
        assert labels is not None
        by_hand = [row for row, (chosen, rejected) in enumerate(pairs(name), start=1) if chosen == rejected]
        assert labels.same_text_rows == by_hand
        found += len(by_hand)
    assert found == 6


def test_evaluation_texts_among_training_texts_are_counted_by_label() -> None:
    chosen, rejected = ({folded(pair[side]) for name in (TRAIN, TEST) for pair in pairs(name)} for side in (0, 1))
    by_hand: Counter[tuple[str, str]] = Counter()
    for row in raw(EVALUATION):
        text = folded(row["response"])
        known_as = {(True, False): "good", (False, True): "bad", (True, True): "good and bad"}.get(
            (text in chosen, text in rejected)
        )
        if known_as:
            by_hand["good" if row["label"] else "bad", known_as] += 1
    data = read(TRAIN)
    both = Source(
        name="both",
        kind="pairs",
        sha256=data.sha256,
        entries=[*data.entries, *read(TEST).entries],
        refused=[],
    )
    leaks = leaks_into(both, read(EVALUATION), near=None)
    assert {(each.evaluated, each.known_as): each.exact for each in leaks.by_label if each.exact} == dict(by_hand)
    positives = leaks.texts["good"]
    assert by_hand["good", "good"] > 0.9 * positives


def test_sft_targets_are_chosen_texts() -> None:
    targets = [folded(row["output"]) for row in raw(SFT)]
    by_hand, found = 0, 0
    for name in (TRAIN, TEST):
        chosen = {folded(pair[0]) for pair in pairs(name)}
        by_hand += sum(target in chosen for target in targets)
        leaks = leaks_into(read(name), read(SFT), near=None)
        found += sum(each.exact for each in leaks.by_label if each.known_as in {"good", "good and bad"})
    assert found == by_hand > 0.95 * len(targets)


def test_near_texts_are_those_of_a_comparison_one_by_one() -> None:
    known = list(dict.fromkeys(folded(text) for pair in pairs(TRAIN) for text in pair))
    asked = list(dict.fromkeys(folded(row["response"]) for row in raw(EVALUATION)))
    texts = [*asked[-COMPARED:], *(text for text in known if text not in asked[-COMPARED:])]
    found = near_within(texts, threshold=0.5)
    near = {(one, other) for one, other in zip(found.first.tolist(), found.second.tolist(), strict=True)}
    grams = [ngrams(text) for text in texts]
    by_hand = {
        (one, other)
        for one in range(COMPARED)
        for other in range(one + 1, len(texts))
        if len(grams[one] & grams[other]) >= 0.5 * len(grams[one] | grams[other])
    }
    assert {pair for pair in near if pair[0] < COMPARED} == by_hand


def test_style_learnt_from_leak_free_pairs_tells_the_evaluation_set_without_a_prompt() -> None:
    found = fitted_without(read(TRAIN), read(EVALUATION), near=0.7)
    assert found is not None
    assert found.auc is not None
    assert found.stratified_auc is not None
    assert found.auc.mean == pytest.approx(0.984, abs=0.01)
    assert found.stratified_auc.mean == pytest.approx(0.893, abs=0.02)


def test_a_split_of_the_pairs_shares_nothing_with_the_evaluation_set() -> None:
    split = make_split(
        SplitJob(data=(str(paper_file(TRAIN)),), exclude=(str(paper_file(EVALUATION)),), length_matched=False)
    )
    evaluated = load_labelled(str(paper_file(EVALUATION)))
    known = {"prompt": {folded(row.prompt) for row in evaluated}, "text": {folded(row.completion) for row in evaluated}}
    part_of: dict[tuple[str, str], str] = {}
    for name, rows in split.parts.items():
        for row in rows:
            for what, text in (("prompt", row.prompt), *(("text", each.text) for each in row.completions)):
                assert folded(text) not in known[what]
                assert part_of.setdefault((what, folded(text)), name) == name
    kept = sum(len(rows) for rows in split.parts.values())
    assert kept + len(split.left_out) == len(raw(TRAIN))
    for name in ("validation", "test"):
        assert len(split.parts[name]) == pytest.approx(0.1 * kept, abs=1)


def test_an_audit_of_the_prompts_counts_those_that_come_twice_and_those_that_are_evaluated() -> None:
    name = "grpo_train.parquet"
    prompts = [folded(text) for text in load_prompts(paper_file(name)).records]
    asked = [folded(row["query"]) for row in raw(EVALUATION)]
    audit = run_audit(AuditJob(sources=(str(paper_file(name)),), evaluation=(str(paper_file(EVALUATION)),)))
    found = {each.name: each.value for each in audit.findings}
    assert found["repeated_rows"] == pytest.approx(1 - len(set(prompts)) / len(prompts))
    assert found["leaked_prompts"] == sum(text in set(prompts) for text in asked)
    assert {each.name for each in audit.broken} == {"repeated_rows", "leaked_prompts"}
