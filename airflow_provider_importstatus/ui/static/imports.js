/**
 * The Imports page: a React component for Airflow's UI, which provides React and its router as globals.
 *
 * In the navigation it lists all imports; on the page of a DAG run or task instance, whose ids Airflow passes, it shows their imports
 * in detail. All data comes from one endpoint, `../imports`. Vendors' messages are rendered as text, never as HTML.
 */

const { createElement: h, Fragment, useEffect, useLayoutEffect, useRef, useState } = globalThis.React;
const { Link, useSearchParams } = globalThis.ReactRouterDOM;

/** Minimum milliseconds between two requests to the endpoint, while the page is visible. */
const INTERVAL = 4000;
/** The pause between requests is at least this many times the duration of the last one. */
const SLOWDOWN = 10;
/** Milliseconds after the last key press until the list is filtered. */
const TYPING_DELAY = 300;
/** Maximum number of messages per import in the list; the tab shows all. */
const LISTED_MESSAGES = 2;
const FILTERS = ["vendor", "state", "dag_id", "text"];
const VENDORS = { clear: "Clear", tao_advance: "TAO Advance", thalamus: "Thalamus", zilliant: "Zilliant" };
/** The label of each state, and the Airflow state with its color. */
const STATES = {
  queued: ["Queued", "queued"],
  running: ["Running", "running"],
  blocked: ["Blocked", "up_for_retry"],
  succeeded: ["Succeeded", "success"],
  partial: ["Partial", "upstream_failed"],
  failed: ["Failed", "failed"],
  cancelled: ["Cancelled", "removed"],
  unknown: ["Unknown", "none"],
};
const OVER = ["succeeded", "partial", "failed", "cancelled"];

addStylesheet(new URL("imports.css", import.meta.url).href);
for (const name of ["Imports", "Import"]) {
  globalThis[name] = ImportsPlugin;
}

/** The component that Airflow mounts. Airflow passes those ids that the current page has. */
function ImportsPlugin({ dagId, runId, taskId, mapIndex }) {
  if (!runId) {
    return h(AllImports);
  }
  const task = taskId ? { task_id: taskId, map_index: mapIndex ?? "-1" } : {};
  const query = { dag_id: dagId, run_id: runId, ...task };
  // Airflow reuses the component for other runs and tasks: the key resets its state.
  return h(InFull, { key: JSON.stringify(query), query });
}

function AllImports() {
  const [query, setQuery] = useSearchParams();
  const chosen = Object.fromEntries([...FILTERS, "page"].map((name) => [name, query.get(name) ?? ""]));
  const { answer, problem } = useImports(chosen);
  const choose = (changes) => {
    const next = { ...chosen, page: "", ...changes };
    setQuery(Object.fromEntries(Object.entries(next).filter(([, value]) => value)), { replace: true });
  };
  const isFiltered = FILTERS.some((name) => chosen[name]);
  return h(
    "main",
    { className: "imports" },
    h("h2", null, "Imports"),
    h(Filters, { answer, choose, chosen }),
    h(Problem, { problem }),
    answer === null && !problem && h("p", { role: "status" }, "Loading the imports …"),
    answer?.total === 0 && (isFiltered ? h(NoMatch, { clear: () => setQuery({}) }) : h(NoImports)),
    answer?.total > 0 && h(List, { imports: answer.imports }),
    answer?.total > 0 && h(Pages, { answer, choose, page: Number(chosen.page || 1) }),
  );
}

function InFull({ query }) {
  const [page, setPage] = useState(1);
  const { answer, problem } = useImports({ ...query, page: String(page) });
  const what = query.task_id ? "task" : "run";
  return h(
    "div",
    { className: "imports" },
    h(Problem, { problem }),
    answer === null && !problem && h("p", { role: "status" }, "Loading the import …"),
    answer?.total === 0 &&
      h(
        "p",
        null,
        `No import in this ${what}. An import appears here after the first poll of a sensor of the Import status provider.`,
      ),
    answer?.imports.map((one) => h(Import, { isAlone: Boolean(query.task_id), key: keyOf(one), one })),
    answer?.total > answer?.page_size && h(Pages, { answer, choose: (next) => setPage(Number(next.page)), page }),
  );
}

