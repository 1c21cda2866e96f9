"""Each probe changes what it says, and nothing else; and makes no case where it cannot."""

from __future__ import annotations

import collections
import hashlib
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.attacks import load_attacks
from trainer.data.labelled import Labelled
from trainer.data.matching import about_as_long
from trainer.evaluation.probes.attacks import with_attack
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.catalogue import PROBES, make_cases
from trainer.evaluation.probes.cut_off import OPEN, cut_off
from trainer.evaluation.probes.decoration import EMOJI, ORNAMENTS
from trainer.evaluation.probes.filler import STOCK
from trainer.evaluation.probes.occasions import OCCASIONS, clearly_different, families_of
from trainer.evaluation.probes.probe import Probe
from trainer.evaluation.probes.recipients import RECIPIENTS
from trainer.evaluation.probes.repetition import with_a_sentence_again
from trainer.evaluation.probes.sentences import clauses_of, ended, han_places, is_han, sentences_of
from trainer.evaluation.probes.shuffling import FEWEST_CLAUSES, with_shuffled_characters, with_shuffled_clauses
from trainer.evaluation.probes.stock_phrases import PHRASES, stock_phrases
from trainer.evaluation.probes.typos import LOOK_ALIKES, with_typos

Cases = dict[str, list[ProbeCase]]
NAMES = [probe.name for probe in PROBES]


def good(prompt: str, completion: str) -> Labelled:
    return Labelled(prompt, completion, 1)


@pytest.mark.parametrize("name", NAMES)
def test_honest_texts_are_good_greetings_of_the_data_and_tampered_ones_differ(
    name: str, cases: Cases, rows: list[Labelled]
) -> None:
    known = {(row.prompt, row.completion) for row in rows if row.label}
    assert len(cases[name]) >= 20, "the starter set is enough to try it"
    for case in cases[name]:
        assert (case.prompt, case.honest) in known
        assert case.tampered != case.honest


@pytest.mark.parametrize("probe", PROBES, ids=NAMES)
def test_cases_hang_on_the_seed_and_on_no_other_probe(
    probe: Probe, cases: Cases, rows: list[Labelled], train: list[Labelled]
) -> None:
    alone = make_cases(reversed(rows), train, seed=1, probes=[probe])
    assert alone == {probe.name: cases[probe.name]}, "nor on the order of the data"
    assert make_cases(rows, train, seed=2, probes=[probe]) != alone


@pytest.mark.parametrize("probe", PROBES, ids=NAMES)
def test_a_limit_takes_the_first_cases(probe: Probe, cases: Cases, rows: list[Labelled], train: list[Labelled]) -> None:
    some = make_cases(rows, train, seed=1, limit=10, probes=[probe])[probe.name]
    assert len(some) == 10
    assert [case.prompt for case in some] == [case.prompt for case in cases[probe.name][:10]]


@pytest.mark.parametrize("probe", PROBES, ids=NAMES)
def test_without_good_greetings_there_are_no_cases(probe: Probe, rows: list[Labelled], train: list[Labelled]) -> None:
    bad = [row for row in rows if not row.label]
    assert make_cases(bad, train, probes=[probe]) == {probe.name: []}


def test_filler_is_stock_sentences_behind_the_greeting(cases: Cases) -> None:
    for case in cases["filler"]:
        filler = case.tampered.removeprefix(ended(case.honest))
        found = [sentence for sentence in STOCK if sentence in filler]
        assert sorted("".join(found)) == sorted(filler)
        assert 2 <= len(found) <= 4


def test_filler_of_others_is_about_another_occasion(cases: Cases, rows: list[Labelled]) -> None:
    for case in cases["others_filler"]:
        filler = case.tampered.removeprefix(ended(case.honest))
        assert filler
        assert any(filler in row.completion and clearly_different(row.prompt, case.prompt) for row in rows)
        assert not families_of(sentences_of(filler)[0]) & families_of(case.honest)


def test_a_sentence_is_said_two_or_three_times_more(cases: Cases) -> None:
    for case in cases["repeated_sentence"]:
        rest = case.tampered.removeprefix(ended(case.honest))
        assert any(rest in {ended(sentence) * times for times in (2, 3)} for sentence in sentences_of(case.honest))
    short = with_a_sentence_again(good("祝福", "平安。"), random.Random(0))
    assert set(short.split("。")) == {"平安", ""}
    assert short.count("平安") in {3, 4}


