/** Where pictures lie: rows of equal width, as high as their pictures allow. Numbers only, no page. */

/**
 * @typedef {{left: number, top: number, width: number, height: number, row: number}} Place all in CSS pixels
 * @typedef {{top: number, height: number, first: number, end: number}} Row
 */

const NARROWEST = 0.56;
const WIDEST = 2.6;

/** Wide over high; panoramas and receipts are cut, or a row could show nothing else. @param {number} width @param {number} height */
export const aspect = (width, height) => Math.min(WIDEST, Math.max(NARROWEST, width / height || 1));

/**
 * @param {number[]} aspects of all pictures
 * @param {{width: number, target: number, gap: number}} sizes
 * @returns {{rows: Row[], places: Place[], height: number}}
 */
export function justify(aspects, { width, target, gap }) {
  const rows = [];
  const places = [];
  let top = 0;
  for (let first = 0; first < aspects.length; ) {
    let end = first;
    let sum = 0;
    let height = Infinity;
    while (end < aspects.length && height > target) {
      sum += aspects[end++];
      height = (width - gap * (end - first - 1)) / sum;
    }
    // a last row that is not full keeps the usual height, and so does one picture alone
    height = Math.min(height, target);
    let left = 0;
    for (let place = first; place < end; place++) {
      const wide = aspects[place] * height;
      places.push({ left, top, width: wide, height, row: rows.length });
      left += wide + gap;
    }
    rows.push({ top, height, first, end });
    top += height + gap;
    first = end;
  }
  return { rows, places, height: Math.max(0, top - gap) };
}

/** The first row that reaches below a height. @param {Row[]} rows @param {number} y */
export function rowAt(rows, y) {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height < y) low = middle + 1;
    else high = middle;
  }
  return low;
}
