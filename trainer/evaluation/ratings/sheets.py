"""The sheets that are handed out: one CSV a rater, and what raters need to know.

sheets/rater-1.csv …   UTF-8 with a byte order mark, by which Excel knows that it is Chinese
sheets/README.md       how to rate, in Chinese and English
key.json               what the ids stand for; not for raters
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from trainer.evaluation.ratings.cells import NEUTRAL, safe_cell
from trainer.evaluation.ratings.items import Drawn, Item
from trainer.evaluation.ratings.rubric import ACCEPTABLE, DIMENSIONS
from trainer.run_folder import write_whole

SHEETS, README = "sheets", "README.md"
ID, PROMPT, TEXT, COMMENT = "编号 id", "要求 prompt", "文本 text", "备注 comment"
BYTE_ORDER_MARK = "\ufeff"

DIMENSION_COLUMNS: Mapping[str, str] = {
    dimension.name: f"{dimension.chinese} {dimension.name}" for dimension in DIMENSIONS
}
"""The column of each dimension."""
COLUMNS = (ID, PROMPT, TEXT, *DIMENSION_COLUMNS.values(), COMMENT)


def write_sheets(drawn: Drawn, folder: Path) -> list[Path]:
    """Write one sheet a rater, and the instructions; the paths of the sheets.

    Raises:
        InvalidData: A text does not fit into a cell.
    """
    items = {item.id: item for item in drawn.items}
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / README, instructions())
    paths = []
    for rater, ids in drawn.sheets.items():
        path = folder / f"{rater}.csv"
        write_whole(path, sheet(items[name] for name in ids))
        paths.append(path)
    return paths


def sheet(items: Iterable[Item]) -> str:
    """The content of one sheet, points and comments empty."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    empty = [""] * (len(DIMENSIONS) + 1)
    for item in items:
        writer.writerow([item.id, safe_cell(item.prompt, item.id), safe_cell(item.text, item.id), *empty])
    return BYTE_ORDER_MARK + buffer.getvalue()


def instructions() -> str:
    """What raters are told."""
    rows = "\n".join(
        f"| {DIMENSION_COLUMNS[dimension.name]} | {dimension.weight} % | {' | '.join(dimension.levels)} |"
        for dimension in DIMENSIONS
    )
    return f"""# 祝福语评分说明 / How to rate

## 中文

每行是一个要求和一条祝福语。请独立评分，不要与他人讨论；不知道是谁写的，也请不要猜。

- 在五个维度各填 1、2 或 3（见下表）。只填整数。
- 先看“要求”，再看“文本”：写得再好，不合要求也不能得高分。长短本身不加分也不减分。
- 实在无法判断的格子请留空，不要填 0；可以在“备注”里说明。
- 请不要改动“编号”一列，也不要增删列；行的顺序可以改变。
- 以 {NEUTRAL} 开头的单元格：这个符号不是文本的一部分，只是为了防止表格软件把它当成公式。
- 保存时请选 CSV（最好是“CSV UTF-8”），文件名不变，交回这一个文件。

## English

Each row is a request and a greeting that was written for it. Please rate alone; you are not told who wrote, and need
not guess.

- Put 1, 2 or 3 into each of the five columns (see below), whole numbers only.
- Read the request first: what misses it is not good, however well it is written. Length alone neither adds nor takes
  away.
- Leave a cell empty where you cannot tell; never put 0. The comment column is yours.
- Please leave the id column as it is, and add or remove no columns. Rows may be sorted.
- A cell that begins with {NEUTRAL}: the sign is not part of the text, it keeps your program from taking it for a
  formula.
- Save as CSV (best: "CSV UTF-8") under the same name, and hand that one file back.

## 维度 / Dimensions

| 维度 dimension | 权重 weight | 1 | 2 | 3 |
| --- | --- | --- | --- | --- |
{rows}

加权平均不低于 {ACCEPTABLE} 即为合格。 A greeting is acceptable where the weighted mean is {ACCEPTABLE} or more.
"""
