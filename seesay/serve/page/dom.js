/** Making elements. Data reaches the page as text and attributes only, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} id of the element; it is in index.html.
 * @returns {any} it.
 */
export const byId = (id) => document.getElementById(id);

/**
 * An element. Properties that begin with "on" listen; "class" and names with a hyphen are attributes.
 * @param {string} tag
 * @param {Record<string, any>} properties
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class" || name === "role" || name === "for" || name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** @param {string} name of a symbol in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

let fading = 0;

/** Say something short, to eyes and ears. @param {string} text */
export function say(text) {
  const toast = byId("toast");
  toast.textContent = text;
  // a modal dialog hides the page from screen readers, so the words go where the reader is
  (document.querySelector("dialog[open]") ?? document.body).append(toast);
  toast.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => toast.classList.remove("shown"), 2500);
}

export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
