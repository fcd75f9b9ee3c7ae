/** A result, opened: the picture or the video, what is known of it, and what to do with it. */

import { ask, thumbnail, toBody, toTerms } from "./api.js";
import { byId, el, icon, isCalm, say } from "./dom.js";
import { paintHeat, paintLegend } from "./heat.js";
import { createTimeline } from "./timeline.js";
import { date, range, size } from "./words.js";

/** @typedef {import("./api.js").Hit} Hit */

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
    const isMoment = hit.kind === "moment";
    const stage = isMoment ? makeVideo(hit, asking.signal) : makePicture(hit);
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

  /** @param {Hit} hit */
  function makePicture(hit) {
    const picture = el("img", { class: "whole", alt: hit.name, decoding: "async" });
    setShape(picture, hit);
    picture.style.backgroundImage = `url("${thumbnail(hit.id, 512)}")`; // until the original is there
    picture.onload = () => { picture.style.backgroundImage = "none"; };
    picture.onerror = () => { picture.onerror = null; picture.src = thumbnail(hit.id, 1024); }; // a kind that browsers do not show
    picture.src = `/api/items/${hit.id}/file`;
    return el("div", { class: "frame" }, picture);
  }

  /** @param {Hit} hit @param {AbortSignal} signal */
  function makeVideo(hit, signal) {
    const isWhole = !hit.track; // of a file with several tracks browsers play the first only, so others come as clips
    const start_s = isWhole ? hit.start_s ?? hit.time_s ?? 0 : 0;
    const video = el("video", { class: "whole", controls: true, playsInline: true, preload: "auto", "aria-label": hit.name });
    video.poster = thumbnail(hit.id, 1024);
    setShape(video, hit);
    video.addEventListener("loadedmetadata", () => {
      video.currentTime = start_s;
      if (!isCalm()) video.play().catch(() => {});
    }, { once: true });
    video.addEventListener("error", () => {
      const still = el("img", { class: "whole", alt: hit.name, src: thumbnail(hit.id, 1024) });
      setShape(still, hit);
      video.replaceWith(still);
      say("This browser cannot play the video; it can be downloaded.");
    });
    video.src = isWhole ? `/api/items/${hit.id}/file` : `/api/items/${hit.id}/clip?start_s=${hit.start_s}&end_s=${hit.end_s}`;
    const film = el("div", { class: "film" }, el("div", { class: "frame" }, video));
    if (!isWhole) return film;
    const timeline = createTimeline(video, hit.duration_s ?? 0);
    timeline.show([/** @type {any} */ ({ ...hit, start_s })], hit.id);
    const marks = toTerms(state()).length ? ask(`/api/items/${hit.id}/marks`, { body: toBody(state()), signal }) : ask(`/api/items/${hit.id}`, { signal });
    marks.then(({ moments }) => {
      const others = moments.filter((/** @type {any} */ moment) => moment.id !== hit.id);
      timeline.show([/** @type {any} */ ({ ...hit, start_s }), ...others], hit.id);
    }).catch((error) => { if (!signal.aborted) say(error.message); });
    film.append(timeline.element);
    return film;
  }

  /** @param {Hit} hit @param {HTMLElement} stage */
  function makeFacts(hit, stage) {
    const facts = [
      ["Folder", el("button", { type: "button", class: "link", title: "Search in this folder only", onclick: () => { dialog.close(); onFolder(hit.folder); } }, hit.folder)],
      hit.out_of_reach && ["File", "out of reach: its drive or share is not there now"],
      hit.size_bytes !== null && ["Size", `${hit.width_px ? `${hit.width_px} × ${hit.height_px} px, ` : ""}${size(hit.size_bytes)}`],
      (hit.taken ?? hit.modified_at) !== null && [hit.taken ? "Taken" : "Date", date(hit.taken ?? hit.modified_at)],
      hit.kind === "moment" && ["Moment", range(hit.start_s ?? 0, hit.end_s ?? 0)],
      hit.page !== undefined && ["Page", String(hit.page)],
      hit.track && ["Track", String(hit.track + 1)],
      hit.score !== undefined && ["Score", hit.score.toFixed(3)],
      hit.also?.length && ["Same picture", hit.also.join(", ")],
    ].filter(Boolean);
    const isCut = hit.kind === "moment" && hit.start_s !== undefined && hit.end_s !== undefined;
    const save = (/** @type {string} */ href, /** @type {string} */ label) => el("a", { class: "action", href, download: "" }, icon("download"), label);
    return el("div", { class: "facts" },
      el("div", { class: "title" },
        el("h2", { id: "viewer-name" }, hit.name),
        el("button", { type: "button", class: "quiet", "aria-label": "Close", "data-does": "close", onclick: () => dialog.close() }, icon("close"))),
      el("dl", {}, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
      el("div", { class: "actions" },
        makeAction("similar", "More like this", () => { dialog.close(); onMoreLike(hit.id); }),
        toTerms(state()).length > 0 && makeWhy(hit, stage),
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
      }
    });
    button.setAttribute("aria-pressed", "false");
    return el("div", { class: "why" }, button, legend);
  }

  return { show, isOpen: () => dialog.open, close: () => { if (dialog.open) dialog.close(); } };
}

/** @param {HTMLElement} media @param {Hit} hit */
function setShape(media, hit) {
  if (!hit.width_px || !hit.height_px) return;
  media.style.setProperty("--aspect", String(hit.width_px / hit.height_px));
  media.style.setProperty("--most", `${2 * hit.width_px}px`);
}

/** Over a video lies the picture that was compared. @param {Hit} hit @param {HTMLElement} frame @param {import("./heat.js").Heat} heat */
function showHeat(hit, frame, heat) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const video = frame.querySelector("video");
  video?.pause();
  frame.append(el("div", { class: "heat", role: "img", "aria-label": "Heat map: where the picture is like the words" },
    video && el("img", { alt: "", src: thumbnail(hit.id, 1024) }), canvas));
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
