// The one module that knows htmx: its version's event names stay in here.
import "htmx.org";

// onContent calls enhance with the document and with every part that htmx puts in later.
export function onContent(enhance: (root: ParentNode) => void): void {
  enhance(document);
  document.addEventListener("htmx:after:process", (event) => {
    if (event.target instanceof Element) enhance(event.target.parentNode ?? event.target);
  });
}

// announce says something to screen readers through the layout's live region.
export function announce(text: string): void {
  const region = document.getElementById("announcements");
  if (region) region.textContent = text;
}
