// The meter page: what was metered and what is expected, drawn from its table.

import { meterChart } from "./charts.js";
import { keepDrawn } from "./redraw.js";

keepDrawn(() => {
  meterChart(document.querySelector('[data-chart="meter"]'), document.querySelectorAll("#readings tr[data-period]"));
});
