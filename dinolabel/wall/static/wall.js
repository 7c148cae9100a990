// The page of the wall: groups, suggestions, named crops, the map. The server decides; this shows and asks.
"use strict";
const ROW = 64, WIDE = 200;
const $ = (id) => document.getElementById(id);
const page = { view: "groups", state: null, rows: [], total: 0, at: 0, group: null, out: new Set(), here: 0, ask: null, examples: null, points: null, busy: false };

async function call(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try { answer = await fetch(path, options); } catch { throw { error: "The wall does not answer: is `dinolabel names wall` still running?" }; }
  const told = await answer.json();
  if (!answer.ok) throw told;
  return told;
}
const say = (text, error = false) => { $("message").textContent = text; $("message").classList.toggle("error", error); };
const pairs = (crops) => crops.map((each) => [each.task, each.region]);
const source = (crop) => `/crops/${crop.task}/${encodeURIComponent(crop.region)}.jpg`;
function make(tag, properties = {}, ...children) { const made = Object.assign(document.createElement(tag), properties); made.append(...children); return made; }
const picture = (crop) => make("img", { src: source(crop), loading: "lazy", alt: `box of task ${crop.task}`, draggable: false });
const count = (n, noun) => `${n.toLocaleString()} ${noun}${n === 1 ? "" : "s"}`;

// One answer at a time: keys pressed meanwhile wait, so that none names another group than the one that was seen.
let queue = Promise.resolve();
function act(work) { queue = queue.then(work).catch((problem) => say(`${problem.error || problem}${problem.hint ? ` ${problem.hint}` : ""}`, true)); return queue; }

async function refresh() {
  const state = (page.state = await call("/api/state"));
  $("left").textContent = state.open ? `${count(state.open, "crop")} to name in ${count(state.groups, "group")}` : "Every crop is decided.";
  const left = Object.keys(state.sync.left).length;
  $("sync").textContent = state.sync.trouble ? `Not in Label Studio yet: ${state.sync.waiting}. ${state.sync.trouble}` : state.sync.waiting ? `Telling Label Studio: ${state.sync.waiting}` : left ? `${count(left, "task")} left alone: ${Object.entries(state.sync.left).slice(0, 3).map(([task, why]) => `${task} (${why})`).join(", ")}` : "";
  $("sync").classList.toggle("trouble", Boolean(state.sync.trouble));
  $("known").replaceChildren(...state.names.map((each) => make("option", { value: each.name })));
  $("names").replaceChildren(...state.names.map((each) => {
    const button = make("button", { type: "button", title: `Name the group ${each.name}` }, each.key ? make("kbd", { textContent: each.key }) : "", ` ${each.name} `, make("small", { textContent: each.count }));
    button.onclick = () => act(() => give(each.name));
    return button;
  }));
}

async function load() {
  const { view } = page;
  $("map").hidden = view !== "map"; $("crops").hidden = view === "map";
  for (const tab of document.querySelectorAll("[data-view]")) tab.setAttribute("aria-selected", String(tab.dataset.view === view));
  if (view === "groups") {
    const told = await call("/api/groups?from=0");
    page.rows = told.groups; page.total = told.total;
  } else if (view === "map") {
    page.rows = []; page.total = 0; page.group = null;
    $("title").textContent = "Laying out the map …"; $("hint").textContent = "";
    page.points = (await call("/api/map")).points;
  } else {
    const told = await call(`/api/named?from=0${view === "predicted" ? "&predicted=1" : ""}`);
    page.rows = told.names.map((each) => ({ id: each.name, ...each })); page.total = page.rows.length;
  }
  page.at = Math.min(page.at, Math.max(0, page.total - 1));
  await select(page.at);
  await refresh();
}

async function select(at) {
  page.at = at; page.out = new Set(); page.here = 0; page.ask = null; page.examples = null;
  const row = await rowAt(at);
  page.group = row && page.view === "groups" ? await call(`/api/groups/${row.id}`) : row;
  draw();
}

async function rowAt(at) {
  if (at >= page.total) return null;
  if (!page.rows[at] && page.view === "groups") {
    const start = at - (at % 200), told = await call(`/api/groups?from=${start}`);
    told.groups.forEach((each, place) => { page.rows[start + place] = each; });
    page.total = told.total;
  }
  return page.rows[at];
}

function draw() { drawRows(); if (page.view === "map") drawMap(); else if (page.ask) drawAsk(); else drawGroup(); }

