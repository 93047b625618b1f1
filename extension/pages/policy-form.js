/**
 * The policy as a form, made from what the host says of its settings.
 *
 * Nothing here knows a setting by name: what there is, what it takes and what it is for comes from
 * the host, and so do the defaults. The host alone decides whether a value will do.
 *
 * @import {Setting, Takes} from "../types"
 */

import { make } from "./elements.js";

/** @typedef {number | boolean | string | string[] | null} Value */

/**
 * @typedef {object} Field one setting in the form
 * @property {Setting} setting
 * @property {HTMLElement} root
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control
 * @property {HTMLElement} problem
 * @property {HTMLElement} note
 */

/** What the tables of the document are called on the page. */
const GROUPS = /** @type {Record<string, { title: string, about: string, open: boolean }>} */ ({
  "": { title: "When tabs go to sleep", about: "", open: true },
  focus: { title: "Focus mode", about: "what you work on is kept longer", open: true },
  pressure: {
    title: "Pressure",
    about: "how the machine’s state becomes a score and a level",
    open: false,
  },
});

/**
 * Reads a value by its path.
 *
 * @param {Record<string, unknown>} document
 * @param {string} path
 * @returns {Value}
 */
export function valueAt(document, path) {
  /** @type {any} */
  let value = document;
  for (const name of path.split(".")) value = value?.[name];
  return value ?? null;
}

/**
 * Makes a document of values by their paths: `focus.enabled` goes into a table.
 *
 * @param {[string, Value][]} values
 * @returns {Record<string, unknown>}
 */
export function documentOf(values) {
  /** @type {Record<string, any>} */
  const document = {};
  for (const [path, value] of values) {
    const names = path.split(".");
    const last = names.pop() ?? path;
    let table = document;
    for (const name of names) table = table[name] ??= {};
    table[last] = value;
  }
  return document;
}

/**
 * Whether two values are the same. Lists are, in any order.
 *
 * @param {Value} a
 * @param {Value} b
 */
export function isSame(a, b) {
  const key = (/** @type {Value} */ value) =>
    JSON.stringify(Array.isArray(value) ? [...value].sort() : value);
  return key(a) === key(b);
}

/**
 * From what stands in a control to a value.
 *
 * @param {Takes} takes
 * @param {{ value: string, checked?: boolean }} control
 * @returns {Value}
 */
export function parse(takes, { value, checked }) {
  switch (takes.kind) {
    case "number":
      return value.trim() === "" ? null : Number(value);
    case "switch":
      return checked ?? false;
    case "choice":
      return value;
    case "domains": {
      const domains = value.split(/[\s,]+/).filter((domain) => domain !== "");
      return [...new Set(domains.map(domainOf))];
    }
  }
}

/**
 * A domain as the log has hosts, in lower case and punycode: `bücher.example` is what the browser
 * shows. What is more than a host stays as it was typed, for the host to say what is wrong.
 *
 * @param {string} typed
 */
function domainOf(typed) {
  const dot = typed.startsWith(".") ? "." : "";
  const address = `http://${typed.slice(dot.length)}`;
  if (!URL.canParse(address)) return typed;
  const { hostname, href } = new URL(address);
  return href === `http://${hostname}/` ? dot + hostname : typed;
}

/**
 * A value as it stands in a control, and as people read it.
 *
 * @param {Value} value
 */
export function textOf(value) {
  if (value === null) return "";
  return Array.isArray(value) ? value.join("\n") : String(value);
}

/**
 * What a setting takes and what it is without a change, in words.
 *
 * @param {Takes} takes
 * @param {Value} byDefault
 */
export function factsText(takes, byDefault) {
  const usual =
    byDefault === null
      ? "off"
      : typeof byDefault === "boolean"
        ? byDefault
          ? "on"
          : "off"
        : Array.isArray(byDefault)
          ? `${byDefault.length} domains`
          : String(byDefault);
  switch (takes.kind) {
    case "number": {
      const off = takes.optional ? ", empty for off" : "";
      return `${takes.min} to ${takes.max} ${takes.unit}${off}; default ${usual}`;
    }
    case "domains":
      return `one a line: example.org, or .example.org for all below it too; default ${usual}`;
    default:
      return `default ${usual}`;
  }
}

export class PolicyForm {
  /** @type {Field[]} */
  #fields = [];
  /** @type {Record<string, unknown>} */
  #saved;
  /** @type {Record<string, unknown>} */
  #defaults;

  /**
   * Draws the form.
   *
   * @param {HTMLElement} root
   * @param {Setting[]} settings
   * @param {Record<string, unknown>} saved the policy as the host has it
   * @param {Record<string, unknown>} defaults
   * @param {() => void} onEdit
   */
  constructor(root, settings, saved, defaults, onEdit) {
    this.#saved = saved;
    this.#defaults = defaults;
    /** @type {Map<string, HTMLElement>} */
    const groups = new Map();
    for (const setting of settings) {
      const name = setting.path.includes(".") ? (setting.path.split(".")[0] ?? "") : "";
      let group = groups.get(name);
      if (group === undefined) {
        group = groupOf(name);
        groups.set(name, group);
      }
      const field = this.#fieldOf(setting);
      group.append(field.root);
      field.control.addEventListener("input", () => {
        this.#mark(field);
        onEdit();
      });
    }
    root.replaceChildren(...groups.values());
    this.revert();
  }

