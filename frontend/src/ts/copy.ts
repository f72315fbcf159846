import { announce } from "./content";
import { copyNatively } from "./desktop";

// A copy button has the text in data-copy, or in data-copy-from the id of the element that shows it, and the word for
// success in data-copied.
export function setUpCopying(): void {
  document.addEventListener("click", async (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-copy], button[data-copy-from]");
    if (!button) return;
    const from = button.dataset.copyFrom;
    const text = from ? (document.getElementById(from)?.textContent ?? "") : (button.dataset.copy ?? "");
    if (!(await write(text.trim()))) return;
    const copied = button.dataset.copied ?? "";
    announce(copied);
    button.dataset.state = "copied";
    setTimeout(() => delete button.dataset.state, 1600);
  });
}

async function write(text: string): Promise<boolean> {
  if (await copyNatively(text)) return true;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text); // without a secure context there is no clipboard object
  }
}

function writeBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
