// In the desktop window, claiming and rotating are bound methods: the secret goes from the portal to the keychain and
// no page holds it. A button says what to do in data-desktop-action, with data-id, and where to go in data-next.
import { announce } from "./content";

// Outcome of a bound method. It never carries a secret.
interface Outcome {
  state: "done" | "pending";
  message: string; // for the person, in their language
}

interface Bindings {
  Claim(subscription: string): Promise<Outcome>;
  Rotate(credential: string, overlap: string): Promise<Outcome>;
  CopyKey(credential: string): Promise<Outcome>; // from the keychain to the native clipboard
}

interface Runtime {
  BrowserOpenURL(url: string): void;
  ClipboardSetText(text: string): Promise<boolean>;
}

declare global {
  interface Window {
    go?: { app?: { Bindings?: Bindings } };
    runtime?: Runtime;
  }
}

export async function copyNatively(text: string): Promise<boolean> {
  return (await window.runtime?.ClipboardSetText?.(text)) ?? false;
}

export function setUpDesktop(): void {
  if (document.documentElement.dataset.desktop === undefined) return;
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const button = target.closest<HTMLButtonElement>("button[data-desktop-action]");
    if (button) {
      void act(button);
      return;
    }
    const link = target.closest<HTMLAnchorElement>("a[href]");
    if (link && /^https?:$/.test(link.protocol) && link.host !== location.host) {
      event.preventDefault(); // the window itself never leaves the portal's pages
      window.runtime?.BrowserOpenURL(link.href);
    }
  });
}

async function act(button: HTMLButtonElement): Promise<void> {
  const bindings = window.go?.app?.Bindings;
  const { desktopAction: action, id = "", next } = button.dataset;
  if (!bindings || !action) return;
  const overlap = button.form?.querySelector<HTMLInputElement>("[name=overlap]:checked, select[name=overlap]")?.value ?? "";
  button.disabled = true;
  try {
    const outcome = await (action === "claim"
      ? bindings.Claim(id)
      : action === "rotate"
        ? bindings.Rotate(id, overlap)
        : bindings.CopyKey(id));
    say(button, outcome.message, "done");
    if (next && outcome.state === "done") location.assign(next);
    else button.disabled = false;
  } catch (err) {
    say(button, String(err), "failed");
    button.disabled = false;
  }
}

function say(button: HTMLButtonElement, message: string, state: string): void {
  announce(message);
  const place = document.getElementById(button.dataset.report ?? "");
  if (!place) return;
  place.textContent = message;
  place.dataset.state = state;
  place.hidden = false;
}
