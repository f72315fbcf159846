// A menu is a <details class="menu">; it closes on Escape, when focus leaves it, and on a click elsewhere.
export function setUpMenus(): void {
  const open = () => document.querySelectorAll<HTMLDetailsElement>("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target as Node)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of open()) if (!menu.contains(event.target as Node)) menu.open = false;
  });
}

// closeFacets closes the catalog's facets where they would push what is found off the screen, but for those in use.
export function closeFacets(root: ParentNode): void {
  if (!matchMedia("(max-width: 48rem)").matches) return;
  for (const facet of root.querySelectorAll<HTMLDetailsElement>("details.facet[open]")) {
    if (!facet.querySelector(":checked")) facet.open = false;
  }
}

// showPlace scrolls the menu of the whole site to the entry for this page, where it is a strip with no room for all.
export function showPlace(): void {
  const here = document.querySelector(".rail [aria-current]");
  const strip = here?.closest(".rail-groups");
  if (!here || !strip) return;
  const [one, all] = [here.getBoundingClientRect(), strip.getBoundingClientRect()];
  strip.scrollLeft += one.left - all.left - (all.width - one.width) / 2;
}
