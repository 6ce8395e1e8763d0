// Charts of the last hour. What a chart shows now stands beside it as text, for those who do not see it.
const ROWS = 3600;
const MB = 2 ** 20;
const clock = seconds => new Date(seconds * 1000).toTimeString().slice(0, 8);

const process = (snapshot, name, figure) => snapshot.processes.find(one => one.name === name)?.[figure] ?? 0;
const worst = (snapshot, figure) => Math.max(0, ...snapshot.tracks.map(track => track[figure]));

// Each series: its name, its column in the history, how it is read off a snapshot, and how it is scaled.
const CHARTS = [
  { title: "Processor", unit: "%", digits: 0, series: [
    ["Machine", "cpu", now => now.cores.reduce((sum, core) => sum + core, 0) / now.cores.length, 1],
    ["Core", "core_cpu", now => process(now, "core", "cpu"), 1],
    ["Engine", "engine_cpu", now => process(now, "engine", "cpu"), 1],
  ] },
  { title: "Memory", unit: "MB", digits: 0, series: [
    ["Core", "core_memory", now => process(now, "core", "memory"), 1 / MB],
    ["Engine", "engine_memory", now => process(now, "engine", "memory"), 1 / MB],
  ] },
  { title: "Lag", unit: "s", digits: 1, series: [["Slowest track", "lag", now => worst(now, "lag"), 1]] },
  { title: "Disk", unit: "ms", digits: 1, series: [
    ["Slowest write of 10 s", "write_recent", now => now.disk.recent, 1000],
    ["p99", "write_p99", now => now.disk.p99, 1000],
    ["Event loop late", "lateness", now => now.lateness, 1000],
  ] },
];
const COLOURS = ["--accent", "--line-2", "--line-3"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function makeChart(region, { title, unit, digits, series }) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const heading = document.createElement("b");
  heading.textContent = `${title} (${unit})`;
  const values = series.map((_, index) => Object.assign(document.createElement("span"), { className: `series-${index}` }));
  caption.append(heading, ...values);
  const canvas = document.createElement("div");
  canvas.setAttribute("aria-hidden", "true");
  figure.append(caption, canvas);
  region.append(figure);
  let plot = null, data = [[], ...series.map(() => [])];

  function draw() {
    plot?.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false } };
    plot = new uPlot({
      width: canvas.clientWidth || 300, height: 110, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
      axes: [{ ...axis, size: 24, values: (_, times) => times.map(clock) }, { ...axis, size: 48 }],
      series: [{}, ...series.map((_, index) => ({ stroke: colour(COLOURS[index]), width: 1.5, points: { show: false } }))],
    }, data, canvas);
  }

  return {
    draw,
    width: () => plot?.setSize({ width: canvas.clientWidth, height: 110 }),
    begin(columns) {
      data = [[...columns.at], ...series.map(([, column, , scale]) => columns[column].map(value => value * scale))];
      draw();
    },
    take(now) {
      if (now.at <= data[0].at(-1)) return;
      [now.at, ...series.map(([, , read, scale]) => read(now) * scale)].forEach((value, column) => {
        data[column].push(value);
        if (data[column].length > ROWS) data[column].shift();
      });
      plot?.setData(data);
      values.forEach((node, index) => {
        node.textContent = `${series[index][0]} ${data[index + 1].at(-1).toFixed(digits)}`;
      });
    },
  };
}

export function makeCharts(region) {
  const charts = CHARTS.map(chart => makeChart(region, chart));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(chart => chart.draw()));
  new ResizeObserver(() => charts.forEach(chart => chart.width())).observe(region);
  return {
    begin: columns => charts.forEach(chart => chart.begin(columns)),
    take: now => charts.forEach(chart => chart.take(now)),
  };
}
