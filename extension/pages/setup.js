/**
 * Setting up, and what to do when the host is missing. Opens by itself once, after installation.
 *
 * @import {View} from "../types"
 */

import { ask, extensionId, giveUpPages, requestPages } from "./bridge.js";
import { element, setText, showDot } from "./elements.js";
import { isTrouble, stateText, troubleText } from "./words.js";

const EVERY_MS = 2_000;

/** The ids that the host is installed for when it is not told another: in Chromium and in Firefox. */
const FIXED_IDS = ["kmlfpgoielmcmbgmfohfgkbbbikedcba", "tab-orchestrator@tab-orchestrator.org"];

const page = {
  dot: element("dot"),
  state: element("state"),
  stateText: element("state-text"),
  formsState: element("forms-state"),
  seeForms: element("see-forms", HTMLButtonElement),
  forgetForms: element("forget-forms", HTMLButtonElement),
};

const id = extensionId();
setText(element("extension-id"), id);
if (!FIXED_IDS.includes(id)) {
  const command = element("install-command");
  setText(command, `${command.textContent} --extension-id ${id}`);
}

async function refresh() {
  /** @type {View} */
  const { connection, forms_seen } = await ask({ ask: "view" });
  const { state } = connection;
  const trouble = isTrouble(state);
  showDot(page.dot, state);
  const version = connection.host_version === null ? "" : ` to host ${connection.host_version}`;
  setText(page.state, state === "connected" ? `Connected${version}` : stateText(state));
  setText(
    page.stateText,
    state === "connected" ? "All is in place." : trouble ? troubleText(connection) : "",
  );
  for (const term of document.querySelectorAll(".problems dt")) {
    term.classList.toggle("now", term.id === state);
  }

  setText(
    page.formsState,
    forms_seen
      ? "Half-filled-in forms are noticed: their tabs are not put to sleep."
      : "Half-filled-in forms are not seen: a tab in which you have typed something can be put to sleep, and the text is lost.",
  );
  page.seeForms.hidden = forms_seen;
  page.forgetForms.hidden = !forms_seen;
}

/** @param {unknown} error */
function showFailure(error) {
  showDot(page.dot, null);
  setText(page.state, "The extension does not answer");
  setText(page.stateText, error instanceof Error ? error.message : String(error));
}

/** @param {() => Promise<unknown>} action */
async function run(action) {
  try {
    await action();
    await refresh();
  } catch (error) {
    showFailure(error);
  }
}

page.seeForms.addEventListener("click", () => void run(requestPages));
page.forgetForms.addEventListener("click", () => void run(giveUpPages));

async function keepRefreshing() {
  // A page that nobody looks at must not keep the worker awake.
  if (!document.hidden) await refresh().catch(showFailure);
  setTimeout(() => void keepRefreshing(), EVERY_MS);
}

void keepRefreshing();
