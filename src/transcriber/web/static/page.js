// The page of a run: enters with the ticket of the link, follows the stream, and hands on what comes.
import { makeCharts } from "./charts.js";
import { showBoard, showLevels } from "./board.js";
import { makeTranscript } from "./transcript.js";

const $ = id => document.getElementById(id);
const RETRY = 2000; // ms; a browser goes on by itself after a break, but not after an answer that is no stream

const transcript = makeTranscript();
const charts = makeCharts($("charts"));
let last = 0; // number of the newest event: what comes again after a break is known by it

async function enter() {
  const ticket = location.hash.slice(1);
  if (ticket.length < 40) return; // no ticket, but an anchor
  history.replaceState(null, "", location.pathname);
  await fetch("enter", { method: "POST", body: ticket });
}

function connection(text, broken = false) {
  $("connection").textContent = text;
  $("connection").classList.toggle("broken", broken);
}

async function follow() {
  const answer = await fetch("history").catch(() => null);
  if (answer === null || answer.status === 503) {
    connection("no answer from the program; trying again", true);
    setTimeout(follow, RETRY);
    return;
  }
  if (answer.status === 401) {
    connection("this link was used already: ask for a new one where the page is open", true);
    return;
  }
  charts.begin(await answer.json());
  const events = new EventSource(`events?after=${last}`);
  events.onopen = () => connection("live");
  events.onerror = () => {
    connection("connection lost; trying again", true);
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, RETRY);
  };
  events.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (event.seq <= last) return;
    last = event.seq;
    transcript.take(event);
  };
  events.addEventListener("board", ({ data }) => {
    const board = JSON.parse(data);
    showBoard(board, transcript.reasons);
    if (board.snapshot) charts.take(board.snapshot);
  });
  events.addEventListener("levels", ({ data }) => showLevels(JSON.parse(data)));
  events.addEventListener("end", ({ data }) => {
    events.close();
    connection(`the run has ended: ${data}`, data !== "complete");
  });
}

$("search").addEventListener("submit", async event => {
  event.preventDefault();
  const query = $("query").value.trim();
  if (!query) return;
  const answer = await fetch(`search?q=${encodeURIComponent(query)}`);
  transcript.found(answer.ok ? await answer.json() : [], query);
});
$("found-close").addEventListener("click", () => { $("found").hidden = true; $("query").focus(); });
$("found").addEventListener("keydown", event => { if (event.key === "Escape") $("found-close").click(); });
$("invite").addEventListener("click", async () => {
  const answer = await fetch("ticket", { method: "POST" });
  const link = answer.ok ? `${location.origin}${location.pathname}#${await answer.text()}` : "not allowed";
  $("invitation").textContent = `Works once: ${link}`;
});

await enter();
await follow();
