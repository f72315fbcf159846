// A table stacks its rows where there is little room (pages.css). One that is still wider than its place is scrolled sideways. That place then takes the focus, so that arrow keys scroll it in
// every browser, and is called by its table's caption. One that has room is left out of the way of the tab key.
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) mark(target instanceof HTMLTableElement ? target.parentElement : target);
});

function mark(place: Element | null): void {
  if (!place) return;
  if (place.scrollWidth <= place.clientWidth) {
    for (const name of ["tabindex", "role", "aria-label"]) place.removeAttribute(name);
    return;
  }
  place.setAttribute("tabindex", "0");
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", place.querySelector("caption")?.textContent?.trim() ?? "");
}

// stack makes a table ready to be laid out row by row where there is little room: each cell knows its column's title, and all
// have the roles that not every browser remembers of a table with another layout.
function stack(table: HTMLTableElement): void {
  const titles = [...(table.tHead?.rows[0]?.cells ?? [])].map((c) => (c.firstElementChild ? "" : (c.textContent ?? "").trim()));
  table.classList.add("stacks");
  table.role = "table";
  for (const part of [table.tHead, ...table.tBodies]) part?.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.role = "row";
    for (const cell of row.cells) {
      cell.role = cell.tagName === "TD" ? "cell" : cell.scope === "row" ? "rowheader" : "columnheader";
      const title = titles[cell.cellIndex];
      if (cell.tagName === "TD" && title) cell.dataset.title = title;
    }
  }
}

export function watchTables(root: ParentNode): void {
  for (const table of root.querySelectorAll<HTMLTableElement>(".table:not(.compared)")) stack(table);
  for (const place of root.querySelectorAll(".table-wrap")) {
    sizes.observe(place);
    if (place.firstElementChild) sizes.observe(place.firstElementChild);
  }
}
