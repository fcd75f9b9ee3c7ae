/** The sum that is typed: "a beach + snow − people", with weights "2:sunset". The service reads it by the same rules. */

/**
 * A part of a query: a text, an item of the library, or a picture that was given.
 * @typedef {{weight: number, text?: string, item?: number, image?: string, shown?: string, key?: string}} Term
 */

const SIGN_BETWEEN = /\s+([+\-−])(?=\s|$)\s*/;
const SIGN_FIRST = /^\s*([+\-−])\s*/;
const WEIGHT = /^(\d+(?:\.\d+)?):\s*(?=\S)/;

/**
 * What is settled, and what is still being typed: the part after the last sign.
 * @param {string} sum
 * @returns {{terms: Term[], draft: string}}
 */
export function split(sum) {
  const first = SIGN_FIRST.exec(sum);
  const pieces = (first ? sum.slice(first[0].length) : sum).split(SIGN_BETWEEN);
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
