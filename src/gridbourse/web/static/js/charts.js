// Charts, drawn with uPlot from the tables that stand beside them: who does not see a chart reads its table.

/** @typedef {{ new (options: object, data: (number | null)[][], target: Element): { destroy(): void } }} Plot */

const PERIOD_SECONDS = 900;
/** @type {WeakMap<Element, { destroy(): void }>} */
const drawn = new WeakMap();

/**
 * Supply and demand, summed up from the best price on.
 * @param {Element | null} figure
 * @param {NodeListOf<Element>} rows of the order book: side, price, energy
 */
export function depthChart(figure, rows) {
  if (!figure) return;
  const levels = [...rows].map((row) => ({
    side: row.getAttribute("data-side"),
    price: value(row, 1) / 10_000,
    energy: value(row, 2) / 1000,
  }));
  const bids = summed(levels.filter((level) => level.side === "bid").sort((a, b) => b.price - a.price));
  const asks = summed(levels.filter((level) => level.side === "ask").sort((a, b) => a.price - b.price));
  const prices = [...new Set(levels.map((level) => level.price))].sort((a, b) => a - b);
  if (!prices.length) return clear(figure);
  const margin = Math.max((prices[prices.length - 1] - prices[0]) * 0.06, 0.002);
  const x = [prices[0] - margin, ...prices, prices[prices.length - 1] + margin];
  const demand = x.map((price) => reach(bids, (bid) => bid.price >= price));
  const supply = x.map((price) => reach(asks, (ask) => ask.price <= price));
  const { data, read } = texts(figure);
  plot(figure, [x, demand, supply], {
    scales: { x: { time: false } },
    axes: [axis(figure, (v) => v.toFixed(3)), axis(figure, thousands)],
    series: [{}, area(figure, data.bid, "--buy", "--buy-wash", -1), area(figure, data.ask, "--sell", "--sell-wash", 1)],
    hooks: {
      setCursor: [
        read((at) => `${x[at].toFixed(4)} ${data.x?.split(", ").pop()} · ${data.bid} ${thousands(demand[at] ?? 0)} · ${data.ask} ${thousands(supply[at] ?? 0)} ${data.y}`),
      ],
    },
  });
}

/**
 * Average price and traded energy of each period of a day.
 * @param {Element | null} figure
 * @param {NodeListOf<Element>} rows of the day's table
 */
export function dayChart(figure, rows) {
  if (!figure) return;
  const { data, read } = texts(figure);
  const start = Number(data.start);
  const x = Array.from({ length: Number(data.periods) }, (_, turn) => start + turn * PERIOD_SECONDS);
  /** @type {(number | null)[]} */
  const prices = x.map(() => null);
  /** @type {(number | null)[]} */
  const energies = x.map(() => null);
  for (const row of rows) {
    const at = Number(row.getAttribute("data-period")) - start / PERIOD_SECONDS;
    const average = row.querySelector("[data-average] data");
    const traded = row.querySelector("[data-traded] data");
    if (average && traded) {
      prices[at] = Number(average.getAttribute("value")) / 10_000;
      energies[at] = Number(traded.getAttribute("value")) / 1000;
    }
  }
  const caption = figure.querySelector("figcaption");
  if (prices.every((price) => price === null) && caption) caption.textContent = data.none ?? "";
  const clock = clockOf(data.zone);
  plot(figure, [x, energies, prices], {
    scales: { x: { time: false, range: [start - 600, start + x.length * PERIOD_SECONDS] }, kwh: { range: from0 }, price: { range: padded } },
    axes: [
      { ...axis(figure, clock), incrs: [3600, 7200, 10_800, 14_400, 21_600], splits: hours(start) },
      { ...axis(figure, (v) => v.toFixed(2)), scale: "price" },
      { ...axis(figure, thousands), scale: "kwh", side: 1, grid: { show: false } },
    ],
    series: [
      {},
      {
        scale: "kwh",
        stroke: colour(figure, "--buy"),
        fill: colour(figure, "--buy-wash"),
        width: 1,
        paths: library().paths.bars({ size: [0.7, 14] }),
        points: { show: false },
      },
      { scale: "price", stroke: colour(figure, "--accent"), width: 2, spanGaps: true, points: { show: true, size: 6, fill: colour(figure, "--accent") } },
    ],
    hooks: {
      setCursor: [
        read((at) => prices[at] === null ? clock(x[at]) : `${clock(x[at])} · ${prices[at]?.toFixed(4)} ${data.price} · ${thousands(energies[at] ?? 0)} ${data.energy}`),
      ],
    },
  });
}

/**
 * Surplus or need of each period of a day, metered and expected.
 * @param {Element | null} figure
 * @param {NodeListOf<Element>} rows of the table of readings
 */
