"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const holder = document.getElementById("lanes");
  const at = document.getElementById("at");
  const reset = document.getElementById("reset");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Okabe and Ito's colours, which those who see fewer can tell apart, and lighter ones for a dark ground.
  const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#b5449a", "#8a6d00", "#3c7fb1", "#7a7a7a"];
  const DARK = ["#56b4e9", "#ff9a52", "#3ddba7", "#e58bc8", "#f0e442", "#9ad0f5", "#b8b8b8"];
  const color = (i) => (dark.matches ? DARK : LIGHT)[i % LIGHT.length];
  const full = { min: data.from / 1e3, max: Math.max(data.to, data.from + 1000) / 1e3 };
  const xs = data.times.map((ms) => (data.from + ms) / 1e3);
  const utc = (s) => new Date(s * 1e3).toISOString();
  // A time of day says which one only within a day.
  const long = data.to - data.from >= 86400000;
  const clock = (s) => (long ? `${utc(s).slice(5, 10)} ${utc(s).slice(11, 19)}` : utc(s).slice(11, 19));

  const scaled = (v, units) => {
    let i = 0;
    while (i + 1 < units.length && Math.abs(v) >= 999.5) { v /= 1000; i += 1; }
    return `${v >= 100 || i === 0 ? v.toFixed(0) : v.toPrecision(3)} ${units[i]}`;
  };
  const FORMATS = {
    share: (v) => `${(v * 100).toFixed(v > 0 && v < 0.1 ? 1 : 0)} %`,
    rate: (v) => scaled(v, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]),
    number: (v) => (v >= 100 ? v.toFixed(0) : String(+v.toPrecision(3))),
  };

  const plots = [];
  let zooming = false;
  const zoom = (min, max) => {
    if (zooming || !(max > min)) return;
    zooming = true;
    for (const plot of plots) plot.setScale("x", { min, max });
    zooming = false;
    const whole = min <= full.min && max >= full.max;
    reset.disabled = whole;
    at.textContent = `${clock(min)} to ${clock(max)} UTC${whole ? "" : " (zoomed)"}`;
  };

  const shade = (u) => {
    const { ctx, bbox } = u;
    const paint = (from, to, fill, alpha) => {
      const left = Math.max(u.valToPos(from, "x", true), bbox.left);
      const right = Math.min(u.valToPos(to, "x", true), bbox.left + bbox.width);
      if (right < left) return;
      ctx.globalAlpha = alpha;
      ctx.fillStyle = fill;
      ctx.fillRect(left, bbox.top, Math.max(right - left, 1), bbox.height);
    };
    ctx.save();
    for (const f of data.findings) paint(f.from / 1e3, f.to / 1e3, css(`--${f.severity}`), 0.14);
    for (const g of data.gaps) paint(g.from / 1e3, g.to / 1e3, css("--dim"), 0.22);
    for (const m of data.marks) paint(m.at / 1e3, m.at / 1e3, css("--accent"), 0.9);
    ctx.restore();
  };

  const build = (lane, index) => {
    const format = FORMATS[lane.scale];
    const series = [{ label: "time" }];
    const columns = [xs];
    const bands = [];
    let hue = 0;
    for (const line of lane.lines) {
      const own = hue;
      hue += line.limit ? 0 : 1;
      const show = (u, v) => (v == null ? "–" : format(v));
      const stroke = () => (line.limit ? css("--dim") : color(own));
      series.push({
        label: line.label, value: show, stroke, spanGaps: false, points: { show: false },
        width: line.faint ? 0.6 : line.limit ? 1 : 1.6, dash: line.limit ? [6, 4] : undefined,
      });
      columns.push(line.mean);
      if (line.max) {
        const edge = (label) => ({
          label: `${line.label} ${label}`, class: "ranged", stroke: "transparent", width: 0,
          value: show, spanGaps: false, points: { show: false },
        });
        series.push(edge("most"), edge("least"));
        columns.push(line.max, line.min);
        const faint = () => color(own) + "38";
        bands.push({ series: [columns.length - 2, columns.length - 1], fill: faint });
      }
    }
    const axis = { stroke: () => css("--dim"), ticks: { stroke: () => css("--rule") } };
    const grid = { stroke: () => css("--rule"), width: 1 };
    const top = lane.scale === "share" ? () => [0, 1] : (u, low, high) => [0, high > 0 ? high * 1.08 : 1];
    const box = document.createElement("div");
    box.className = "lane";
    const title = document.createElement("h3");
    title.textContent = lane.title;
    box.append(title);
    holder.append(box);
    return new uPlot({
      width: box.clientWidth - 16, height: 128, series, bands,
      tzDate: (s) => uPlot.tzDate(new Date(s * 1e3), "Etc/UTC"),
      scales: { x: { time: true, range: (u, min, max) => [min, max] }, y: { range: top } },
      axes: [
        { ...axis, grid, size: 24, space: long ? 130 : 90, values: (u, ticks) => ticks.map(clock) },
        { ...axis, grid, size: 74, values: (u, ticks) => ticks.map((v) => format(v)) },
      ],
      cursor: {
        sync: { key: "lanes" }, points: { size: 6 }, drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => { zoom(full.min, full.max); return null; } },
      },
      legend: { live: true },
      hooks: {
        drawClear: [shade],
        setSelect: [(u) => {
          if (u.select.width < 4) return;
          const from = u.posToVal(u.select.left, "x");
          const to = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          zoom(from, to);
        }],
        setCursor: [(u) => {
          if (index !== 0) return;
          const i = u.cursor.idx;
          const [min, max] = [u.scales.x.min, u.scales.x.max];
          at.textContent = i == null ? `${clock(min)} to ${clock(max)} UTC` : `${clock(xs[i])} UTC`;
        }],
      },
    }, columns, box);
  };

  if (xs.length > 0) {
    data.lanes.forEach((lane, index) => plots.push(build(lane, index)));
    zoom(full.min, full.max);
  } else {
    holder.textContent = "No tick in this span.";
  }
  reset.addEventListener("click", () => zoom(full.min, full.max));
  document.addEventListener("keydown", (key) => {
    if (key.key === "Escape") zoom(full.min, full.max);
  });
  for (const button of document.querySelectorAll("button[data-from]")) {
    button.addEventListener("click", () => {
      const [from, to] = [Number(button.dataset.from) / 1e3, Number(button.dataset.to) / 1e3];
      const around = Math.max((to - from) * 0.25, 5);
      zoom(Math.max(from - around, full.min), Math.min(to + around, full.max));
      holder.scrollIntoView({ block: "start" });
    });
  }
  let width = holder.clientWidth;
  new ResizeObserver(() => {
    if (holder.clientWidth === width) return;
    width = holder.clientWidth;
    for (const plot of plots) plot.setSize({ width: width - 16, height: 128 });
  }).observe(holder);
  dark.addEventListener("change", () => plots.forEach((plot) => plot.redraw(false, true)));
  window.mltop = { plots, zoom };
})();
