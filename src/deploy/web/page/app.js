// The page: shows what the program says and passes on what the user wants. Every decision is the program's.
import { Labels } from "/labels.js";
import { call, Feed, Picture } from "/link.js";
import { reason } from "/reasons.js";
import { count, has, LANGUAGE, text, translate } from "/text.js";

const $ = (id) => document.getElementById(id);
const SHOWN_EVENTS = 200;
let people = [], status = null, faces = [], connected = false, live = false, denied = false, candidate = null, chosenName = null;

translate(document);

/** Make an element; its text can never become markup. */
function element(name, content = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = content;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function setText(node, content) {
  if (node.textContent !== content) node.textContent = content;
}

let noticeTimer;
/** Show a line at the bottom of the page for some seconds. */
function notify(line) {
  setText($("notice"), line);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => setText($("notice"), ""), 8000);
}

// ---- state

function showState() {
  const state = connected ? (status ? status.stream : "connecting") : "away";
  $("state").dataset.state = state;
  setText($("state"), text(state));
  const old = !connected || picture.silent || !live;
  $("frame").classList.toggle("old", old);
  // The program's own picture says itself that it is not live; one that only stays on the screen does not.
  $("frame").classList.toggle("frozen", old && live);
  $("stale").hidden = !old;
  setText($("stale"), old ? text("noLive") : "");
  let alarm = "";
  if (denied) alarm = text("denied");
  else if (state === "away") alarm = text("awayAlarm");
  else if (state === "lost") alarm = text("lostAlarm", { reason: reason(status.reason) });
  else if (state === "ended" || state === "closed") alarm = text("endedAlarm") + (status.reason ? ` ${reason(status.reason)}` : "");
  setText($("alarm"), alarm);
  $("alarm").hidden = !alarm;
}

function showStatus(value) {
  const first = status === null;
  if (!first && value.people !== status.people) loadPeople();
  status = value;
  const round = (number) => (number === null ? "-" : Math.round(number));
  const key = value.latency_p50_ms === null ? "noFigures" : "figures";
  let line = text(key, { fps: value.fps.toFixed(1), p50: round(value.latency_p50_ms), p95: round(value.latency_p95_ms) });
  if (value.losses) line += " · " + count("losses", value.losses);
  if (value.dropped) line += " · " + count("dropped", value.dropped);
  setText($("figures"), line);
  setText($("source"), value.source);
  $("dark").hidden = !value.brightened;
  if (document.activeElement !== $("threshold")) $("threshold").value = Number(value.threshold.toFixed(4));
  showState();
}

// ---- faces in view

function caption(face) {
  const who = face.state === "recognised" ? face.name : text(face.state + "Face");
  const more = [face.track === null ? "" : text("track", { n: face.track }), face.score === null ? "" : face.score.toFixed(2)];
  return [who, ...more.filter(Boolean)].join(" · ");
}

function showFaces(value) {
  faces = value.live ? value.faces : [];
  const list = $("faces"), known = new Map([...list.children].map((item) => [item.dataset.key, item]));
  faces.forEach((face, index) => {
    const key = face.track === null ? "at-" + index : "track-" + face.track;
    let item = known.get(key);
    known.delete(key);
    if (!item) {
      item = element("li", "", { "data-key": key });
      item.append(element("button", "", { type: "button" }));
      item.firstChild.addEventListener("click", () => chooseFace(item.face));
      list.append(item);
    }
    item.face = face;
    item.firstChild.dataset.state = face.state;
    setText(item.firstChild, caption(face));
  });
  for (const item of known.values()) item.remove();
  $("no-faces").hidden = faces.length > 0;
  $("picture").setAttribute("aria-label", count("pictureOf", faces.length));
}

function chooseFace(face) {
  const [x1, y1, x2, y2] = face.box;
  pick(face.track === null ? { x: (x1 + x2) / 2, y: (y1 + y2) / 2 } : { track: face.track });
}

$("picture").addEventListener("click", (click) => {
  const canvas = $("picture"), place = canvas.getBoundingClientRect();
  pick({
    x: (click.clientX - place.left) * canvas.width / place.width,
    y: (click.clientY - place.top) * canvas.height / place.height,
  });
});

// ---- registration

async function pick(where) {
  try {
    candidate = await call("pick", where);
  } catch (error) {
    notify(reason(error.message));
    return;
  }
  $("crop").src = candidate.crop;
  $("crop").alt = text("face");
  const poor = candidate.refusals.length > 0;
  setText($("quality"), text(poor ? "poor" : "good"));
  $("quality").classList.toggle("poor", poor);
  $("remarks").replaceChildren(...candidate.refusals.map((line) => element("li", remark(line))));
  $("name").value = candidate.name;
  $("known").replaceChildren(...people.map((person) => element("option", "", { value: person.name })));
  $("force").checked = false;
  $("force-row").hidden = !poor;
  setText($("register-error"), "");
  allowRegister();
  open("register", "name");
}

