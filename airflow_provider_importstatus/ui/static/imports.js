/**
 * The Imports page: a React component for Airflow's UI, which provides React and its router as globals.
 *
 * In the navigation it lists all imports; on the page of a DAG run or task instance, whose ids Airflow passes, it shows their imports
 * in detail. All data comes from one endpoint, `../imports`. It is rendered as text, never as HTML, and in `bdi` elements: no id or message
 * changes the direction of the words beside it.
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
/** A status is old so many milliseconds after it should have been written: after an hour without news, or with the next poll. */
const WRITTEN_WITHIN = 3600_000;
/** A write may be this many milliseconds late: triggerers limit their rate, and nothing is written during an outage. */
const WRITE_DELAY = 3600_000;
const FILTERS = ["vendor", "state", "dag_id", "text"];
const WINDOWS = { 7: "the last 7 days", 30: "the last 30 days", all: "all time" };
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
  const chosen = Object.fromEntries([...FILTERS, "days", "before", "page"].map((name) => [name, query.get(name) ?? ""]));
  chosen.days = Object.hasOwn(WINDOWS, chosen.days) ? chosen.days : "";
  const { answer, problem } = useImports(chosen);
  const choose = (changes) => {
    // Another DAG or other days lead to other imports; the other filters choose among the same.
    const before = "days" in changes || "dag_id" in changes ? "" : chosen.before;
    const next = { ...chosen, before, page: "", ...changes };
    setQuery(Object.fromEntries(Object.entries(next).filter(([, value]) => value)), { replace: true });
  };
  const isFiltered = FILTERS.some((name) => chosen[name]);
  const clear = () => choose(Object.fromEntries(FILTERS.map((name) => [name, ""])));
  return h(
    "main",
    { className: "imports" },
    h("h2", null, "Imports"),
    h(Window, { answer, choose, chosen }),
    h(Counts, { answer, choose, chosen }),
    h(Filters, { answer, choose, chosen }),
    h(Problem, { problem }),
    answer === null && !problem && h("p", { role: "status" }, "Loading the imports …"),
    answer?.total === 0 && (isFiltered ? h(NoMatch, { clear }) : h(NoImports, { choose, chosen })),
    answer?.total > 0 && h(List, { imports: answer.imports }),
    answer?.total > 0 && h(Pages, { answer, choose, page: Number(chosen.page || 1) }),
  );
}

/** Say which imports are listed, and offer others. */
function Window({ answer, choose, chosen }) {
  const days = chosen.days || "7";
  const runs = days === "all" ? "all DAG runs" : `DAG runs of ${WINDOWS[days]}`;
  const older = answer?.older ?? null;
  const link = (title, before) => h("button", { onClick: () => choose({ before }), type: "button" }, title);
  return h(
    "p",
    { className: "imports-window" },
    chosen.before ? `Older imports, of ${runs}. ` : `Imports still waited for, and those of ${runs}. `,
    answer?.max_imports && `Only the newest ${number(answer.max_imports)} are listed and counted. `,
    older !== null && link("Older imports", String(older)),
    chosen.before && link("Newest imports", ""),
  );
}

/** The numbers of imports by state; each is a filter. */
function Counts({ answer, choose, chosen }) {
  const states = answer?.states ?? {};
  const titles = [["waiting", "Still waited for"], ...Object.entries(STATES).map(([state, [title]]) => [state, title])];
  return h(
    "div",
    { "aria-label": "Imports by state", className: "imports-counts", role: "group" },
    titles
      .filter(([state]) => states[state] || chosen.state === state)
      .map(([state, title]) => {
        const isChosen = chosen.state === state;
        const style = paletteOf(STATES[state]?.[1] ?? "deferred");
        const toggle = () => choose({ state: isChosen ? "" : state });
        return h(
          "button",
          { "aria-pressed": isChosen, key: state, onClick: toggle, style, type: "button" },
          h("strong", null, number(states[state] ?? 0)),
          ` ${title}`,
        );
      }),
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
    error_reports: (Array.isArray(one.error_reports) ? one.error_reports : []).filter(isText),
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
    ? "This page requires permission to read XComs and task instances. An administrator can grant it."
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
  const select = (name, title, options) =>
    h(Choice, { choose, chosen: chosen[name], key: name, name, options: [["", "All"], ...options], title });
  const windows = Object.entries(WINDOWS).map(([days, title]) => [days === "7" ? "" : days, title]);
  return h(
    "form",
    { className: "imports-filters", onSubmit: (event) => event.preventDefault(), ref: form, role: "search" },
    h(Choice, { choose, chosen: chosen.days, name: "days", options: windows, title: "DAG runs of" }),
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
      options.map(([value, words]) => h("option", { key: value, value }, words)),
    ),
  );
}

