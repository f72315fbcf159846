// What the pages gain from a script. Everything here makes a page quicker or kinder; none of it is needed to use one.
import { onContent } from "./content";
import { setUpCopying } from "./copy";
import { setUpDesktop } from "./desktop";
import { setUpDialogs } from "./dialog";
import { setUpForms } from "./forms";
import { setUpKeyboard } from "./keyboard";
import { closeFacets, setUpMenus, showPlace } from "./menu";
import { setUpSuggestions } from "./suggest";
import { setUpTheme } from "./theme";
import { formatTimes } from "./time";
import { watchTables } from "./wide";

document.documentElement.classList.add("js");
setUpCopying();
setUpDesktop();
setUpDialogs();
setUpForms();
setUpKeyboard();
setUpMenus();
showPlace();
setUpSuggestions();
setUpTheme();
onContent(closeFacets);
onContent(formatTimes);
onContent(watchTables);
