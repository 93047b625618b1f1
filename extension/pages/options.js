/**
 * The settings: mode, forms, privacy, and the whole policy.
 *
 * The policy is the host's: it is read from it, changed by it, and refused by it. Here nothing is
 * kept but what is being edited.
 *
 * @import {PolicyAnswer, PrivacyStatus, View} from "../types"
 * @import {Value} from "./policy-form.js"
 */

import { Refused, ask, giveUpPages, requestPages } from "./bridge.js";
import { element, make, setText, showDot, timeText } from "./elements.js";
import { PolicyForm, documentOf } from "./policy-form.js";
import { countText, removedText, stateText } from "./words.js";

const EVERY_MS = 2_000;

const page = {
  dot: element("dot"),
  state: element("state"),
  mode: element("mode", HTMLFieldSetElement),
  formsState: element("forms-state"),
  seeForms: element("see-forms", HTMLButtonElement),
  forgetForms: element("forget-forms", HTMLButtonElement),
  privacyForm: element("privacy-form", HTMLFormElement),
  privacy: element("privacy", HTMLFieldSetElement),
  keep: element("keep", HTMLFieldSetElement),
  keepDays: element("keep-days", HTMLInputElement),
  keepMib: element("keep-mib", HTMLInputElement),
  usePrivacy: element("use-privacy", HTMLButtonElement),
  privacyAnswer: element("privacy-answer"),
  policyMissing: element("policy-missing"),
  policy: element("policy", HTMLFormElement),
  file: element("file"),
  fileError: element("file-error"),
  presets: element("presets"),
  groups: element("groups"),
  answer: element("answer"),
  revert: element("revert", HTMLButtonElement),
  save: element("save", HTMLButtonElement),
};

/** @type {PolicyForm | null} */
let form = null;
/** The policy that the form was made from. */
let shownHash = "";
/** The choice of privacy as the host has it. @type {PrivacyStatus | null} */
let privacy = null;
/** What came of the last choice of privacy, until there is another. */
let privacyNews = "";

async function refresh() {
  /** @type {View} */
  const { connection, status, forms_seen } = await ask({ ask: "view" });
  showDot(page.dot, connection.state);
  setText(page.state, stateText(connection.state));

  // A host that cannot write its log takes no other mode.
  page.mode.disabled = status?.log.state !== "writing";
  for (const radio of page.mode.querySelectorAll("input")) {
    radio.checked = radio.value === status?.mode;
  }
  setText(
    page.formsState,
    forms_seen
      ? "They are noticed: a tab that holds one is not put to sleep."
      : "They are not seen: a tab that holds one can be put to sleep, and the text is lost.",
  );
  page.seeForms.hidden = forms_seen;
  page.forgetForms.hidden = !forms_seen;

  showPrivacy(status?.privacy ?? null);

  page.policyMissing.hidden = status !== null;
  page.policy.hidden = status === null;
  if (status === null) return;
  const { policy_error } = status;
  page.fileError.hidden = !policy_error;
  if (policy_error) {
    const { file, line, field, problem } = policy_error;
    const where = [file, line && `line ${line}`, field].filter(Boolean).join(", ");
    setText(page.fileError, `The file was refused, the policy before it holds: ${where}: ${problem}`);
  }
  // Somebody changed the file, or another page did.
  const isStale = form === null || (status.policy_hash ?? shownHash) !== shownHash;
  if (isStale) show(await ask({ ask: "policy" }));
}

/** @param {PrivacyStatus | null} present null without a host, or with one that knows no choice */
function showPrivacy(present) {
  for (const it of [page.privacy, page.keep, page.usePrivacy]) it.disabled = present === null;
  // What is being chosen stays.
  const isBeingChosen = Object.keys(privacyChanges()).length > 0;
  privacy = present;
  if (present !== null && !isBeingChosen) {
    for (const radio of page.privacy.querySelectorAll("input")) {
      radio.checked = radio.value === present.privacy;
    }
    page.keepDays.value = String(present.keep_days);
    page.keepMib.value = String(present.keep_mib);
  }
  tellPrivacy();
}

