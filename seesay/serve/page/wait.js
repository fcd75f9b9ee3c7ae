/** How long something takes: at first nothing is said, then that it goes on, then that it takes long and can be stopped. */

import { el } from "./dom.js";

const BUSY_MS = 300;
const LONG_MS = 10_000;

/** @typedef {""|"busy"|"long"} Stage */

/**
 * What begins again before it ended, as while somebody types, is one wait.
 * @param {(stage: Stage) => void} show
 */
export function createWait(show) {
  /** @type {number[]} */
  let timers = [];
  return {
    begin() {
      if (timers.length) return;
      timers = [setTimeout(() => show("busy"), BUSY_MS), setTimeout(() => show("long"), LONG_MS)];
    },
    end() {
      timers.forEach(clearTimeout);
      timers = [];
      show("");
    },
  };
}

/**
 * The line that says it.
 * @param {HTMLElement} line @param {Stage} stage @param {string} what "searching" @param {() => void} onStop
 */
export function showWait(line, stage, what, onStop) {
  line.classList.toggle("shown", stage !== "");
  line.replaceChildren(...(stage === "" ? [] : stage === "busy" ? [`${what} …`] : [
    "still waiting for the service ", el("button", { type: "button", class: "plain", onclick: onStop }, "Stop"),
  ]));
}