/** Return the endpoint's latest response to a query, and the current problem as text. */
function useImports(query) {
  const url = urlOf(query);
  const [result, setResult] = useState({ answer: null, problem: null });
  useEffect(() => {
    const leaving = new AbortController();
    let timer;
    const refresh = async () => {
      clearTimeout(timer);
      if (document.hidden) {
        return; // Becoming visible refreshes.
      }
      const began = performance.now();
      const next = await load(url, leaving.signal);
      if (!leaving.signal.aborted) {
        setResult((previous) => ({ answer: next.answer ?? previous.answer, problem: next.problem ?? null }));
        clearTimeout(timer);
        timer = setTimeout(refresh, Math.max(INTERVAL, SLOWDOWN * (performance.now() - began)));
      }
    };
    document.addEventListener("visibilitychange", refresh, { signal: leaving.signal });
    refresh();
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [url]);
  return result;
}

function urlOf(query) {
  const url = new URL("../imports", import.meta.url);
  for (const [name, value] of Object.entries(query)) {
    if (value) {
      url.searchParams.set(name, value);
    }
  }
  return url.href;
}

async function load(url, signal) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" }, signal });
    const answer = await response.json();
    if (!response.ok) {
      return { problem: problemOf(response, answer.detail) };
    }
    return { answer: { ...answer, imports: answer.imports.filter((one) => one && isText(one.import_id)).map(wellTyped) } };
  } catch (error) {
    const isUnreachable = error instanceof TypeError;
    return { problem: isUnreachable ? "Airflow does not respond. Check the network and the API server." : ENDED };
  }
}

/** Return an import with the expected types: one invalid XCom must not hide the others. */
function wellTyped(one) {
  const rows = one.rows ?? {};
  const stages = (Array.isArray(one.stages) ? one.stages : []).filter((stage) => stage && isText(stage.stage));
  return {
    ...one,
    messages: (Array.isArray(one.messages) ? one.messages : []).filter(isText),
    more_messages: count(one.more_messages) ?? 0,
    more_stages: count(one.more_stages) ?? 0,
    progress: count(one.progress),
    rows: Object.fromEntries(["total", "succeeded", "failed", "skipped"].map((name) => [name, count(rows[name])])),
    stages: stages.map((stage) => ({ ...stage, message: text(stage.message), state: known(stage.state), template: text(stage.template) })),
    state: known(one.state),
    vendor: text(one.vendor) ?? "",
    vendor_state: text(one.vendor_state) ?? "",
  };
}

function isText(value) {
  return typeof value === "string" && value !== "";
}

function text(value) {
  return isText(value) ? value : null;
}

function count(value) {
  return Number.isFinite(value) && value >= 0 ? value : null;
}

function titleOf(vendor) {
  return Object.hasOwn(VENDORS, vendor) ? VENDORS[vendor] : vendor;
}

function known(state) {
  return isText(state) && Object.hasOwn(STATES, state) ? state : "unknown";
}

const ENDED = "Your session has ended. Reload the page to log in again.";

function problemOf({ status }, detail) {
  if (status === 401 || detail === "Invalid JWT token") {
    return ENDED;
  }
  return status === 403
    ? "This page requires permission to read XComs. An administrator can grant it."
    : `Airflow responded with HTTP ${status}. See the API server's log.`;
}

function Problem({ problem }) {
  return h(
    "div",
    { role: "alert" },
    problem && h("p", { className: "imports-problem" }, `${problem} Retrying every few seconds.`),
  );
}

/** Airflow remounts the page when its URL changes for the first time. The focused input must not lose its focus. */
let focused = "";

function useKeptFocus() {
  const form = useRef(null);
  useLayoutEffect(() => {
    const { elements } = form.current;
    const element = focused && elements.namedItem(focused);
    element?.focus?.();
    element?.setSelectionRange?.(element.value.length, element.value.length);
    return () => {
      focused = [...elements].find((one) => one === document.activeElement)?.name ?? "";
    };
  }, []);
  return form;
}