  /**
   * Takes another policy for the saved one, and shows it, but for what is being edited.
   *
   * @param {Record<string, unknown>} saved
   * @param {[string, Value][]} sent the changes of which it was made: edits of others, and later ones
   * of these, stay
   */
  take(saved, sent) {
    const before = this.#saved;
    const asked = new Map(sent);
    this.#saved = saved;
    for (const field of this.#fields) {
      const { path, takes } = field.setting;
      const known = asked.has(path) ? asked.get(path) : valueAt(before, path);
      const value = parse(takes, /** @type {HTMLInputElement} */ (field.control));
      if (isSame(value, known ?? null)) this.#show(field, valueAt(saved, path));
      else this.#mark(field);
    }
  }

  /** The values that differ from the saved ones. */
  changes() {
    /** @type {[string, Value][]} */
    const changed = [];
    for (const { setting, control } of this.#fields) {
      const value = parse(setting.takes, /** @type {HTMLInputElement} */ (control));
      if (!isSame(value, valueAt(this.#saved, setting.path))) changed.push([setting.path, value]);
    }
    return changed;
  }

  /** Puts back what is saved. */
  revert() {
    for (const field of this.#fields) this.#show(field, valueAt(this.#saved, field.setting.path));
  }

  /**
   * Puts values into the form, as if they were typed.
   *
   * @param {Record<string, unknown>} values some members of a policy
   */
  fill(values) {
    for (const field of this.#fields) {
      const value = valueAt(values, field.setting.path);
      if (value !== null) this.#show(field, value);
    }
  }

  /**
   * Says what is wrong, at the setting it is about. False where there is no such setting.
   *
   * @param {string} path
   * @param {string} problem
   */
  complain(path, problem) {
    const field = this.#fields.find(({ setting }) => setting.path === path);
    if (field === undefined) return false;
    field.problem.textContent = problem;
    field.control.setAttribute("aria-invalid", "true");
    const group = field.root.closest("details");
    if (group !== null) group.open = true;
    field.control.focus();
    return true;
  }

  /** @param {Setting} setting @returns {Field} */
  #fieldOf(setting) {
    const { path, about, takes } = setting;
    const id = `setting-${path.replaceAll(".", "-")}`;
    const root = make("div", { class: takes.kind === "domains" ? "setting wide" : "setting" });
    const label = make("label", { class: "about", text: about });
    label.htmlFor = id;

    const facts = make("p", { class: "facts small muted" });
    facts.id = `${id}-facts`;
    const note = make("button", { class: "changed", text: "set to default" });
    note.type = "button";
    note.setAttribute("aria-label", `set to default: ${path}`);
    const byDefault = valueAt(this.#defaults, path);
    facts.append(make("code", { text: path }), ` · ${factsText(takes, byDefault)} `);

    const problem = make("p", { class: "problem small" });
    problem.id = `${id}-problem`;
    problem.setAttribute("role", "alert");

    const control = controlOf(takes);
    control.id = id;
    control.name = path;
    control.setAttribute("aria-describedby", `${facts.id} ${problem.id}`);
    const box = make("div", { class: "control" });
    box.append(control);
    if (takes.kind === "number") box.append(make("span", { class: "unit small", text: takes.unit }));

    facts.append(note);
    root.append(label, facts, box, problem);
    const field = { setting, root, control, problem, note };
    note.addEventListener("click", () => {
      this.#show(field, byDefault);
      control.dispatchEvent(new Event("input"));
      control.focus();
    });
    this.#fields.push(field);
    return field;
  }

  /** @param {Field} field @param {Value} value */
  #show(field, value) {
    if (field.setting.takes.kind === "switch") {
      /** @type {HTMLInputElement} */ (field.control).checked = value === true;
    } else {
      field.control.value = textOf(value);
    }
    this.#mark(field);
  }

  /** @param {Field} field */
  #mark({ setting, root, control, problem, note }) {
    const value = parse(setting.takes, /** @type {HTMLInputElement} */ (control));
    root.classList.toggle("edited", !isSame(value, valueAt(this.#saved, setting.path)));
    note.hidden = isSame(value, valueAt(this.#defaults, setting.path));
    problem.textContent = "";
    control.removeAttribute("aria-invalid");
  }
}

/** @param {string} name */
function groupOf(name) {
  const { title, about, open } = GROUPS[name] ?? { title: name, about: "", open: true };
  const group = make("details", { class: "card" });
  group.open = open;
  const summary = make("summary", { text: title });
  if (about !== "") summary.append(make("span", { class: "muted", text: ` · ${about}` }));
  group.append(summary);
  return group;
}

/** @param {Takes} takes */
function controlOf(takes) {
  switch (takes.kind) {
    case "number": {
      const input = make("input");
      input.type = "number";
      input.min = String(takes.min);
      input.max = String(takes.max);
      input.step = takes.whole ? "1" : "any";
      input.required = !takes.optional;
      return input;
    }
    case "switch": {
      const input = make("input", { class: "switch" });
      input.type = "checkbox";
      return input;
    }
    case "choice": {
      const select = make("select");
      for (const text of takes.of) {
        const option = make("option", { text });
        option.value = text;
        select.append(option);
      }
      return select;
    }
    case "domains": {
      const area = make("textarea");
      area.rows = 8;
      area.spellcheck = false;
      return area;
    }
  }
}
