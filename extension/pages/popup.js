/**
 * The popup: how things stand, what was done and why, and the few switches one reaches for.
 *
 * It asks the worker every two seconds while it is open, and keeps nothing.
 *
 * @import {Explanation, Health, Question, RecentDecision, Status, View} from "../types"
 */

import { ask, bringBack, longestUnused, openOptions, requestPages, titleOf } from "./bridge.js";
import { drawList, element, make, setText, showDot, timeText } from "./elements.js";
import {
  FOREVER_MS,
  awakeText,
  bytesText,
  countText,
  healthText,
  healthTroubles,
  isTrouble,
  levelText,
  numberText,
  observedText,
  onceText,
  outcomeText,
  reasonTexts,
  stateText,
  troubleText,
  whyText,
} from "./words.js";

const EVERY_MS = 2_000;

/** What is asked for is decided on at once, so it stands in the next status but one. */
const ANSWERED_AFTER_MS = 2 * EVERY_MS;

/** Of how many tabs it is told why they are awake: those that one wonders about. */
const AWAKE_TABS = 10;

const HEALTH_COLOURS = new Map(
  Object.entries({ HEALTHY: "low", DEGRADED: "medium", UNHEALTHY: "high" }),
);

const page = {
  trouble: element("trouble"),
  troubleTitle: element("trouble-title"),
  troubleText: element("trouble-text"),
  health: element("health"),
  healthState: element("health-state"),
  healthText: element("health-text"),
  healthList: element("health-list"),
  pressure: element("pressure"),
  level: element("level"),
  levelWord: element("level-word"),
  reasons: element("reasons"),
  score: element("score", HTMLMeterElement),
  scoreText: element("score-text"),
  memory: element("memory", HTMLMeterElement),
  memoryText: element("memory-text"),
  tabs: element("tabs"),
  control: element("control"),
  mode: element("mode", HTMLFieldSetElement),
  modeText: element("mode-text"),
  focus: element("focus", HTMLInputElement),
  focusText: element("focus-text"),
  paused: element("paused"),
  pausedText: element("paused-text"),
  resume: element("resume", HTMLButtonElement),
  acts: element("acts"),
  prune: element("prune", HTMLButtonElement),
  pause: element("pause", HTMLButtonElement),
  pauseFor: element("pause-for"),
  once: element("once"),
  onceText: element("once-text"),
  onceNo: element("once-no", HTMLButtonElement),
  onceYes: element("once-yes", HTMLButtonElement),
  answer: element("answer"),
  recent: element("recent"),
  recentList: element("recent-list"),
  recentNone: element("recent-none"),
  recentMore: element("recent-more", HTMLButtonElement),
  awake: element("awake", HTMLDetailsElement),
  awakeList: element("awake-list"),
  awakeNote: element("awake-note"),
  forms: element("forms"),
  seeForms: element("see-forms", HTMLButtonElement),
  dot: element("dot"),
  connection: element("connection"),
};

let recentLimit = 5;

/** Whether it only observes, so that putting tabs to sleep all the same wants a second word. */
let isObserving = true;

/** The decisions that were told of last. @type {number[]} */
let decided = [];

/**
 * When memory was asked for, until it is known what came of it, and what was decided by then: the
 * log's clock may be a second behind this one, so it tells of no decision that it came after.
 *
 * @type {{ at: number, decided: number[] } | null}
 */
let askedForMemory = null;

async function refresh() {
  /** @type {View} */
  const view = await ask({ ask: "view" });
  showConnection(view);
  page.forms.hidden = view.forms_seen;
  setText(page.onceText, onceText(view.forms_seen));
  showHealth(view.status?.health ?? null);
  // A host that cannot write its log knows nothing of tabs, and takes no wish.
  const status = view.status?.log.state === "writing" ? view.status : null;
  for (const section of [page.pressure, page.control, page.recent, page.awake]) {
    section.hidden = status === null;
  }
  if (status === null) return;
  showPressure(status);
  showControl(status);
  showPruned(status);
  await showRecent(status);
  await showAwake();
}

