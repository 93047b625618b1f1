/**
 * The types that more than one module speaks of: the log's events, the wire to the host, and the
 * browser as the other modules see it.
 *
 * The events are those of `recorder/FORMAT.md`, the messages those of `native-host/PROTOCOL.md`.
 */

// --- Events of the log ---------------------------------------------------------------------

/** A tab as the log knows it. An absent member is not known. */
export interface TabFacts {
  tab: number;
  win: number;
  /** Lower case, punycode, no port; null for a page without a host. */
  host?: string | null;
  scheme?: string;
  active?: boolean;
  pinned?: boolean;
  audible?: boolean;
  muted?: boolean;
  discarded?: boolean;
  loading?: boolean;
  frozen?: boolean;
  auto_discardable?: boolean;
  /** −1 for none. */
  group?: number;
  /** Whether a form in it was touched; absent where forms are not seen. */
  unsaved?: boolean;
  /** Whether it is in sight beside another, in a split view; absent where it never was. */
  in_sight?: boolean;
  last_accessed?: number;
}

export type UserState = "active" | "idle" | "locked";

/** What can be told of a tab by `tab_changed`. */
export interface TabChanges {
  pinned?: boolean;
  audible?: boolean;
  muted?: boolean;
  auto_discardable?: boolean;
  frozen?: boolean;
  group?: number;
  unsaved?: boolean;
  in_sight?: boolean;
}

/** An event of the log without its number and its time. */
export type EventBody =
  | {
      type: "session_started";
      browser: string;
      browser_version: string;
      extension_version: string;
      idle: UserState | null;
      windows: { win: number; focused: boolean }[];
      tabs: TabFacts[];
    }
  | ({ type: "tab_opened"; opener?: number } & TabFacts)
  | { type: "tab_activated"; tab: number; win: number }
  | { type: "tab_navigated"; tab: number; host?: string | null; scheme?: string }
  | { type: "tab_loaded"; tab: number; ms?: number }
  | ({ type: "tab_changed"; tab: number } & TabChanges)
  | { type: "tab_moved"; tab: number; win: number }
  | { type: "tab_replaced"; tab: number; old: number }
  | { type: "tab_discarded"; tab: number; by: "orchestrator" | "other" }
  | { type: "tab_restored"; tab: number }
  | { type: "tab_closed"; tab: number }
  | { type: "window_opened"; win: number }
  | { type: "window_closed"; win: number }
  | { type: "window_focused"; win: number | null }
  | { type: "user_idle"; state: UserState }
  | { type: "prune_requested"; tab: number | null }
  | { type: "discard_outcome"; decision: number; tab: number; ok: boolean; why?: string };

/** An event as it is stored and sent. */
export type NumberedEvent = EventBody & { n: number; at_ms: number };

/** Takes an event into the log, with the moment it happened. */
export type Emit = (at_ms: number, body: EventBody) => void;

// --- The wire ------------------------------------------------------------------------------

/** An order of the host. */
export interface DiscardOrder {
  type: "discard_tab";
  /** The log that its decision is in; null where the host named none. */
  log: string | null;
  decision: number;
  tab: number;
  host: string | null;
}

/** A message of the host. Each member is checked where it is used: the host is not trusted. */
export type HostMessage = { type: string; request?: number; [member: string]: unknown };

export interface Identity {
  browser: string;
  browser_version: string;
  extension_version: string;
}

/** How the connection to the host stands, for people. */
export type ConnectionState =
  | "connecting"
  | "connected"
  /** Connected, and a question was not answered. */
  | "silent"
  | "host_missing"
  | "forbidden"
  | "protocol_mismatch"
  | "exited"
  | "log_unavailable";

export interface Connection {
  state: ConnectionState;
  /** What the browser or the host said. */
  detail: string | null;
  /** What the host says is to be done. */
  fix: string | null;
  host_version: string | null;
  /** When the next attempt is made. */
  next_attempt_ms: number | null;
}

