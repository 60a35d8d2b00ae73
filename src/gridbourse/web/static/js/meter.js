// The meter page: what was metered and what is expected, drawn from its table.

import { meterChart } from "./charts.js";
import { keepDrawn } from "./redraw.js";

// A reading is no event of a chain: where none follows from it, the page looks for it by itself.
const LOOK_MS = 30_000;
setInterval(() => document.dispatchEvent(new CustomEvent("stale")), LOOK_MS);

keepDrawn(() => {
  meterChart(document.querySelector('[data-chart="meter"]'), document.querySelectorAll("#readings tr[data-period]"));
});