function Filters({ answer, choose, chosen }) {
  const form = useKeptFocus();
  const [text, setText] = useState(chosen.text);
  useEffect(() => setText(chosen.text), [chosen.text]);
  useEffect(() => {
    const timer = setTimeout(() => text !== chosen.text && choose({ text }), TYPING_DELAY);
    return () => clearTimeout(timer);
  }, [text]);
  const states = Object.entries(STATES).map(([state, [title]]) => [state, title]);
  const vendors = withChosen(answer?.vendors, chosen.vendor).map((vendor) => [vendor, titleOf(vendor)]);
  const dagIds = withChosen(answer?.dag_ids, chosen.dag_id).map((dagId) => [dagId, dagId]);
  const select = (name, title, options) => h(Choice, { choose, chosen: chosen[name], key: name, name, options, title });
  return h(
    "form",
    { className: "imports-filters", onSubmit: (event) => event.preventDefault(), ref: form, role: "search" },
    select("vendor", "Vendor", vendors),
    select("state", "State", [["waiting", "Still waited for"], ...states]),
    select("dag_id", "DAG", dagIds),
    h(
      "label",
      null,
      "Text",
      h("input", {
        name: "text",
        onChange: (event) => setText(event.target.value),
        placeholder: "Import id, message, task …",
        type: "search",
        value: text,
      }),
    ),
  );
}

function withChosen(values, chosen) {
  return [...new Set([...(values ?? []), ...(chosen ? [chosen] : [])])];
}

function Choice({ choose, chosen, name, options, title }) {
  return h(
    "label",
    null,
    title,
    h(
      "select",
      { name, onChange: (event) => choose({ [name]: event.target.value }), value: chosen },
      h("option", { value: "" }, "All"),
      options.map(([value, words]) => h("option", { key: value, value }, words)),
    ),
  );
}

function NoMatch({ clear }) {
  return h("p", null, "No import matches these filters. ", h("button", { onClick: clear, type: "button" }, "Clear the filters"));
}

function NoImports() {
  return h(
    "section",
    { className: "imports-empty" },
    h("h3", null, "No imports yet"),
    h("p", null, "An import appears here as soon as a task waits for it. Use one of the provider's sensors in a DAG:"),
    h("pre", null, 'ZilliantImportSensor(task_id="wait", import_id=submit(), deferrable=True)'),
    h("p", null, "You see the imports of DAGs whose XComs you have permission to read."),
  );
}

function List({ imports }) {
  const columns = ["Import", "State", "Progress", "Since", "Next poll", "Messages", "Task"];
  return h(
    "table",
    null,
    h("caption", { className: "imports-hidden" }, "Imports, starting with those that a task still waits for"),
    h("thead", null, h("tr", null, columns.map((title) => h("th", { key: title, scope: "col" }, title)))),
    h("tbody", null, imports.map((one) => h(Row, { key: keyOf(one), one }))),
  );
}

function Row({ one }) {
  const cell = (title, ...children) => h("td", { "data-title": title }, h("div", null, ...children));
  return h(
    "tr",
    null,
    h("th", { scope: "row" }, h(Name, { one })),
    cell("State", h(State, { one })),
    cell("Progress", h(Bars, { one }) ?? NOTHING),
    cell("Since", h(When, { instant: one.task_started_at })),
    cell("Next poll", h(NextPoll, { one })),
    cell("Messages", h(Messages, { limit: LISTED_MESSAGES, one })),
    cell("Task", h(TaskLink, { one })),
  );
}

const NOTHING = h("span", { "aria-label": "nothing", className: "imports-muted" }, "–");

function Name({ one }) {
  return h(
    Fragment,
    null,
    h("span", { className: "imports-muted" }, titleOf(one.vendor)),
    h("span", { className: "imports-id", title: one.import_id }, one.import_id),
  );
}

function State({ one }) {
  const [title, colour] = STATES[one.state];
  const isAbandoned = !one.is_waited_for && !OVER.includes(one.state);
  return h(
    Fragment,
    null,
    h("span", { className: "imports-state", style: paletteOf(colour) }, title),
    h("span", { className: "imports-muted" }, `“${one.vendor_state}”`),
    isAbandoned && h("span", { className: "imports-muted" }, "No longer waited for: this is the last known state."),
  );
}

