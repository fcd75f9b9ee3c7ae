/** The service's routes. An error carries the sentence that the service says. */

import { fromDraft, toSteps } from "./terms.js";

const LAST_DAY = "9999-12-31";

/**
 * @typedef {object} Hit
 * @property {number} id
 * @property {string} path
 * @property {string} name
 * @property {string} folder
 * @property {"image"|"moment"} kind
 * @property {number} score
 * @property {number} [track]
 * @property {number|null} size_bytes null: the library does not know
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

let library = ""; // which one the hits are of: ids of another one are other pictures
const NO_ANSWER = "the service does not answer; is `seesay serve` still running?";

export class ServiceError extends Error {
  /** @param {string} message @param {number} status 0: no answer at all; -1: nobody waited for it */
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
    throw new ServiceError(NO_ANSWER, 0);
  }
  const said = await answer.json().catch(() => null);
  if (answer.ok && said !== null) {
    if (Array.isArray(said.hits) && said.library) library = said.library;
    return said;
  }
  throw toError(answer, said);
}

/** @param {Response} answer @param {any} said @returns {ServiceError} */
function toError(answer, said) {
  const sentence = typeof said?.error === "string" ? said.error : `the service answered with status ${answer.status}`;
  return new ServiceError(sentence, answer.status);
}

/**
 * Why the service does not give a file; null where it does, so that it is the browser that cannot show it.
 * @param {string} path @param {AbortSignal} [signal] @returns {Promise<ServiceError|null>}
 */
export async function whyNot(path, signal) {
  let answer;
  try {
    answer = await fetch(path, { headers: { range: "bytes=0-0" }, signal });
  } catch {
    return new ServiceError(NO_ANSWER, 0);
  }
  if (!answer.ok) return toError(answer, await answer.json().catch(() => null));
  answer.body?.cancel();
  return null;
}

/** The terms as they were typed. @param {import("./state.js").State} state */
export const toTerms = (state) => [...state.terms, ...fromDraft(state.draft)];

/** Whether there is a query, and nothing of it is gone. @param {import("./state.js").State} state */
export const canAsk = (state) => toTerms(state).length > 0 && !state.terms.some(({ isGone }) => isGone);

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
    before: state.before ? endOf(state.before) : null,
    weak: state.weak,
    sort: state.sort,
  };
}

/** @param {string} day */
function endOf(day) {
  if (day === LAST_DAY) return `${day}T23:59:59`; // there is no day after it
  const next = new Date(`${day}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return `${next.toISOString().slice(0, 10)}T00:00:00`;
}

/** @param {number} id @param {256|512|1024} side_px */
export const thumbnail = (id, side_px) => `/api/items/${id}/thumbnail?side=${side_px}${library && `&v=${library}`}`;