export function meterChart(figure, rows) {
  if (!figure) return;
  const { data, read } = texts(figure);
  const start = Number(data.start);
  const x = Array.from({ length: Number(data.periods) }, (_, turn) => start + turn * PERIOD_SECONDS);
  /** @type {(number | null)[]} */
  const metered = x.map(() => null);
  /** @type {(number | null)[]} */
  const expected = x.map(() => null);
  for (const row of rows) {
    const at = Number(row.getAttribute("data-period")) - start / PERIOD_SECONDS;
    if (at >= x.length) continue;
    for (const [column, name] of /** @type {const} */ ([[metered, "surplus"], [expected, "expected"]])) {
      const told = row.querySelector(`[data-${name}] data`)?.getAttribute("value");
      column[at] = told === null || told === undefined ? null : Number(told) / 1000;
    }
  }
  const clock = clockOf(data.zone);
  const bars = (/** @type {string} */ stroke) => ({
    scale: "kwh",
    stroke: colour(figure, stroke),
    fill: colour(figure, `${stroke}-wash`),
    width: 1,
    paths: library().paths.bars({ size: [0.7, 14] }),
    points: { show: false },
  });
  plot(figure, [x, metered, expected], {
    scales: { x: { time: false, range: [start - 600, start + x.length * PERIOD_SECONDS] }, kwh: { range: around0 } },
    axes: [
      { ...axis(figure, clock), incrs: [3600, 7200, 10_800, 14_400, 21_600], splits: hours(start) },
      { ...axis(figure, thousands), scale: "kwh" },
    ],
    series: [{}, bars("--buy"), bars("--sell")],
    hooks: {
      setCursor: [
        read((at) => {
          const known = metered[at] ?? expected[at];
          const said = known === null ? "" : ` · ${metered[at] === null ? data.expected : data.surplus} ${thousands(known)} ${data.energy}`;
          return clock(x[at]) + said;
        }),
      ],
    },
  });
}

/**
 * Writes a time of day as the region's clocks show it.
 * @param {string | undefined} zone
 */
function clockOf(zone) {
  const local = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return (/** @type {number} */ seconds) => local.format(seconds * 1000);
}

/**
 * @param {Element} figure
 * @param {(number | null)[][]} columns
 * @param {object} options
 */
function plot(figure, columns, options) {
  const target = /** @type {HTMLElement} */ (figure.querySelector(".plot"));
  drawn.get(figure)?.destroy();
  const size = { width: target.clientWidth, height: target.clientHeight };
  const shared = { ...size, cursor: { y: false, drag: { x: false, y: false }, points: { show: false } }, legend: { show: false } };
  drawn.set(figure, new (library())({ ...shared, ...options }, columns, target));
}

/** @param {Element} figure */
function clear(figure) {
  drawn.get(figure)?.destroy();
  drawn.delete(figure);
}

/** @returns {Plot & { paths: Record<string, (options: object) => unknown> }} */
function library() {
  return /** @type {any} */ (globalThis).uPlot;
}

/**
 * @param {Element} row
 * @param {number} column
 */
function value(row, column) {
  return Number(row.children[column].querySelector("data")?.getAttribute("value"));
}

/** @typedef {{ price: number, energy: number }} Level */

/** @param {Level[]} levels best first */
function summed(levels) {
  let total = 0;
  return levels.map((level) => ({ price: level.price, energy: (total += level.energy) }));
}

/**
 * How much of a side can be had at a price: null beyond its best one.
 * @param {Level[]} levels
 * @param {(level: Level) => boolean} within
 */
function reach(levels, within) {
  const reached = levels.filter(within);
  return reached.length ? reached[reached.length - 1].energy : null;
}

/**
 * @param {Element} figure
 * @param {string | undefined} label
 * @param {string} stroke
 * @param {string} fill
 * @param {number} align
 */
function area(figure, label, stroke, fill, align) {
  return {
    label,
    stroke: colour(figure, stroke),
    fill: colour(figure, fill),
    width: 2,
    points: { show: false },
    paths: library().paths.stepped({ align }),
  };
}

/**
 * @param {Element} figure
 * @param {(value: number) => string} write
 */
function axis(figure, write) {
  const line = { stroke: colour(figure, "--line"), width: 1 };
  return {
    stroke: colour(figure, "--soft"),
    font: "12px system-ui",
    grid: line,
    ticks: line,
    size: 56,
    values: (/** @type {unknown} */ _, /** @type {number[]} */ values) => values.map(write),
  };
}

/** @param {Element} figure */
function texts(figure) {
  const caption = figure.querySelector("figcaption");
  const read = (/** @type {(at: number) => string} */ write) => (/** @type {{ cursor: { idx: number | null } }} */ chart) => {
    if (caption && chart.cursor.idx !== null && chart.cursor.idx !== undefined) caption.textContent = write(chart.cursor.idx);
  };
  return { data: /** @type {HTMLElement} */ (figure).dataset, read };
}

/** @param {number} start */
function hours(start) {
  const step = innerWidth < 700 ? 6 : 2;
  return () => Array.from({ length: 24 / step + 1 }, (_, turn) => start + turn * step * 3600);
}

/** @param {unknown} _ @param {number} __ @param {number | null} most */
function from0(_, __, most) {
  return [0, (most || 1) * 1.15];
}

/** @param {unknown} _ @param {number | null} least @param {number | null} most */
function around0(_, least, most) {
  return [Math.min(0, (least ?? 0) * 1.15), Math.max(0, (most ?? 0) * 1.15) || (least ? 0 : 1)];
}

/** @param {unknown} _ @param {number | null} least @param {number | null} most */
function padded(_, least, most) {
  if (least === null || most === null) return [0, 1];
  const margin = Math.max((most - least) * 0.15, 0.01);
  return [Math.max(0, least - margin), most + margin];
}

/** @param {number} number */
function thousands(number) {
  return number.toLocaleString("en", { maximumFractionDigits: 3 });
}

/**
 * The colour that a property has where the figure stands, in the scheme in force.
 * @param {Element} figure
 * @param {string} property
 */
function colour(figure, property) {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  figure.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
