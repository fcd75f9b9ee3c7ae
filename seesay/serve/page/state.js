/** What is asked, in the address: back, forward and reload bring it again. */

import { split, toSum } from "./terms.js";

/** @typedef {import("./terms.js").Term} Term */

/**
 * @typedef {object} State
 * @property {"search"|"classify"} tab
 * @property {Term[]} terms settled: the chips
 * @property {string} draft what stands in the box
 * @property {""|"image"|"video"} only
 * @property {string} under a folder, or "" for all
 * @property {string} after a date, 2026-01-31, or ""
 * @property {string} before the last day, or ""
 * @property {string} within of a sequence: seconds between two steps at most, or ""
 * @property {"score"|"date"} sort what comes first
 * @property {boolean} weak also what probably does not match
 * @property {number|null} open the item that is open
 */

/** @returns {State} */
export const nothing = () => ({
  tab: "search", terms: [], draft: "", only: "", under: "", after: "", before: "", within: "", sort: "score", weak: false, open: null,
});

/** Pictures that were given, by a key in the address: they live as long as the page. @type {Map<string, Term>} */
const given = new Map();

/** @param {string} image data URL @param {string} shown blob URL @returns {Term} */
export function keepPicture(image, shown) {
  const key = String(given.size + 1);
  given.set(key, { image, shown, key, weight: 1 });
  return { ...given.get(key) };
}

/** @param {State} state @returns {string} what comes after # */
export function toHash(state) {
  const fields = new URLSearchParams();
  const sum = toSum(state.terms.filter(({ text }) => text), state.draft);
  if (state.tab !== "search") fields.set("tab", state.tab);
  if (sum) fields.set("q", sum);
  for (const { item, key, weight } of state.terms) {
    if (item !== undefined) fields.append("item", `${weight < 0 ? "-" : ""}${item}`);
    if (key) fields.append("picture", `${weight < 0 ? "-" : ""}${key}`);
  }
  for (const name of ["only", "under", "after", "before", "within"]) if (state[name]) fields.set(name, state[name]);
  if (state.sort !== "score") fields.set("sort", state.sort);
  if (state.weak) fields.set("weak", "1");
  if (state.open !== null) fields.set("open", String(state.open));
  return fields.toString();
}

/** @param {string} hash with or without # @returns {State} */
export function fromHash(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const state = nothing();
  const { terms, draft } = split(fields.get("q") ?? "");
  state.terms = [...terms, ...fields.getAll("item").flatMap(toItem), ...fields.getAll("picture").flatMap(toPicture)];
  state.draft = draft.trim() === "+" ? "" : draft;
  state.tab = fields.get("tab") === "classify" ? "classify" : "search";
  const only = fields.get("only") ?? "";
  state.only = only === "image" || only === "video" ? only : "";
  state.under = fields.get("under") ?? "";
  state.after = toDay(fields.get("after"));
  state.before = toDay(fields.get("before"));
  state.within = Number(fields.get("within")) > 0 ? fields.get("within") ?? "" : "";
  state.sort = fields.get("sort") === "date" ? "date" : "score";
  state.weak = fields.get("weak") === "1";
  state.open = /^\d+$/.test(fields.get("open") ?? "") ? Number(fields.get("open")) : null;
  return state;
}

/** @param {string} value @returns {Term[]} */
const toItem = (value) =>
  /^-?\d+$/.test(value) ? [{ item: Math.abs(Number(value)), weight: value.startsWith("-") ? -1 : 1 }] : [];

/** @param {string} value @returns {Term[]} */
function toPicture(value) {
  const term = given.get(value.replace(/^-/, ""));
  return term ? [{ ...term, weight: value.startsWith("-") ? -1 : 1 }] : [];
}

/** @param {string|null} value */
const toDay = (value) => (/^\d{4}-\d\d-\d\d$/.test(value ?? "") ? value ?? "" : "");