def test_greetings_for_other_requests_change_places_couple_by_couple(cases: Cases) -> None:
    swapped = cases["other_prompt"]
    assert len({case.honest for case in swapped}) == len(swapped)
    for first, second in zip(swapped[::2], swapped[1::2], strict=True):
        assert (first.tampered, second.tampered) == (second.honest, first.honest)
        assert clearly_different(first.prompt, second.prompt)
        assert about_as_long(first.honest, second.honest)


def test_neither_length_nor_any_blind_scorer_tells_greetings_for_other_requests(cases: Cases) -> None:
    def blind(text: str) -> float:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])

    for scorer in (len, blind):
        fooled = sum(scorer(case.tampered) >= scorer(case.honest) for case in cases["other_prompt"])
        assert fooled == len(cases["other_prompt"]) / 2


def test_a_recipient_becomes_somebody_else_and_no_other_word_changes(cases: Cases) -> None:
    replaced = collections.Counter[str]()
    for case in cases["wrong_recipient"]:
        assert any(
            case.tampered.replace(new.name, "＿") == _without(case.honest, old.words) and new.family != old.family
            for old in RECIPIENTS
            for new in RECIPIENTS
        ), case
        replaced[case.tampered] += 1
    assert len(replaced) == len(cases["wrong_recipient"])


def test_an_occasion_becomes_another_one_and_no_other_word_changes(cases: Cases) -> None:
    for case in cases["wrong_occasion"]:
        assert any(
            case.tampered.replace(new.name, "＿") == _without(case.honest, _nouns(family)) and new.family != family
            for family in families_of(case.prompt)
            for new in OCCASIONS
            if new.name
        ), case


def _nouns(family: str) -> list[str]:
    return [noun for occasion in OCCASIONS if occasion.family == family for noun in occasion.nouns]


def _without(text: str, words: collections.abc.Iterable[str]) -> str:
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "＿")
    return text


def test_wrong_words_need_request_and_greeting_to_agree() -> None:
    others = [good("祝老师教师节快乐", "老师，教师节快乐，您歇歇。"), good("祝姐姐新婚", "姐姐，新婚快乐。")]
    unsure = [
        good("妈妈给女儿的生日祝福", "女儿，愿你天天开心。"),
        good("给妈妈的祝福", "亲爱的，愿您天天开心。"),
        good("给妈妈的祝福", "昨晚的汤很香，我把妈妈的手艺讲给同事听。"),
    ]
    made = make_cases([*others, *unsure], probes=[probe for probe in PROBES if probe.name.startswith("wrong")])
    assert {case.honest for case in made["wrong_recipient"]} == {row.completion for row in others}
    assert {case.honest for case in made["wrong_occasion"]} == {row.completion for row in others}


def test_typos_keep_the_length_and_take_characters_for_ones_like_them(cases: Cases) -> None:
    for case in cases["typos"]:
        assert len(case.tampered) == len(case.honest)
        changed = [(old, new) for old, new in zip(case.honest, case.tampered, strict=True) if old != new]
        assert all(new in LOOK_ALIKES[old] for old, new in changed)
        assert len(changed) == max(2, round(len(han_places(case.honest)) / 12))


def test_no_character_is_taken_for_itself() -> None:
    assert all(character not in others for character, others in LOOK_ALIKES.items())


def test_stock_phrases_are_exactly_as_long_as_what_they_replace(cases: Cases) -> None:
    assert len(set(PHRASES)) == len(PHRASES)
    assert {len(phrase) for phrase in PHRASES} == {4}
    for case in cases["stock_phrases"]:
        assert len(case.tampered) == len(case.honest)
        assert sum(phrase in case.tampered for phrase in PHRASES) >= 3


@pytest.mark.parametrize(
    "row",
    [
        good("写个对联贺乔迁", "新居落成窗明几净，邻里相迎笑语盈门，往后常来坐坐。"),
        good("祝同事升职", "步步高升，前程似锦，万事如意，心想事成。"),
        good("祝同事升职", "恭喜升职！"),
    ],
    ids=["phrases are asked for", "made of phrases", "short"],
)
def test_stock_phrases_do_not_replace_what_may_be_such(row: Labelled) -> None:
    assert stock_phrases(row, random.Random(0)) is None


def test_shuffled_characters_leave_punctuation_where_it_is(cases: Cases) -> None:
    for case in cases["shuffled_characters"]:
        assert collections.Counter(case.tampered) == collections.Counter(case.honest)
        assert all(is_han(old) or old == new for old, new in zip(case.honest, case.tampered, strict=True))


