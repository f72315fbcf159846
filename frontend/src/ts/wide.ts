// A table that is wider than its place is scrolled sideways. That place then takes the focus, so that arrow keys scroll it in
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

export function watchTables(root: ParentNode): void {
  for (const place of root.querySelectorAll(".table-wrap")) {
    sizes.observe(place);
    if (place.firstElementChild) sizes.observe(place.firstElementChild);
  }
}
