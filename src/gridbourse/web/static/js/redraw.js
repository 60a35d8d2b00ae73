// Draws a page's charts, and draws them anew when the page, its colours or its width have changed.

/** @param {() => void} draw */
export function keepDrawn(draw) {
  draw();
  document.addEventListener("refreshed", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      draw();
    }
  });
}