def test_shuffled_clauses_stand_elsewhere_and_behind_others_under_the_old_punctuation(cases: Cases) -> None:
    for case in cases["shuffled_clauses"]:
        before, after = clauses_of(case.honest), clauses_of(case.tampered)
        assert [marks for _, marks in before] == [marks for _, marks in after]
        words = [word for word, _ in before]
        assert sorted(words) == sorted(word for word, _ in after)
        assert len(words) >= FEWEST_CLAUSES
        order = [words.index(word) for word, _ in after]
        assert all(place != was for place, was in enumerate(order))
        assert all(second != first + 1 for first, second in itertools.pairwise(order))


def test_a_greeting_is_cut_where_a_reader_sees_that_something_is_missing(cases: Cases) -> None:
    for case in cases["cut_off"]:
        assert case.honest.startswith(case.tampered)
        assert case.tampered[-1] in OPEN
        assert is_han(case.honest[len(case.tampered)])


def test_copies_are_of_the_training_set_and_as_often_longer_as_shorter(cases: Cases, train: list[Labelled]) -> None:
    known = {row.completion for row in train if row.label}
    for case in cases["copied_from_training"]:
        assert case.tampered in known
        assert case.honest not in known
        assert about_as_long(case.honest, case.tampered)
    longer = sum(len(case.tampered) > len(case.honest) for case in cases["copied_from_training"])
    assert abs(longer - len(cases["copied_from_training"]) / 2) <= 1


def test_an_honest_text_that_was_trained_on_is_no_unseen_one(rows: list[Labelled], train: list[Labelled]) -> None:
    copied = [probe for probe in PROBES if probe.name == "copied_from_training"]
    leaked = [row for row in rows if row.label][:40]
    made = make_cases(rows, [*train, *leaked], probes=copied)["copied_from_training"]
    assert made
    assert not {case.honest for case in made} & {row.completion for row in leaked}
    assert make_cases(rows, probes=copied) == {"copied_from_training": []}, "without a training set nothing is known"


def test_decoration_changes_no_word(cases: Cases) -> None:
    kinds = collections.Counter(case.kind for case in cases["decoration"])
    assert kinds == {"emoji": 48, "ornament": 48}
    for case in cases["decoration"]:
        plain = case.tampered
        for sign in (*EMOJI, *ORNAMENTS):
            plain = plain.replace(sign, "")
        assert plain.rstrip("！。") == case.honest.rstrip("！。")


def test_attacks_stand_behind_around_or_in_place_of_the_greeting(cases: Cases) -> None:
    attacks = load_attacks("development")
    for attack in attacks:
        made = with_attack("愿你平安。", attack)
        if attack.suffix:
            assert made == f"愿你平安。{attack.suffix}"
        elif attack.greeting and attack.greeting in attack.attack:
            assert "愿你平安。" in made
            assert len(made) - len(attack.attack) == len("愿你平安。") - len(attack.greeting)
        else:
            assert made == attack.attack
    kinds = {attack.kind for attack in attacks}
    assert {case.kind for case in cases["attacks"] if not case.hidden} <= kinds


def test_attacks_that_are_kept_for_measuring_are_marked(cases: Cases) -> None:
    held_out = {attack.suffix or attack.attack for attack in load_attacks("held_out")}
    hidden = [case for case in cases["attacks"] if case.hidden]
    assert hidden
    assert all(any(case.tampered.endswith(text) for text in held_out) for case in hidden if case.kind == "coercion")
    assert all(case.hidden for case in cases["attacks"] if case.kind in {"coercion", "prompt_leak", "token_stuffing"})


@pytest.mark.parametrize(
    "tamper", [with_typos, stock_phrases, with_shuffled_characters, with_shuffled_clauses, cut_off]
)
@pytest.mark.parametrize("text", ["好", "福", "！", "😊", "ok"])
def test_what_is_too_short_is_left_alone(tamper: type, text: str) -> None:
    assert tamper(good("祝福", text), random.Random(0)) is None


@given(st.text(alphabet="愿你我的安康快乐生日，。！？；：…～\n”）) ab😊", max_size=60), st.integers())
def test_tampering_fits_any_text(text: str, seed: int) -> None:
    row = good("祝福", text)
    assert "".join(sentences_of(text)) == text
    for tamper in (with_typos, stock_phrases, with_shuffled_characters, with_shuffled_clauses, cut_off):
        made = tamper(row, random.Random(seed))
        assert made is None or len(made) <= len(text)
    assert with_a_sentence_again(row, random.Random(seed)).startswith(text)
