/** What stands where results would: how to begin, or that nothing matches. */

import { byId, el } from "./dom.js";

const EXAMPLES = ["a cat", "a sunset over water", "people − crowd"];

/** @param {{onExample: (sum: string) => void, onWeak: () => void}} listeners */
export function createBlank({ onExample, onWeak }) {
  const blank = byId("blank");
  let shown = "";

  /** @param {string} name @param {() => Node[]} make */
  function show(name, make) {
    blank.hidden = false;
    if (shown !== name) blank.replaceChildren(...make());
    shown = name;
  }

  return {
    hide() { blank.hidden = true; },
    /** The library has nothing yet. */
    showEmptyLibrary: () => show("library", () => [
      el("h2", {}, "No pictures yet"),
      el("p", {}, "Index a folder, here is how; this page follows along:"),
      el("p", {}, el("code", {}, "seesay index ~/Pictures")),
    ]),
    /** Nothing was asked. */
    showStart: () => show("start", () => [
      el("h2", {}, "What are you looking for?"),
      el("p", {}, "Describe it, or drop a picture. Add and subtract with + and −; write “then” for what follows in a video."),
      el("p", { class: "examples" }, ...EXAMPLES.map((sum) =>
        el("button", { type: "button", class: "plain", onclick: () => onExample(sum) }, sum))),
    ]),
    /** @param {boolean} hasFilters @param {string} reason why the filters leave nothing, or "" */
    showNothing: (hasFilters, reason) => show(`nothing ${hasFilters} ${reason}`, () => [
      el("h2", {}, "Nothing here matches"),
      el("p", {}, reason ? `Look at the filters: ${reason}.` : hasFilters ? "The filters may leave it out, or there is no such picture." : "There seems to be no such picture among yours."),
      el("p", {}, el("button", { type: "button", class: "plain", id: "weak", onclick: onWeak }, "Show what comes nearest")),
    ]),
    /** @param {boolean} hasFilters also the nearest are none */
    showNone: (hasFilters) => show(`none ${hasFilters}`, () => [
      el("h2", {}, "Nothing at all"),
      el("p", {}, hasFilters ? "No file passes the filters." : "The library has nothing to compare with."),
    ]),
  };
}
