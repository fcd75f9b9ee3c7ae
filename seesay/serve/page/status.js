/** The line at the bottom: what the library holds, what it is doing, and what could not be read. */

import { ask } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { count } from "./words.js";

const BUSY_MS = 2000;
const IDLE_MS = 10_000;
const ERRORS_AT_ONCE = 200;

/**
 * @typedef {{num_items: number, num_files: number, num_images: number, num_videos: number, roots: string[], model: string|null,
 *   indexing: {done: number, total: number|null}|null, errors: {count: number}}} LibraryState
 * @param {{onLibrary: (library: LibraryState) => void}} listeners
 */
export function createStatus({ onLibrary }) {
  let waiting = 0;
  const line = byId("status");
  byId("errors").addEventListener("click", (/** @type {Event} */ event) => { if (event.target === byId("errors")) byId("errors").close(); });

  async function look() {
    clearTimeout(waiting);
    if (document.hidden) return;
    let pause_ms = IDLE_MS;
    try {
      const library = await ask("/api/library");
      show(library);
      onLibrary(library);
      if (library.indexing) pause_ms = BUSY_MS;
    } catch (error) {
      line.replaceChildren(el("span", { class: "bad" }, /** @type {Error} */ (error).message));
    }
    waiting = setTimeout(look, pause_ms);
  }

  /** @param {LibraryState} library */
  function show(library) {
    const kinds = [library.num_images && count(library.num_images, "picture"), library.num_videos && count(library.num_videos, "video")];
    const parts = [
      el("span", { title: kinds.filter(Boolean).join(", ") || null }, count(library.num_items, "item")),
      library.model && el("span", { class: "model", title: library.model }, library.model),
      library.indexing && showProgress(library.indexing),
      library.errors.count > 0 && el("button", { type: "button", class: "link", onclick: showErrors },
        `${count(library.errors.count, "file")} could not be read`),
    ].filter(Boolean);
    const wasFocused = line.contains(document.activeElement);
    line.replaceChildren(.../** @type {Node[]} */ (parts));
    if (wasFocused) line.querySelector("button")?.focus();
  }

  look();
  document.addEventListener("visibilitychange", look);
}

/** @param {{done: number, total: number|null}} indexing */
const showProgress = ({ done, total }) => el("span", { class: "indexing" },
  el("progress", { "aria-label": "Indexing", ...(total ? { max: total, value: done } : {}) }),
  total ? `indexing ${done.toLocaleString("en")} of ${total.toLocaleString("en")}` : `indexing, ${done.toLocaleString("en")} so far`);

async function showErrors() {
  const dialog = byId("errors");
  const close = el("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"));
  const list = el("ul", {}, el("li", {}, "…"));
  dialog.replaceChildren(el("div", { class: "title" }, el("h2", { id: "errors-title" }, "Files that could not be read"), close),
    el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-labelledby": "errors-title" }, list));
  dialog.showModal();
  close.focus();
  try {
    const { errors, count: number } = await ask(`/api/library/errors?limit=${ERRORS_AT_ONCE}`);
    list.replaceChildren(...errors.map((/** @type {{path: string, reason: string}} */ error) =>
      el("li", {}, el("span", { class: "path" }, error.path), el("span", { class: "reason" }, error.reason))));
    if (number > errors.length) list.append(el("li", {}, `and ${number - errors.length} more: seesay errors`));
  } catch (error) {
    list.replaceChildren(el("li", {}, /** @type {Error} */ (error).message));
  }
}
