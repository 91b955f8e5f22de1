// The page. Every text goes through `textContent`: what a pipeline, a plugin or a file is called must never be markup.

const main = document.getElementById("main");
const notice = document.getElementById("notice");
let me = null; // who asks, and what this server allows
let leave = []; // what ends when another page is shown

// ---- small things ---------------------------------------------------------------------------------------------------

/** An element with properties and children; children that are no elements become text. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function show(...children) {
  main.replaceChildren(...children.flat().filter(Boolean));
}

function say(text, good = false) {
  notice.textContent = text;
  notice.classList.toggle("good", good);
  notice.hidden = !text;
  clearTimeout(say.timer);
  if (text) say.timer = setTimeout(() => say(""), good ? 4000 : 12000);
}

/** Asks the server; a problem becomes an error with its document. */
async function ask(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options });
  const type = answer.headers.get("content-type") ?? "";
  const body = type.includes("json") ? await answer.json() : null;
  if (answer.ok) return body;
  const error = new Error(body?.detail ?? `the server answered ${answer.status}`);
  error.status = answer.status;
  error.problem = body;
  throw error;
}

const api = (path) => `/api/v1/${path}`;
const tell = (path, body = {}, headers = {}) =>
  ask(api(path), { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });

/** Does something a button asks for; what goes wrong is said. */
const doing = (work) => async (event) => {
  const button = event?.currentTarget;
  if (button) button.disabled = true;
  try {
    await work(event);
  } catch (error) {
    failed(error);
  } finally {
    if (button) button.disabled = false;
  }
};

function failed(error) {
  if (error.status === 401) return signIn();
  const more = (error.problem?.errors ?? []).map((one) => one.message).filter(Boolean);
  say([error.message, ...more].join(" — "));
}

/** Shows something again every so often, as long as this page is shown and looked at. */
function every(milliseconds, work) {
  const timer = setInterval(() => document.hidden || work(), milliseconds);
  leave.push(() => clearInterval(timer));
}

const may = (role) => ["viewer", "submitter", "operator", "admin"].indexOf(me?.role) >= ["viewer", "submitter", "operator", "admin"].indexOf(role);
const pill = (state, word = state) => el("span", { className: `pill ${state}` }, word);

