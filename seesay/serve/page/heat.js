/** Why it matched: how near each part of the picture is to the words, as colours over it. */

/**
 * @typedef {{rows: number, columns: number, values: number[][], low: number, high: number,
 *   view: {left: number, top: number, right: number, bottom: number}}} Heat the grid covers `view`, a part of the picture
 */

// From clear to warm: little is left as it is, much glows. Red, green, blue, opacity.
const STOPS = [[20, 24, 60, 0.5], [70, 40, 120, 0.42], [190, 60, 90, 0.45], [245, 140, 50, 0.55], [255, 226, 120, 0.66]];

/** @param {number} share 0 to 1 @returns {number[]} */
function colour(share) {
  const at = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const below = Math.min(STOPS.length - 2, Math.floor(at));
  return STOPS[below].map((value, channel) => value + (STOPS[below + 1][channel] - value) * (at - below));
}

/** @param {HTMLCanvasElement} canvas lies over the picture, of its shape @param {Heat} heat */
export function paintHeat(canvas, heat) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [heat.columns, heat.rows];
  const dots = new ImageData(heat.columns, heat.rows);
  heat.values.flat().forEach((value, place) => {
    const [red, green, blue, opacity] = colour((value - heat.low) / (heat.high - heat.low || 1));
    dots.data.set([red, green, blue, 255 * opacity], 4 * place);
  });
  small.getContext("2d")?.putImageData(dots, 0, 0);
  const { width, height } = canvas.getBoundingClientRect();
  [canvas.width, canvas.height] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { left, top, right, bottom } = heat.view;
  const box = /** @type {const} */ ([left * canvas.width, top * canvas.height, (right - left) * canvas.width, (bottom - top) * canvas.height]);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, ...box);
  pen.strokeStyle = "rgb(255 255 255 / 0.75)"; // the model saw what is inside
  if (right - left < 0.99 || bottom - top < 0.99) pen.strokeRect(box[0] + 0.5, box[1] + 0.5, box[2] - 1, box[3] - 1);
}

/** The same colours as a bar. @param {HTMLCanvasElement} canvas */
export function paintLegend(canvas) {
  [canvas.width, canvas.height] = [120, 1];
  const pen = canvas.getContext("2d");
  for (let x = 0; pen && x < 120; x++) {
    const [red, green, blue] = colour(x / 119);
    pen.fillStyle = `rgb(${red} ${green} ${blue})`;
    pen.fillRect(x, 0, 1, 1);
  }
}
