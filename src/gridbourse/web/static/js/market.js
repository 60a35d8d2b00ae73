// The market page: its charts, and what an order would bring while it is being written.

import { dayChart, depthChart } from "./charts.js";
import { quoteWhileTyping } from "./quote.js";
import { keepDrawn } from "./redraw.js";

keepDrawn(() => {
  depthChart(document.querySelector('[data-chart="depth"]'), document.querySelectorAll("#book tr[data-side]"));
  dayChart(document.querySelector('[data-chart="day"]'), document.querySelectorAll("#day-table tr[data-period]"));
});

const form = document.querySelector("#order-form");
if (form instanceof HTMLFormElement) quoteWhileTyping(form);