function paletteOf(colour) {
  return { "--solid": `var(--chakra-colors-${colour}-solid)`, "--contrast": `var(--chakra-colors-${colour}-contrast, white)` };
}

function Bars({ one }) {
  const hasRows = ["succeeded", "failed", "skipped"].some((name) => one.rows[name]);
  return h(
    Fragment,
    null,
    one.progress !== null && h(Progress, { progress: one.progress }),
    hasRows ? h(Rows, { rows: one.rows }) : one.rows.total !== null && h("span", null, `${number(one.rows.total)} rows`),
    one.progress === null && !hasRows && one.rows.total === null && NOTHING,
  );
}

function Progress({ progress }) {
  const percent = Math.round(Math.min(Math.max(progress, 0), 1) * 100);
  const value = { "aria-valuemax": 100, "aria-valuemin": 0, "aria-valuenow": percent };
  return h(
    Fragment,
    null,
    h(
      "div",
      { "aria-label": "Progress", className: "imports-bar", role: "progressbar", ...value },
      h("span", { style: { ...paletteOf("running"), width: `${percent}%` } }),
    ),
    h("span", { "aria-hidden": true }, `${percent} % processed`),
  );
}

function Rows({ rows }) {
  const parts = [
    [rows.succeeded, "succeeded", "success"],
    [rows.failed, "rejected", "failed"],
    [rows.skipped, "skipped", "skipped"],
  ].filter(([count]) => count !== null);
  const counted = parts.reduce((sum, [count]) => sum + count, 0);
  const all = Math.max(rows.total ?? counted, counted, 1);
  const ofTotal = rows.total === null ? "" : ` of ${number(rows.total)} rows`;
  const words = `${parts.map(([count, word]) => `${number(count)} ${word}`).join(", ")}${ofTotal}`;
  const pieces = parts.map(([count, word, colour]) =>
    h("span", { key: word, style: { ...paletteOf(colour), width: `${(100 * count) / all}%` } }),
  );
  return h(
    Fragment,
    null,
    h("div", { "aria-label": words, className: "imports-bar", role: "img" }, pieces),
    h("span", { "aria-hidden": true }, words),
  );
}

function Messages({ limit = Infinity, one }) {
  const shown = one.messages.slice(0, limit);
  const more = one.messages.length - shown.length + one.more_messages;
  return h(
    "ul",
    null,
    shown.map((message, index) => h("li", { key: index, title: limit < Infinity ? message : undefined }, message)),
    more > 0 && h("li", { className: "imports-muted" }, `and ${number(more)} more`),
    one.messages.length + more === 0 && h("li", null, NOTHING),
  );
}

function TaskLink({ one }) {
  const mapped = one.map_index < 0 ? "" : ` [${one.map_index}]`;
  return h(
    Fragment,
    null,
    h(Link, { to: `${taskPath(one)}/plugin/import` }, `${one.dag_id} / ${one.task_id}${mapped}`),
    h("span", { className: "imports-muted" }, `${one.run_id} · ${one.task_state ?? "no state"}`),
  );
}

function taskPath(one) {
  const [dag, run, task] = [one.dag_id, one.run_id, one.task_id].map(encodeURIComponent);
  const mapped = one.map_index < 0 ? "" : `/mapped/${one.map_index}`;
  return `/dags/${dag}/runs/${run}/tasks/${task}${mapped}`;
}

function Import({ isAlone, one }) {
  const times = [
    ["Import started", one.started_at],
    ["Import ended", one.finished_at],
    ["Task waits since", one.task_started_at],
    ["Last poll", one.polled_at],
    ["Task ended", one.is_waited_for ? null : one.task_ended_at],
  ];
  const fact = (title, ...children) => h(Fragment, { key: title }, h("dt", null, title), h("dd", null, ...children));
  return h(
    "article",
    { className: "imports-full" },
    h("h3", null, h(Name, { one })),
    h(
      "dl",
      null,
      fact("State", h(State, { one })),
      fact("Progress", h(Bars, { one })),
      !isAlone && fact("Task", h(TaskLink, { one })),
      fact("Messages", h(Messages, { one })),
      times.filter(([, instant]) => instant).map(([title, instant]) => fact(title, h(When, { instant, isExact: true }))),
      one.is_waited_for && fact("Next poll", h(NextPoll, { one })),
    ),
    one.stages.length > 0 && h(Stages, { one }),
  );
}

