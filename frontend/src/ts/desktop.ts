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
  CopyCurl(credential: string): Promise<Outcome>; // a command with the key in it, to the native clipboard
  ForgetKey(credential: string): Promise<Outcome>; // out of the keychain; it works on until it is revoked
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
    if (link?.hasAttribute("download")) {
      event.preventDefault(); // the web view has no downloads: the application asks where to save
      void fetch(link.href, { headers: { "HX-Request": "true" } });
      return;
    }
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
    const outcome = await call(bindings, action, id, overlap);
    say(button, outcome.message, "done");
    if (next && outcome.state === "done") location.assign(next);
    else button.disabled = false;
  } catch (err) {
    say(button, String(err), "failed");
    button.disabled = false;
  }
}

function call(bindings: Bindings, action: string, id: string, overlap: string): Promise<Outcome> {
  switch (action) {
    case "claim":
      return bindings.Claim(id);
    case "rotate":
      return bindings.Rotate(id, overlap);
    case "copy":
      return bindings.CopyKey(id);
    case "copy-curl":
      return bindings.CopyCurl(id);
    case "forget":
      return bindings.ForgetKey(id);
  }
  return Promise.reject(new Error(`unknown action ${action}`));
}

function say(button: HTMLButtonElement, message: string, state: string): void {
  announce(message);
  const place = document.getElementById(button.dataset.report ?? "");
  if (!place) return;
  place.textContent = message;
  place.dataset.state = state;
  place.hidden = false;
}