function duration(ms) {
  if (ms === null || ms === undefined) return "";
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function ago(ms) {
  const seconds = Math.max(0, (Date.now() - ms) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(ms).toLocaleDateString();
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) [count, unit] = [count / 1024, unit + 1];
  return `${unit === 0 ? count : count.toFixed(1)} ${units[unit]}`;
}

const sum = (counts) => Object.values(counts ?? {}).reduce((all, one) => all + one, 0);

/** A bar of tasks by state. */
function bar(counts) {
  const all = sum(counts) || 1;
  const part = (state) => {
    const piece = el("i", { className: state });
    piece.style.width = `${(100 * counts[state]) / all}%`;
    return piece;
  };
  const states = ["succeeded", "skipped", "cancelled", "failed", "leased"].filter((state) => counts?.[state]);
  const told = Object.entries(counts ?? {}).map(([state, count]) => `${count} ${state}`).join(", ");
  return el("div", { className: "bar", role: "img", "aria-label": told, title: told }, states.map(part));
}

function copyable(label, text) {
  const copy = async () => {
    // Without a secure connection there is no clipboard for pages.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else getSelection().selectAllChildren(shown);
    button.textContent = navigator.clipboard ? "Copied" : "Selected";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  const button = el("button", { type: "button", onclick: doing(copy), "aria-label": `Copy ${label}` }, "Copy");
  const shown = el("pre", {}, text);
  return el("div", {}, el("p", { className: "faint small" }, label), el("div", { className: "copy" }, shown, button));
}

/** A word as the shell reads it back. */
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

// ---- runs -----------------------------------------------------------------------------------------------------------

async function runsPage(_, parameters) {
  const state = parameters.get("state") ?? "";
  const list = el("ul", { className: "rows" });
  const more = el("div", { className: "actions" });
  let shown = 50;
  const chip = (word, label) => el("button", {
    type: "button", "aria-pressed": String(state === word),
    onclick: () => (location.hash = word ? `#/?state=${word}` : "#/"),
  }, label);
  const refresh = async () => {
    const page = await ask(api(`runs?limit=${shown}${state ? `&state=${state}` : ""}`));
    list.replaceChildren(...page.runs.map((run) => el("li", {}, row(run))));
    if (!page.runs.length) list.replaceChildren(el("li", { className: "empty" }, state ? `No run is ${state}.` : "Nothing has run yet. ", !state && el("a", { href: "#/new" }, "Make the first video")));
    if (page.archive_away) say(page.archive_away);
    more.replaceChildren(...(page.next && shown < 200 ? [el("button", { type: "button", onclick: doing(() => ((shown = 200), refresh())) }, "Show more")] : []));
  };
  show(
    el("div", { className: "head" }, el("h1", { className: "grow" }, "Runs"), el("a", { className: "button main", href: "#/new" }, "New video")),
    el("div", { className: "chips" }, chip("", "All"), chip("running", "Running"), chip("succeeded", "Succeeded"), chip("failed", "Failed"), chip("cancelled", "Cancelled")),
    el("div", { className: "card flush" }, list), more,
  );
  await refresh();
  every(3000, () => refresh().catch(() => {}));
}

function row(run) {
  const took = run.started_ms ? duration((run.ended_ms ?? Date.now()) - run.started_ms) : "waits";
  const note = run.failure ? `${run.failure.path}: ${run.failure.message}` : run.run;
  return el("a", { className: "run", href: `#/runs/${run.run}` },
    el("span", {}, run.paused ? pill("paused") : pill(run.state)),
    el("span", { className: "what" }, el("div", { className: "name" }, run.name), el("div", { className: "note" }, note)),
    bar(run.counts),
    el("span", { className: "when" }, el("div", { className: "small" }, ago(run.created_ms)), el("div", { className: "faint small" }, took)));
}

// ---- one run --------------------------------------------------------------------------------------------------------

async function runPage(id) {
  const parts = { head: el("div", { className: "head" }), ask: el("div", { className: "stack" }), alarm: el("div"), files: el("div"), stages: el("div", { className: "card" }), facts: el("div", { className: "card" }) };
  const log = logPane();
  show(parts.head, parts.alarm, parts.ask, parts.files, el("div", { className: "split" }, parts.stages, parts.facts), log.card);
  let files = "";
  let state = "";
  const refresh = async () => {
    const run = await ask(api(`runs/${id}`));
    runHead(parts.head, run);
    // Players and half-written answers must not be made anew while somebody uses them.
    if (files !== JSON.stringify(run.files)) {
      files = JSON.stringify(run.files);
      parts.files.replaceChildren(...filesCard(run));
    }
    if (parts.ask.dataset.asked !== JSON.stringify(run.questions ?? [])) {
      parts.ask.dataset.asked = JSON.stringify(run.questions ?? []);
      parts.ask.replaceChildren(...(run.questions ?? []).map((question) => questionCard(id, question)));
      parts.ask.hidden = !run.questions?.length;
    }
    runStages(parts.stages, run);
    runFacts(parts.facts, run);
    if (run.state !== state) {
      state = run.state;
      parts.alarm.replaceChildren(...(await alarm(run)));
    }
    for (const key of ["files", "alarm"]) parts[key].hidden = !parts[key].childElementCount;
    return run;
  };
  let source;
  let soon;
  const later = () => (soon ??= setTimeout(() => ((soon = undefined), refresh().catch(() => {})), 400));
  const follow = () => {
    source?.close();
    source = new EventSource(api(`runs/${id}/events?logs=true&after=${log.after}`));
    source.onmessage = (message) => {
      const event = JSON.parse(message.data);
      log.after = event.cursor;
      if (event.kind === "task.log") log.add(event);
      else later();
    };
    source.addEventListener("progress", later);
    source.addEventListener("end", () => (source.close(), later()));
  };
  leave.push(() => (source?.close(), clearTimeout(soon)));
  await refresh();
  follow();
}

function runHead(head, run) {
  const act = (verb, body) => doing(async () => {
    await tell(`runs/${run.run}:${verb}`, body);
    await route();
  });
  const button = (label, className, onclick) => el("button", { type: "button", className, onclick }, label);
  const actions = [];
  const running = run.state === "running";
  if (may("operator")) {
    if (running) {
      actions.push(run.paused ? button("Resume", "main", act("resume")) : button("Pause", "", act("pause")));
      actions.push(button("Cancel", "danger", act("cancel")));
    } else {
      if (run.state !== "succeeded") actions.push(button("Retry what failed", "main", act("retry")));
      actions.push(button("Delete", "danger", doing(async () => {
        if (!confirm("Delete this run? Its files go with the next clean-up.")) return;
        await ask(api(`runs/${run.run}`), { method: "DELETE" });
        location.hash = "#/";
      })));
    }
  }
  const pipeline = run.labels?.pipeline;
  if (pipeline && may("submitter")) actions.unshift(el("a", { className: "button", href: `#/new/${encodeURIComponent(pipeline)}?like=${run.run}` }, "Start again…"));
  const took = run.started_ms ? duration((run.ended_ms ?? Date.now()) - run.started_ms) : "not begun";
  head.replaceChildren(
    el("div", { className: "grow" }, el("h1", {}, run.name), el("div", { className: "faint small mono" }, run.run)),
    el("span", { id: "state" }, run.paused ? pill("paused") : run.questions?.length ? pill("asks", "waits for you") : pill(run.state)),
    el("span", { className: "faint small" }, took), el("div", { className: "actions" }, actions));
}

/** Why a run came to nothing. */
async function alarm(run) {
  if (run.state !== "failed" && run.state !== "cancelled") return [];
  const { why } = await ask(api(`runs/${run.run}/why`));
  const lines = why.flatMap((one) => [...one.because.map((text) => el("p", {}, text)), one.remedy && el("p", { className: "faint" }, one.remedy)]);
  return [el("div", { className: `card ${run.state === "failed" ? "alarm" : ""}` }, el("h2", {}, run.state === "failed" ? "Why it failed" : "Why it was cancelled"), lines)];
}

function questionCard(id, question) {
  const reason = el("input", { placeholder: "A word about it (optional)", "aria-label": "Reason", maxLength: 1000 });
  const answer = (approved) => doing(async () => {
    await tell(`runs/${id}:approve`, { stage: question.path, approved, reason: reason.value });
    say(approved ? "Approved" : "Rejected", true);
  });
  return el("div", { className: "card ask" }, el("h2", {}, question.message || "It waits for an approval"),
    el("p", { className: "faint small" }, question.path, question.until_ms ? `, until ${new Date(question.until_ms).toLocaleString()}` : ""),
    may("operator") && el("div", { className: "stack" }, reason, el("div", { className: "actions" },
      el("button", { type: "button", className: "main", onclick: answer(true) }, "Approve"),
      el("button", { type: "button", className: "danger", onclick: answer(false) }, "Reject"))));
}

function filesCard(run) {
  if (!run.files.length) return [];
  const kind = (file) => file.artifact.media_type.split("/")[0];
  const images = run.files.filter((file) => kind(file) === "image");
  const rank = (file) => ["video", "image", "audio"].indexOf(kind(file)) + 1 || 9;
  const sorted = [...run.files].sort((one, other) => rank(one) - rank(other));
  const seen = sorted.filter((file) => rank(file) < 9).map((file) => figure(file, images.length === 1 ? images[0].url : null));
  const others = sorted.filter((file) => rank(file) === 9).map((file) => el("li", {}, caption(file, "div", "file")));
  return [el("div", { className: "card" }, el("h2", {}, "What came out"), el("div", { className: "videos" }, seen), others.length > 0 && el("ul", { className: "rows" }, others))];
}

function figure(file, poster) {
  const type = file.artifact.media_type;
  const player = type.startsWith("video/") ? el("video", { controls: true, preload: "metadata", src: file.url, poster: poster ?? "", playsInline: true })
    : type.startsWith("audio/") ? el("audio", { controls: true, preload: "metadata", src: file.url })
    : el("img", { src: file.url, alt: file.place, loading: "lazy" });
  return el("figure", {}, player, caption(file, "figcaption"));
}

function caption(file, tag, className = "") {
  return el(tag, { className }, el("span", { title: file.place }, file.place, " ", el("span", { className: "faint" }, bytes(file.artifact.size))),
    el("a", { href: `${file.url}&download=true`, download: file.artifact.name }, "Download"));
}

/** Stages with those within them after each. */
function nested(stages, within = "") {
  const own = stages.filter((one) => one.path.startsWith(within) && !one.path.slice(within.length).includes("."));
  return own.flatMap((one) => [one, ...nested(stages, `${one.path}.`)]);
}

/** The same, with what stands within nothing that is there at the end. */
function inOrder(stages) {
  const placed = nested(stages);
  return [...placed, ...stages.filter((one) => !placed.includes(one))];
}

function runStages(card, run) {
  const stage = (one) => {
    const all = sum(one.counts);
    const done = (one.counts.succeeded ?? 0) + (one.counts.skipped ?? 0);
    const only = Object.keys(one.counts)[0];
    const words = all === 1 ? only : `${done} of ${all}`;
    const more = [one.cached && "from the cache", one.attempts > all && `${one.attempts} attempts`, one.wall_ms !== null && duration(one.wall_ms)].filter(Boolean).join(", ");
    return el("li", { className: `stage ${one.path.includes(".") ? "inner" : ""}` },
      el("div", {}, el("strong", {}, one.path.split(".").at(-1)), " ", el("span", { className: "uses" }, one.uses ?? "")),
      el("div", { className: "count" }, [words, more].filter(Boolean).join(" · ")), bar(one.counts));
  };
  const working = (run.working ?? []).map((task) => {
    const said = task.progress ?? {};
    const known = typeof said.done === "number" && typeof said.total === "number" && said.total > 0;
    const text = [said.phase, said.message].filter(Boolean).join(": ");
    return el("div", { className: "work" }, el("div", {}, el("span", {}, task.path), el("span", { className: "faint" }, known ? `${Math.round((100 * said.done) / said.total)} %` : text)),
      known ? el("progress", { max: said.total, value: said.done }) : el("progress", {}));
  });
  card.replaceChildren(el("h2", {}, "Stages"), el("ul", { className: "rows", id: "stages" }, inOrder(run.stages).map(stage)), working.length > 0 && el("div", {}, el("h2", {}, "At work"), working) || "");
}

function runFacts(card, run) {
  const fact = (name, value) => (value === null || value === undefined || value === "" ? [] : [el("dt", {}, name), el("dd", {}, value)]);
  const plain = (value) => (value?.$artifact ? value.name : typeof value === "string" ? value : JSON.stringify(value));
  const inputs = Object.entries(run.inputs ?? {}).flatMap(([name, value]) => fact(name, plain(value)));
  const texts = Object.entries(run.outputs ?? {}).filter(([, value]) => !JSON.stringify(value).includes('"$artifact"'));
  card.replaceChildren(el("h2", {}, "Inputs"), inputs.length ? el("dl", { className: "facts" }, inputs) : el("p", { className: "faint" }, "It takes none."),
    ...(texts.length ? [el("h2", {}, "Outputs"), el("dl", { className: "facts" }, texts.flatMap(([name, value]) => fact(name, plain(value))))] : []),
    el("p", { className: "faint small" }, `Submitted ${new Date(run.created_ms).toLocaleString()}`));
}

const LINES_MAX = 2000;

function logPane() {
  const box = el("div", { className: "log", role: "log", tabIndex: 0, "aria-label": "Log" });
  const words = el("input", { type: "search", placeholder: "Filter by stage or words", "aria-label": "Filter the log" });
  const card = el("div", { className: "card" }, el("details", {}, el("summary", {}, "Log"), el("div", { className: "stack" }, words, box)));
  const fits = (line) => line.textContent.toLowerCase().includes(words.value.toLowerCase());
  words.addEventListener("input", () => [...box.children].forEach((line) => (line.hidden = !fits(line))));
  const add = (event) => {
    const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
    const line = el("p", { className: event.data.severity ?? "info" }, el("span", { className: "at" }, new Date(event.at_ms).toLocaleTimeString()), el("span", { className: "path" }, event.path), event.data.text ?? "");
    line.hidden = !fits(line);
    box.append(line);
    while (box.childElementCount > LINES_MAX) box.firstChild.remove();
    if (atEnd) box.scrollTop = box.scrollHeight;
  };
  return { card, add, after: 0 };
}

// ---- a new run ------------------------------------------------------------------------------------------------------

async function newPage(name, parameters) {
  if (name) return launchPage(name, parameters.get("like"));
  const { pipelines } = await ask(api("pipelines"));
  const tile = (one) => el("a", { className: "card tile", href: `#/new/${encodeURIComponent(one.name)}` }, el("h3", {}, one.name.replace(/\.yaml$/, "")), el("p", { className: "faint small" }, one.about));
  show(el("h1", {}, "New video"), el("p", { className: "faint" }, "Choose how it is made."),
    pipelines.length ? el("div", { className: "tiles" }, pipelines.map(tile)) : el("div", { className: "card empty" }, "There are no pipelines here: start `reelmill serve --pipelines DIR`."));
}

async function launchPage(name, like) {
  const [pipeline, { shelves }, before] = await Promise.all([ask(api(`pipelines/${encodeURIComponent(name)}`)), ask(api("files")), like ? ask(api(`runs/${like}`)).catch(() => null) : null]);
  const title = name.replace(/\.yaml$/, "");
  if (!pipeline.ok) return show(el("h1", {}, title), diagnosticsCard(pipeline.diagnostics));
  const fields = pipeline.inputs.map((input) => field(input, shelves, before?.inputs?.[input.name]));
  const wide = (one) => one.element.querySelector("textarea, input[type=file], .checks");
  const copies = el("div", { className: "stack" });
  const values = () => Object.fromEntries(fields.map((one) => [one.name, one.value()]).filter(([, value]) => value !== undefined));
  let key = randomKey();
  // A key belongs to what is asked under it: sent again, the same is the same run.
  const recount = () => {
    key = randomKey();
    copies.replaceChildren(...commands(name, values()));
  };
  const submit = doing(async (event) => {
    event.preventDefault();
    fields.forEach((one) => one.wrong(""));
    try {
      for (const one of fields) await one.ready?.();
      const started = await tell("runs", { pipeline: name, inputs: values() }, { "idempotency-key": key });
      location.hash = `#/runs/${started.run}`;
    } catch (error) {
      for (const one of error.problem?.errors ?? []) fields.find((field) => one.pointer === `/inputs/${field.name}`)?.wrong([one.message, one.help].filter(Boolean).join("; "));
      throw error;
    }
  });
  const form = el("form", { onsubmit: submit, oninput: recount, onchange: recount, noValidate: true },
    fields.filter(wide).length === 0 ? el("div", { className: "two" }, fields.map((one) => one.element)) : fields.map((one) => one.element),
    fields.length === 0 && el("p", { className: "faint" }, "It takes no inputs."),
    may("submitter") ? el("div", { className: "actions" }, el("button", { type: "submit", className: "main" }, "Start")) : el("p", { className: "faint" }, "Your key may look, and not start runs."));
  show(el("div", { className: "head" }, el("div", { className: "grow" }, el("h1", {}, title), el("p", { className: "faint" }, pipeline.about))),
    pipeline.secrets?.length > 0 && el("p", { className: "card ask small" }, `It reads secrets, which the server has to have: ${pipeline.secrets.join(", ")}`),
    el("div", { className: "split" }, el("div", { className: "card" }, form),
      el("div", { className: "stack" }, el("div", { className: "card" }, el("h2", {}, "The same by hand"), copies),
        el("div", { className: "card" }, el("details", {}, el("summary", {}, `Stages (${pipeline.stages.length})`), el("ul", { className: "rows" }, inOrder(pipeline.stages).map((one) => el("li", { className: `stage ${one.path.includes(".") ? "inner" : ""}` }, el("div", {}, el("strong", {}, one.path.split(".").at(-1)), " ", el("span", { className: "uses" }, one.uses ?? ""))))))),
        el("div", { className: "card" }, el("details", {}, el("summary", {}, "YAML"), el("pre", {}, pipeline.text))))));
  recount();
}

function diagnosticsCard(diagnostics) {
  const one = (found) => el("li", { className: "stage" }, el("div", {}, el("strong", {}, `${found.line}:${found.column} `), found.message, found.help && el("div", { className: "faint small" }, found.help)));
  return el("div", { className: "card alarm" }, el("h2", {}, "This pipeline cannot be run here"), el("ul", { className: "rows" }, diagnostics.map(one)));
}

const randomKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** The command line and the request that do the same. */
function commands(name, values) {
  const flag = ([key, value]) => `--input ${quoted(`${key}=${value?.$artifact ? `path/to/${value.name}` : typeof value === "string" ? value : JSON.stringify(value)}`)}`;
  const file = name.endsWith(".yaml") ? `pipelines/${name}` : name;
  const line = ["reelmill run", quoted(file), ...Object.entries(values).map(flag), "--out out"].join(" ");
  const body = JSON.stringify({ pipeline: name, inputs: values });
  const request = `curl ${location.origin}/api/v1/runs -H 'content-type: application/json' -d ${quoted(body)}`;
  return [copyable("Command line", line), copyable("REST", request)];
}

/** A field for an input: its element, what is in it, and a place for what is wrong with it. */
function field(input, shelves, before) {
  const id = `input-${input.name}`;
  const start = before ?? input.default;
  const made = control(input, id, start, shelves);
  const wrong = el("span", { className: "wrong", role: "alert" });
  const kind = { int: "whole number", duration: "90s, 10m", bytes: "500M, 6Gi", object: "JSON", url: "https://…" }[input.type];
  const range = [input.schema?.minimum !== undefined && `from ${input.schema.minimum}`, input.schema?.maximum !== undefined && `to ${input.schema.maximum}`].filter(Boolean).join(" ");
  const hint = [input.description, kind && !input.schema?.enum && [kind, range].filter(Boolean).join(" "), !input.required && input.default === null && input.type !== "file" && "optional"].filter(Boolean).join(" · ");
  const head = made.group ? el("span", { className: "label", id: `${id}-label` }, input.title ?? input.name) : el("label", { htmlFor: id }, input.title ?? input.name, input.required && el("span", { className: "need", title: "must be given" }, " *"));
  return {
    name: input.name, ready: made.ready, wrong: (text) => (wrong.textContent = text),
    value: () => {
      const value = made.value();
      const usual = JSON.stringify(value) === JSON.stringify(input.default ?? undefined);
      return value === "" || value === undefined || (usual && before === undefined) ? undefined : value;
    },
    element: el("div", { className: "field" }, head, made.element, hint && el("span", { className: "hint" }, hint), wrong),
  };
}

function control(input, id, start, shelves) {
  const schema = input.schema ?? {};
  if (input.type === "file") return fileControl(input, id, start, shelves);
  if (input.type === "bool") {
    const box = el("input", { type: "checkbox", id, checked: start === true });
    return { element: el("div", {}, box), value: () => box.checked };
  }
  if (schema.enum) {
    const empty = input.required || start !== null ? [] : [el("option", { value: "" }, "—")];
    const options = schema.enum.map((value) => el("option", { value: String(value), selected: value === start }, String(value)));
    const select = el("select", { id }, empty, options);
    return { element: select, value: () => schema.enum.find((value) => String(value) === select.value) };
  }
  if (input.type === "array" && schema.items?.enum) {
    const boxes = schema.items.enum.map((value) => el("input", { type: "checkbox", value: String(value), checked: (start ?? []).includes(value) }));
    const element = el("div", { className: "checks", role: "group", "aria-labelledby": `${id}-label` }, boxes.map((box) => el("label", {}, box, box.value)));
    return { element, group: true, value: () => schema.items.enum.filter((_, index) => boxes[index].checked) };
  }
  if (input.type === "array" || input.type === "object") {
    const lines = input.type === "array" && schema.items?.type === "string";
    const text = start === null || start === undefined ? "" : lines ? start.join("\n") : JSON.stringify(start, null, 2);
    const area = el("textarea", { id, value: text, placeholder: lines ? "one a line" : "JSON" });
    return { element: area, value: () => lines ? area.value.split("\n").map((line) => line.trim()).filter(Boolean) : json(area.value) };
  }
  if (input.type === "int" || input.type === "number") {
    const box = el("input", { type: "number", id, value: start ?? "", min: schema.minimum ?? "", max: schema.maximum ?? "", step: input.type === "int" ? 1 : "any" });
    return { element: box, value: () => (box.value === "" ? undefined : Number(box.value)) };
  }
  const long = input.type === "string" && ((schema.maxLength ?? 0) > 600 || /text|article|script/.test(input.name));
  if (long) {
    const area = el("textarea", { id, value: start ?? "" });
    return { element: area, value: () => area.value };
  }
  const shelf = /footage|material|folder|media/.test(input.name) ? shelves.find((one) => one.shelf === "material") : null;
  const box = el("input", { type: "text", id, value: start ?? "", list: shelf ? `${id}-list` : null, autocomplete: "off" });
  const list = shelf && el("datalist", { id: `${id}-list` }, el("option", { value: shelf.folder }, "uploaded material"));
  return { element: shelf ? el("div", {}, box, list, el("span", { className: "hint" }, "Uploaded material: ", el("a", { href: "#", onclick: (event) => (event.preventDefault(), (box.value = shelf.folder), box.dispatchEvent(new Event("input", { bubbles: true }))) }, "use it"))) : box, value: () => box.value };
}

function json(text) {
  if (!text.trim()) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A file that is there already, or one that is uploaded when the run is started. */
function fileControl(input, id, start, shelves) {
  const accepts = (type) => !input.accept?.length || input.accept.some((one) => (one.endsWith("*") ? type.startsWith(one.slice(0, -1)) : one === type));
  const audio = input.accept?.some((one) => one.startsWith("audio/"));
  const there = shelves.flatMap((shelf) => shelf.files).filter((file) => accepts(file.artifact.media_type)).map((file) => file.artifact);
  if (start?.$artifact) there.unshift(start);
  const select = el("select", { id, "aria-label": `${input.title ?? input.name}: uploaded before` }, el("option", { value: "" }, there.length ? "— none —" : "nothing uploaded yet"), there.map((one, index) => el("option", { value: String(index), selected: one === start }, one.name)));
  const upload = el("input", { type: "file", accept: (input.accept ?? []).join(","), "aria-label": `${input.title ?? input.name}: upload` });
  let uploaded;
  upload.addEventListener("change", () => (uploaded = undefined));
  return {
    element: el("div", { className: "pair" }, select, may("submitter") && upload),
    value: () => uploaded ?? (select.value === "" ? undefined : there[Number(select.value)]),
    ready: async () => {
      const file = upload.files?.[0];
      if (file && !uploaded) uploaded = (await put(audio ? "music" : "files", file)).artifact;
    },
  };
}

// ---- files ----------------------------------------------------------------------------------------------------------

const put = (shelf, file) => {
  if (file.size > me.upload_bytes_max) throw new Error(`${file.name} has ${bytes(file.size)}; at most ${bytes(me.upload_bytes_max)} are taken`);
  return ask(api(`files/${shelf}/${encodeURIComponent(file.name)}`), { method: "PUT", body: file });
};

async function filesPage() {
  const about = { music: "Music under videos", material: "Clips and pictures; pipelines take the folder", files: "Recordings, fonts, texts" };
  const refresh = async () => {
    const { shelves } = await ask(api("files"));
    show(el("h1", {}, "Files"), shelves.map((shelf) => shelfCard(shelf, about[shelf.shelf], refresh)));
  };
  await refresh();
}

function shelfCard(shelf, about, refresh) {
  const upload = el("input", { type: "file", multiple: true, "aria-label": `Upload to ${shelf.shelf}` });
  const send = doing(async () => {
    for (const file of upload.files) {
      say(`Uploading ${file.name}…`, true);
      await put(shelf.shelf, file);
    }
    say("Uploaded", true);
    await refresh();
  });
  upload.addEventListener("change", send);
  const row = (file) => {
    const url = `${api(`artifacts/${file.artifact.$artifact.replace("blake3:", "")}`)}?name=${encodeURIComponent(file.name)}`;
    const remove = doing(async () => {
      if (!confirm(`Delete ${file.name}?`)) return;
      await ask(api(`files/${shelf.shelf}/${encodeURIComponent(file.name)}`), { method: "DELETE" });
      await refresh();
    });
    return el("li", { className: "file" }, el("span", {}, el("a", { href: url, target: "_blank", rel: "noopener" }, file.name), " ", el("span", { className: "faint small" }, bytes(file.artifact.size))),
      may("operator") ? el("button", { type: "button", className: "danger", onclick: remove, "aria-label": `Delete ${file.name}` }, "Delete") : "",
      file.artifact.media_type.startsWith("audio/") && el("audio", { controls: true, preload: "none", src: url }));
  };
  const files = shelf.files.length ? shelf.files.map(row) : [el("li", { className: "empty" }, "Nothing here yet.")];
  const title = shelf.shelf[0].toUpperCase() + shelf.shelf.slice(1);
  return el("section", { className: "stack" }, el("div", { className: "head" }, el("div", { className: "grow" }, el("h2", {}, title), el("div", { className: "faint small" }, about, ": ", el("code", {}, shelf.folder))), may("submitter") && el("div", {}, upload)),
    el("div", { className: "card flush" }, el("ul", { className: "rows" }, files)));
}

// ---- the machine ----------------------------------------------------------------------------------------------------

async function machinePage() {
  const refresh = async () => {
    const [{ workers }, { lanes }, { plugins }] = await Promise.all([ask(api("workers")), ask(api("queues")), ask(api("plugins"))]);
    const table = (heads, rows) => el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell))))));
    const queue = (lane) => [lane.lane, String(lane.ready), String(lane.slots), lane.paused ? pill("paused") : duration(lane.backlog_ms),
      may("operator") && !/[;/]/.test(lane.lane) ? el("button", { type: "button", onclick: doing(async () => (await tell(`queues/${lane.lane}:${lane.paused ? "resume" : "pause"}`), await refresh())) }, lane.paused ? "Resume" : "Pause") : ""];
    show(el("h1", {}, "Machine"),
      el("div", { className: "card" }, el("h2", {}, "Workers"), workers.length ? table(["Worker", "Holds", "Slots", "Memory", "Up since"], workers.map((one) => [one.worker, one.draining ? `${one.held} (draining)` : String(one.held), String(one.slots), `${one.memory_mib} MiB`, ago(one.started_ms)])) : el("p", { className: "faint" }, "No worker was heard in the last minute.")),
      el("div", { className: "card" }, el("h2", {}, "Queues"), lanes.length ? table(["Queue", "Ready", "Slots", "Backlog", ""], lanes.map((lane) => queue({ ...lane, ...(lane.view ?? {}) }))) : el("p", { className: "faint" }, "Nothing waits.")),
      el("div", { className: "card" }, el("h2", {}, "Plugins"), table(["Plugin", "Version", "Stages"], plugins.map((one) => [one.name, one.version, one.stages.map((stage) => stage.id).join(", ")]))));
  };
  await refresh();
  every(5000, () => refresh().catch(() => {}));
}

