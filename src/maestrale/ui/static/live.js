// Keeps the page of an execution as it is now: hears of every change, and asks for the page again.
// The server draws; this puts what has changed into place, without a jump or a lost focus.
"use strict";

// The size of the graph, and which part of it one sees first.
const zoom = (() => {
  const STEP = 1.25;
  const LEAST = 0.1;
  const MOST = 3;
  let factor = 1;
  const canvas = () => document.querySelector(".canvas");
  const picture = () => document.getElementById("picture");

  function apply() {
    const { width, height } = picture().viewBox.baseVal;
    picture().setAttribute("width", Math.round(width * factor));
    picture().setAttribute("height", Math.round(height * factor));
  }

  function to(wanted) {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = canvas();
    const before = factor;
    factor = Math.min(MOST, Math.max(LEAST, wanted));
    apply();
    canvas().scrollLeft = ((scrollLeft + clientWidth / 2) * factor) / before - clientWidth / 2;
    canvas().scrollTop = ((scrollTop + clientHeight / 2) * factor) / before - clientHeight / 2;
  }

  function whole() {
    const { width, height } = picture().viewBox.baseVal;
    to(Math.min(1, (canvas().clientWidth - 4) / width, (canvas().clientHeight - 4) / height));
  }

  function button(text, label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "plain";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  function begin() {
    if (!picture()) return;
    document.getElementById("zoom").append(
      button("−", "Make the graph smaller", () => to(factor / STEP)),
      button("+", "Make the graph larger", () => to(factor * STEP)),
      button("1:1", "Make the graph as large as at first", () => to(1)),
      button("Whole", "Show the whole graph", whole),
    );
    const first =
      canvas().querySelector('[aria-current="true"]') ||
      canvas().querySelector(".s-running") ||
      canvas().querySelector(".s-error") ||
      canvas().querySelector(".box");
    if (!first) return;
    const box = first.getBoundingClientRect();
    const frame = canvas().getBoundingClientRect();
    canvas().scrollLeft += box.left + box.width / 2 - frame.left - frame.width / 2;
    if (box.bottom > frame.bottom) canvas().scrollTop += box.top - frame.top - frame.height / 3;
  }

  begin();
  return { apply };
})();

(() => {
  const SOONEST = 250; // milliseconds between two looks, at least
  const SAID = 4; // changes that are told in words at once

  const main = document.querySelector("main[data-events]");
  if (!main) return;
  const live = document.getElementById("live");
  const said = document.getElementById("said");
  let stream = null;
  let ended = false;
  let last = new URL(main.dataset.events, location.href);
  let timer = null;
  let looking = false;
  let again = false;
  let pause = SOONEST;
  let news = [];

  function tell(text) {
    live.textContent = text;
  }

  // What still lasts goes on to be counted, by the clock of the server.
  const ahead = Number(main.dataset.now) - Date.now();

  function lasting(seconds) {
    if (seconds < 60) return `${seconds.toFixed(0)} s`;
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    const days = Math.floor(hours / 24);
    if (days) return `${days} d ${hours % 24} h`;
    return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min ${Math.floor(seconds % 60)} s`;
  }

  setInterval(() => {
    for (const shown of document.querySelectorAll("[data-since]")) {
      shown.textContent = lasting((Date.now() + ahead - Number(shown.dataset.since)) / 1000);
    }
  }, 1000);

  function keep(old, next) {
    for (const { name } of Array.from(old.attributes)) {
      // Whether a value is folded out is up to the reader.
      if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of Array.from(next.attributes)) {
      if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  // Makes `old` what `next` is, and leaves standing what is the same.
  function change(old, next) {
    if (old.isEqualNode(next)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = next.nodeValue;
      return;
    }
    keep(old, next);
    const known = new Map();
    for (const child of old.children) if (child.id) known.set(child.id, child);
    const wanted = new Set(Array.from(next.children, (child) => child.id));
    let place = old.firstChild;

    function leave() {
      const left = place;
      place = place.nextSibling;
      return left;
    }

    for (const child of Array.from(next.childNodes)) {
      const found = child.id ? known.get(child.id) : null;
      if (found && found.nodeName === child.nodeName) {
        // What is in the way goes: what moves in the document would lose the focus.
        while (place && place !== found && !(place.id && wanted.has(place.id))) leave().remove();
        if (found === place) leave();
        else old.insertBefore(found, place);
        change(found, child);
      } else if (place && !place.id && !child.id && place.nodeName === child.nodeName) {
        change(leave(), child);
      } else {
        old.insertBefore(document.importNode(child, true), place);
      }
    }
    while (place) leave().remove();
  }

  async function look() {
    timer = null;
    looking = true;
    again = false;
    const begun = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.title = next.title;
      for (const part of main.querySelectorAll("[data-part]")) {
        const now = next.getElementById(part.id);
        if (now) change(part, now);
        else part.remove();
      }
      zoom.apply();
      said.textContent = words();
      const events = next.querySelector("main").dataset.events;
      if (!events) tell("It is over.");
      else if (ended) follow(new URL(events, location.href)); // somebody made it run again
    } catch (error) {
      tell("The page could not be brought up to date. It will be tried again.");
      again = true;
      pause = 4000;
    }
    looking = false;
    pause = Math.max(SOONEST, again ? pause : 3 * (performance.now() - begun));
    if (again) soon();
  }

  function soon() {
    if (looking) again = true;
    else if (timer === null) timer = setTimeout(look, pause);
  }

  function words() {
    const told = news.slice(-SAID).join(", ");
    const more = news.length - SAID;
    news = [];
    return more > 0 ? `${more} changes, then ${told}` : told;
  }

  function heard(message) {
    last.searchParams.set("after", message.lastEventId);
    for (const { type, name, to } of JSON.parse(message.data).changes) {
      if (type === "task" || type === "workflow") news.push(`${name} is ${to}`);
    }
    soon();
  }

  function follow(from) {
    last = from;
    ended = false;
    if (stream) stream.close();
    stream = new EventSource(last);
    stream.onopen = () => tell("Live: changes show by themselves.");
    stream.onmessage = heard;
    stream.onerror = () => {
      if (stream.readyState !== EventSource.CLOSED) {
        tell("The connection is broken; it will be tried again.");
        return;
      }
      tell("No live changes at the moment; it will be tried again.");
      setTimeout(() => document.hidden || ended || follow(last), 10000);
    };
    stream.addEventListener("end", (message) => {
      ended = true;
      stream.close();
      if (JSON.parse(message.data).deleted) tell("This execution was deleted.");
      else soon();
    });
  }

  // Browsers keep few connections to a server: one that nobody looks at is given back.
  document.addEventListener("visibilitychange", () => {
    if (ended) return;
    if (document.hidden) stream.close();
    else follow(last);
  });

  follow(last);
})();