function drawRows() {
  const narrow = matchMedia("(max-width: 640px)").matches, list = $("list"), size = narrow ? WIDE : ROW;
  $("rows").style[narrow ? "width" : "height"] = `${page.total * size}px`;
  $("rows").style[narrow ? "height" : "width"] = "";
  const first = Math.max(0, Math.floor((narrow ? list.scrollLeft : list.scrollTop) / size) - 4);
  const last = Math.min(page.total, first + Math.ceil((narrow ? list.clientWidth : list.clientHeight) / size) + 8);
  const shown = [];
  for (let at = first; at < last; at++) {
    const row = page.rows[at];
    if (!row) { act(async () => { await rowAt(at); drawRows(); }); break; }
    const title = page.view === "groups" ? String(row.size) : `${row.name} ${row.size}`;
    const button = make("button", { className: "row", title: count(row.size, "crop"), tabIndex: -1 }, ...row.crops.slice(0, narrow ? 3 : 4).map(picture), make("span", { textContent: title }));
    button.style[narrow ? "left" : "top"] = `${at * size}px`;
    button.setAttribute("aria-current", String(at === page.at));
    button.onclick = () => act(() => select(at));
    shown.push(button);
  }
  $("rows").replaceChildren(...shown);
}

function drawGroup() {
  const { group, view } = page, crops = page.examples ? page.examples.crops : group ? group.crops : [];
  $("title").textContent = page.examples ? `Like the chosen crop: ${count(crops.length, "crop")}, nearest first` : !group ? "Nothing is left here." : view === "groups" ? `${count(group.size, "crop")} that look alike` : `${group.name}: ${count(group.size, "crop")}`;
  $("hint").textContent = page.examples ? "x takes out what is not it; a name names the rest up to the frame." : !group ? (page.state && page.state.failed && Object.keys(page.state.failed).length ? `${count(Object.keys(page.state.failed).length, "picture")} could not be read.` : "") : view === "groups" ? "Whose are they? Take strays out with x, then press a name's key, or Enter and type." : view === "named" ? "Least alike first. Another name renames what is chosen with x, or all." : "x takes out what is wrong, Enter confirms the rest.";
  $("crops").replaceChildren(...crops.map((crop, place) => {
    const button = make("button", { className: "crop", tabIndex: -1 }, picture(crop));
    button.setAttribute("role", "option");
    button.setAttribute("aria-selected", String(!page.out.has(place)));
    button.classList.toggle("out", page.out.has(place));
    button.classList.toggle("here", place === page.here);
    button.onclick = () => { page.here = place; toggle(); };
    return button;
  }));
  document.querySelector(".crop.here")?.scrollIntoView({ block: "nearest" });
}

function drawAsk() {
  const { ask } = page;
  $("title").textContent = `Are these ${ask.name}?`;
  $("hint").textContent = "x or a click turns a group over; Enter takes the page as it is, y: all are, n: none is, Esc: leave.";
  $("crops").replaceChildren(...ask.page.map((group, place) => {
    const yes = ask.chosen.has(group.id);
    const button = make("button", { className: `crop pile${yes ? " yes" : ""}`, tabIndex: -1 }, make("b", {}, make("i", { textContent: yes ? `✓ ${ask.name}` : `✕ not ${ask.name}` }), count(group.size, "crop")), ...group.crops.slice(0, 8).map(picture));
    button.setAttribute("role", "option"); button.setAttribute("aria-selected", String(yes));
    button.classList.toggle("here", place === page.here);
    button.onclick = () => { page.here = place; toggle(); };
    return button;
  }));
}

function toggle() {
  if (page.ask) { const { id } = page.ask.page[page.here]; page.ask.chosen.has(id) ? page.ask.chosen.delete(id) : page.ask.chosen.add(id); drawAsk(); return; }
  page.out.has(page.here) ? page.out.delete(page.here) : page.out.add(page.here);
  drawGroup();
}

// The crops an answer is about: in named views those chosen by x, else all; otherwise all that were not taken out.
function chosen() {
  if (page.examples) return page.examples.crops.slice(0, page.here + 1).filter((crop, place) => !page.out.has(place) && !crop.taken);
  const crops = page.group ? page.group.crops : [];
  if (page.view === "named" && page.out.size) return crops.filter((_, place) => page.out.has(place));
  return crops.filter((_, place) => !page.out.has(place));
}

