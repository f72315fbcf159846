// A search field with data-suggest offers what somebody may mean while they type: a combobox with a list, by the pattern
// of the WAI-ARIA Authoring Practices. The field keeps what was typed; Enter without a chosen option sends the form, as
// it does without a script. data-suggest is whom to ask, data-suggest-label what the list is called.
import { announce } from "./content";

const pause = 150; // milliseconds without a key before it asks

export function setUpSuggestions(): void {
  for (const field of document.querySelectorAll<HTMLInputElement>("input[data-suggest]")) new Suggestions(field);
}

class Suggestions {
  private readonly list = document.createElement("ul");
  private options: HTMLElement[] = [];
  private active = -1; // -1: the field itself
  private timer = 0;
  private asking = new AbortController();

  constructor(private readonly field: HTMLInputElement) {
    this.list.id = `${field.id}-suggestions`;
    this.list.className = "suggestions";
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", field.dataset.suggestLabel ?? "");
    field.after(this.list);
    field.type = "text"; // a field of type "search" cannot be a combobox
    field.enterKeyHint = "search";
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-haspopup", "listbox");
    field.setAttribute("aria-controls", this.list.id);
    field.setAttribute("aria-expanded", "false");
    field.addEventListener("input", () => this.later());
    field.addEventListener("keydown", (event) => this.key(event));
    field.addEventListener("blur", () => this.close());
    field.form?.addEventListener("submit", () => this.close());
    this.list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    this.list.addEventListener("click", (event) => {
      const option = (event.target as Element).closest<HTMLElement>("[role=option]");
      if (option) this.follow(option);
    });
  }

  // later asks after a pause. What was asked before is of no interest any more, and what is shown is no answer to it.
  private later(): void {
    this.forget();
    if (this.field.value.trim() === "") this.close();
    else this.timer = window.setTimeout(() => void this.ask(), pause);
  }

  private forget(): void {
    clearTimeout(this.timer);
    this.asking.abort();
    this.mark(-1);
  }

  private async ask(): Promise<void> {
    this.forget();
    const asking = (this.asking = new AbortController());
    const address = `${this.field.dataset.suggest}?${new URLSearchParams({ q: this.field.value })}`;
    try {
      const response = await fetch(address, { signal: asking.signal, headers: { "HX-Request": "true" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!asking.signal.aborted) this.show(response.ok ? page.querySelector<HTMLElement>("[data-suggestions]") : null);
    } catch {
      if (!asking.signal.aborted) this.close(); // searching works without
    }
  }

  private show(found: HTMLElement | null): void {
    this.options = [...(found?.children ?? [])].map((item, i) => {
      const option = document.createElement("li");
      option.id = `${this.list.id}-${i}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.href = (item as HTMLElement).dataset.href;
      option.textContent = item.textContent;
      return option;
    });
    this.list.replaceChildren(...this.options);
    this.open(this.options.length > 0);
    if (found) announce(found.dataset.said ?? "");
  }

  private open(open: boolean): void {
    this.list.hidden = !open;
    this.field.setAttribute("aria-expanded", String(open));
  }

  private close(): void {
    this.forget();
    this.open(false);
  }

  private mark(active: number): void {
    this.active = active;
    this.options.forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
    const option = this.options[active];
    if (!option) {
      this.field.removeAttribute("aria-activedescendant");
      return;
    }
    this.field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  private follow(option: HTMLElement): void {
    this.close();
    if (option.dataset.href) location.assign(option.dataset.href);
  }

  private key(event: KeyboardEvent): void {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    const shown = !this.list.hidden;
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        event.preventDefault();
        if (shown) this.step(event.key === "ArrowDown" ? 1 : -1);
        else if (this.field.value.trim() !== "") void this.ask();
        break;
      case "Enter": {
        const option = shown ? this.options[this.active] : undefined;
        if (!option) break;
        event.preventDefault();
        this.follow(option);
        break;
      }
      case "Escape":
        if (!shown) break;
        event.preventDefault(); // the text stays
        this.close();
        break;
    }
  }

  // step goes round: from the field through the options and back to it.
  private step(by: number): void {
    const places = this.options.length + 1;
    this.mark(((this.active + 1 + by + places) % places) - 1);
  }
}
