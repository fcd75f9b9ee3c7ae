/** The picture, animation or video that is open; while it comes, and where it cannot be shown. */

import { ask, canAsk, thumbnail, toBody, whyNot } from "./api.js";
import { el, isCalm, say } from "./dom.js";
import { createTimeline } from "./timeline.js";
import { explain, nameFileTrouble } from "./trouble.js";
import { createWait, showWait } from "./wait.js";
import { range } from "./words.js";

/** @typedef {import("./api.js").Hit} Hit */

/**
 * @typedef {object} Staging
 * @property {AbortSignal} signal that something else is open now
 * @property {import("./state.js").State} state
 * @property {() => void} onRetry
 * @property {() => void} onFailed the file cannot be had
 */

const ANIMATED = /\.(apng|avif|gif|png|webp)$/i; // a moment of one: browsers play it as a picture only

/** @param {Hit} hit @param {Staging} staging @returns {HTMLElement} */
export function makeStage(hit, staging) {
  if (hit.kind !== "moment") return makePicture(hit, staging);
  return ANIMATED.test(hit.name) ? makeAnimation(hit, staging) : makeVideo(hit, staging);
}

/** @param {Hit} hit */
const original = (hit) => `/api/items/${hit.id}/file`;

/** @param {Hit} hit @param {Staging} staging */
function makePicture(hit, staging) {
  const frame = el("div", { class: "frame" });
  frame.append(makeImage(hit, frame, staging));
  return frame;
}

/** The original; where the browser cannot show its kind, what the service makes of it. @param {Hit} hit @param {HTMLElement} frame @param {Staging} staging */
function makeImage(hit, frame, staging) {
  const picture = el("img", { class: "whole", alt: hit.name, decoding: "async" });
  setShape(picture, hit.width_px, hit.height_px);
  const wait = waitIn(frame, staging.signal, () => toThumbnail());
  const toThumbnail = () => {
    picture.onerror = async () => {
      wait.end();
      const error = await whyNot(thumbnail(hit.id, 1024), staging.signal);
      if (error) fail(frame, hit, error, staging);
    };
    picture.src = thumbnail(hit.id, 1024);
  };
  picture.style.backgroundImage = `url("${thumbnail(hit.id, 512)}")`; // until the original is there
  picture.onload = () => {
    wait.end();
    picture.style.backgroundImage = "";
    picture.classList.add("there");
    if (!hit.width_px) setShape(picture, picture.naturalWidth, picture.naturalHeight);
  };
  picture.onerror = async () => {
    const error = await whyNot(original(hit), staging.signal);
    if (staging.signal.aborted) return;
    if (!error) return toThumbnail();
    wait.end();
    fail(frame, hit, error, staging);
  };
  wait.begin();
  picture.src = original(hit);
  return picture;
}

/** It moves for as long as it is open, so it can be stopped. @param {Hit} hit @param {Staging} staging */
function makeAnimation(hit, staging) {
  const frame = makePicture(hit, staging);
  const picture = /** @type {HTMLImageElement} */ (frame.querySelector("img"));
  const button = el("button", { type: "button", class: "plain", onclick: () => play(picture.dataset.still === "1") });
  const play = (/** @type {boolean} */ isOn) => {
    picture.dataset.still = isOn ? "" : "1";
    picture.src = isOn ? original(hit) : thumbnail(hit.id, 1024);
    button.textContent = isOn ? `Show the moment at ${range(hit.start_s ?? 0, hit.end_s ?? 0)}` : "Play the animation";
  };
  play(!isCalm());
  return el("div", { class: "film" }, frame, el("p", { class: "below" }, button));
}

