/** What went wrong with the service as a whole, and the cure. What is wrong with one file stands in its tile. */

import { el } from "./dom.js";
import { sentence } from "./words.js";

/** @typedef {import("./api.js").ServiceError} ServiceError */

export const STOPPED = -1;
const BY_ITSELF = new Set([0, 401, 403, 421, 503]); // what may be well again without another question
const code = (/** @type {string} */ text) => el("code", {}, text);

/** What to call it, and what helps; by the status of the answer. @type {Record<number, () => [string, ...(string|Node)[]]>} */
const KINDS = {
  [STOPPED]: () => ["Stopped"],
  0: () => ["The service does not answer", "It may have ended; ", code("seesay serve"), " starts it."],
  401: () => ["The service wants its token", "It is what the service was started with (", code("--token"), "). Type it here, or open ", code("/?token=TOKEN"), " once."],
  403: () => ["The service refused", "It answers its own page only: open its address in a tab of its own. A proxy before it has to hand on the name that was asked for (", code("Host"), ")."],
  404: () => ["Not there any more", "Take out of the query what is gone."],
  409: () => ["The model does not fit the library", "The library was indexed again with another model. Stop the service and start it with ", code("seesay serve"), " without ", code("--model"), ": it then takes the library's own."],
  413: () => ["Too large", "Give a smaller picture, or a shorter query."],
  421: () => ["The service does not know this address", "Start it with ", code(`--allow-host ${location.hostname}`), ", or open the address that it printed."],
  422: () => ["The service did not take this query"],
  500: () => ["Something went wrong in the service", "Its log says what."],
  503: () => ["The service cannot answer now"],
};

const SAYS_ENOUGH = new Set([0, 401, 421]); // what the service says is for programs

/** @param {Error} error @returns {{title: string, said: string, cure: (string|Node)[]}} */
export function explain(error) {
  const status = /** @type {ServiceError} */ (error).status;
  const [title, ...cure] = (KINDS[status] ?? (() => ["That did not work"]))();
  return { title, said: SAYS_ENOUGH.has(status) ? "" : sentence(error.message), cure };
}

/** What is wrong with one file, by what the service answers when it is asked for it. @type {[number, RegExp, string][]} */
const FILES = [
  [404, /has changed/, "The file has changed"],
  [404, /link/, "The file is another one"],
  [404, /no item|another library/, "The file is not in the library"],
  [404, /./, "The file is gone"],
  [422, /./, "The file cannot be read"],
  [401, /./, "The service wants its token"],
  [503, /./, "The service is busy"],
  [0, /./, "The service does not answer"],
];

/** @param {ServiceError} error @returns {string} */
export const nameFileTrouble = (error) =>
  FILES.find(([status, words]) => status === error.status && words.test(error.message))?.[2] ?? "The file cannot be shown";

/**
 * @param {HTMLElement} root a live region
 * @param {{onRetry: () => void, isWatched?: boolean}} listeners isWatched: it is tried again by itself
 */
export function createTrouble(root, { onRetry, isWatched = false }) {
  let shown = "";
  let status = 0;

  return {
    /** @param {Error} error */
    show(error) {
      root.hidden = false;
      if (shown === error.message) return; // it is not said twice, and a token that is being typed stays
      shown = error.message;
      status = /** @type {ServiceError} */ (error).status;
      const { title, said, cure } = explain(error);
      if (isWatched && (status === 0 || status === 503)) cure.push(" It is tried again every few seconds.");
      root.replaceChildren(
        el("h2", {}, title),
        said && el("p", { class: "said", dir: "auto" }, said),
        cure.length ? el("p", { class: "cure" }, ...cure) : "",
        status === 401 ? makeTokenForm(onRetry) : el("p", {}, el("button", { type: "button", class: "plain", "data-does": "retry", onclick: onRetry }, "Try again")),
      );
    },
    hide() {
      root.hidden = true;
      shown = "";
    },
    isShown: () => !root.hidden,
    /** Whether it may be over without anybody doing something here. */
    mayPass: () => !root.hidden && BY_ITSELF.has(status),
  };
}

/** The service keeps the token in a cookie that no script can read. @param {() => void} onAccepted */
function makeTokenForm(onAccepted) {
  const token = el("input", { type: "password", name: "token", autocomplete: "current-password", required: true, "aria-label": "Token" });
  const keep = el("input", { type: "checkbox", name: "keep" });
  const wrong = el("p", { role: "status" });
  const form = el("form", { class: "token", action: "/", method: "get" }, token,
    el("label", {}, keep, " remember it here"), el("button", { class: "plain" }, "Go on"), wrong);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const fields = new URLSearchParams({ token: token.value, ...(keep.checked ? { keep: "1" } : {}) });
    const answer = await fetch(`/?${fields}`).catch(() => null);
    if (answer?.ok) return onAccepted();
    wrong.textContent = answer ? "That is not the token." : "The service does not answer.";
    token.select();
  });
  return form;
}
