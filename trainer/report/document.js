"use strict";
const collator = new Intl.Collator(["zh", "en"], { numeric: true });
const next = { none: "ascending", ascending: "descending", descending: "none" };

/** What a cell says, without its sign and its note. */
function said(cell) {
  return (cell.querySelector(".noted") ?? cell).lastChild.textContent;
}

function compared(one, other) {
  if ("value" in one.dataset) return Number(one.dataset.value) - Number(other.dataset.value) || 0;
  return collator.compare(said(one), said(other));
}

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const original = [...body.rows];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const order = next[header.getAttribute("aria-sort")];
      for (const each of headers) each.setAttribute("aria-sort", each === header ? order : "none");
      if (order === "none") return body.append(...original);
      const missing = (row) => !row.cells[column] || "missing" in row.cells[column].dataset;
      const direction = order === "descending" ? -1 : 1;
      const sorted = original.filter((row) => !missing(row));
      sorted.sort((one, other) => direction * compared(one.cells[column], other.cells[column]));
      body.append(...sorted, ...original.filter(missing));
    });
  });
}
