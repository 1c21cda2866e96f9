"""Which documents become examples: near ones, the best received first, and never the text under judgement."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.multi_agent.retrieval.corpus import Document
from services.multi_agent.retrieval.embeddings import EmbeddingFailed
from services.multi_agent.retrieval.retriever import Retriever
from shared.errors import NotReady
from tests.unit.services.multi_agent.retrieval.made import LetterEmbedder, made_index

PROMPT = "给外婆的生日祝福"
NEAR = [
    Document(prompt="给外婆的生日祝福", completion="面里卧了两个蛋。", engagement=1),
    Document(prompt="给外婆的生日祝福语", completion="蛋糕给您留着奶油花。", engagement=9),
    Document(prompt="给外婆的生日的祝福", completion="今年我回来陪您过。", engagement=5),
]
FAR = [Document(prompt=f"春节拜年{mark}", completion=f"新年好{mark}", engagement=100) for mark in "甲乙丙丁"]


async def found(folder: Path, rows: list[Document], *exclude: str, top_k: int = 3, keep: int = 3) -> list[str]:
    index = await made_index(folder / "index", rows)
    retriever = Retriever(index, LetterEmbedder(), top_k=top_k, keep=keep)
    return [hit.document.completion for hit in await retriever.retrieve(PROMPT, exclude=exclude)]


async def test_of_the_nearest_the_best_received_come_first(tmp_path: Path) -> None:
    index = await made_index(tmp_path / "index", [*FAR, *NEAR])
    hits = await Retriever(index, LetterEmbedder(), top_k=3, keep=2).retrieve(PROMPT)
    assert [hit.document for hit in hits] == [NEAR[1], NEAR[2]]
    assert [hit.row for hit in hits] == [5, 6]
    assert all(0.8 < hit.similarity <= 1.0 for hit in hits)


async def test_of_equally_received_ones_the_nearest_come_first(tmp_path: Path) -> None:
    rows = [document.model_copy(update={"engagement": 0.0}) for document in reversed([*NEAR, *FAR])]
    assert (await found(tmp_path, rows))[0] == NEAR[0].completion


@pytest.mark.parametrize(
    "judged",
    ["蛋糕给您留着奶油花。", " 蛋糕给您留着奶油花。\n", "蛋糕给您\u200b留着奶油花｡", "\ufeff蛋糕给您留着奶油花。"],
)
async def test_the_text_under_judgement_is_never_among_its_own_examples(tmp_path: Path, judged: str) -> None:
    assert await found(tmp_path, [*NEAR, *FAR[:1]], judged) == [
        FAR[0].completion,
        NEAR[2].completion,
        NEAR[0].completion,
    ]


async def test_where_all_are_excluded_there_are_no_examples(tmp_path: Path) -> None:
    assert await found(tmp_path, NEAR, *(document.completion for document in NEAR)) == []


async def test_one_greeting_for_many_prompts_is_one_example(tmp_path: Path) -> None:
    copies = [Document(prompt=f"{PROMPT}{'的' * count}", completion="生日快乐！") for count in range(60)]
    examples = await found(tmp_path, [*copies, *NEAR])
    assert len(set(examples)) == 3
    assert "生日快乐！" in examples


async def test_the_prompt_is_embedded_as_a_query(tmp_path: Path) -> None:
    index = await made_index(tmp_path / "index", NEAR)
    embedder = LetterEmbedder()
    retriever = Retriever(index, embedder)
    for _ in range(2):
        await retriever.retrieve("春节")
    assert embedder.seen == [(NEAR[0].prompt, "passage"), ("春节", "query"), ("春节", "query")]


@pytest.mark.parametrize(
    ("embedder", "said"),
    [
        (LetterEmbedder("other letters"), "is not the model that the index was built with"),
        (LetterEmbedder(dimension=32), "have 32 numbers, those of the index 64"),
    ],
    ids=["other model", "other dimension"],
)
async def test_another_model_of_the_same_name_is_found_out(tmp_path: Path, embedder: LetterEmbedder, said: str) -> None:
    retriever = Retriever(await made_index(tmp_path / "index", NEAR), embedder)
    with pytest.raises(NotReady, match=said):
        await retriever.check()
    with pytest.raises(EmbeddingFailed, match=said) as caught:
        await retriever.retrieve(PROMPT)
    assert (caught.value.failure_code, caught.value.may_retry) == ("embedding_mismatch", False)


async def test_a_failing_embedder_is_no_empty_list(tmp_path: Path) -> None:
    index = await made_index(tmp_path / "index", NEAR)
    retriever = Retriever(index, LetterEmbedder(fails_at=PROMPT + "？"))
    await retriever.check()
    with pytest.raises(EmbeddingFailed):
        await retriever.retrieve(PROMPT + "？")


async def test_its_version_says_what_changes_examples(tmp_path: Path) -> None:
    index = await made_index(tmp_path / "index", NEAR)
    versions = {
        Retriever(index, LetterEmbedder(), top_k=top_k, keep=keep).version for top_k, keep in ((8, 3), (8, 2), (9, 3))
    }
    assert len(versions) == 3


@pytest.mark.parametrize(("top_k", "keep"), [(0, 0), (3, 4), (3, 0), (1000, 3)])
async def test_numbers_that_make_no_sense_are_refused(tmp_path: Path, top_k: int, keep: int) -> None:
    index = await made_index(tmp_path / "index", NEAR)
    with pytest.raises(ValueError, match="is needed"):
        Retriever(index, LetterEmbedder(), top_k=top_k, keep=keep)
