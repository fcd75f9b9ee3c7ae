/** The search box: what is typed, and a chip for each settled part of the sum. */

import { thumbnail } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { fromDraft, split, toSum } from "./terms.js";

/** @typedef {import("./terms.js").Term} Term */
/** @typedef {import("./state.js").State} State */

/** @param {{onChange: (change: Partial<State>, when: "soon"|"now") => void, onPicture: (file: File) => void, onDown: () => void}} listeners */
export function createBox({ onChange, onPicture, onDown }) {
  const [input, chips, clear, file] = ["query", "chips", "clear", "file"].map(byId);
  /** @type {Term[]} */
  let terms = [];

  /** @param {Term[]} next @param {string} draft @param {"soon"|"now"} when */
  function change(next, draft, when) {
    show({ terms: next, draft });
    onChange({ terms: next, draft }, when);
  }

  /** @param {Pick<State, "terms"|"draft">} state */
  function show(state) {
    terms = state.terms;
    if (input.value !== state.draft) input.value = state.draft;
    chips.replaceChildren(...terms.map(makeChip));
    clear.hidden = !terms.length && !input.value;
    input.placeholder = terms.length ? "+ or − something" : "a dog on a beach";
  }

  /** @param {Term} term @param {number} place */
  function makeChip(term, place) {
    const isAgainst = term.weight < 0;
    const name = term.text ?? "picture";
    const times = Math.abs(term.weight) === 1 ? "" : `${Math.abs(term.weight)} × `;
    const picture = term.text === undefined && el("img", { alt: "", src: term.shown ?? thumbnail(term.item ?? 0, 256) });
    return el("li", { class: `chip${isAgainst ? " against" : ""}` },
      el("button", {
        type: "button", class: "sign", title: isAgainst ? "less like this; press to add" : "more like this; press to subtract",
        "aria-label": `${name}: ${isAgainst ? "subtracted" : "added"}; flip`,
        onclick: () => {
          change(terms.map((own, at) => (at === place ? { ...own, weight: -own.weight } : own)), input.value, "now");
          chips.children[place]?.querySelector(".sign").focus();
        },
      }, isAgainst ? "−" : "+"),
      picture,
      el("span", { class: picture ? "unseen" : "words" }, times + name),
      el("button", {
        type: "button", class: "remove", "aria-label": `Remove ${name}`,
        onclick: () => { change(terms.filter((_, at) => at !== place), input.value, "now"); input.focus(); },
      }, icon("close")),
    );
  }

  input.addEventListener("input", (event) => {
    if (event.isComposing) return;
    const typed = split(input.value);
    change([...terms, ...typed.terms], typed.draft, "soon");
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && !input.value && terms.length) {
      event.preventDefault(); // the last chip opens again, or goes if it is a picture
      const last = terms.at(-1);
      change(terms.slice(0, -1), last?.text === undefined ? "" : toSum([last], "").replace(/ \+$/, ""), "now");
    } else if (event.key === "Escape" && (input.value || terms.length)) {
      event.preventDefault();
      change([], "", "now");
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      onDown();
    }
  });
  byId("box").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const isSum = terms.length > 0 || /^\s*[+\-−]/.test(input.value);
    if (isSum) change([...terms, ...fromDraft(input.value)], "", "now");
    else change(terms, input.value, "now");
  });
  byId("box").addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.target === byId("box") || event.target === chips) { event.preventDefault(); input.focus(); }
  });
  clear.addEventListener("click", () => { change([], "", "now"); input.focus(); });
  byId("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => { if (file.files[0]) onPicture(file.files[0]); file.value = ""; });

  return { show, focus: () => { input.focus(); input.select(); } };
}