/** What is chosen, where the host has it otherwise. */
function privacyChanges() {
  const present = privacy;
  if (present === null) return {};
  const chosen = {
    privacy: page.privacy.querySelector("input:checked")?.getAttribute("value"),
    keep_days: page.keepDays.valueAsNumber,
    keep_mib: page.keepMib.valueAsNumber,
  };
  return Object.fromEntries(
    Object.entries(chosen).filter(([name, value]) => value !== Reflect.get(present, name)),
  );
}

function tellPrivacy() {
  const isBeingChosen = Object.keys(privacyChanges()).length > 0;
  const news = privacyNews || (isBeingChosen ? "Chosen, and not in use yet." : "");
  setText(page.privacyAnswer, `${news} ${removedText(privacy?.removed ?? null, timeText)}`.trim());
}

/** Asks the host for what is chosen, and shows what it says. */
async function usePrivacy() {
  try {
    await ask({ ask: "set_privacy", ...privacyChanges() });
    privacyNews = "In use.";
  } catch (error) {
    privacyNews = `Not changed: ${error instanceof Error ? error.message : error}`;
  }
}

/**
 * @param {PolicyAnswer} answer
 * @param {[string, Value][]} [sent] the changes that it answers
 */
function show({ policy: saved, defaults, settings, presets, policy_hash, file }, sent = []) {
  shownHash = policy_hash;
  setText(page.file, file === null ? "" : `Kept in ${file}, which you can edit as well.`);
  if (form === null) {
    form = new PolicyForm(page.groups, settings, saved, defaults, countChanges);
    page.presets.replaceChildren(...presets.map(presetButton));
  } else {
    // In the same controls, so that the focus stays where it is.
    form.take(saved, sent);
  }
  countChanges();
}

/** @param {PolicyAnswer["presets"][number]} preset */
function presetButton({ name, policy }) {
  const button = make("button", { text: name });
  button.type = "button";
  button.addEventListener("click", () => {
    form?.fill(policy);
    countChanges();
    if (page.save.disabled) setText(page.answer, `It is “${name}” as it stands.`);
  });
  return button;
}

function countChanges() {
  const count = form?.changes().length ?? 0;
  page.save.disabled = count === 0;
  page.revert.disabled = count === 0;
  setText(page.answer, count === 0 ? "" : `${countText(count, "change")} not saved`);
}

/**
 * Asks the host for what was changed, and shows what it says.
 *
 * @param {PolicyForm} form
 */
async function save(form) {
  const sent = form.changes();
  try {
    show(await ask({ ask: "change_policy", policy: documentOf(sent) }), sent);
    if (page.save.disabled) setText(page.answer, "Saved.");
  } catch (error) {
    const field = error instanceof Refused ? error.field : null;
    const text = error instanceof Error ? error.message : String(error);
    const isShown = field !== null && form.complain(field, text);
    setText(page.answer, isShown ? "Not saved: see above." : `Not saved: ${text}`);
  }
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

/** @param {unknown} error */
function showFailure(error) {
  showDot(page.dot, null);
  setText(page.state, error instanceof Error ? error.message : String(error));
}

page.mode.addEventListener("change", (event) => {
  const { value } = /** @type {HTMLInputElement} */ (event.target);
  void run(() => ask({ ask: "set_mode", mode: value === "enforce" ? "enforce" : "observe" }));
});
page.privacyForm.addEventListener("input", () => {
  privacyNews = "";
  tellPrivacy();
});
page.privacyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  void run(usePrivacy);
});
page.seeForms.addEventListener("click", () => void run(requestPages));
page.forgetForms.addEventListener("click", () => void run(giveUpPages));
page.revert.addEventListener("click", () => {
  form?.revert();
  countChanges();
});
// A field that is not in sight cannot say what is wrong with it.
page.policy.addEventListener(
  "invalid",
  ({ target }) => {
    const group = /** @type {HTMLElement} */ (target).closest("details");
    if (group !== null) group.open = true;
  },
  true,
);
page.policy.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form !== null) void save(form);
});
window.addEventListener("beforeunload", (event) => {
  if ((form?.changes().length ?? 0) > 0) event.preventDefault();
});

async function keepRefreshing() {
  // A page that nobody looks at must not keep the worker awake.
  if (!document.hidden) await refresh().catch(showFailure);
  setTimeout(() => void keepRefreshing(), EVERY_MS);
}

void keepRefreshing();