// ---- who asks, and which page ---------------------------------------------------------------------------------------

function signIn() {
  const key = el("input", { type: "password", id: "key", autocomplete: "current-password", required: true });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await tell("session", { key: key.value });
      say("");
      await start();
    } catch (error) {
      say(error.message);
    }
  };
  show(el("div", { className: "card" }, el("h1", {}, "Sign in"), el("p", { className: "faint" }, "This server lets in whoever has a key."),
    el("form", { onsubmit: submit }, el("div", { className: "field" }, el("label", { htmlFor: "key" }, "Key"), key), el("div", { className: "actions" }, el("button", { type: "submit", className: "main" }, "Sign in")))));
  key.focus();
}

const PAGES = { "": ["runs", runsPage], runs: ["runs", runPage], new: ["new", newPage], files: ["files", filesPage], machine: ["machine", machinePage] };

async function route() {
  leave.splice(0).forEach((end) => end());
  const [path, query] = (location.hash.replace(/^#\/?/, "") || "").split("?");
  const [first = "", ...rest] = path.split("/");
  const [name, page] = PAGES[first] ?? PAGES[""];
  for (const link of document.querySelectorAll("nav a")) link.dataset.page === name ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  document.title = first === "" ? "Reelmill" : `${name} · Reelmill`;
  try {
    await page(rest.length ? decodeURIComponent(rest.join("/")) : "", new URLSearchParams(query ?? ""));
  } catch (error) {
    if (error.status === 401) return signIn();
    show(el("div", { className: "card alarm" }, el("h2", {}, "That did not work"), el("p", {}, error.message), el("a", { href: "#/" }, "Back to the runs")));
  }
}

async function start() {
  try {
    me = await ask(api("session"));
  } catch (error) {
    return error.status === 401 ? signIn() : failed(error);
  }
  const out = doing(async () => (await ask(api("session"), { method: "DELETE" }), location.reload()));
  document.getElementById("who").replaceChildren(...(me.keys ? [`${me.name} (${me.role}) `, el("a", { href: "#", onclick: (event) => (event.preventDefault(), out()) }, "sign out")] : [`v${me.version}`]));
  await route();
}

addEventListener("hashchange", () => (say(""), route()));
start();