async function give(name, add = false) {
  if (page.ask && name === page.ask.name) return answerPage(page.ask.chosen);
  const crops = page.lasso || chosen();
  let told;
  try { told = await call("/api/answers", { kind: "name", name, add, crops: pairs(crops), page: where() }); } catch (problem) {
    if (problem.kind !== "NameUnknown" || add) throw problem;
    if (problem.hint && confirm(`${name} looks like ${problem.hint}. Is it ${problem.hint}? (Cancel: it is another name)`)) return give(problem.hint);
    if (confirm(`${problem.error}`)) return give(name, true);
    return undefined;
  }
  say(`${count(told.crops, "crop")}: ${told.name}.`);
  page.lasso = null;
  if (page.view === "groups") return suggest(told.name);
  return load();
}

async function suggest(name) {
  const told = await call(`/api/suggestions?name=${encodeURIComponent(name)}`);
  showPage(told);
  if (!told.page.length) return load();
  return refresh();
}

function showPage(told) {
  page.ask = told.page.length ? { ...told, chosen: new Set(told.page.filter((each) => each.likely).map((each) => each.id)) } : null;
  page.here = 0;
  if (page.ask) drawAsk();
}

async function answerPage(ids) {
  const { ask } = page;
  const told = await call("/api/pages", { name: ask.name, page: ask.page.map(({ id, likeness }) => ({ id, likeness })), chosen: [...ids] });
  showPage(told);
  if (!told.page.length) return load();
  return refresh();
}

const where = () => page.examples ? "find" : page.view === "map" ? "map" : page.view;
async function answer(kind) {
  const told = await call("/api/answers", { kind, crops: pairs(chosen()), page: where() });
  say(`${count(told.crops, "crop")}: ${kind === "hide" ? "hidden" : kind}.`);
  return load();
}
async function undo() { const told = await call("/api/undo", {}); say(told.undone ? `Took back an answer about ${count(told.crops, "crop")}.` : "There is nothing to take back."); return load(); }
async function find() { const crop = (page.examples ? page.examples.crops : page.group.crops)[page.here]; page.examples = await call("/api/find", { crops: pairs([crop]) }); page.out = new Set(); page.here = 0; drawGroup(); }
async function split() { const told = await call("/api/split", { group: page.group.id, crops: pairs(page.group.crops.filter((_, place) => page.out.has(place))) }); say(`Group ${told.group} is new.`); return load(); }
async function merge() { const below = await rowAt(page.at + 1); if (below) await call("/api/merge", { groups: [page.group.id, below.id] }); return load(); }

