// What is said, and what happened: events become lines. Text is only ever set as text, never as markup.
const $ = id => document.getElementById(id);
const MOST = 2000; // lines in view; earlier ones are in the download and in the search

export const clock = seconds => new Date(Math.max(0, seconds) * 1000).toISOString().slice(11, 19);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function line(at, track, text, className) {
  const made = element("li", "", className);
  made.append(element("time", at));
  if (track) made.append(element("b", track));
  made.append(element("span", text));
  return made;
}

function add(list, made) {
  list.append(made);
  while (list.childElementCount > MOST) {
    list.firstElementChild.remove();
    $("earlier").hidden = false;
  }
}

export function makeTranscript() {
  const region = $("transcript"), tails = new Map(), reasons = new Map();
  let several = false, following = true;

  const toEnd = () => { if (following) region.scrollTop = region.scrollHeight; };
  region.addEventListener("scroll", () => {
    following = region.scrollHeight - region.scrollTop - region.clientHeight < 40;
    $("follow").hidden = following;
  });
  $("follow").addEventListener("click", () => { following = true; toEnd(); });

  function tail(track, start) {
    if (!tails.has(track)) {
      const made = line(clock(start), several ? track : "", "");
      made.append(element("i"));
      $("tails").append(made);
      tails.set(track, made);
    }
    return tails.get(track);
  }

  const on = {
    session: event => { several = event.tracks.length > 1; },
    partial: event => {
      if (event.text) tail(event.track, event.start).lastElementChild.textContent = event.text;
      else if (tails.has(event.track)) tails.get(event.track).lastElementChild.textContent = "";
    },
    commit: event => {
      const open = tail(event.track, event.words[0].start), [, rest] = open.querySelectorAll("span, i");
      const text = event.words.map(word => word.word).join("");
      open.querySelector("span").textContent += text;
      rest.textContent = rest.textContent.startsWith(text) ? rest.textContent.slice(text.length) : "";
    },
    segment: event => {
      tails.get(event.track)?.remove();
      tails.delete(event.track);
      if (event.text) add($("lines"), line(clock(event.start), several ? event.track : "", event.text));
    },
    gap: event => {
      const length = (event.end - event.start).toFixed(1);
      add($("lines"), line(clock(event.start), event.track, `${length} s are missing (${event.reason})`, "gap"));
    },
    state: event => {
      const raised = event.to === "alert";
      if (raised) reasons.set(`${event.component} ${event.track ?? ""}`, event.reason);
      const text = `${event.component}: ${event.from} → ${event.to}${event.reason ? `: ${event.reason}` : ""}`;
      const list = $("happened"), atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
      add(list, line(clock(event.emitted), event.track, text, raised || event.to === "failed" ? "raised" : ""));
      if (atEnd) list.scrollTop = list.scrollHeight;
    },
  };

  return {
    reasons,
    take(event) {
      on[event.event]?.(event);
      toEnd();
    },
    found(matches, query) {
      $("found").hidden = false;
      $("found-count").textContent = `${matches.length} found for “${query}”`;
      $("found-lines").replaceChildren(...matches.map(match => line(match.at, several ? match.track : "", match.text)));
      $("found-close").focus();
    },
  };
}
