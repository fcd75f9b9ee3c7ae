/** A result, opened: the picture or the video, what is known of it, and what to do with it. */

import { ask, canAsk, thumbnail, toBody } from "./api.js";
import { byId, el, icon, say } from "./dom.js";
import { paintHeat, paintLegend } from "./heat.js";
import { makeStage } from "./stage.js";
import { createWait } from "./wait.js";
import { date, range, shorten, size } from "./words.js";

/** @typedef {import("./api.js").Hit} Hit */

const MOST_LETTERS = 90; // of a name; all of it is in its title and can be copied

/**
 * @param {{onStep: (step: 1|-1) => void, onClosed: () => void, onMoreLike: (id: number) => void, onFolder: (folder: string) => void,
 *   state: () => import("./state.js").State}} listeners
 */
export function createViewer({ onStep, onClosed, onMoreLike, onFolder, state }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("viewer"));
  let asking = new AbortController();

  dialog.addEventListener("close", () => {
    asking.abort();
    dialog.querySelector("video")?.pause();
    document.body.append(byId("toast"));
    dialog.replaceChildren();
    onClosed();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.altKey || event.ctrlKey || event.metaKey || target.closest("video")) return; // a video moves in itself
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    onStep(/** @type {1|-1} */ (step));
  });

  /** @param {Hit} hit @param {{hasBefore: boolean, hasAfter: boolean}} around */
  function show(hit, around) {
    asking.abort();
    asking = new AbortController();
    const stage = makeStage(hit, {
      signal: asking.signal, state: state(), onRetry: () => show(hit, around),
      onFailed: () => { for (const own of dialog.querySelectorAll("[data-needs-file]")) /** @type {HTMLElement} */ (own).hidden = true; },
    });
    const focused = document.activeElement?.getAttribute("data-does");
    document.body.append(byId("toast"));
    dialog.replaceChildren(
      el("div", { class: "stage" }, stage,
        makeStep("previous", "Previous result", -1, around.hasBefore),
        makeStep("next", "Next result", 1, around.hasAfter)),
      makeFacts(hit, stage),
    );
    if (!dialog.open) dialog.showModal();
    const same = focused && dialog.querySelector(`[data-does="${focused}"]:not([disabled])`);
    /** @type {HTMLElement} */ (same || dialog.querySelector('[data-does="close"]')).focus({ preventScroll: true });
  }

  /** @param {string} name @param {string} label @param {1|-1} step @param {boolean} isThere */
  const makeStep = (name, label, step, isThere) =>
    el("button", { type: "button", class: `step ${name}`, "aria-label": label, "data-does": name, disabled: !isThere, onclick: () => onStep(step) }, icon(name));

  /** @param {Hit} hit @param {HTMLElement} stage */
  function makeFacts(hit, stage) {
    const facts = /** @type {any[]} */ ([
      ["Folder", el("button", { type: "button", class: "link", title: "Search in this folder only", onclick: () => { dialog.close(); onFolder(hit.folder); } }, el("bdi", {}, hit.folder))],
      hit.out_of_reach && ["File", "out of reach: its drive or share is not there now"],
      ["Size", [hit.width_px && hit.height_px && `${hit.width_px} × ${hit.height_px} px`, hit.size_bytes && size(hit.size_bytes)].filter(Boolean).join(", ")],
      [hit.taken ? "Taken" : "Date", date(hit.taken ?? hit.modified_at)],
      hit.kind === "moment" && ["Moment", range(hit.start_s ?? 0, hit.end_s ?? 0)],
      hit.page !== undefined && ["Page", String(hit.page)],
      hit.track && ["Track", String(hit.track + 1)],
      hit.score !== undefined && ["Score", hit.score.toFixed(3)],
      hit.also?.length && ["Same picture", hit.also.join(", ")],
    ]).filter((fact) => fact && fact[1]); // what is not known is not said
    const isCut = hit.kind === "moment" && hit.start_s !== undefined && hit.end_s !== undefined;
    const save = (/** @type {string} */ href, /** @type {string} */ label) => el("a", { class: "action", href, download: "", "data-needs-file": "" }, icon("download"), label);
    return el("div", { class: "facts" },
      el("div", { class: "title" },
        el("h2", { id: "viewer-name", dir: "auto", title: hit.name }, shorten(hit.name, MOST_LETTERS)),
        el("button", { type: "button", class: "quiet", "aria-label": "Close", "data-does": "close", onclick: () => dialog.close() }, icon("close"))),
      el("dl", {}, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { dir: "auto" }, value)))),
      el("div", { class: "actions" },
        makeAction("similar", "More like this", () => { dialog.close(); onMoreLike(hit.id); }),
        canAsk(state()) && makeWhy(hit, stage),
        makeAction("copy", "Copy path", () => copy(hit.path)),
        isCut && save(`/api/items/${hit.id}/clip?start_s=${hit.start_s}&end_s=${hit.end_s}`, "Download clip"),
        save(`/api/items/${hit.id}/file?download=1`, hit.kind === "moment" ? "Download video" : "Download")),
      el("p", { class: "keys" }, el("kbd", {}, "←"), " ", el("kbd", {}, "→"), " results, ", el("kbd", {}, "Esc"), " closes"),
    );
  }

  /** @param {string} name @param {string} label @param {() => void} onclick */
  const makeAction = (name, label, onclick) => el("button", { type: "button", class: "action", "data-does": name, onclick }, icon(name), label);

  /** @param {Hit} hit @param {HTMLElement} stage */
  function makeWhy(hit, stage) {
    const frame = /** @type {HTMLElement} */ (stage.matches(".frame") ? stage : stage.querySelector(".frame"));
    const scale = el("canvas", { class: "scale", "aria-hidden": "true" });
    const legend = el("p", { class: "legend", hidden: true }, "unlike ", scale, " like the words");
    const button = makeAction("why", "Why?", async () => {
      const isOn = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isOn));
      frame.querySelector(".heat")?.remove();
      legend.hidden = !isOn;
      if (!isOn) return;
      const { signal } = asking;
      const wait = createWait((stage) => button.setAttribute("aria-busy", String(stage !== "")));
      wait.begin();
      try {
        const heat = await ask(`/api/items/${hit.id}/heat`, { body: toBody(state()), signal });
        if (button.getAttribute("aria-pressed") !== "true") return;
        paintLegend(scale);
        showHeat(hit, frame, heat);
      } catch (error) {
        if (signal.aborted) return;
        button.setAttribute("aria-pressed", "false");
        legend.hidden = true;
        say(/** @type {Error} */ (error).message);
      } finally {
        wait.end();
      }
    });
    button.setAttribute("aria-pressed", "false");
    return el("div", { class: "why", "data-needs-file": "" }, button, legend);
  }

  return { show, isOpen: () => dialog.open, close: () => { if (dialog.open) dialog.close(); } };
}

/** Over a video or an animation lies the picture that was compared. @param {Hit} hit @param {HTMLElement} frame @param {import("./heat.js").Heat} heat */
function showHeat(hit, frame, heat) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  frame.querySelector("video")?.pause();
  frame.append(el("div", { class: "heat", role: "img", "aria-label": "Heat map: where the picture is like the words" },
    hit.kind === "moment" && el("img", { alt: "", src: thumbnail(hit.id, 1024) }), canvas));
  paintHeat(canvas, heat);
}

/** @param {string} path */
async function copy(path) {
  try {
    await navigator.clipboard.writeText(path);
    say("Path copied");
  } catch {
    say(path); // not allowed here: at least it can be read and selected
  }
}
