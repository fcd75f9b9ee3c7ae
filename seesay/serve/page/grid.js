/** The results. However many there are, only those near the window are in the page. */

import { thumbnail } from "./api.js";
import { el, icon } from "./dom.js";
import { aspect, justify, rowAt } from "./layout.js";
import { count, range } from "./words.js";

/** @typedef {import("./api.js").Hit} Hit */

const SCREENS_AHEAD = 1;
const SCREENS_TO_FETCH = 3;

/**
 * @param {HTMLElement} root a list
 * @param {{onOpen: (place: number) => void, onNearEnd: () => void}} listeners
 */
export function createGrid(root, { onOpen, onNearEnd }) {
  /** @type {Hit[]} */
  let hits = [];
  let laid = justify([], { width: 1, target: 1, gap: 0 });
  /** @type {Map<number, HTMLElement>} */
  const shown = new Map();
  let current = 0; // the one that Tab reaches
  let drawing = 0;

  function lay() {
    const width = root.clientWidth;
    const target = width < 600 ? 132 : width < 1100 ? 190 : 220;
    const aspects = hits.map((hit) => aspect(hit.width_px, hit.height_px));
    laid = justify(aspects, { width, target, gap: width < 600 ? 4 : 8 });
    root.style.height = `${laid.height}px`;
    for (const [place, tile] of shown) if (place < hits.length) put(tile, laid.places[place]);
    draw();
  }

  function draw() {
    drawing = 0;
    const top = -root.getBoundingClientRect().top;
    const screen = innerHeight;
    const from = laid.rows[rowAt(laid.rows, top - SCREENS_AHEAD * screen)]?.first ?? 0;
    const last = laid.rows[rowAt(laid.rows, top + (1 + SCREENS_AHEAD) * screen)];
    const end = last ? last.end : hits.length;
    for (const [place, tile] of shown) {
      const isWanted = (place >= from && place < end) || tile.contains(document.activeElement);
      if (place >= hits.length || !isWanted) {
        drop(tile);
        shown.delete(place);
      }
    }
    const fresh = document.createDocumentFragment();
    for (let place = from; place < end; place++) {
      if (shown.has(place)) continue;
      const tile = makeTile(place);
      shown.set(place, tile);
      fresh.append(tile);
    }
    root.append(fresh);
    if (laid.height - top < (1 + SCREENS_TO_FETCH) * screen) onNearEnd();
  }

  /** A thumbnail that is still on its way is not waited for. @param {HTMLElement} tile */
  function drop(tile) {
    tile.querySelector("img:not(.there)")?.removeAttribute("src");
    tile.remove();
  }

  /** @param {number} place */
  function makeTile(place) {
    const hit = hits[place];
    const at = laid.places[place];
    const side = Math.max(at.width, at.height) * Math.min(2, devicePixelRatio) > 300 ? 512 : 256;
    const isMoment = hit.kind === "moment" && hit.start_s !== undefined;
    const when = isMoment ? range(hit.start_s ?? 0, hit.end_s ?? hit.start_s ?? 0) : hit.page ? `page ${hit.page}` : "";
    const also = hit.also?.length ? `, and ${count(hit.also.length, "other file")}` : "";
    const fill = el("span", { class: "fill" });
    fill.style.width = `${Math.round(100 * Math.min(1, Math.max(0, hit.score / Math.max(0.05, hits[0].score))))}%`;
    const picture = el("img", { alt: "", decoding: "async", draggable: false, onload: () => picture.classList.add("there") });
    picture.src = thumbnail(hit.id, side);
    if (picture.complete) picture.classList.add("there"); // seen a moment ago: no fading in again while somebody types
    const button = el(
      "button",
      {
        type: "button", class: "tile", tabIndex: place === current ? 0 : -1, title: [hit.name, `score ${hit.score.toFixed(3)}`, ...(hit.also ?? [])].join("\n"),
        "aria-label": `${hit.name}${when ? `, ${isMoment ? "moment " : ""}${when}` : ""}${hit.out_of_reach ? ", out of reach" : ""}, score ${hit.score.toFixed(2)}${also}`,
        onclick: () => { setCurrent(place); onOpen(place); },
        onfocus: () => setCurrent(place),
      },
      picture,
      when && el("span", { class: "when" }, isMoment && icon("play"), when),
      hit.out_of_reach && el("span", { class: "away" }, "out of reach"),
      also && el("span", { class: "also" }, `+${hit.also?.length}`),
      el("span", { class: "score" }, fill),
    );
    const item = el("li", { "aria-setsize": String(hits.length), "aria-posinset": String(place + 1) }, button);
    put(item, at);
    return item;
  }

  /** @param {HTMLElement} item @param {import("./layout.js").Place} at */
  function put(item, at) {
    item.style.transform = `translate(${at.left}px, ${at.top}px)`;
    item.style.width = `${at.width}px`;
    item.style.height = `${at.height}px`;
  }

  /** @param {number} place */
  function setCurrent(place) {
    const before = shown.get(current)?.querySelector("button");
    if (before) before.tabIndex = -1;
    current = place;
    const now = shown.get(place)?.querySelector("button");
    if (now) now.tabIndex = 0;
  }

  /** @param {number} place */
  function focus(place) {
    if (place < 0 || place >= hits.length) return;
    const at = laid.places[place];
    const top = root.getBoundingClientRect().top + at.top;
    const above = document.querySelector(".top")?.getBoundingClientRect().height ?? 0;
    if (top < above + 8) scrollBy(0, top - above - 8);
    else if (top + at.height > innerHeight - 48) scrollBy(0, top + at.height - innerHeight + 48);
    draw();
    setCurrent(place);
    shown.get(place)?.querySelector("button")?.focus({ preventScroll: true });
  }

  /** The one above or below whose middle is nearest. @param {number} step */
  function besideRow(step) {
    const from = laid.places[current];
    const row = laid.rows[from.row + step];
    if (!row) return current;
    const middle = (/** @type {number} */ place) => laid.places[place].left + laid.places[place].width / 2;
    let best = row.first;
    for (let place = row.first; place < row.end; place++) {
      if (Math.abs(middle(place) - middle(current)) < Math.abs(middle(best) - middle(current))) best = place;
    }
    return best;
  }

  root.addEventListener("keydown", (event) => {
    const moves = {
      ArrowLeft: () => current - 1, ArrowRight: () => current + 1, ArrowUp: () => besideRow(-1),
      ArrowDown: () => besideRow(1), Home: () => 0, End: () => hits.length - 1,
    };
    const move = moves[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    focus(move());
  });
  const drawSoon = () => { drawing ||= requestAnimationFrame(draw); };
  addEventListener("scroll", drawSoon, { passive: true });
  let width = 0;
  new ResizeObserver(() => {
    if (root.clientWidth !== width && root.clientWidth) { width = root.clientWidth; lay(); }
  }).observe(root);

  return {
    /** @param {Hit[]} found */
    show(found) {
      for (const tile of shown.values()) drop(tile);
      shown.clear();
      hits = found;
      current = 0;
      lay();
    },
    /** @param {Hit[]} found */
    add(found) {
      hits = hits.concat(found);
      lay();
    },
    focus,
    hits: () => hits,
  };
}