/** @param {View} view */
function showConnection({ connection, waiting }) {
  const trouble = isTrouble(connection.state);
  page.trouble.hidden = !trouble;
  if (trouble) {
    setText(page.troubleTitle, stateText(connection.state));
    setText(page.troubleText, troubleText(connection));
  }
  showDot(page.dot, connection.state);
  const version = connection.host_version === null ? "" : `, host ${connection.host_version}`;
  const kept = trouble && waiting > 0 ? `, ${countText(waiting, "event")} kept` : "";
  const text = stateText(connection.state);
  setText(page.connection, connection.state === "connected" ? text + version : text + kept);
}

/**
 * How the host finds itself. It stands there when it is well, too: its state is a word, and not
 * only the colour of it.
 *
 * @param {Health | null} health
 */
function showHealth(health) {
  page.health.hidden = health === null;
  if (health === null) return;
  setText(page.healthState, health.state);
  page.healthState.className = `chip ${HEALTH_COLOURS.get(health.state) ?? ""}`;
  setText(page.healthText, healthText(health.state));
  drawList(page.healthList, healthTroubles(health), ({ name, state, detail, fix }) => {
    const item = make("li");
    item.append(
      make("strong", { text: `${name}: ${state}` }),
      make("span", { class: "block", text: detail }),
      make("span", { class: "block muted", text: fix }),
    );
    return item;
  });
}

/** @param {Status} status */
function showPressure({ level, score, reasons, metrics, tabs, discarded, cluster }) {
  const kind = (level ?? "").toLowerCase();
  setText(page.level, levelText(level));
  setText(page.levelWord, level ?? "");
  page.levelWord.className = `chip ${kind}`;
  page.levelWord.hidden = level === null;
  drawList(page.reasons, reasonTexts(reasons), (text) => make("li", { text }));
  page.score.value = score ?? 0;
  page.score.className = kind;
  setText(page.scoreText, score === null ? "not known yet" : `${score} of 100`);

  const total = metrics?.ram_total ?? null;
  const used = metrics?.ram_used ?? null;
  const free = metrics?.ram_available ?? null;
  const isKnown = total !== null && used !== null && total > 0;
  page.memory.value = isKnown ? used / total : 0;
  const freeText = free === null ? "" : `, ${bytesText(free)} free`;
  setText(
    page.memoryText,
    isKnown ? `${bytesText(used)} of ${bytesText(total)}${freeText}` : "not known yet",
  );

  const parts = [];
  if (tabs !== null) parts.push(countText(tabs, "tab"));
  if (discarded !== null) parts.push(`${numberText(discarded)} asleep`);
  if (cluster !== null) parts.push(`${numberText(cluster.tabs.length)} in your working context`);
  setText(page.tabs, parts.join(" · "));
}

/** @param {Status} status */
function showControl(status) {
  const { mode, paused_until_ms, focus, observed } = status;
  isObserving = mode === "observe";
  for (const radio of page.mode.querySelectorAll("input")) radio.checked = radio.value === mode;
  setText(
    page.modeText,
    isObserving
      ? observedText(observed, timeText)
      : "Tabs you have not used for long are put to sleep when memory gets short.",
  );
  page.focus.checked = focus?.enabled ?? false;
  page.focus.disabled = focus === null;
  setText(
    page.focusText,
    focus?.enabled
      ? "What you work on is kept longer than the rest."
      : "All tabs are treated alike.",
  );
  const isPaused = paused_until_ms !== null && paused_until_ms > Date.now();
  if (isPaused) {
    setText(
      page.pausedText,
      paused_until_ms >= FOREVER_MS ? "Paused until you resume" : `Paused until ${timeText(paused_until_ms)}`,
    );
  }
  if (isPaused || !isObserving) askOnce(false);
  setText(page.prune, isObserving ? "Free memory now…" : "Free memory now");
  if (page.paused.hidden === isPaused) showPause(isPaused);
}

