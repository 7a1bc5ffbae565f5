// Who has access now: asked for every few seconds while the page can be seen, and counted down in between.

import { api } from "./api.js";
import { age, byId, countdown, exactTime, make, size, time } from "./words.js";

/** Milliseconds between two questions. */
const EVERY = 4_000;
/** Seconds before the end from which the time left is shown in red. */
const SOON = 600;

const table = byId("sessions");
const confirmation = byId("confirm");

let grants = [];
let askedAt = 0;
let timer = null;
let isAsking = false;
let wanted = false;
let toUnmount = null;
let tell = { failed: () => {}, signedOut: () => {}, done: () => {} };

/** Begins to ask. `handlers` are told of failures, of a sign-in that ended, and of what was done. */
export function watchGrants(handlers) {
  tell = handlers;
  wanted = true;
  refreshGrants();
}

/** Ends asking, and forgets what was shown. */
export function forgetGrants() {
  wanted = false;
  clearTimeout(timer);
  grants = [];
  if (confirmation.open) confirmation.close();
  draw();
}

/** Asks now. */
export async function refreshGrants() {
  clearTimeout(timer);
  if (!wanted || isAsking || document.hidden) return;
  isAsking = true;
  try {
    const answer = await api.grants();
    // What can be used stands above what has ended; in each of them the newest is first.
    grants = wanted ? answer.grants.sort((a, b) => (b.state === "active") - (a.state === "active")) : [];
    askedAt = performance.now();
    note("");
    draw();
  } catch (problem) {
    if (problem.kind === "not-signed-in" && wanted) tell.signedOut();
    else note(askedAt > 0 ? "Not up to date: the service does not answer. Asking again." : problem.message);
  } finally {
    isAsking = false;
    if (wanted) timer = setTimeout(refreshGrants, EVERY);
  }
}

function note(text) {
  byId("grants-note").textContent = text;
  byId("grants-note").hidden = text === "";
}

const secondsLeft = (status) => Math.max(0, status.seconds_left - (performance.now() - askedAt) / 1000);

function draw() {
  const body = table.tBodies[0];
  const rows = new Map([...body.rows].map((row) => [row.dataset.grant, row]));
  // Rows stay the elements that they are, so that the focus stays where it is.
  const drawn = grants.map((status) => fill(rows.get(status.grant.id) ?? emptyRow(status), status));
  const isSame = drawn.length === body.rows.length && drawn.every((row, place) => row === body.rows[place]);
  if (!isSame) body.replaceChildren(...drawn);
  const isNone = grants.length === 0;
  table.hidden = isNone;
  byId("grants-none").hidden = !isNone;
  byId("workspace").classList.toggle("nothing-active", isNone);
}

function emptyRow(status) {
  const { grant } = status;
  const button = make(
    "button",
    { type: "button", className: "unmount danger", "aria-label": `Unmount disks of ${grant.vm}, ${grant.point}` },
    "Unmount disks",
  );
  button.addEventListener("click", () => ask(grant));
  return make(
    "tr",
    { "data-grant": grant.id, "data-test": "grant" },
    make("th", { scope: "row" }, grant.vm),
    make("td", { "data-label": "Recovery point" }, grant.point),
    make(
      "td",
      { "data-label": "Given to" },
      grant.user,
      make("small", { title: exactTime(grant.made_at) }, time(grant.made_at)),
    ),
    make("td", { "data-label": "Connected from", className: "from" }),
    make("td", { "data-label": "Read", className: "number read" }),
    make("td", { "data-label": "Time left", className: "number left" }),
    make("td", {}, button),
  );
}

const ENDED = { revoked: "unmounted", expired: "time is over" };

function fill(row, status) {
  const isActive = status.state === "active";
  const peers = status.sessions.map((session) =>
    make("span", { title: `${session.initiator}, since ${age(session.since)}` }, session.peer),
  );
  row.dataset.state = status.state;
  row.classList.toggle("ended", !isActive);
  const from = peers.flatMap((peer, place) => (place === 0 ? [peer] : [", ", peer]));
  row.querySelector(".from").replaceChildren(...(from.length > 0 ? from : ["not connected"]));
  row.querySelector(".read").textContent = size(status.bytes_read);
  row.querySelector(".unmount").hidden = !isActive || !status.may_revoke;
  tick(row, status);
  return row;
}

function tick(row, status) {
  const left = secondsLeft(status);
  const by = status.state === "revoked" ? ` by ${status.revoked_by}` : "";
  row.querySelector(".left").textContent =
    status.state === "active" ? countdown(left) : `${ENDED[status.state] ?? status.state}${by}`;
  row.classList.toggle("soon", status.state === "active" && left < SOON);
}

function ask(grant) {
  toUnmount = grant;
  const status = grants.find((status) => status.grant.id === grant.id);
  const isUsed = (status?.sessions.length ?? 0) > 0;
  const who = isUsed ? "It is being used: what is open can then not be read any more." : "Nobody is connected now.";
  byId("confirm-text").textContent = `${grant.vm}, ${grant.point}. ${who} The bundle and its password stop working.`;
  confirmation.showModal();
  byId("cancel-unmount").focus();
}

async function unmount() {
  const grant = toUnmount;
  confirmation.close();
  if (!grant) return;
  try {
    await api.revoke(grant.id);
    tell.done(`The disks of ${grant.vm} are being unmounted.`);
  } catch (problem) {
    tell.failed(problem);
  }
  await refreshGrants();
}

byId("confirm-unmount").addEventListener("click", unmount);
byId("cancel-unmount").addEventListener("click", () => confirmation.close());
document.addEventListener("visibilitychange", refreshGrants);
setInterval(() => {
  for (const row of table.tBodies[0].rows) {
    const status = grants.find((status) => status.grant.id === row.dataset.grant);
    if (status) tick(row, status);
  }
}, 1_000);
