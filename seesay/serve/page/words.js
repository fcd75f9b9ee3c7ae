/** Numbers as people read them. */

/** 75.5 -> "1:15", 3725 -> "1:02:05". @param {number} time_s */
export function clock(time_s) {
  const whole = Math.max(0, Math.floor(time_s));
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** @param {number} start_s @param {number} end_s */
export const range = (start_s, end_s) =>
  clock(start_s) === clock(end_s) ? clock(start_s) : `${clock(start_s)}–${clock(end_s)}`;

/** @param {number} size_bytes */
export function size(size_bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const step = size_bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(size_bytes) / 3));
  const value = size_bytes / 1000 ** step;
  return `${step && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

/** @param {number} number @param {string} one @param {string} [many] */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** @param {string} iso */
export const date = (iso) =>
  new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
