/** Zero-shot classification to try: a picture, labels, and how likely each is. */

import { ask } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { prepare } from "./pictures.js";

const WAIT_MS = 120;
const ROW_PX = 52;
const FIRST_LABELS = "a cat, a dog, a person, a cup of coffee, a landscape";

/** The labels that are typed: commas or lines between, each once. @param {string} typed */
export const toLabels = (typed) => [...new Set(typed.split(/[,\n]/).map((label) => label.trim()).filter(Boolean))];

/** @returns {{take: (file: File) => Promise<void>}} */
export function createClassify() {
  const picture = el("img", { class: "subject", alt: "The picture to name", hidden: true });
  const file = el("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "A picture to name", onchange: () => { if (file.files[0]) take(file.files[0]); file.value = ""; } });
  const hint = el("span", { class: "hint" }, icon("picture"), "Drop, paste or choose a picture");
  const well = el("button", { type: "button", class: "well", "aria-label": "Choose a picture to name", onclick: () => file.click() }, picture, hint);
  const words = el("textarea", { id: "labels", rows: 4, spellcheck: false, value: FIRST_LABELS, oninput: soon });
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const bars = el("ol", { class: "bars", "aria-label": "Labels, likeliest first" });
  const said = el("p", { class: "unseen", role: "status" });
  byId("panel-classify").append(
    el("div", { class: "try" }, el("div", { class: "subject-side" }, well, file),
      el("div", { class: "label-side" },
        el("label", { class: "caption", for: "labels" }, "Labels, with commas or lines between"), words, trouble, bars, said)));

  let image = ""; // a data URL
  let waiting = 0;
  let asking = new AbortController();
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(classify, WAIT_MS);
  }

  /** @param {File} chosen */
  async function take(chosen) {
    const prepared = await prepare(chosen);
    if (picture.src) URL.revokeObjectURL(picture.src);
    image = prepared.image;
    picture.src = prepared.shown;
    picture.hidden = false;
    hint.hidden = true;
    await classify();
  }

  async function classify() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const labels = toLabels(words.value);
    if (!image || !labels.length) return show([]);
    try {
      const answer = await ask("/api/classify", { body: { image, labels }, signal });
      trouble.hidden = true;
      show(answer.labels);
    } catch (error) {
      if (signal.aborted) return;
      trouble.textContent = /** @type {Error} */ (error).message;
      trouble.hidden = false;
    }
  }

  /** @param {{label: string, probability: number}[]} ranked */
  function show(ranked) {
    const wanted = new Set(ranked.map(({ label }) => label));
    for (const [label, row] of shown) if (!wanted.has(label)) { row.remove(); shown.delete(label); }
    bars.style.height = `${ranked.length * ROW_PX}px`;
    const rows = ranked.map(({ label, probability }, place) => {
      const row = shown.get(label) ?? makeRow(label);
      shown.set(label, row);
      row.style.transform = `translateY(${place * ROW_PX}px)`;
      /** @type {HTMLElement} */ (row.querySelector(".fill")).style.width = `${(100 * probability).toFixed(1)}%`;
      /** @type {HTMLElement} */ (row.querySelector(".percent")).textContent = `${(100 * probability).toFixed(1)} %`;
      return row;
    });
    // rows that stay keep their element, so that they glide; only what stands elsewhere is moved in the list
    rows.forEach((row, place) => { if (bars.children[place] !== row) bars.insertBefore(row, bars.children[place] ?? null); });
    said.textContent = ranked.length ? `Likeliest: ${ranked[0].label}, ${Math.round(100 * ranked[0].probability)} percent` : "";
  }

  /** @param {string} label */
  const makeRow = (label) => el("li", {},
    el("span", { class: "label" }, label), el("span", { class: "percent" }), el("span", { class: "track" }, el("span", { class: "fill" })));

  return { take };
}
