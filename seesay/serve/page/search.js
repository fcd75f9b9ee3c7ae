/** Asking while somebody types: a moment after the last key, the newest question only, page after page. */

import { ask, toBody } from "./api.js";
import { createWait } from "./wait.js";

const WAIT_MS = 80;
const FIRST = 60;
const LATER = 240;

/**
 * @typedef {{hits: import("./api.js").Hit[], cursor: string|null, is_match: boolean, unknown_words: string[], is_held_back: boolean, reason?: string, took_ms: number,
 *   library?: string|null}} Page library: which one it is, also where another one is at the same place now
 * @param {{onFirst: (page: Page) => void, onMore: (page: Page) => void, onError: (error: Error, isFirst: boolean) => void,
 *   onWait: (stage: import("./wait.js").Stage) => void}} listeners
 */
export function createSearch({ onFirst, onMore, onError, onWait }) {
  const wait = createWait(onWait);
  let waiting = 0;
  let asking = new AbortController();
  let body = {};
  /** @type {string|null} */
  let cursor = null;
  let isBusy = false;
  let isFailed = false; // the next page; it is not asked for again by scrolling

  /** @param {number} limit @param {(page: Page) => void} listener */
  async function fetchPage(limit, listener) {
    const { signal } = asking;
    isBusy = true;
    isFailed = false;
    wait.begin();
    try {
      const page = await ask("/api/search", { body: { ...body, limit, cursor }, signal });
      if (signal.aborted) return;
      cursor = page.cursor;
      isBusy = false;
      wait.end();
      listener(page);
    } catch (error) {
      if (signal.aborted) return;
      isBusy = false;
      isFailed = true;
      wait.end();
      onError(/** @type {Error} */ (error), listener === onFirst);
    }
  }

  function abort() {
    clearTimeout(waiting);
    asking.abort();
    asking = new AbortController();
    isBusy = false;
  }

  function stop() {
    abort();
    wait.end();
  }

  return {
    /** What is being asked is not waited for. */
    stop() {
      stop();
      isFailed = true;
    },
    /** There is no question any more. */
    forget() {
      stop();
      cursor = null;
    },
    /** @param {import("./state.js").State} state @param {"soon"|"now"} when */
    start(state, when) {
      abort(); // one wait with the question before: the words do not flicker while somebody types
      cursor = null;
      body = toBody(state);
      waiting = setTimeout(() => fetchPage(FIRST, onFirst), when === "soon" ? WAIT_MS : 0);
    },
    more() {
      if (!isBusy && !isFailed && cursor !== null) fetchPage(LATER, onMore);
    },
    again() {
      isFailed = false;
      this.more();
    },
    hasMore: () => cursor !== null,
  };
}