/**
 * What came of asking for memory: what was put to sleep is listed, so only that there is nothing
 * has to be said.
 *
 * @param {Status} status
 */
function showPruned({ recent }) {
  decided = recent.map(({ decision }) => decision);
  if (askedForMemory === null) return;
  const { at, decided: before } = askedForMemory;
  const came = recent.some(
    ({ decision, reasons }) => reasons.includes("REQUESTED") && !before.includes(decision),
  );
  if (!came && Date.now() - at < ANSWERED_AFTER_MS) return;
  askedForMemory = null;
  setText(page.answer, came ? "" : "No tab can go to sleep now.");
}

/**
 * Shows what begins a pause, or what ends it. With what is hidden the focus would be lost, so what
 * comes in its place takes it over.
 *
 * @param {boolean} isPaused
 */
function showPause(isPaused) {
  const hasFocus = isFocusIn(page.acts, page.pauseFor, page.resume);
  page.paused.hidden = !isPaused;
  page.prune.disabled = isPaused;
  page.pause.hidden = isPaused;
  openPauseFor(false);
  if (hasFocus) (isPaused ? page.resume : page.pause).focus();
}

/**
 * Shows the question whether to put tabs to sleep though it only observes, or what leads to it. The
 * focus goes to "No", so that who presses a key or clicks twice has said nothing.
 *
 * @param {boolean} isAsked
 */
function askOnce(isAsked) {
  if (page.acts.hidden === isAsked) return;
  const hasFocus = isFocusIn(page.acts, page.once);
  page.acts.hidden = isAsked;
  page.once.hidden = !isAsked;
  openPauseFor(false);
  if (hasFocus) (isAsked ? page.onceNo : page.prune).focus();
}

/** @param {HTMLElement[]} elements */
function isFocusIn(...elements) {
  return elements.some((it) => it.contains(document.activeElement));
}

function prune() {
  // A double click is one wish.
  if (askedForMemory !== null) return;
  askedForMemory = { at: Date.now(), decided };
  const action = async () => {
    try {
      await ask({ ask: "prune" });
    } catch (error) {
      askedForMemory = null;
      throw error;
    }
  };
  void run(action, "Asked for. What can go to sleep is listed below in a moment.");
}

/** @param {boolean} isOpen */
function openPauseFor(isOpen) {
  page.pauseFor.hidden = !isOpen;
  page.pause.ariaExpanded = String(isOpen);
}

/** @param {Status} status */
async function showRecent({ recent: all }) {
  const recent = all.slice(0, recentLimit);
  page.recentMore.hidden = all.length <= recentLimit;
  setText(page.recentNone, recent.length === 0 ? "Nothing yet." : "");
  const titles = await Promise.all(recent.map(({ tab }) => titleOf(tab)));
  const now = Date.now();
  const lines = recent.map((decision, index) => ({
    decision,
    title: titles[index] ?? null,
    outcome: outcomeText(decision, now),
  }));
  // The one with the focus must not lose it because a minute has passed.
  const focused = document.activeElement?.closest("li")?.dataset["decision"];
  if (!drawList(page.recentList, lines, recentLine) || focused === undefined) return;
  for (const item of page.recentList.querySelectorAll("li")) {
    if (item.dataset["decision"] === focused) item.querySelector("button")?.focus();
  }
}

/** @param {{ decision: RecentDecision, title: string | null, outcome: string }} line */
function recentLine({ decision, title, outcome }) {
  const item = make("li");
  item.dataset["decision"] = String(decision.decision);
  const name = title || decision.host || "A tab";
  item.append(
    titleLine(name),
    make("span", { class: "outcome small", text: outcome }),
    make("span", { class: "why small muted", text: whyText(decision) }),
  );
  item.title = [title, decision.host].filter(Boolean).join("\n");
  if (decision.outcome === "discarded" && title !== null) {
    const button = make("button", { text: "Bring back" });
    button.type = "button";
    button.setAttribute("aria-label", `Bring back ${name}`);
    button.addEventListener("click", () => void run(() => bringBack(decision.tab)));
    item.append(button);
  }
  return item;
}

