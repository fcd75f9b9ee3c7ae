/** The page: what the parts tell each other. The state is in the address; every change goes through `change`. */

import { ask, toTerms } from "./api.js";
import { createBlank } from "./blank.js";
import { createBox } from "./box.js";
import { createClassify } from "./classify.js";
import { byId, say } from "./dom.js";
import { createFilters } from "./filters.js";
import { createGrid } from "./grid.js";
import { hasFile, pictureIn, prepare } from "./pictures.js";
import { createSearch } from "./search.js";
import { fromHash, keepPicture, toHash } from "./state.js";
import { split } from "./terms.js";
import { createStatus } from "./status.js";
import { createViewer } from "./viewer.js";
import { count } from "./words.js";

/** @typedef {import("./state.js").State} State */

const TYPING_MS = 1500; // keys closer than this are one step of the history
const ASKED = /** @type {const} */ (["terms", "draft", "only", "under", "after", "before", "within", "sort", "weak"]);

/** Words of the query that the model does not know. @type {string[]} */
let unknown = [];
let state = fromHash(location.hash);
let typed_ms = -Infinity;
/** @type {import("./status.js").LibraryState|null} */
let library = null;

const box = createBox({ onChange: changeQuery, onPicture: searchPicture, onDown: () => grid.focus(0) });
const filters = createFilters({ onChange: (asked) => change({ ...asked }, "push", "now") });
const blank = createBlank({ onExample, onWeak: () => change({ weak: true }, "push", "now") });
const grid = createGrid(byId("grid"), { onOpen: open, onNearEnd: () => search.more() });
const search = createSearch({ onFirst: showFirst, onMore: (page) => { grid.add(page.hits); showCount(); }, onError: showError });
const viewer = createViewer({
  onStep: (step) => open(grid.hits().findIndex(({ id }) => id === state.open) + step),
  onClosed,
  onMoreLike: (item) => change({ terms: [{ item, weight: 1 }], draft: "", weak: false, open: null }, "push", "now"),
  onFolder: (under) => change({ under, open: null }, "push", "now"),
  state: () => state,
});
const classify = createClassify();
createStatus({ onLibrary });

/** @param {Partial<State>} asked @param {"soon"|"now"} when */
function changeQuery(asked, when) {
  const now_ms = performance.now();
  const isTyping = when === "soon" && now_ms - typed_ms < TYPING_MS;
  typed_ms = now_ms;
  change({ ...asked, weak: false }, isTyping ? "replace" : "push", when);
}

/** @param {Partial<State>} next @param {"push"|"replace"} step of the history @param {"soon"|"now"} when to ask */
function change(next, step, when) {
  const before = state;
  state = { ...state, ...next };
  const hash = toHash(state);
  if (hash !== location.hash.slice(1)) {
    history[step === "push" ? "pushState" : "replaceState"]({ isOpened: step === "push" && state.open !== null }, "", hash ? `#${hash}` : location.pathname);
  }
  show(before, when);
}

/** @param {State} before @param {"soon"|"now"} when */
function show(before, when) {
  box.show(state);
  filters.show(state);
  showTab();
  document.title = toTerms(state).map(({ text }) => text).filter(Boolean).join(", ") || "seesay";
  if (ASKED.some((name) => before[name] !== state[name])) askNow(when);
}

/** @param {"soon"|"now"} when */
function askNow(when) {
  if (toTerms(state).length) return search.start(state, when);
  search.stop();
  grid.show([]);
  byId("trouble").hidden = true;
  showCount();
  if (library && !library.num_items) blank.showEmptyLibrary();
  else blank.showStart();
}

/** @param {import("./search.js").Page} page */
function showFirst(page) {
  byId("trouble").hidden = true;
  if (grid.hits().length && scrollY > 0) scrollTo(0, 0);
  grid.show(page.hits);
  const hasFilters = Boolean(state.only || state.under || state.after || state.before || state.within);
  if (page.hits.length) blank.hide();
  else if (library && !library.num_items) blank.showEmptyLibrary();
  else if (state.weak) blank.showNone(hasFilters);
  else blank.showNothing(hasFilters, page.is_held_back ? "" : page.reason ?? "");
  unknown = page.unknown_words ?? [];
  showCount();
  if (state.open !== null && !viewer.isOpen()) showOpen();
}

/** @param {Error} error */
function showError(error) {
  byId("trouble").textContent = error.message;
  byId("trouble").hidden = false;
}

