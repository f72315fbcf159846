// The icons in use, by their names in lucide-static. Pages draw them with the component ui.Icon.
export const icons = [
  "activity", "app-window", "arrow-right", "arrow-up-right", "badge-check", "ban", "book-open", "box", "building-2",
  "check", "chevron-down", "chevron-right", "circle-alert", "circle-check", "circle-dashed", "circle-help", "circle-x",
  "clock", "copy", "download", "file-text", "git-compare", "globe", "hourglass", "house", "info", "key-round", "languages", "layers",
  "log-out", "mail", "menu", "monitor", "moon", "network", "plus", "refresh-cw", "rotate-cw", "search", "server",
  "shield-check", "sun", "terminal", "triangle-alert", "user", "user-plus", "users", "x", "inbox", "stamp",
];
