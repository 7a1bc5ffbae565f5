// Talking to the service. What it refuses becomes a Problem with words for people.

/** A refusal, or silence. `kind` is the service's word for it, or `no-answer`. */
export class Problem extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

const NO_ANSWER = "The service does not answer. Check your connection and try again.";
/** Milliseconds after which an answer is not waited for any longer. */
const PATIENCE = 75_000;

async function call(method, path, body) {
  const options = {
    method,
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE),
  };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  let answer;
  let text;
  try {
    answer = await fetch(`/api/v1/${path}`, options);
    text = await answer.text();
  } catch {
    throw new Problem("no-answer", NO_ANSWER);
  }
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    throw new Problem("internal", "The answer was not from the recovery service. Is there a proxy in between?");
  }
  if (answer.ok) return value;
  throw new Problem(
    value?.kind ?? "internal",
    sentence(value?.detail ?? `the service refused this (${answer.status})`),
  );
}

/** The service's words are made to stand behind others; here they stand alone. */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

const name = encodeURIComponent;

export const api = {
  session: () => call("GET", "session"),
  signIn: (token) => call("POST", "session", { token }),
  signOut: () => call("DELETE", "session"),
  vms: () => call("GET", "vms"),
  points: (vm) => call("GET", `vms/${name(vm)}/points`),
  point: (vm, point) => call("GET", `vms/${name(vm)}/points/${name(point)}`),
  grant: (vm, point, lifetime) => call("POST", "grants", { vm, point, lifetime_seconds: lifetime }),
  grants: () => call("GET", "grants"),
  revoke: (id) => call("DELETE", `grants/${name(id)}`),
};
