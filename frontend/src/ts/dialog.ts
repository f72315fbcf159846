// A link with data-dialog leads to a page that asks for confirmation. With a script the question comes to where the
// person is: the part of that page with id "confirm" opens in a <dialog>. window.confirm is never used: the desktop
// window on macOS has none.
import { onContent } from "./content";

export function setUpDialogs(): void {
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const close = target.closest("[data-dialog-close]");
    const open = close?.closest("dialog");
    if (open) {
      event.preventDefault();
      open.close();
      return;
    }
    const link = target.closest<HTMLAnchorElement>("a[data-dialog]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      void ask(link);
    }
  });
}

async function ask(link: HTMLAnchorElement): Promise<void> {
  const response = await fetch(link.href, { headers: { "HX-Request": "true" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const question = page.getElementById("confirm");
  if (!response.ok || !question) {
    location.assign(link.href);
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "confirm-title");
  dialog.append(document.importNode(question, true));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

// Dialogs written into the page open by themselves where they have data-open.
onContent((root) => {
  for (const dialog of root.querySelectorAll<HTMLDialogElement>("dialog[data-open]:not([open])")) dialog.showModal();
});
