"use strict";
// The curve beneath the video: drawn from the numbers in #data, redrawn when the page's width changes.
const data = JSON.parse(document.getElementById("data").textContent);
const video = document.querySelector("video");
const svg = document.getElementById("curve");
const says = document.getElementById("says");
const LEFT = 34, RIGHT = 8, TOP = 8, HEIGHT = 170, AXIS = 22, LANE = 20;
const COLOURS = ["#9467bd", "#8c564b", "#c2559d", "#5f6b75", "#8a8b1a", "#0f8795", "#c95f00", "#1f6fb0", "#2c8a2c"];
const ORDER = ["combined", "coarse", "fine"]; // drawn from the last to the first
const edges = data.edges, duration = edges[edges.length - 1];
const lanes = [...new Set(data.events.map((event) => event.name))];
let width = 0, now = null, here = null;

const x = (second) => LEFT + (second / duration) * (width - LEFT - RIGHT);
const y = (score) => TOP + (1 - score) * HEIGHT;
const clock = (second) => {
  const whole = Math.floor(second / 60);
  return `${whole}:${(second - 60 * whole).toFixed(1).padStart(4, "0")}`;
};

function add(name, attributes, parent = svg) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

// The snippet that holds a second.
function snippet(second) {
  let low = 0, high = edges.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (edges[middle] <= second) low = middle; else high = middle - 1;
  }
  return low;
}

function steps(scores) {
  return scores.map((score, i) => `${i ? "L" : "M"}${x(edges[i]).toFixed(1)} ${y(score).toFixed(1)}H${x(edges[i + 1]).toFixed(1)}`).join("");
}

function ticks() {
  const room = Math.max(Math.floor((width - LEFT - RIGHT) / 90), 1);
  const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].find((s) => duration / s <= room) || 7200;
  return Array.from({ length: Math.floor(duration / step) + 1 }, (_, i) => i * step);
}

function draw() {
  width = Math.max(document.getElementById("plot").clientWidth, 120); // before the layout stands it may be nothing
  const base = TOP + HEIGHT, height = base + AXIS + lanes.length * LANE + 4;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  for (const event of data.truth || []) {
    add("rect", { class: "truth", x: x(event.start), y: TOP, width: x(Math.min(event.end, duration)) - x(event.start), height: HEIGHT });
  }
  for (const score of [0, 0.5, 1]) {
    add("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y(score), y2: y(score) });
    add("text", { x: LEFT - 6, y: y(score) + 4, "text-anchor": "end" }).textContent = score;
  }
  for (const second of ticks()) {
    add("line", { class: "axis", x1: x(second), x2: x(second), y1: base, y2: base + 5 });
    const anchor = x(second) > width - 30 ? "end" : "middle";
    add("text", { x: x(second), y: base + 17, "text-anchor": anchor }).textContent = duration < 60 ? `${second} s` : clock(second).replace(/\.0$/, "");
  }
  for (const name of [...ORDER].reverse()) if (data.scores[name]) add("path", { class: name, d: steps(data.scores[name]) });
  for (const event of data.events) drawEvent(event, base + AXIS + lanes.indexOf(event.name) * LANE);
  here = add("line", { class: "here", y1: TOP, y2: height, visibility: "hidden" });
  now = add("line", { class: "now", y1: TOP, y2: height });
  follow();
}

function drawEvent(event, top) {
  const colour = COLOURS[lanes.indexOf(event.name) % COLOURS.length];
  const left = x(event.start), wide = Math.max(x(event.end) - left, 2);
  add("rect", { x: left, y: top + 2, width: wide, height: LANE - 4, rx: 3, fill: colour });
  const text = add("text", { class: "event", x: left + 5, y: top + LANE / 2 + 4 });
  text.textContent = event.name;
  if (text.getComputedTextLength() > wide - 8) { // beside the bar, where there is room
    const right = left + wide + 5 + text.getComputedTextLength() < width;
    text.setAttribute("x", right ? left + wide + 5 : left - 5);
    text.setAttribute("text-anchor", right ? "start" : "end");
    text.removeAttribute("class");
  }
}

function follow() {
  const second = Math.min(video.currentTime, duration);
  now.setAttribute("x1", x(second));
  now.setAttribute("x2", x(second));
  svg.setAttribute("aria-valuenow", second.toFixed(2));
  svg.setAttribute("aria-valuetext", `${clock(second)}, score ${data.scores.combined[snippet(second)].toFixed(2)}`);
}

function seek(second) {
  video.currentTime = Math.min(Math.max(second, 0), Math.max(duration - 0.01, 0));
}

function under(event) {
  const box = svg.getBoundingClientRect();
  const share = ((event.clientX - box.left) * (width / box.width) - LEFT) / (width - LEFT - RIGHT);
  return Math.min(Math.max(share, 0), 1) * duration;
}

function row(name, value, parent, className) {
  const line = document.createElement("div");
  if (className) line.className = className;
  for (const word of [name, value]) line.append(Object.assign(document.createElement("span"), { textContent: word }));
  parent.append(line);
}

function tell(event) {
  const second = under(event), i = snippet(second);
  here.setAttribute("x1", x(second));
  here.setAttribute("x2", x(second));
  here.setAttribute("visibility", "visible");
  says.replaceChildren();
  row(clock(second), `snippet ${i + 1}`, says, "time");
  for (const name of ORDER) if (data.scores[name]) row(name, data.scores[name][i].toFixed(3), says);
  if (data.probabilities) {
    const classes = says.appendChild(Object.assign(document.createElement("section"), { className: "classes" }));
    const order = data.classes.map((_, c) => c).sort((a, b) => data.probabilities[i][b] - data.probabilities[i][a]);
    for (const c of order) row(data.classes[c], data.probabilities[i][c].toFixed(3), classes);
  }
  says.hidden = false;
  const left = x(second) + 14;
  says.style.left = `${left + says.offsetWidth > width ? x(second) - 14 - says.offsetWidth : left}px`;
  says.style.top = `${TOP + 4}px`;
}

function hush() {
  says.hidden = true;
  here.setAttribute("visibility", "hidden");
}

svg.addEventListener("click", (event) => seek(under(event)));
svg.addEventListener("mousemove", tell);
svg.addEventListener("mouseleave", hush);
svg.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    const next = snippet(video.currentTime) + step;
    seek(edges[Math.min(Math.max(next, 0), edges.length - 2)]);
  } else if (event.key === " ") {
    video.paused ? video.play() : video.pause();
  } else return;
  event.preventDefault();
});
for (const button of document.querySelectorAll("button[data-second]")) {
  button.addEventListener("click", () => seek(Number(button.dataset.second)));
}
video.addEventListener("error", () => { document.getElementById("unplayable").hidden = false; });
for (const moved of ["timeupdate", "seeking", "seeked"]) video.addEventListener(moved, follow);
(function frame() { // between two timeupdates the line moves with the picture
  if (!video.paused && now) follow();
  requestAnimationFrame(frame);
})();
new ResizeObserver(draw).observe(document.getElementById("plot"));
