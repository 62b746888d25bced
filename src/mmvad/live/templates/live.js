"use strict";
const at = name => name + location.search;
const find = id => document.getElementById(id);
const curve = find("curve"), on = Number(curve.dataset.on), off = Number(curve.dataset.off);

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  curve.append(made);
}

function draw(scores, alarms) {
  curve.replaceChildren();
  if (!scores.length) return;
  const begin = scores[0].start, length = Math.max(scores.at(-1).end - begin, 1);
  const x = second => 600 * (second - begin) / length, y = score => 198 - 196 * score;
  for (const a of alarms) {
    const from = Math.max(a.start, begin), to = a.event === "alarm" ? scores.at(-1).end : a.end;
    if (to > begin) drawn("rect", {x: x(from), y: 0, width: Math.max(x(to) - x(from), 1), height: 200});
  }
  for (const level of [on, off]) drawn("line", {x1: 0, x2: 600, y1: y(level), y2: y(level)});
  drawn("polyline", {points: scores.map(s => `${x((s.start + s.end) / 2).toFixed(1)},${y(s.score).toFixed(1)}`).join(" ")});
}

function row(cells) {
  const made = document.createElement("tr");
  for (const cell of cells) made.append(Object.assign(document.createElement("td"), {textContent: cell}));
  return made;
}

function show(state) {
  draw(state.scores, state.alarms);
  const last = state.scores.at(-1), open = state.alarms.some(a => a.event === "alarm");
  if (last) find("now").textContent = `${last.end.toFixed(1)} s: score ${last.score.toFixed(2)}${open ? ", ALARM" : ""}`;
  find("now").className = open ? "alarm" : "";
  find("alarms").replaceChildren(...state.alarms.toReversed().map(a => row([
    a.alarm, `${a.start.toFixed(1)} s`, a.event === "alarm" ? "goes on" : `${a.end.toFixed(1)} s`, a.class ?? "", a.peak.toFixed(2), a.clip ?? ""])));
  find("notes").replaceChildren(...state.notes.toReversed().map(text => Object.assign(document.createElement("li"), {textContent: text})));
}

async function look() {
  try {
    show(await (await fetch(at("state.json"))).json());
    const picture = find("picture");
    picture.onload = () => { picture.hidden = false; };
    picture.src = at("picture.jpg") + (location.search ? "&" : "?") + "t=" + Date.now();
  } catch (error) {
    find("now").textContent = "the watch has ended, or cannot be reached";
  }
  setTimeout(look, 1000);
}
look();
