/**
 * What is typed: a sum, "a beach + snow − people", with weights "2:sunset"; or a sequence of sums, "a door then a dog".
 * In quotes neither signs nor `then` are any. The service reads it by the same rules.
 */

/**
 * A part of a query: a text, an item of the library, or a picture that was given.
 * @typedef {{weight: number, text?: string, item?: number, image?: string, shown?: string, key?: string}} Term
 */

const SIGN_BETWEEN = /\s+([+\-−])(?=\s|$)\s*/g;
const THEN = /(?<=^|\s)then(?=\s|$)/g;
const QUOTED = /(?<=^|[\s:])["“](.*?)(?:["”](?=\s|$)|$)/g; // one that is not closed goes to the end: it is being typed
const SIGN_FIRST = /^\s*([+\-−])\s*/;
const WEIGHT = /^(\d+(?:\.\d+)?):\s*(?=\S)/;

/**
 * The parts of a text, and between them what the pattern's group is; not inside quotes.
 * @param {string} text @param {RegExp} between @returns {string[]}
 */
function cut(text, between) {
  const masked = text.replace(QUOTED, (quoted) => "x".repeat(quoted.length));
  const parts = [];
  let start = 0;
  for (const match of masked.matchAll(between)) {
    parts.push(text.slice(start, match.index), ...match.slice(1));
    start = match.index + match[0].length;
  }
  return [...parts, text.slice(start)];
}

/**
 * What is settled, and what is still being typed: the part after the last sign.
 * @param {string} sum
 * @returns {{terms: Term[], draft: string}}
 */
export function split(sum) {
  const first = SIGN_FIRST.exec(sum);
  const pieces = cut(first ? sum.slice(first[0].length) : sum, SIGN_BETWEEN);
  if (pieces.length === 1) return { terms: [], draft: sum };
  const signs = [first?.[1] ?? "+", ...pieces.filter((_, place) => place % 2)];
  const texts = pieces.filter((_, place) => place % 2 === 0);
  const terms = texts.slice(0, -1).flatMap((text, place) => toTerm(signs[place], text));
  return { terms, draft: `${signs.at(-1) === "+" ? "+" : "−"} ${texts.at(-1)}` };
}

/** The term of a draft, if it says anything. @param {string} draft @returns {Term[]} */
export function fromDraft(draft) {
  const first = SIGN_FIRST.exec(draft);
  return toTerm(first?.[1] ?? "+", first ? draft.slice(first[0].length) : draft);
}

/** @param {string} sign @param {string} text @returns {Term[]} */
function toTerm(sign, text) {
  const weight = WEIGHT.exec(text.trim());
  const words = text.trim().slice(weight?.[0].length ?? 0);
  if (!words) return [];
  return [{ text: words, weight: (sign === "+" ? 1 : -1) * (weight ? Number(weight[1]) : 1) }];
}

/**
 * The steps of a sequence; of a sum the only one. A step that is still to be typed is left out, and so are the quotes.
 * @param {Term[]} terms in the order in which they were typed
 * @returns {Term[][]}
 */
export function toSteps(terms) {
  /** @type {Term[][]} */
  const steps = [[]];
  for (const term of terms) {
    const [first, ...rest] = term.text === undefined ? [undefined] : cut(term.text, THEN);
    if (first === undefined) steps[steps.length - 1].push(term);
    else if (first.trim()) steps[steps.length - 1].push({ ...term, text: unquoted(first) });
    for (const text of rest) steps.push(toTerm("+", text).map((own) => ({ ...own, text: unquoted(own.text ?? "") })));
  }
  return steps.filter((step) => step.length);
}

/** @param {string} text */
const unquoted = (text) => text.replace(QUOTED, "$1").trim();

/** As it would be typed. @param {Term[]} terms those with a text @param {string} draft */
export function toSum(terms, draft) {
  const settled = terms
    .map(({ text, weight }, place) => {
      const sign = weight < 0 ? "− " : place ? "+ " : "";
      return `${sign}${Math.abs(weight) === 1 ? "" : `${Math.abs(weight)}:`}${text}`;
    })
    .join(" ");
  if (!settled) return draft.trim();
  if (!draft.trim()) return `${settled} +`;
  return `${settled} ${SIGN_FIRST.test(draft) ? "" : "+ "}${draft.trim()}`;
}