/** What became of a decision, as `status` tells it. */
export interface RecentDecision {
  decision: number;
  tab: number;
  host: string | null;
  t_ms: number;
  mode: "observe" | "enforce";
  outcome: null | "discarded" | "refused" | "returned" | "closed";
  why: string | null;
  reasons: string[];
  level: string;
  score: number;
  idle_ms: number;
  ttl_ms: number;
  in_focus: boolean;
  familiarity: number;
  bytes: number | null;
}

/** What happens to a tab and why, as `explanation` tells it. */
export interface Explanation {
  verdict: string;
  guards: string[];
  not_observable: string[];
  idle_ms: number;
  ttl_ms: number;
  in_focus: boolean;
  familiarity: number;
  /** Whether tabs are being discarded, and why not. */
  gate: string;
}

export type HealthState = "HEALTHY" | "DEGRADED" | "UNHEALTHY" | "SKIPPED";

/** A health check of the host, as `status` tells it. */
export interface HealthCheck {
  id: string;
  about: string;
  state: HealthState;
  detail: string;
  /** Empty where nothing is to be done. */
  fix: string;
}

export interface Health {
  state: HealthState;
  checks: HealthCheck[];
}

export interface Status {
  mode: "observe" | "enforce";
  paused_until_ms: number | null;
  score: number | null;
  level: string | null;
  reasons: string[];
  policy_hash: string | null;
  metrics: null | {
    ram_total?: number | null;
    ram_used?: number | null;
    ram_available?: number | null;
    cpu?: number | null;
    on_battery?: boolean | null;
    battery?: number | null;
    browser_pss?: number | null;
    browser_rss?: number | null;
  };
  tabs: number | null;
  discarded: number | null;
  cluster: { tabs: number[] } | null;
  cooldown_ms: number | null;
  log: { state: "writing" | "failed"; error: string | null };
  observed: { decisions: number; bytes_expected: number | null; since_ms: number | null } | null;
  recent: RecentDecision[];
  focus: { enabled: boolean; proactive: boolean } | null;
  /** Null where the host is older than its health checks. */
  health: Health | null;
  /** Null with a host from before there was a choice. */
  privacy: PrivacyStatus | null;
  policy_error?: null | { file?: string; line?: number; field?: string; problem?: string };
}

/** How the log writes the hosts of pages. */
export type Privacy = "hostname" | "site" | "keyed-hash";

/** What the log tells, and how long it is kept. */
export interface PrivacyStatus {
  privacy: Privacy;
  keep_days: number;
  keep_mib: number;
  removed: null | { traces: number; bytes: number; at_ms: number };
}

/** What a setting takes, as the host describes it. */
export type Takes =
  | { kind: "number"; min: number; max: number; unit: string; whole: boolean; optional: boolean }
  | { kind: "switch" }
  | { kind: "choice"; of: string[] }
  | { kind: "domains" };

export interface Setting {
  path: string;
  about: string;
  takes: Takes;
}

export interface PolicyAnswer {
  policy: Record<string, unknown>;
  defaults: Record<string, unknown>;
  settings: Setting[];
  /** Each with the members of a policy that it sets. */
  presets: { name: string; policy: Record<string, unknown> }[];
  policy_hash: string;
  file: string | null;
}

// --- Between the pages and the worker ------------------------------------------------------

/** What a page of the extension asks of the worker. */
export type Question =
  | { ask: "view" }
  | { ask: "explain"; tab: number }
  | { ask: "policy" }
  | { ask: "change_policy"; policy: Record<string, unknown> }
  | { ask: "set_mode"; mode: "observe" | "enforce" }
  | { ask: "pause"; until_ms: number | null }
  | { ask: "set_privacy"; privacy?: Privacy; keep_days?: number; keep_mib?: number }
  | { ask: "prune" };

/** What the worker answers to `view`. */
export interface View {
  connection: Connection;
  /** Null while there is no host, and when it does not answer. */
  status: Status | null;
  /** Whether the permission to see forms was given. */
  forms_seen: boolean;
  /** Events that the host has not acknowledged. */
  waiting: number;
}