function NoMatch({ clear }) {
  return h("p", null, "No import matches these filters. ", h("button", { onClick: clear, type: "button" }, "Clear the filters"));
}

function NoImports({ choose, chosen }) {
  const isAll = chosen.days === "all";
  return h(
    "section",
    { className: "imports-empty" },
    h("h3", null, isAll ? "No imports yet" : `No imports in ${WINDOWS[chosen.days || 7]}`),
    h("p", null, "An import appears here as soon as a task waits for it. Use one of the provider's sensors in a DAG:"),
    h("pre", null, 'ZilliantImportSensor(task_id="wait", import_id=submit(), deferrable=True)'),
    h("p", null, "You see the imports of DAGs whose XComs and task instances you have permission to read."),
    !isAll && h("button", { onClick: () => choose({ days: "all" }), type: "button" }, "Show those of all time"),
  );
}

function List({ imports }) {
  const columns = ["Import", "State", "Progress", "Duration", "Status", "Messages", "Task"];
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
    cell("Duration", h(Duration, { one })),
    cell("Status", h(StatusAge, { one })),
    cell("Messages", h(Messages, { limit: LISTED_MESSAGES, one })),
    cell("Task", h(TaskLink, { one })),
  );
}

const NOTHING = h("span", { "aria-label": "nothing", className: "imports-muted" }, "–");

/** Return a text of others as an element in which its direction is its own. */
function isolated(text) {
  return text === null ? NOTHING : h("bdi", null, text);
}

function Name({ one }) {
  return h(
    Fragment,
    null,
    h("span", { className: "imports-muted" }, isolated(titleOf(one.vendor))),
    h("span", { className: "imports-id", title: one.import_id }, isolated(one.import_id)),
  );
}

function State({ one }) {
  const [title, colour] = STATES[one.state];
  const isAbandoned = !one.is_waited_for && !OVER.includes(one.state);
  return h(
    Fragment,
    null,
    h("span", { className: "imports-state", style: paletteOf(colour) }, title),
    h("span", { className: "imports-muted" }, "“", isolated(one.vendor_state), "”"),
    isAbandoned && h("span", { className: "imports-muted" }, "No longer waited for: this is the last known state."),
  );
}

function paletteOf(colour) {
  return { "--imports-solid": `var(--chakra-colors-${colour}-solid)`, "--imports-contrast": `var(--chakra-colors-${colour}-contrast, white)` };
}