function remark(line) {
  const [, word, rest] = line.match(/^(\w+)(.*)$/s) || [null, line, ""];
  return (has(word) ? text(word) : word) + reason(rest);
}

function allowRegister() {
  $("register-button").disabled = candidate.refusals.length > 0 && !$("force").checked;
}

$("force").addEventListener("change", allowRegister);

submit("register", async () => {
  const made = await call("enrol", { id: candidate.id, name: $("name").value, force: $("force").checked });
  notify(text("registered", made) + (made.warning ? ` (${reason(made.warning)})` : ""));
  await loadPeople();
});

// ---- people

async function loadPeople() {
  people = (await call("people")).people;
  $("people").replaceChildren(...people.map((person) => {
    const item = element("li"), who = element("span", person.name + " ", { class: "who" });
    who.append(element("small", count("templates", person.templates)));
    const buttons = ["rename", "delete"].map((what) => {
      const button = element("button", text(what), { type: "button", "aria-label": text(what + "Of", { name: person.name }) });
      button.addEventListener("click", () => {
        chosenName = person.name;
        setText($(what + "-title"), text(what + "Title", { name: chosenName }));
        setText($(what + "-error"), "");
        $("new-name").value = chosenName;
        open(what, what === "rename" ? "new-name" : null);
      });
      return button;
    });
    item.append(who, ...buttons);
    return item;
  }));
  setText($("people-count"), people.length ? String(people.length) : "");
  $("no-people").hidden = people.length > 0;
}

submit("rename", async () => {
  const other = $("new-name").value;
  await call("rename", { name: chosenName, new: other });
  notify(text("renamed", { name: chosenName, other }));
  await loadPeople();
});

submit("delete", async () => {
  await call("delete", { name: chosenName });
  notify(text("deleted", { name: chosenName }));
  await loadPeople();
});

$("threshold-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const made = await call("threshold", { value: Number($("threshold").value) });
    notify(text("thresholdSet", { value: Number(made.threshold.toFixed(4)) }));
  } catch (error) {
    notify(reason(error.message));
  }
});

// ---- dialogs

function open(id, focus) {
  const dialog = $(id);
  if (!dialog.open) dialog.showModal();
  if (focus) $(focus).select();
}

/** Run a dialog's command; it closes when that is done, and shows the program's line when it is refused. */
function submit(id, run) {
  $(id + "-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $(id + "-form").querySelector("[type=submit]");
    button.disabled = true;
    try {
      await run();
      $(id).close();
    } catch (error) {
      setText($(id + "-error"), reason(error.message));
    } finally {
      button.disabled = false;
    }
  });
}

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// ---- events

function describe(event) {
  const name = event.person || text("somebody");
  const key = event.kind === "recognised" && event.score !== undefined ? "recognisedScore" : event.kind;
  if (!has(key)) return [event.kind, event.person, reason(event.reason)].filter(Boolean).join(" ");
  const fields = { name: event.kind === "gallery" ? event.person : name, score: event.score?.toFixed(2), reason: reason(event.reason) };
  const track = event.track === undefined ? "" : " · " + text("track", { n: event.track });
  return text(key, fields).trim() + track;
}

function showEvent(event) {
  const item = element("li", "", { "data-kind": event.kind });
  const time = new Date(event.time).toLocaleTimeString(LANGUAGE, { hour12: false });
  item.append(element("time", time, { datetime: event.time }), element("span", describe(event)));
  $("events").prepend(item);
  while ($("events").children.length > SHOWN_EVENTS) $("events").lastChild.remove();
  $("no-events").hidden = true;
  if (event.kind === "enrolled" || event.kind === "gallery") loadPeople().catch(() => {});
}

// ---- beginning

const labels = new Labels($("labels"), $("picture"));
const picture = new Picture($("picture"), (shown, inPicture) => {
  live = shown;
  labels.show(inPicture);
  showState();
});
const feed = new Feed({ event: showEvent, status: showStatus, faces: showFaces }, (there) => {
  if (there && !connected) {
    denied = false;
    loadPeople().catch(() => {});
  }
  if (!there) askWhy();
  connected = there;
  if (!there) showFaces({ live: false, faces: [] });
  showState();
});

/** A browser does not say why a feed was refused: a new token, for instance. */
async function askWhy() {
  const answer = await fetch("/api/status").catch(() => null);
  denied = answer !== null && answer.status === 401;
  showState();
}

function watch() {
  // A hidden page takes nothing from the board, and a browser has few connections to give.
  if (document.hidden) {
    feed.stop();
    picture.stop();
  } else {
    feed.start();
    picture.start();
  }
}

document.addEventListener("visibilitychange", watch);
window.addEventListener("pagehide", () => { feed.stop(); picture.stop(); });
window.addEventListener("pageshow", watch);
setInterval(showState, 500);
showFaces({ live: false, faces: [] });
showState();
watch();
