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
 * @property {string} wrong what the address says and cannot be, or ""
 */

/** @returns {State} */
export const nothing = () => ({
  tab: "search", terms: [], draft: "", only: "", under: "", after: "", before: "", within: "", sort: "score", weak: false, open: null,
  wrong: "",
});

/**
 * Pictures that were given, by a key in the address: they live as long as the page. A key is never used again, since
 * an address may outlive the page.
 * @type {Map<string, Term>}
 */
const given = new Map();

/** What crypto.randomUUID gives, which there is under https and on this machine only. */
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} image data URL @param {string} shown blob URL @returns {Term} */
export function keepPicture(image, shown) {
  const key = crypto.randomUUID?.() ?? newKey();
  const term = { image, shown, key, weight: 1 };
  given.set(key, term);
  return { ...term };
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
  state.terms = [...terms, ...fields.getAll("item").flatMap(toItem), ...fields.getAll("picture").map(toPicture)];
  state.draft = draft.trim() === "+" ? "" : draft;
  state.tab = fields.get("tab") === "classify" ? "classify" : "search";
  const only = fields.get("only") ?? "";
  state.only = only === "image" || only === "video" ? only : "";
  state.under = fields.get("under") ?? "";
  state.after = toDay(fields, "after", state);
  state.before = toDay(fields, "before", state);
  const within = fields.get("within") ?? "";
  state.within = Number(within) > 0 ? within : "";
  if (within && !state.within) state.wrong = `The address says within=${within}, which is not a number of seconds: it does not filter.`;
  state.sort = fields.get("sort") === "date" ? "date" : "score";
  state.weak = fields.get("weak") === "1";
  state.open = /^\d+$/.test(fields.get("open") ?? "") ? Number(fields.get("open")) : null;
  return state;
}

/** @param {string} value @returns {Term[]} */
const toItem = (value) =>
  /^-?\d+$/.test(value) ? [{ item: Math.abs(Number(value)), weight: value.startsWith("-") ? -1 : 1 }] : [];

/** @param {string} value @returns {Term} */
function toPicture(value) {
  const key = value.replace(/^-/, "");
  return { ...(given.get(key) ?? { key, isGone: true }), weight: value.startsWith("-") ? -1 : 1 };
}

/** What is left of a query when the library that its items are of is there no more. @param {Term[]} terms @returns {Term[]} */
export const withoutItems = (terms) =>
  terms.map((term) => (term.item === undefined ? term : { key: newKey(), isGone: true, weight: term.weight }));

/** Whether it is a date that a calendar has. @param {string} value */
function isDay(value) {
  const time = new Date(`${value}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(time.getTime()) && time.toISOString().startsWith(value);
}

/** @param {URLSearchParams} fields @param {"after"|"before"} name @param {State} state is told where it is no date */
function toDay(fields, name, state) {
  const value = fields.get(name) ?? "";
  if (!value || isDay(value)) return value;
  state.wrong = `The address says ${name}=${value}, which is not a date: it does not filter.`;
  return "";
}
