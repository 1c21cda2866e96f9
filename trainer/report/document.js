"use strict";
const collator = new Intl.Collator(["zh", "en"], { numeric: true });

/** What a cell says, without its sign and its note. */
function said(cell) {
  return (cell.querySelector(".noted") ?? cell).lastChild.textContent;
}

function compared(one, other) {
  if ("value" in one.dataset && "value" in other.dataset) return Number(one.dataset.value) - Number(other.dataset.value);
  return collator.compare(said(one), said(other));
}

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const original = [...body.rows];
  if (original.some((row) => row.cells.length !== headers.length)) continue;
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[header.ariaSort];
      for (const each of headers) each.ariaSort = "none";
      header.ariaSort = next;
      const missing = (row) => "missing" in row.cells[column].dataset;
      const present = original.filter((row) => !missing(row));
      const direction = next === "descending" ? -1 : 1;
      present.sort((one, other) => direction * compared(one.cells[column], other.cells[column]));
      body.append(...(next === "none" ? original : [...present, ...original.filter(missing)]));
    });
  });
}
