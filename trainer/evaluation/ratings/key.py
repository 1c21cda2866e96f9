"""What the ids on the sheets stand for. Kept apart from the sheets: who rates must not see who wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import InvalidData
from trainer.evaluation.ratings.items import Drawn, Item
from trainer.run_folder import write_json

KEY = "key.json"


class KeyOrigin(BaseModel):
    """Who wrote a text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    sample: str


class KeyItem(BaseModel):
    """One text that was rated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt_id: str
    prompt: str
    text: str
    origins: list[KeyOrigin]


class Key(BaseModel):
    """All that is needed to read ratings again; ``samples`` is the folder of the evaluation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    samples: str
    models: list[str]
    seed: int
    sheets: dict[str, list[str]]
    items: dict[str, KeyItem]


def write_key(path: Path, drawn: Drawn, *, samples: Path, seed: int) -> None:
    """Write the key of what was drawn from the texts of an evaluation."""
    key = Key(
        samples=str(samples.resolve()),
        models=list(drawn.models),
        seed=seed,
        sheets={rater: list(ids) for rater, ids in drawn.sheets.items()},
        items=dict(_items(drawn.items)),
    )
    write_json(path, key.model_dump())


def read_key(path: Path) -> Key:
    """Read it.

    Raises:
        InvalidData: There is none, or it is not one.
    """
    try:
        return Key.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidData(path, f"cannot be read: {error.strerror}; --key names the key of the sheets") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise InvalidData(path, f"is no key of sheets: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _items(items: Sequence[Item]) -> list[tuple[str, KeyItem]]:
    return [
        (
            item.id,
            KeyItem(
                prompt_id=item.prompt_id,
                prompt=item.prompt,
                text=item.text,
                origins=[KeyOrigin(model=origin.model, sample=origin.sample) for origin in item.origins],
            ),
        )
        for item in items
    ]