const KEYS = {
  ArrowRight: () => step(1), ArrowLeft: () => step(-1),
  ArrowDown: () => act(() => select(Math.min(page.at + 1, Math.max(0, page.total - 1))).then(showRow)), ArrowUp: () => act(() => select(Math.max(page.at - 1, 0)).then(showRow)),
  x: () => toggle(), "-": () => act(() => answer("no object")), h: () => act(() => answer("hide")), u: () => act(undo), f: () => act(find),
  s: () => act(split), m: () => act(merge), "?": () => help(),
  y: () => page.ask && act(() => answerPage(page.ask.page.map((each) => each.id))), n: () => page.ask && act(() => answerPage([])),
  o: () => { const crop = !page.ask && page.group && page.group.crops[page.here]; if (crop) open(page.state.task_url.replace("{task}", crop.task), "_blank", "noopener"); },
  Enter: () => page.ask ? act(() => answerPage(page.ask.chosen)) : page.view === "predicted" && page.group ? act(() => give(page.group.name)) : $("name").focus(),
  Escape: () => { if (page.ask || page.examples) act(load); },
};
function step(by) { const number = page.ask ? page.ask.page.length : (page.examples || page.group || { crops: [] }).crops.length; page.here = Math.max(0, Math.min(number - 1, page.here + by)); page.ask ? drawAsk() : drawGroup(); }
function showRow() { const narrow = matchMedia("(max-width: 640px)").matches; const list = $("list"); if (narrow) list.scrollLeft = page.at * WIDE - 60; else if (page.at * ROW < list.scrollTop || (page.at + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = page.at * ROW - list.clientHeight / 2; drawRows(); }
function help() { const keys = $("keys"); keys.hidden = !keys.hidden; $("help").setAttribute("aria-expanded", String(!keys.hidden)); }

addEventListener("keydown", (event) => {
  if (event.target === $("name")) { if (event.key === "Escape") $("name").blur(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || (event.target.closest("button, a") && (event.key === "Enter" || event.key === " "))) return;
  const named = page.state && page.state.names.find((each) => each.key && each.key === event.key);
  if (named) { event.preventDefault(); act(() => give(named.name)); return; }
  const work = KEYS[event.key];
  if (work) { event.preventDefault(); work(); }
});
// The first name that begins as what was typed; a name typed in full is meant as it stands.
function complete(text) {
  const low = text.trim().toLowerCase(), names = page.state.names.map((each) => each.name);
  const exact = names.find((each) => each.toLowerCase() === low), begun = names.filter((each) => each.toLowerCase().startsWith(low));
  return exact || (begun.length === 1 ? begun[0] : text.trim());
}
$("form").onsubmit = (event) => { event.preventDefault(); const name = complete($("name").value); $("name").value = ""; $("name").blur(); if (name) act(() => give(name)); };
$("undo").onclick = () => act(undo);
$("help").onclick = help;
$("list").onscroll = () => requestAnimationFrame(drawRows);
addEventListener("resize", () => page.state && draw());
for (const tab of document.querySelectorAll("[data-view]")) tab.onclick = () => { page.view = tab.dataset.view; page.at = 0; act(load); tab.blur(); };

// The map: one canvas; dragging draws a lasso, whose crops a name names.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f3c8d", "#11a579", "#3969ac"];
function drawMap(lasso = []) {
  const canvas = $("map"), scale = devicePixelRatio || 1, names = [...new Set(page.points.map((each) => each[2]))].filter(Boolean);
  canvas.width = canvas.clientWidth * scale; canvas.height = canvas.clientHeight * scale;
  const pen = canvas.getContext("2d"), size = (page.points.length > 20000 ? 1.5 : page.points.length > 2000 ? 3 : 6) * scale;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (const [x, y, name] of page.points) { pen.fillStyle = name ? COLOURS[names.indexOf(name) % COLOURS.length] : "#8a8796"; pen.fillRect(x * canvas.width - size / 2, y * canvas.height - size / 2, size, size); }
  if (lasso.length) { pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--mark"); pen.lineWidth = 2 * scale; pen.beginPath(); lasso.forEach(([x, y]) => pen.lineTo(x * canvas.width, y * canvas.height)); pen.closePath(); pen.stroke(); }
  $("title").textContent = `Map of ${count(page.points.length, "crop")}`;
  $("hint").textContent = names.length ? `Coloured by name: ${names.slice(0, 10).join(", ")}. Draw around some, then name them.` : "Draw around some, then name them.";
}
const inside = (x, y, path) => path.reduce((odd, [x1, y1], at) => { const [x2, y2] = path[(at + 1) % path.length]; return (y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1 ? !odd : odd; }, false);
let path = null;
const spot = (event) => { const box = $("map").getBoundingClientRect(); return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]; };
$("map").onpointerdown = (event) => { path = [spot(event)]; $("map").setPointerCapture(event.pointerId); };
$("map").onpointermove = (event) => { if (path) { path.push(spot(event)); drawMap(path); } else peek(event); };
$("map").onpointerleave = () => { $("peek").hidden = true; };
// The crop under the pointer.
function peek(event) {
  const [x, y] = spot(event), { clientWidth: wide, clientHeight: high } = $("map");
  let near = null, least = 144;
  for (const point of page.points) { const far = ((point[0] - x) * wide) ** 2 + ((point[1] - y) * high) ** 2; if (far < least) { least = far; near = point; } }
  $("peek").hidden = !near;
  if (near) { $("peek").src = source({ task: near[3], region: near[4] }); $("peek").style.translate = `${Math.min(event.clientX + 14, innerWidth - 140)}px ${Math.min(event.clientY + 14, innerHeight - 140)}px`; }
}
$("map").onpointerup = () => {
  page.lasso = page.points.filter(([x, y]) => inside(x, y, path)).map(([, , , task, region]) => ({ task, region }));
  drawMap(path); path = null;
  say(page.lasso.length ? `${count(page.lasso.length, "crop")} chosen: press a name's key, or Enter and type.` : "");
};
setInterval(() => { if (!document.hidden) act(async () => { const before = page.state && page.state.answers; await refresh(); if (before !== null && page.state.answers !== before && !page.ask && !page.examples && !page.out.size) await load(); }); }, 4000);
act(load);