function Bars({ one }) {
  const isOver = OVER.includes(one.state);
  const hasProgress = one.progress !== null && !isOver;
  const hasRows = ["succeeded", "failed", "skipped"].some((name) => one.rows[name]);
  return h(
    Fragment,
    null,
    hasProgress && h(Progress, { progress: one.progress }),
    hasRows ? h(Rows, { isOver, rows: one.rows }) : one.rows.total !== null && h("span", null, `${number(one.rows.total)} rows`),
    !hasProgress && !hasRows && one.rows.total === null && NOTHING,
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

function Rows({ isOver, rows }) {
  const parts = [
    [rows.succeeded, "succeeded", "success"],
    [rows.failed, "rejected", "failed"],
    [rows.skipped, "skipped", "skipped"],
  ].filter(([count]) => count !== null);
  const counted = parts.reduce((sum, [count]) => sum + count, 0);
  const all = Math.max(rows.total ?? counted, counted, 1);
  // Some vendors count only the rows so far: they would fill the bar of an import that goes on.
  const isTotal = rows.total !== null && (isOver || rows.total > counted);
  const ofTotal = isTotal ? ` of ${number(rows.total)} rows` : "";
  const words = `${parts.map(([count, word]) => `${number(count)} ${word}`).join(", ")}${ofTotal}`;
  const pieces = parts.map(([count, word, colour]) =>
    h("span", { key: word, style: { ...paletteOf(colour), width: `${(100 * count) / all}%` } }),
  );
  if (!isOver && !isTotal) {
    return h("span", null, words);
  }
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
    shown.map((message, index) => h("li", { key: index, title: limit < Infinity ? message : undefined }, isolated(message))),
    more > 0 && h("li", { className: "imports-muted" }, `and ${number(more)} more`),
    one.messages.length + more === 0 && h("li", null, NOTHING),
  );
}

function TaskLink({ one }) {
  const mapped = one.map_index < 0 ? "" : ` [${one.map_index}]`;
  return h(
    Fragment,
    null,
    h(Link, { to: `${taskPath(one)}/plugin/import` }, isolated(one.dag_id), " / ", isolated(one.task_id), mapped),
    h("span", { className: "imports-muted" }, isolated(one.run_id), ` · ${one.task_state ?? "no state"}`),
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
      fact("Duration", h(Duration, { one })),
      fact("Status", h(StatusAge, { isExact: true, one })),
      !isAlone && fact("Task", h(TaskLink, { one })),
      fact("Messages", h(Messages, { one })),
      one.error_reports.length > 0 && fact("Error reports", h("ul", null, one.error_reports.map((path) => h("li", { key: path }, isolated(path))))),
      times.filter(([, instant]) => instant).map(([title, instant]) => fact(title, h(When, { instant, isExact: true }))),
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
            h("th", { scope: "row" }, isolated(stage.stage)),
            cell("State", h("span", { className: "imports-state", style: paletteOf(STATES[stage.state][1]) }, STATES[stage.state][0])),
            cell("Template", isolated(stage.template)),
            cell("Message", isolated(stage.message)),
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

function When({ instant, isExact = false }) {
  const date = dateOf(instant);
  if (!date) {
    return NOTHING;
  }
  const [exact, relative] = [exactly(date), relatively(date)];
  return h("time", { dateTime: instant, title: exact }, isExact ? `${exact} (${relative})` : relative);
}

/** How long an import took, or how long a task has been waiting for it. */
function Duration({ one }) {
  if (one.is_waited_for) {
    return h(Span, { from: one.task_started_at, title: "waiting for" });
  }
  if (one.started_at && one.finished_at) {
    return h(Span, { from: one.started_at, title: "took", to: one.finished_at });
  }
  const title = OVER.includes(one.state) ? "took" : "waited for";
  return h(Span, { from: one.task_started_at, title, to: one.task_ended_at });
}

function Span({ from, title, to }) {
  const [begun, ended] = [dateOf(from), to === undefined ? new Date() : dateOf(to)];
  if (!begun || !ended) {
    return NOTHING;
  }
  const period = `${exactly(begun)} to ${to === undefined ? "now" : exactly(ended)}`;
  return h("span", { title: period }, `${title} ${durationOf(ended - begun)}`);
}

/**
 * How old the last status is. A waiting task polls far more often than it writes a status, so an old one is no reason
 * for alarm until it is older than any wait leaves it.
 */
function StatusAge({ isExact, one }) {
  const polled = dateOf(one.polled_at);
  if (!polled) {
    return NOTHING;
  }
  const next = dateOf(one.next_poll_at);
  const isNextAhead = one.is_waited_for && next > Date.now();
  const isMissing = one.is_waited_for && Date.now() - Math.max(polled.getTime() + WRITTEN_WITHIN, next ?? 0) > WRITE_DELAY;
  return h(
    Fragment,
    null,
    h("time", { dateTime: one.polled_at, title: exactly(polled) }, `as of ${isExact ? exactly(polled) : clock(polled)} (${ago(polled)})`),
    isNextAhead && h("span", { className: "imports-muted" }, "next poll ", h(When, { instant: one.next_poll_at })),
    isMissing && h("strong", { className: "imports-missing" }, `No status for ${durationOf(Date.now() - polled)}. See the task's log.`),
  );
}

function dateOf(instant) {
  const date = new Date(isText(instant) ? instant : NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

function exactly(date) {
  return formatted(date, { dateStyle: "medium", timeStyle: "long" });
}

/** Return the time of day, with the date unless it is today. */
function clock(date) {
  const day = { dateStyle: "medium" };
  const isToday = formatted(date, day) === formatted(new Date(), day);
  return formatted(date, { ...(isToday ? {} : day), timeStyle: "short" });
}

function formatted(date, style) {
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

/** Return how long ago it was; a clock that is ahead of the browser's makes no future of it. */
function ago(date) {
  return date > Date.now() ? "now" : relatively(date);
}

/** Return a duration in its two largest units, such as "2 h 5 min". */
function durationOf(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count);
  const words = parts.slice(first, first + 2).filter(([count]) => count);
  return first < 0 ? "0 s" : words.map(([count, unit]) => `${count} ${unit}`).join(" ");
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