function Stages({ one }) {
  const cell = (title, child) => h("td", { "data-title": title }, h("div", null, child));
  return h(
    Fragment,
    null,
    h(
      "table",
      null,
      h("caption", null, "Stages"),
      h("thead", null, h("tr", null, ["Stage", "State", "Template", "Message"].map((title) => h("th", { key: title, scope: "col" }, title)))),
      h(
        "tbody",
        null,
        one.stages.map((stage, index) =>
          h(
            "tr",
            { key: index },
            h("th", { scope: "row" }, stage.stage),
            cell("State", h("span", { className: "imports-state", style: paletteOf(STATES[stage.state][1]) }, STATES[stage.state][0])),
            cell("Template", stage.template ?? NOTHING),
            cell("Message", stage.message ?? NOTHING),
          ),
        ),
      ),
    ),
    one.more_stages > 0 && h("p", { className: "imports-muted" }, `and ${number(one.more_stages)} more stages`),
  );
}

function Pages({ answer, choose, page }) {
  const first = (page - 1) * answer.page_size + 1;
  const last = first + answer.imports.length - 1;
  const isMany = answer.total > answer.page_size || page > 1;
  const all = answer.total === 1 ? "1 import" : `${number(answer.total)} imports`;
  const lastPage = Math.ceil(answer.total / answer.page_size);
  const shown = isMany && page <= lastPage ? `${number(first)} to ${number(last)} of ${all}` : all;
  const go = (title, to, isPossible) =>
    h("button", { disabled: !isPossible, onClick: () => choose({ page: to > 1 ? String(to) : "" }), type: "button" }, title);
  return h(
    "nav",
    { "aria-label": "Pages of imports", className: "imports-pages" },
    isMany && go("Previous", Math.min(page - 1, lastPage), page > 1),
    h("span", { role: "status" }, shown),
    isMany && go("Next", page + 1, page * answer.page_size < answer.total),
  );
}

function When({ instant, isExact = false, words }) {
  const date = new Date(isText(instant) ? instant : NaN);
  if (Number.isNaN(date.getTime())) {
    return NOTHING;
  }
  const exact = exactly(date);
  const shown = words ?? relatively(date);
  return h("time", { dateTime: instant, title: exact }, isExact ? `${exact} (${shown})` : shown);
}

/** Unchanged statuses are written only once a minute, so a poll that is due may have taken place already. */
function NextPoll({ one }) {
  if (!one.is_waited_for || !one.next_poll_at) {
    return NOTHING;
  }
  const isDue = isText(one.next_poll_at) && new Date(one.next_poll_at) <= Date.now();
  return h(When, { instant: one.next_poll_at, words: isDue ? "due" : undefined });
}

function exactly(date) {
  const style = { dateStyle: "medium", timeStyle: "long" };
  try {
    return new Intl.DateTimeFormat(undefined, { ...style, timeZone: selectedTimezone() }).format(date);
  } catch {
    return new Intl.DateTimeFormat(undefined, style).format(date);
  }
}

/** Return the timezone selected in Airflow, which stores it as JSON; otherwise the browser's. */
function selectedTimezone() {
  const stored = localStorage.getItem("timezone");
  return stored ? stored.replaceAll('"', "") : undefined;
}

function relatively(date) {
  const seconds = (date - Date.now()) / 1000;
  const [unit, length] = [["day", 86400], ["hour", 3600], ["minute", 60]].find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(seconds / length), unit);
}

function number(count) {
  return count.toLocaleString("en");
}

function keyOf(one) {
  return JSON.stringify([one.dag_id, one.run_id, one.task_id, one.map_index]);
}

function addStylesheet(href) {
  document.head.append(Object.assign(document.createElement("link"), { href, rel: "stylesheet" }));
}
