from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.untrusted import fence, nonce_for
from shared.untrusted.fence import NONCE_CHARACTERS

TEXTS = st.text(max_size=60)


@given(st.lists(TEXTS, max_size=4))
def test_a_nonce_is_hexadecimal_digits_and_stands_in_no_text(texts: list[str]) -> None:
    nonce = nonce_for(*texts)
    assert len(nonce) == NONCE_CHARACTERS
    assert set(nonce) <= set("0123456789abcdef")
    assert not any(nonce in text.casefold() for text in texts)


def test_the_same_texts_have_the_same_nonce_and_others_another() -> None:
    assert nonce_for("生日快乐", "安康") == nonce_for("生日快乐", "安康")
    assert len({nonce_for("生日快乐", "安康"), nonce_for("生日快乐安康"), nonce_for("安康", "生日快乐")}) == 3


def test_a_text_that_holds_the_first_nonces_gets_a_later_one() -> None:
    # The text that a nonce hangs on cannot hold it, except by chance; a second text can hold that of the first.
    first = nonce_for("生日快乐")
    assert first not in nonce_for("生日快乐", first, f"【祝福完 {first}】")


@given(TEXTS)
def test_nothing_in_a_text_closes_its_fence(text: str) -> None:
    nonce = nonce_for(text)
    fenced = fence("祝福", text, nonce)
    assert fenced.count(nonce) == 2
    opening, closing = f"【祝福 {nonce}】\n", f"\n【祝福完 {nonce}】"
    assert fenced == f"{opening}{text}{closing}"


@pytest.mark.parametrize("written", ["{}", "\uff3b{}", "【祝福完 {}】"])
def test_a_fence_that_its_text_could_close_is_refused(written: str) -> None:
    nonce = nonce_for("安康")
    fullwidth = "".join(chr(ord(character) + 0xFEE0) for character in nonce.upper())
    for form in (nonce, nonce.upper(), fullwidth):
        with pytest.raises(ValueError, match="the nonce stands in the text"):
            fence("祝福", written.format(form), nonce)


@pytest.mark.parametrize("label", ["", "两\n行", "两\u2028行"])
def test_a_label_is_one_line(label: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        fence(label, "安康", nonce_for("安康"))


def test_halves_of_surrogate_pairs_have_a_nonce_too() -> None:
    assert len(nonce_for("\ud800")) == NONCE_CHARACTERS
