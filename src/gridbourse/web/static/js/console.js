// What every page does beyond its HTML: follow what happens, count down, and send a choice as soon as it is made.

import { keepCounting } from "./countdown.js";
import { follow } from "./live.js";

keepCounting();
follow(document.body.dataset.events ?? "");

for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => /** @type {HTMLFormElement} */ (form).requestSubmit());
}
