/** Kind, folder and date, the order, and how near the steps of a sequence are. */

import { byId, el } from "./dom.js";

const TYPED = ["after", "before", "within"]; // by hand, so what stands there may be no value
const NAMES = ["under", ...TYPED];

/** @param {{onChange: (change: Partial<import("./state.js").State>) => void}} listeners */
export function createFilters({ onChange }) {
  const [more, fields, under, wrong] = ["more-filters", "filter-fields", "under", "wrong"].map(byId);
  const kinds = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('input[name="only"]')]);
  /** @type {Record<string, string>} */
  const applied = {};

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

  /** @param {string} text */
  function tell(text) {
    if (wrong.textContent !== text) wrong.textContent = text;
    for (const name of TYPED) byId(name).setAttribute("aria-invalid", String(!byId(name).validity.valid));
  }

  /** What is typed and no value is said, and filters nothing; what was there before goes on. @param {string} name */
  function check(name) {
    const { valid } = byId(name).validity;
    if (!valid) return tell(complaint(name, applied[name]));
    tell("");
    if (byId(name).value !== applied[name]) onChange({ [name]: byId(name).value });
  }

  for (const kind of kinds) kind.addEventListener("change", () => onChange({ only: /** @type {any} */ (kind.value) }));
  for (const name of ["under", "sort"]) byId(name).addEventListener("change", () => onChange({ [name]: byId(name).value }));
  for (const name of TYPED) {
    byId(name).addEventListener("change", () => { if (byId(name).validity.valid) check(name); }); // else it is being typed
    byId(name).addEventListener("blur", () => check(name));
    byId(name).addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter") check(name); });
  }
  more.addEventListener("click", () => open(fields.hidden));
  byId("no-filters").addEventListener("click", () => {
    for (const name of TYPED) byId(name).value = "";
    tell("");
    onChange({ only: "", under: "", after: "", before: "", within: "", sort: "score" });
    more.focus();
  });

  return {
    /** @param {import("./state.js").State} state */
    show(state) {
      for (const kind of kinds) kind.checked = kind.value === state.only;
      if (state.under) offer(state.under);
      for (const name of [...NAMES, "sort"]) {
        if (applied[name] !== state[name]) byId(name).value = state[name]; // else what is being typed there would go
        applied[name] = state[name];
      }
      const number = NAMES.filter((name) => state[name]).length + Number(state.sort !== "score");
      more.lastElementChild.textContent = number ? `Filters · ${number}` : "Filters";
      if (number || state.wrong) open(true);
      const isTurned = state.after && state.before && state.after > state.before;
      if (TYPED.every((name) => byId(name).validity.valid)) tell(isTurned ? "“From” is later than “To”: nothing lies between." : state.wrong);
    },
    /** @param {string[]} folders that were indexed */
    offer: (folders) => folders.forEach(offer),
  };
}

/** @param {string} name of a field @param {string} before the value that filters now */
function complaint(name, before) {
  const label = byId(name).labels[0].firstChild.textContent.trim();
  const wanted = name === "within" ? "a number of seconds, 0.1 or more" : "a whole date: day, month, and a year from 1000 to 9999";
  return `“${label}” is not ${wanted}. ${before ? `It still is ${before}.` : "It does not filter."}`;
}
