// A form is sent once: its buttons rest until the next page is there. A field with data-submit sends its form, a part
// with data-shows-for is shown only while the named choice is made, and a form with data-again sends itself after so
// many seconds: the answer is not there yet.
import { onContent } from "./content";

export function setUpForms(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (event.defaultPrevented || form.method === "dialog" || form.hasAttribute("hx-get") || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent !== undefined) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "";
    for (const button of form.querySelectorAll<HTMLButtonElement>("button[type=submit]")) {
      button.setAttribute("aria-disabled", "true");
    }
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button[aria-disabled]")) button.removeAttribute("aria-disabled");
    }
  });
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field instanceof HTMLSelectElement || field instanceof HTMLInputElement) {
      if (field.dataset.submit !== undefined) field.form?.requestSubmit();
      if (field.form) showConditional(field.form);
    }
  });
  onContent(showConditional);
  onContent((root) => {
    for (const form of root.querySelectorAll<HTMLFormElement>("form[data-again]")) setTimeout(() => form.requestSubmit(), Number(form.dataset.again) * 1000);
  });
}

// showConditional hides what has data-shows-for="name=value" while the field of that name has another value.
function showConditional(root: ParentNode): void {
  for (const part of root.querySelectorAll<HTMLElement>("[data-shows-for]")) {
    const [name = "", value = ""] = (part.dataset.showsFor ?? "").split("=");
    const field = part.closest("form")?.elements.namedItem(name);
    if (field instanceof RadioNodeList || field instanceof HTMLSelectElement) part.hidden = field.value !== value;
  }
}
