// The theme switch is a form that works by itself; with a script the page changes at once and the choice is sent
// behind it.
export function setUpTheme(): void {
  document.addEventListener("submit", (event) => {
    const form = (event.target as Element).closest<HTMLFormElement>("form[data-theme-switch]");
    const choice = (event as SubmitEvent).submitter as HTMLButtonElement | null;
    if (!form || !choice) return;
    event.preventDefault();
    const fields = new URLSearchParams({ theme: choice.value });
    document.documentElement.dataset.theme = choice.value;
    for (const button of form.querySelectorAll<HTMLButtonElement>("button[name=theme]")) {
      button.setAttribute("aria-pressed", String(button === choice));
    }
    void fetch(form.action, { method: "POST", body: fields, headers: { "HX-Request": "true" } });
  }, true);
}