/**
 * A title on one line. Where it is cut off, its end is, in the direction in which it is written.
 *
 * @param {string} text
 */
function titleLine(text) {
  const line = make("span", { class: "title", text });
  line.dir = "auto";
  return line;
}

/** Asks the host of each of a few tabs why it is awake, while somebody wants to know. */
async function showAwake() {
  if (page.awake.hidden || !page.awake.open) return;
  const tabs = await longestUnused(AWAKE_TABS);
  /** @type {(Explanation | null)[]} */
  const explanations = await Promise.all(tabs.map(({ id }) => ask({ ask: "explain", tab: id })));
  const lines = tabs.flatMap(({ title }, index) => {
    const explanation = explanations[index];
    return explanation ? { title, why: awakeText(explanation) } : [];
  });
  drawList(page.awakeList, lines, ({ title, why }) => {
    const item = make("li");
    item.title = title;
    item.append(titleLine(title || "A tab"), make("span", { class: "small muted", text: why }));
    return item;
  });
  const unseen = explanations.find((it) => it !== null)?.not_observable ?? [];
  setText(
    page.awakeNote,
    lines.length === 0
      ? "There are no others."
      : `The longest unused. No extension can see: ${unseen.join(", ")}. Protect the sites where that happens.`,
  );
}

/**
 * Does what a control asks for, and says what went wrong if something does.
 *
 * @param {() => Promise<unknown>} action
 * @param {string} [done] what to say when it is done
 */
async function run(action, done = "") {
  try {
    await action();
    setText(page.answer, done);
  } catch (error) {
    setText(page.answer, error instanceof Error ? error.message : String(error));
  }
  await refresh().catch(showFailure);
}

/** @param {Question} question @param {string} [done] */
const wish = (question, done) => void run(() => ask(question), done);

/** @param {unknown} error */
function showFailure(error) {
  showDot(page.dot, null);
  setText(page.connection, error instanceof Error ? error.message : String(error));
}

page.mode.addEventListener("change", (event) => {
  const { value } = /** @type {HTMLInputElement} */ (event.target);
  wish({ ask: "set_mode", mode: value === "enforce" ? "enforce" : "observe" });
});
page.focus.addEventListener("change", () => {
  wish({ ask: "change_policy", policy: { focus: { enabled: page.focus.checked } } });
});
page.pause.addEventListener("click", () => openPauseFor(page.pauseFor.hidden === true));
page.pauseFor.addEventListener("click", ({ target }) => {
  if (!(target instanceof HTMLButtonElement)) return;
  const until_ms = target.value === "forever" ? FOREVER_MS : Date.now() + Number(target.value);
  wish({ ask: "pause", until_ms });
});
page.resume.addEventListener("click", () => wish({ ask: "pause", until_ms: null }));
page.prune.addEventListener("click", () => (isObserving ? askOnce(true) : prune()));
page.onceNo.addEventListener("click", () => askOnce(false));
page.onceYes.addEventListener("click", () => {
  askOnce(false);
  prune();
});
page.recentMore.addEventListener("click", () => {
  recentLimit = Infinity;
  refresh().catch(showFailure);
});
page.awake.addEventListener("toggle", () => void showAwake().catch(showFailure));
page.seeForms.addEventListener("click", () => void run(requestPages));
element("settings").addEventListener("click", () => {
  openOptions().then(() => window.close(), showFailure);
});

async function keepRefreshing() {
  await refresh().catch(showFailure);
  setTimeout(() => void keepRefreshing(), EVERY_MS);
}

void keepRefreshing();
