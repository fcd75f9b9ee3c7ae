/** The page: what the parts tell each other. The state is in the address; every change goes through `change`. */

import { ask, canAsk, ServiceError, toTerms } from "./api.js";
import { createBlank } from "./blank.js";
import { createBox } from "./box.js";
import { createClassify } from "./classify.js";
import { byId, say } from "./dom.js";
import { createFilters } from "./filters.js";
import { createGrid } from "./grid.js";
import { hasFile, pictureIn, prepare } from "./pictures.js";
import { createSearch } from "./search.js";
import { fromHash, keepPicture, toHash, withoutItems } from "./state.js";
import { split } from "./terms.js";
import { createStatus } from "./status.js";
import { createTrouble, STOPPED } from "./trouble.js";
import { createViewer } from "./viewer.js";
import { showWait } from "./wait.js";
import { count } from "./words.js";

/** @typedef {import("./state.js").State} State */

const TYPING_MS = 1500; // keys closer than this are one step of the history
const ASKED = /** @type {const} */ (["terms", "draft", "only", "under", "after", "before", "within", "sort", "weak"]);

/** Words of the query that the model does not know. @type {string[]} */
let unknown = [];
let state = fromHash(location.hash);
let typed_ms = -Infinity;
/** What did not work last: the search, its next page, or looking at the library. @type {"search"|"more"|"library"|""} */
let failed = "";
/** @type {import("./status.js").LibraryState|null} */
let library = null;
/** The library of the last answer. @type {string|null} */
let searched = null;
let isAway = false; // the service gave no answer the last time

const box = createBox({ onChange: changeQuery, onPicture: searchPicture, onDown: () => grid.focus(0) });
const filters = createFilters({ onChange: (asked) => change({ ...asked }, "push", "now") });
const blank = createBlank({ onExample, onWeak: () => change({ weak: true }, "push", "now"), onWithout });
const grid = createGrid(byId("grid"), { onOpen: open, onNearEnd: () => search.more() });
const search = createSearch({ onFirst: showFirst, onMore: showMore, onError: showError, onWait: showWaiting });
const trouble = createTrouble(byId("trouble"), { isWatched: true, onRetry: () => { status.look(); askAgain(); } });
const viewer = createViewer({
  onStep: (step) => open(grid.hits().findIndex(({ id }) => id === state.open) + step),
  onClosed,
  onMoreLike: (item) => change({ terms: [{ item, weight: 1 }], draft: "", weak: false, open: null }, "push", "now"),
  onFolder: (under) => change({ under, open: null }, "push", "now"),
  state: () => state,
});
const classify = createClassify();
const status = createStatus({ onLibrary, onError: (error) => { if (!trouble.isShown()) showTrouble(error, "library"); isAway = true; } });

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
  state = { ...state, wrong: "", ...next };
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
  if (canAsk(state)) return search.start(state, when);
  search.forget();
  grid.show([]);
  unknown = [];
  if (failed !== "library") hideTrouble();
  showCount();
  const isGone = toTerms(state).length > 0;
  if (isGone) {
    blank.showGone(toTerms(state).some((term) => !term.isGone));
    if (state.open !== null && !viewer.isOpen()) showOpen();
  } else if (library && !library.num_items) blank.showEmptyLibrary();
  else blank.showStart();
}

/** @param {import("./search.js").Page} page */
function showFirst(page) {
  const isOther = searched !== null && Boolean(page.library) && page.library !== searched;
  searched = page.library || searched;
  if (isOther) return showOther(true);
  hideTrouble();
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

/** @param {import("./search.js").Page} page */
function showMore(page) {
  hideTrouble();
  grid.add(page.hits);
  showCount();
}

/** @param {Error} error @param {boolean} isFirst what stands there answered another question */
function showError(error, isFirst) {
  if (isFirst) {
    grid.show([]);
    blank.hide();
    unknown = [];
  }
  showTrouble(error, isFirst ? "search" : "more");
  showCount();
}

/** @param {Error} error @param {"search"|"more"|"library"} what */
function showTrouble(error, what) {
  failed = what;
  trouble.show(error);
}

function hideTrouble() {
  failed = "";
  trouble.hide();
}

function askAgain() {
  if (failed === "more") search.again();
  else if (failed === "search") askNow("now");
}

/** @param {import("./wait.js").Stage} stage */
function showWaiting(stage) {
  const isFirst = !search.hasMore();
  byId("grid").setAttribute("aria-busy", String(stage !== "" && isFirst));
  if (stage && isFirst) byId("count").textContent = ""; // it is of the query before
  showWait(byId("waiting"), stage, "searching", () => {
    search.stop();
    showError(new ServiceError("it was stopped before the service answered", STOPPED), isFirst);
  });
}

function showCount() {
  const number = grid.hits().length;
  const words = search.hasMore() ? `first ${count(number, "result")}` : count(number, "result");
  const found = number ? `${state.weak ? "nearest: " : ""}${words}` : "nothing here matches";
  const doubt = unknown.length ? `the model does not know ${unknown.map((word) => `“${word}”`).join(", ")}; ` : "";
  byId("count").textContent = !canAsk(state) || failed === "search" ? "" : doubt + found;
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
  const prepared = await prepare(file).catch(() => null);
  if (!prepared) return say("The picture cannot be read any more");
  const gone = state.terms.find(({ isGone }) => isGone); // whose place it takes
  const term = { ...keepPicture(prepared.image, prepared.shown), weight: gone?.weight ?? 1 };
  change({ terms: [...state.terms.filter((own) => own !== gone), term], tab: "search", weak: false }, "push", "now");
}

/** @param {string} sum */
function onExample(sum) {
  change({ ...split(sum), weak: false }, "push", "now");
  byId("query").focus();
}

/** What is left of the query without pictures that are gone. */
function onWithout() {
  change({ terms: state.terms.filter(({ isGone }) => !isGone) }, "push", "now");
}

/** @param {import("./status.js").LibraryState} found */
function onLibrary(found) {
  const isNews = !library || !library.num_items !== !found.num_items;
  const isBack = isAway;
  const isOther = library !== null && (library.folder !== found.folder || library.model !== found.model);
  const hasOtherItems = library !== null && library.folder !== found.folder;
  library = found;
  isAway = false;
  filters.offer(found.roots);
  if (failed === "library") hideTrouble();
  if (isOther) return showOther(hasOtherItems);
  if (isBack) grid.renew();
  if (trouble.mayPass() || (isBack && failed === "search")) askAgain();
  else if (isNews && (!toTerms(state).length || !grid.hits().length)) askNow("now");
}

/** The service was started again, for another library or with another model. @param {boolean} hasOtherItems */
function showOther(hasOtherItems) {
  viewer.close();
  grid.show([]);
  say("The service now has another library or another model: asked again");
  if (hasOtherItems) change({ terms: withoutItems(state.terms), open: null }, "replace", "now");
  askNow("now");
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

const early = byId("query").value; // typed while this program was on its way
listen();
show(state, "now");
if (early && !toTerms(state).length) change(split(early), "replace", "now");
else if (toTerms(state).length) askNow("now");
else if (state.open !== null) showOpen();
if (state.tab === "search" && matchMedia("(hover: hover)").matches) byId("query").focus();
