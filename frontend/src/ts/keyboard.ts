// "/" goes to the search field from anywhere outside of a field.
export function setUpKeyboard(): void {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.target as Element).closest("input, textarea, select, [contenteditable]")) return;
    const fields = [...document.querySelectorAll<HTMLInputElement>("input[type=search], input[data-suggest]")];
    const field = fields.findLast((candidate) => candidate.offsetParent !== null);
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}
