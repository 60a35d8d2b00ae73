// Living pages: when the exchange says that something happened, the page is fetched again and its [data-live] parts
// are put in the place of the old ones. What a part looks like is thus written once, in its template.

import { tick } from "./countdown.js";

const PAUSE_MS = 800;
/** A page rests so many times as long as it took to come: the busier the exchange, the less it is asked. */
const REST = 10;
const EVENTS = ["book", "trades", "deal", "order", "blocks", "anchors"];

/**
 * Follow a stream of events and keep the page up to date.
 * @param {string} url of the stream; empty for a page that does not live
 */
export function follow(url) {
  const state = /** @type {HTMLElement | null} */ (document.querySelector("[data-live-state]"));
  if (!url) {
    if (state) state.hidden = true;
    return;
  }
  const stream = new EventSource(url);
  let isWaiting = false;
  let pause = PAUSE_MS;
  const soon = () => {
    if (isWaiting || document.hidden) return;
    isWaiting = true;
    setTimeout(async () => {
      const asked = performance.now();
      await refresh();
      pause = Math.max(PAUSE_MS, REST * (performance.now() - asked));
      isWaiting = false;
    }, pause);
  };
  for (const name of EVENTS) stream.addEventListener(name, soon);
  // The stream begins by saying how far the main chain is: what happened since the page was made is not on it yet.
  stream.addEventListener("reset", (event) => {
    if (JSON.parse(event.data).height !== Number(document.body.dataset.height)) soon();
  });
  stream.addEventListener("open", () => show(state, true));
  stream.addEventListener("error", () => show(state, false));
  document.addEventListener("visibilitychange", soon);
  document.addEventListener("stale", soon);
  addEventListener("pagehide", () => stream.close());
}

/** Fetch the page again and exchange its living parts. */
async function refresh() {
  let answer;
  try {
    answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  } catch {
    return; // the stream comes back, and with it the next refresh
  }
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.body.dataset.height = page.body.dataset.height;
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh) exchange(/** @type {HTMLElement} */ (old), fresh);
  }
  tick();
  document.dispatchEvent(new CustomEvent("refreshed"));
}

/**
 * @param {HTMLElement} old
 * @param {HTMLElement} fresh
 */
function exchange(old, fresh) {
  if (old.innerHTML === fresh.innerHTML) return;
  const known = new Set([...old.querySelectorAll("[data-key]")].map((row) => row.getAttribute("data-key")));
  for (const row of fresh.querySelectorAll("[data-key]")) {
    row.classList.toggle("fresh", !known.has(row.getAttribute("data-key")));
  }
  const focused = placeOf(old, document.activeElement);
  const said = old.dataset.say;
  old.replaceChildren(...fresh.childNodes);
  if (fresh.dataset.say) old.dataset.say = fresh.dataset.say;
  if (focused) /** @type {HTMLElement | null} */ (find(old, focused))?.focus();
  if (said !== undefined && said !== old.dataset.say) announce(old.dataset.say ?? "");
}

/**
 * How to find the focused element again in a part that was exchanged.
 * @param {HTMLElement} part
 * @param {Element | null} element
 * @returns {{ tag: string, label: string } | null}
 */
function placeOf(part, element) {
  return element && part.contains(element) ? { tag: element.tagName, label: label(element) } : null;
}

/**
 * @param {HTMLElement} part
 * @param {{ tag: string, label: string }} place
 */
function find(part, place) {
  return [...part.querySelectorAll(place.tag)].find((element) => label(element) === place.label) ?? null;
}

/** @param {Element} element */
function label(element) {
  return element.id || element.getAttribute("aria-label") || element.getAttribute("href") || element.textContent || "";
}

/** @param {string} text to be read out by a screen reader */
function announce(text) {
  const status = document.querySelector("[data-announcer]");
  if (status) status.textContent = text;
}

/**
 * @param {HTMLElement | null} state
 * @param {boolean} isOn
 */
function show(state, isOn) {
  if (!state) return;
  state.classList.toggle("on", isOn);
  state.textContent = (isOn ? state.dataset.on : state.dataset.off) ?? "";
}
