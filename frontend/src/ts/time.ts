// The server writes times in UTC; here they become the reader's own, in the page's language.
const language = document.documentElement.lang;
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });
const distance = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity],
];

function relative(then: Date): string {
  let amount = (then.getTime() - Date.now()) / 1000;
  for (const [unit, size] of steps) {
    if (Math.abs(amount) < size) return distance.format(Math.round(amount), unit);
    amount /= size;
  }
  return moment.format(then);
}

export function formatTimes(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[datetime][data-format]")) {
    const then = new Date(element.dateTime);
    if (Number.isNaN(then.getTime())) continue;
    const format = element.dataset.format;
    element.textContent = format === "relative" ? relative(then) : format === "day" ? day.format(then) : moment.format(then);
    element.title = exact.format(then);
  }
}