/** An answer that says what is wrong. */
export interface Refusal {
  code: string;
  message: string;
  fix?: string | null;
  field?: string | null;
}

export type Reply<T> = { ok: T } | { error: Refusal };

/** What the content script says of its page: the one bit. */
export interface FormMessage {
  touched: boolean;
}

// --- The browser, as the other modules see it ----------------------------------------------

export type Tab = chrome.tabs.Tab;
export type TabChange = chrome.tabs.OnUpdatedInfo;

/** What can happen. `at` is when the listener was called. */
export interface Listeners {
  tabCreated(at: number, tab: Tab): void;
  tabUpdated(at: number, id: number, change: TabChange, tab: Tab): void;
  tabActivated(at: number, id: number, win: number): void;
  tabAttached(at: number, id: number, win: number): void;
  tabReplaced(at: number, id: number, old: number): void;
  tabRemoved(at: number, id: number): void;
  windowCreated(at: number, win: chrome.windows.Window): void;
  windowRemoved(at: number, id: number): void;
  /** Null when no window of the browser has the focus. */
  windowFocused(at: number, id: number | null): void;
  idleChanged(at: number, state: UserState): void;
  alarm(name: string): void;
  /** Access to pages was granted or taken back. */
  permissionsChanged(): void;
  installed(): void;
  /** A page of the extension asks; the answer is sent when the promise is settled. */
  asked(question: Question): Promise<unknown>;
  /** The content script in a frame of this tab tells its bit. */
  formTold(at: number, tab: Tab, message: FormMessage): void;
}

/** A store of keys and values that outlives the worker. */
export interface StorageArea {
  get(): Promise<Record<string, unknown>>;
  set(items: Record<string, unknown>): Promise<void>;
  remove(keys: string[]): Promise<void>;
}

/** A connection to the native messaging host. */
export interface NativePort {
  post(message: unknown): void;
  disconnect(): void;
  onMessage(listener: (message: HostMessage) => void): void;
  /** The browser's words for the reason, where it gives one. */
  onDisconnect(listener: (reason: string | null) => void): void;
}

/** Clock, timers and chance, so that tests can be in charge of them. */
export interface Machine {
  /** The wall clock, which may be set at any moment. */
  now(): number;
  /** Milliseconds since the worker began, for lengths of time. */
  elapsed(): number;
  random(): number;
  uuid(): string;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The browser. The one real one is `background/browser.js`. */
export interface Browser extends Machine {
  /** Registers every listener, at once. */
  listen(listeners: Listeners): void;
  identity(): Promise<Identity>;
  /** Lives as long as the browser runs. */
  session: StorageArea;
  /** Lives as long as the extension is installed. */
  local: StorageArea;
  connectNative(host: string): NativePort;
  /** All windows with their tabs, at one moment. */
  everything(): Promise<chrome.windows.Window[]>;
  /** Rejects where there is none. */
  tab(id: number): Promise<Tab>;
  /** Whether a tab is in sight, if its window is: in front of it, or beside the one in front. */
  isShown(tab: Tab): Promise<boolean>;
  /** Discards a tab; says what it is now. Rejects where the browser refuses. */
  discard(id: number): Promise<Tab>;
  reload(id: number): Promise<void>;
  openPage(path: string): Promise<void>;
  /** Null where the browser cannot tell. */
  userState(): Promise<UserState | null>;
  /** Fires once at `when`, or each minute. */
  setAlarm(name: string, alarm: { when: number } | { periodInMinutes: number }): Promise<void>;
  setBadge(text: string, title: string): Promise<void>;
  mayReadPages(): Promise<boolean>;
  /** Watches pages to come, and those that are open where it did not or the session is new. */
  watchForms(files: string[], isNew: boolean): Promise<void>;
  unwatchForms(): Promise<void>;
  /** Whether some frame of the tab has a touched form; null where none answers. */
  askForms(id: number): Promise<boolean>;
}
