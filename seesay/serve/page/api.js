/** The service's routes. An error carries the sentence that the service says. */

import { fromDraft, toSteps } from "./terms.js";

/**
 * @typedef {object} Hit
 * @property {number} id
 * @property {string} path
 * @property {string} name
 * @property {string} folder
 * @property {"image"|"moment"} kind
 * @property {number} score
 * @property {number} [track]
 * @property {number|null} size_bytes null: the file cannot be reached
 * @property {string|null} modified_at
 * @property {number|null} width_px
 * @property {number|null} height_px
 * @property {boolean} [out_of_reach] its drive or share is not there now
 * @property {number} [duration_s]
 * @property {number} [start_s]
 * @property {number} [end_s]
 * @property {number} [time_s]
 * @property {string} [taken]
 * @property {string[]} [also] files that are the same picture
 * @property {number} [page] of a file that has several, from 1
 */

export class ServiceError extends Error {
  /** @param {string} message @param {number} status 0: no answer at all */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {{body?: object, signal?: AbortSignal}} [options] with a body it is a POST
 * @returns {Promise<any>}
 */
export async function ask(path, { body, signal } = {}) {
  const options = body === undefined ? {} : {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  };
  let answer;
  try {
    answer = await fetch(path, { ...options, signal });
    if (answer.status === 503) { // full for a moment: once more, when it says
      const wait_s = Math.min(3, Number(answer.headers.get("retry-after")) || 1);
      await new Promise((done) => setTimeout(done, 1000 * wait_s));
      answer = await fetch(path, { ...options, signal });
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServiceError("The service does not answer. Is `seesay serve` still running?", 0);
  }
  const said = await answer.json().catch(() => null);
  if (answer.ok && said !== null) return said;
  const sentence = typeof said?.error === "string" ? said.error : `The service answered with status ${answer.status}.`;
  throw new ServiceError(sentence, answer.status);
}

/** The terms as they were typed. @param {import("./state.js").State} state */
export const toTerms = (state) => [...state.terms, ...fromDraft(state.draft)];

/** The body of a search. @param {import("./state.js").State} state */
export function toBody(state) {
  const [terms = [], ...then] = toSteps(toTerms(state)).map((step) => step.map(({ text, item, image, weight }) => {
    if (text !== undefined) return { text, weight };
    return item === undefined ? { image, weight } : { item, weight };
  }));
  return {
    terms,
    then,
    within_s: then.length && state.within ? Number(state.within) : null,
    only: state.only || null,
    under: state.under || null,
    after: state.after ? `${state.after}T00:00:00` : null,
    before: state.before ? `${dayAfter(state.before)}T00:00:00` : null,
    weak: state.weak,
    sort: state.sort,
  };
}

/** @param {string} day */
function dayAfter(day) {
  const next = new Date(`${day}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return next.toISOString().slice(0, 10);
}

/** @param {number} id @param {256|512|1024} side_px */
export const thumbnail = (id, side_px) => `/api/items/${id}/thumbnail?side=${side_px}`;