function showCount() {
  const number = grid.hits().length;
  const words = search.hasMore() ? `first ${count(number, "result")}` : count(number, "result");
  const found = number ? `${state.weak ? "nearest: " : ""}${words}` : "nothing here matches";
  const doubt = unknown.length ? `the model does not know ${unknown.map((word) => `“${word}”`).join(", ")}; ` : "";
  byId("count").textContent = !toTerms(state).length ? "" : doubt + found;
}

function showTab() {
  for (const name of ["search", "classify"]) {
    const isHere = state.tab === name;
    byId(`tab-${name}`).setAttribute("aria-selected", String(isHere));
    byId(`tab-${name}`).tabIndex = isHere ? 0 : -1;
    byId(`panel-${name}`).hidden = !isHere;
  }
  byId("box").hidden = state.tab !== "search";
}

/** @param {number} place of a result */
function open(place) {
  const hit = grid.hits()[place];
  if (!hit) return;
  change({ open: hit.id }, viewer.isOpen() ? "replace" : "push", "now");
  viewer.show(hit, { hasBefore: place > 0, hasAfter: place + 1 < grid.hits().length });
  if (place + 20 > grid.hits().length) search.more();
}

/** What the address says is open, also when it is not among the results. */
async function showOpen() {
  const place = grid.hits().findIndex(({ id }) => id === state.open);
  if (place >= 0) return viewer.show(grid.hits()[place], { hasBefore: place > 0, hasAfter: place + 1 < grid.hits().length });
  try {
    viewer.show(await ask(`/api/items/${state.open}`), { hasBefore: false, hasAfter: false });
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    change({ open: null }, "replace", "now");
  }
}

function onClosed() {
  if (state.open === null) return;
  const place = grid.hits().findIndex(({ id }) => id === state.open);
  const isOpened = history.state?.isOpened;
  change({ open: null }, "replace", "now");
  if (isOpened) history.back(); // so that the browser's own "back" does not open it again
  if (place >= 0) grid.focus(place);
}

/** @param {File} file */
async function searchPicture(file) {
  const { image, shown } = await prepare(file);
  change({ terms: [...state.terms, keepPicture(image, shown)], tab: "search", weak: false }, "push", "now");
}

/** @param {string} sum */
function onExample(sum) {
  change({ ...split(sum), weak: false }, "push", "now");
  byId("query").focus();
}

/** @param {import("./status.js").LibraryState} found */
function onLibrary(found) {
  const isNews = !library || !library.num_items !== !found.num_items;
  library = found;
  filters.offer(found.roots);
  if (isNews && (!toTerms(state).length || !grid.hits().length)) askNow("now");
}

/** @param {File} file */
const take = (file) => (state.tab === "classify" ? classify.take(file) : searchPicture(file));

function listen() {
  addEventListener("popstate", () => {
    const before = state;
    state = fromHash(location.hash);
    if (state.open === null) viewer.close();
    const isSame = toHash({ ...before, open: null, tab: "search" }) === toHash({ ...state, open: null, tab: "search" });
    show(isSame ? state : before, "now");
    if (isSame && state.open !== null && state.open !== before.open) showOpen();
  });
  for (const name of /** @type {const} */ (["search", "classify"])) {
    byId(`tab-${name}`).addEventListener("click", () => change({ tab: name }, "push", "now"));
    byId(`tab-${name}`).addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = name === "search" ? "classify" : "search";
      change({ tab: other }, "push", "now");
      byId(`tab-${other}`).focus();
    });
  }
  document.addEventListener("keydown", (event) => {
    const isWriting = /** @type {Element} */ (event.target).closest("input:not([type=radio]), textarea, select, dialog");
    if (event.key === "/" && !isWriting) {
      event.preventDefault();
      change({ tab: "search" }, "replace", "now");
      box.focus();
    } else if (event.key === "Escape" && /** @type {Element} */ (event.target).closest(".grid")) box.focus();
  });
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData);
    if (file) { event.preventDefault(); take(file); }
  });
  const drop = byId("drop");
  addEventListener("dragover", (event) => {
    if (!hasFile(event.dataTransfer)) return;
    event.preventDefault();
    drop.hidden = false;
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.hidden = true; });
  addEventListener("drop", (event) => {
    drop.hidden = true;
    if (!hasFile(event.dataTransfer)) return;
    event.preventDefault();
    const file = pictureIn(event.dataTransfer);
    if (file) { viewer.close(); take(file); } else say("That is not a picture");
  });
}

listen();
show(state, "now");
if (toTerms(state).length) askNow("now");
else if (state.open !== null) showOpen();
if (state.tab === "search" && matchMedia("(hover: hover)").matches) byId("query").focus();
