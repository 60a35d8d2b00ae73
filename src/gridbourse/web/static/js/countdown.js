// Time that is left, counted down in place: <span data-countdown="SECONDS SINCE THE EPOCH" data-over="TEXT">.

/** Keep every countdown of the page up to date, also those that come later. */
export function keepCounting() {
  tick();
  setInterval(tick, 1000);
}

/** Write what is left into every countdown now. */
export function tick() {
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const { countdown, over } = /** @type {HTMLElement} */ (element).dataset;
    const left = Number(countdown) - Math.floor(Date.now() / 1000);
    element.textContent = left > 0 ? text(left) : (over ?? "");
  }
}

/**
 * @param {number} seconds
 * @returns {string} as H:MM:SS, or M:SS below an hour
 */
function text(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, turn) => (turn ? String(part).padStart(2, "0") : String(part))).join(":");
}
