/** Kind, folder and date, the order, and how near the steps of a sequence are. */

import { byId, el } from "./dom.js";

const NAMES = ["under", "after", "before", "within"];

/** @param {{onChange: (change: Partial<import("./state.js").State>) => void}} listeners */
export function createFilters({ onChange }) {
  const [more, fields, under] = ["more-filters", "filter-fields", "under"].map(byId);
  const kinds = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('input[name="only"]')]);

  /** @param {boolean} isOpen */
  function open(isOpen) {
    fields.hidden = !isOpen;
    more.setAttribute("aria-expanded", String(isOpen));
  }

  /** @param {string} folder */
  function offer(folder) {
    if (![...under.options].some((option) => option.value === folder)) {
      under.append(el("option", { value: folder, textContent: folder }));
    }
  }

  for (const kind of kinds) kind.addEventListener("change", () => onChange({ only: /** @type {any} */ (kind.value) }));
  for (const name of [...NAMES, "sort"]) byId(name).addEventListener("change", () => onChange({ [name]: byId(name).value }));
  more.addEventListener("click", () => open(fields.hidden));
  byId("no-filters").addEventListener("click", () => {
    onChange({ only: "", under: "", after: "", before: "", within: "", sort: "score" });
    more.focus();
  });

  return {
    /** @param {import("./state.js").State} state */
    show(state) {
      for (const kind of kinds) kind.checked = kind.value === state.only;
      if (state.under) offer(state.under);
      for (const name of [...NAMES, "sort"]) byId(name).value = state[name];
      const number = NAMES.filter((name) => state[name]).length + Number(state.sort !== "score");
      more.lastElementChild.textContent = number ? `Filters · ${number}` : "Filters";
      if (number) open(true);
    },
    /** @param {string[]} folders that were indexed */
    offer: (folders) => folders.forEach(offer),
  };
}
