// How the run is: the header, alerts, tracks, and the tree of parts. Each is kept, and only what changed is touched.
import { clock } from "./transcript.js";

const $ = id => document.getElementById(id);
const FLOOR = -60; // dBFS at which a meter is empty
const GOOD = new Set(["running", "finished", "stopped", "starting", "pending"]);

const time = seconds => (seconds === null ? "—" : seconds < 10 ? `${seconds.toFixed(1)} s` : clock(seconds));
const share = (part, whole) => (whole > 0 ? `${Math.floor((1000 * part) / whole) / 10} %` : "—");

function set(node, text) { if (node.textContent !== text) node.textContent = text; }

function make(name, className) {
  const made = document.createElement(name);
  if (className) made.className = className;
  return made;
}

export function showBoard(board, reasons) {
  set($("session"), board.session);
  set($("state"), board.engine === "ready" ? board.state : `${board.state}, engine ${board.engine}`);
  set($("model"), board.model || "—");
  set($("elapsed"), clock(board.elapsed));
  document.title = board.alerts.length ? `(${board.alerts.length}) Transcriber` : "Transcriber";
  showAlerts(board.alerts, reasons);
  showTree(board.tree);
  if (board.snapshot) showTracks(board.snapshot.tracks);
}

function showAlerts(alerts, reasons) {
  const words = alerts.map(({ name, track }) => {
    const why = reasons.get(`${name} ${track ?? ""}`);
    return `${name}${track ? ` (${track})` : ""}${why ? `: ${why}` : ""}`;
  });
  const region = $("alerts"), shown = [...region.children].map(child => child.textContent);
  if (words.join("\n") === shown.join("\n")) return;
  region.replaceChildren(...words.map(text => Object.assign(make("p"), { textContent: text })));
}

function trackCard(name) {
  const card = make("div", "track"), title = make("h3"), meter = make("div", "meter"), figures = make("dl", "figures");
  title.append(make("span"), make("span", "soft"));
  title.firstChild.textContent = name;
  meter.append(make("span"));
  meter.setAttribute("role", "meter");
  meter.setAttribute("aria-label", `Level of ${name}`);
  meter.setAttribute("aria-valuemin", FLOOR);
  meter.setAttribute("aria-valuemax", 0);
  meter.setAttribute("aria-valuenow", FLOOR);
  card.append(title, meter, figures);
  return card;
}

function showTracks(tracks) {
  const region = $("tracks");
  if (region.children.length !== tracks.length) region.replaceChildren(...tracks.map(track => trackCard(track.name)));
  tracks.forEach((track, index) => {
    const card = region.children[index];
    const late = track.lag >= 1 && track.catch_up !== null ? `, caught up in ${time(track.catch_up)}` : "";
    set(card.querySelector("h3 .soft"), `${time(track.lag)} behind${late}`);
    const figures = {
      Captured: time(track.captured), Text: time(track.transcribed), Silence: time(track.silence),
      Missing: time(track.missing), Covered: share(track.covered, track.captured), Buffer: share(track.buffer, 1),
      Words: String(track.words), Gaps: String(track.gaps),
      Commit: track.commit_p50 === null ? "—" : `${track.commit_p50.toFixed(1)} / ${track.commit_p95.toFixed(1)} s`,
      "× real time": track.real_time_factor === null ? "—" : track.real_time_factor.toFixed(2),
    };
    const list = card.querySelector("dl");
    if (!list.children.length) {
      list.append(...Object.keys(figures).map(name => {
        const row = make("div");
        row.append(Object.assign(make("dt"), { textContent: name }), make("dd"));
        return row;
      }));
    }
    Object.values(figures).forEach((value, row) => set(list.children[row].lastChild, value));
  });
}

export function showLevels(levels) {
  document.querySelectorAll(".meter").forEach((meter, index) => {
    const level = Math.max(FLOOR, Math.min(0, levels[index] ?? FLOOR));
    meter.setAttribute("aria-valuenow", Math.round(level));
    meter.setAttribute("aria-valuetext", `${Math.round(level)} dBFS`);
    meter.firstChild.style.width = `${100 * (1 - level / FLOOR)}%`;
  });
}

function showTree(tree) {
  const region = $("tree");
  if (!region.firstChild) region.append(make("ul"));
  fill(region.firstChild, tree);
}

function fill(list, nodes) {
  while (list.children.length > nodes.length) list.lastChild.remove();
  nodes.forEach((node, index) => {
    let item = list.children[index];
    if (!item) {
      item = make("li");
      item.append(make("div"));
      item.firstChild.append(make("span"), make("span", "soft"));
      list.append(item);
    }
    const [name, state] = item.firstChild.children;
    set(name, node.name);
    const notes = [node.state, node.fallback ? `fallback ${node.fallback}` : "",
      node.restarts ? `${node.restarts} restarts` : "", `since ${clock(node.since)}`, node.error];
    set(state, notes.filter(Boolean).join(", "));
    state.classList.toggle("bad", !GOOD.has(node.state) || node.restarts > 0);
    if (node.children.length && item.children.length < 2) item.append(make("ul"));
    if (item.children[1]) fill(item.children[1], node.children);
  });
}
