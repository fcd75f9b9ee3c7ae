/** Asking while somebody types: a moment after the last key, the newest question only, page after page. */

import { ask, toBody } from "./api.js";

const WAIT_MS = 80;
const FIRST = 60;
const LATER = 240;

/**
 * @typedef {{hits: import("./api.js").Hit[], cursor: string|null, is_match: boolean, unknown_words: string[], is_held_back: boolean, reason?: string, took_ms: number}} Page
 * @param {{onFirst: (page: Page) => void, onMore: (page: Page) => void, onError: (error: Error) => void}} listeners
 */
export function createSearch({ onFirst, onMore, onError }) {
  let waiting = 0;
  let asking = new AbortController();
  let body = {};
  /** @type {string|null} */
  let cursor = null;
  let isBusy = false;

  /** @param {number} limit @param {(page: Page) => void} listener */
  async function fetchPage(limit, listener) {
    const { signal } = asking;
    isBusy = true;
    try {
      const page = await ask("/api/search", { body: { ...body, limit, cursor }, signal });
      if (signal.aborted) return;
      cursor = page.cursor;
      isBusy = false;
      listener(page);
    } catch (error) {
      if (signal.aborted) return;
      isBusy = false;
      cursor = null;
      onError(/** @type {Error} */ (error));
    }
  }

  function stop() {
    clearTimeout(waiting);
    asking.abort();
    asking = new AbortController();
    cursor = null;
    isBusy = false;
  }

  return {
    stop,
    /** @param {import("./state.js").State} state @param {"soon"|"now"} when */
    start(state, when) {
      stop();
      body = toBody(state);
      waiting = setTimeout(() => fetchPage(FIRST, onFirst), when === "soon" ? WAIT_MS : 0);
    },
    more() {
      if (!isBusy && cursor !== null) fetchPage(LATER, onMore);
    },
    hasMore: () => cursor !== null,
  };
}