/** @param {Hit} hit @param {Staging} staging */
function makeVideo(hit, staging) {
  const isWhole = !hit.track; // of a file with several tracks browsers play the first only, so others come as clips
  const start_s = isWhole ? hit.start_s ?? hit.time_s ?? 0 : 0;
  const video = el("video", { class: "whole", controls: true, playsInline: true, preload: "auto", "aria-label": hit.name });
  const frame = el("div", { class: "frame" }, video);
  const source = isWhole ? original(hit) : `/api/items/${hit.id}/clip?start_s=${hit.start_s}&end_s=${hit.end_s}`;
  const wait = waitIn(frame, staging.signal, () => showStill());
  const showStill = () => {
    wait.end();
    const still = el("img", { class: "whole", alt: hit.name, onerror: async () => {
      const error = await whyNot(thumbnail(hit.id, 1024), staging.signal);
      if (error) fail(frame, hit, error, staging);
    } });
    still.src = thumbnail(hit.id, 1024);
    setShape(still, hit.width_px, hit.height_px);
    video.replaceWith(still);
    video.removeAttribute("src");
    video.load(); // nothing more is fetched
  };
  video.poster = thumbnail(hit.id, 1024);
  setShape(video, hit.width_px, hit.height_px);
  video.addEventListener("loadedmetadata", () => {
    wait.end();
    if (!hit.width_px) setShape(video, video.videoWidth, video.videoHeight);
    video.currentTime = start_s;
    if (!isCalm()) video.play().catch(() => {});
  }, { once: true });
  video.addEventListener("error", async () => {
    if (!video.isConnected) return;
    const error = await whyNot(source, staging.signal);
    if (staging.signal.aborted) return;
    wait.end();
    if (error) return fail(frame, hit, error, staging);
    showStill();
    say("This browser cannot play the video; it can be downloaded.");
  });
  wait.begin();
  video.src = source;
  const film = el("div", { class: "film" }, frame);
  if (isWhole) film.append(makeTimeline(video, hit, start_s, staging));
  return film;
}

/** @param {HTMLVideoElement} video @param {Hit} hit @param {number} start_s @param {Staging} staging */
function makeTimeline(video, hit, start_s, { signal, state }) {
  const timeline = createTimeline(video, hit.duration_s ?? 0);
  const own = /** @type {any} */ ({ ...hit, start_s });
  timeline.show([own], hit.id);
  const marks = canAsk(state) ? ask(`/api/items/${hit.id}/marks`, { body: toBody(state), signal }) : ask(`/api/items/${hit.id}`, { signal });
  marks.then(({ moments }) => {
    timeline.show([own, ...moments.filter((/** @type {any} */ moment) => moment.id !== hit.id)], hit.id);
  }).catch((error) => { if (!signal.aborted && video.isConnected) say(error.message); });
  return timeline.element;
}

/** @param {HTMLElement} frame @param {AbortSignal} signal @param {() => void} onStop */
function waitIn(frame, signal, onStop) {
  const line = el("p", { class: "waiting", role: "status" });
  const wait = createWait((stage) => {
    frame.setAttribute("aria-busy", String(stage !== ""));
    showWait(line, stage, "loading", onStop);
    if (stage) frame.append(line);
    else line.remove();
  });
  signal.addEventListener("abort", wait.end);
  return wait;
}

/** What stands where a file would. @param {HTMLElement} frame @param {Hit} hit @param {import("./api.js").ServiceError} error @param {Staging} staging */
function fail(frame, hit, error, { signal, onRetry, onFailed }) {
  if (signal.aborted) return;
  const { status } = error;
  const { said, cure } = explain(error);
  const isOfFile = status === 404 || status === 422;
  const [name, ...help] = hit.out_of_reach ? ["The file is out of reach", "Its drive or share is not there now: connect it and try again."]
    : [nameFileTrouble(error), ...(isOfFile ? [] : status === 401 ? ["Close this: the page asks for it."] : cure)];
  frame.replaceChildren(el("div", { class: "failed", role: "alert" },
    el("p", { class: "what" }, name),
    !hit.out_of_reach && said && el("p", { dir: "auto" }, said),
    help.length > 0 && el("p", {}, ...help),
    el("button", { type: "button", class: "plain", "data-does": "retry", onclick: onRetry }, "Try again")));
  frame.setAttribute("aria-busy", "false");
  onFailed();
}

/** @param {HTMLElement} media @param {number|null} width_px @param {number|null} height_px */
function setShape(media, width_px, height_px) {
  if (!width_px || !height_px) return;
  media.style.setProperty("--aspect", String(width_px / height_px));
  media.style.setProperty("--most", `${2 * width_px}px`);
}
