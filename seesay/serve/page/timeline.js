/** A video's moments as marks on its time line; each is a button that plays from there. */

import { el } from "./dom.js";
import { clock, range } from "./words.js";

/** @typedef {{id: number, time_s: number, start_s: number, end_s: number, score?: number}} Moment */

/**
 * @param {HTMLVideoElement} video
 * @param {number} duration_s
 * @returns {{element: HTMLElement, show: (moments: Moment[], current: number) => void}}
 */
export function createTimeline(video, duration_s) {
  const played = el("span", { class: "played" });
  const marks = el("ol", { class: "marks", "aria-label": "Moments of this video" });
  const element = el("div", { class: "timeline" }, el("div", { class: "track" }, played), marks);
  const percent = (/** @type {number} */ time_s) => `${(100 * Math.min(1, time_s / (video.duration || duration_s || 1))).toFixed(2)}%`;
  video.addEventListener("timeupdate", () => { played.style.width = percent(video.currentTime); });

  return {
    element,
    show(moments, current) {
      marks.replaceChildren(...moments.slice().sort((one, other) => one.start_s - other.start_s).map((moment) => {
        const score = moment.score === undefined ? "" : `, score ${moment.score.toFixed(2)}`;
        const mark = el("button", {
          type: "button", class: "mark", title: `${range(moment.start_s, moment.end_s)}${score}`,
          "aria-label": `Moment at ${clock(moment.start_s)}${score}`,
          "aria-current": moment.id === current ? "true" : null,
          onclick: () => {
            video.currentTime = moment.start_s;
            video.play().catch(() => {});
            for (const other of marks.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
            mark.setAttribute("aria-current", "true");
          },
        });
        const item = el("li", {}, mark);
        item.style.left = percent(moment.start_s);
        return item;
      }));
    },
  };
}
