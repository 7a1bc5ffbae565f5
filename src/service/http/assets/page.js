// The page: sign in, choose a VM and a recovery point, get access, unmount.
//
// Tests hold on to these: ids  token, sign-in, sign-out, user, filter, get-access, lifetime, access (dialog), password,
// copy-password, download-bundle, download-linux, download-windows, command-linux, command-windows, close-access,
// sessions (table of grants), confirm (dialog), confirm-unmount, cancel-unmount, alert (what went wrong); classes  .vm,
// .point (choices; data-key is the name, aria-current="true" the chosen one), .unmount (a button in each row of
// #sessions; the row has data-grant and data-state), .read and .left (cells of such a row), .part (a box in the
// picture).
//
// The address holds the chosen VM and point (#/VM/POINT) and never anything secret.

import { dropAccess, showAccess } from "./access.js";
import { Problem, api } from "./api.js";
import { Choices, SHOWN_MAX } from "./choices.js";
import { drawDisks } from "./disks.js";
import { forgetGrants, refreshGrants, watchGrants } from "./grants.js";
import { age, byId, consistency, count, duration, exactTime, make, size, time } from "./words.js";

const state = { vms: [], points: [], vm: null, point: null, pointsShown: SHOWN_MAX };

const vmChoices = new Choices(byId("vms"), "vm", (vm) => choose(vm, null));
const pointChoices = new Choices(byId("points"), "point", (point) => choose(state.vm, point));

// Messages.

function failed(problem) {
  if (problem.kind === "not-signed-in") return signedOut();
  if (problem.kind === undefined) console.error(problem);
  byId("alert").textContent =
    problem.kind === undefined ? "Something in this page went wrong. Load it again." : problem.message;
  byId("alert").hidden = false;
  byId("alert").scrollIntoView({ block: "nearest" });
}

function clearAlert() {
  byId("alert").hidden = true;
  byId("alert").textContent = "";
}

const say = (text) => {
  byId("status").textContent = text;
};

/** Runs something that may fail, with `button` out of use meanwhile. */
async function attempt(button, work) {
  if (button?.disabled) return;
  if (button) button.disabled = true;
  clearAlert();
  try {
    await work();
  } catch (problem) {
    failed(problem);
  } finally {
    if (button) button.disabled = false;
    // A button out of use loses the focus to nothing.
    if (button && document.activeElement === document.body) button.focus();
  }
}

// Signing in and out.

function showSignIn() {
  forgetGrants();
  dropAccess();
  Object.assign(state, { vms: [], points: [], vm: null, point: null });
  byId("workspace").hidden = true;
  byId("who").hidden = true;
  byId("signing-in").hidden = false;
  byId("token").focus();
}

function signedOut() {
  showSignIn();
  byId("alert").textContent = "You are not signed in any more. Sign in again.";
  byId("alert").hidden = false;
}

async function showWorkspace(session) {
  byId("signing-in").hidden = true;
  byId("user").textContent = session.user;
  byId("who").hidden = false;
  byId("workspace").hidden = false;
  showLifetimes(session.lifetime_max_seconds);
  watchGrants({ failed, signedOut, done: say });
  state.vms = (await api.vms()).vms;
  drawVms();
  await followAddress();
}

function showLifetimes(longest) {
  const lengths = [3600, 4 * 3600, longest].filter(
    (length, place, all) => length <= longest && all.indexOf(length) === place,
  );
  byId("lifetime").replaceChildren(
    ...lengths.map((length) =>
      make("option", { value: String(length), selected: length === longest }, duration(length)),
    ),
  );
}

byId("signing-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("token");
  const token = field.value.trim();
  field.value = "";
  attempt(byId("sign-in"), async () => {
    let session;
    try {
      session = await api.signIn(token);
    } catch (problem) {
      field.focus();
      if (problem.kind !== "not-signed-in") throw problem;
      // Here it is about this token, and not about a sign-in that ended.
      throw new Problem("wrong-token", `${problem.message} Paste all of it, or ask whoever runs this service.`);
    }
    await showWorkspace(session);
    byId("filter").focus();
  });
});

byId("sign-out").addEventListener("click", (event) =>
  attempt(event.currentTarget, async () => {
    await api.signOut();
    showSignIn();
    history.replaceState(null, "", location.pathname);
    say("Signed out.");
  }),
);

// Choosing.

function drawVms() {
  const words = byId("filter").value.trim().toLowerCase();
  const found = state.vms.filter((vm) => vm.vm.toLowerCase().includes(words));
  const shown = found.slice(0, SHOWN_MAX);
  vmChoices.show(
    shown.map((vm) => ({ key: vm.vm, title: vm.vm, note: count(vm.points, "recovery point") })),
    state.vm,
  );
  const more = found.length - shown.length;
  const none =
    state.vms.length === 0 ? "No virtual machine that you may restore has recovery points." : "No name has that in it.";
  byId("vms-note").textContent =
    found.length === 0 ? none : more > 0 ? `${more} more: write part of the name above.` : "";
  byId("vms-note").hidden = found.length > 0 && more === 0;
}

function drawPoints() {
  const shown = state.points.slice(0, state.pointsShown);
  pointChoices.show(
    shown.map((point) => ({
      key: point.point,
      title: time(point.taken_at),
      note: `${age(point.taken_at)} · ${consistency(point.consistency)}`,
      hint: `${point.point}\n${exactTime(point.taken_at)}`,
    })),
    state.point,
  );
  const more = state.points.length - shown.length;
  const button = make("button", { type: "button", className: "quiet" }, `Show ${Math.min(more, SHOWN_MAX)} older ones`);
  button.addEventListener("click", () => {
    state.pointsShown += SHOWN_MAX;
    drawPoints();
  });
  byId("points-note").replaceChildren(...(more > 0 ? [button] : []));
  byId("points-note").hidden = more === 0;
}

const addressOf = (vm, point) => `#/${encodeURIComponent(vm)}${point === null ? "" : `/${encodeURIComponent(point)}`}`;

/** Makes a choice by way of the address, so that "Back" works. */
function choose(vm, point) {
  const address = addressOf(vm, point);
  if (location.hash === address) attempt(null, () => followAddress());
  else location.hash = address;
}

async function followAddress() {
  let parts = [];
  try {
    parts = location.hash.replace(/^#\//, "").split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    // An address that somebody broke chooses nothing.
  }
  const vm = parts[0] ?? null;
  if (vm === null) return;
  if (vm !== state.vm) await openVm(vm);
  const newest = state.points[0]?.point ?? null;
  if (state.vm === vm && newest !== null) await openPoint(parts[1] ?? newest);
}

async function openVm(vm) {
  Object.assign(state, { vm, point: null, points: [], pointsShown: SHOWN_MAX });
  vmChoices.mark(vm);
  byId("point-pane").hidden = true;
  const { points } = await api.points(vm);
  if (state.vm !== vm) return;
  state.points = points;
  byId("points-pane").hidden = false;
  drawPoints();
}

async function openPoint(point) {
  const { vm } = state;
  state.point = point;
  pointChoices.mark(point);
  const detail = await api.point(vm, point);
  if (state.vm !== vm || state.point !== point) return;
  byId("point-title").textContent = `${detail.vm}, ${time(detail.taken_at)}`;
  byId("point-title").title = exactTime(detail.taken_at);
  const bytes = detail.disks.reduce((sum, disk) => sum + disk.bytes, 0);
  byId("point-facts").textContent = [
    detail.os,
    age(detail.taken_at),
    consistency(detail.consistency),
    `${count(detail.disks.length, "disk")}, ${size(bytes)}`,
    detail.point,
  ]
    .filter(Boolean)
    .join(" · ");
  byId("layout").replaceChildren(...drawDisks(detail.layout));
  byId("point-pane").hidden = false;
  say(`${detail.vm}, ${time(detail.taken_at)}: ${count(detail.layout.volumes.length, "volume")}.`);
}

byId("filter").addEventListener("input", drawVms);
byId("filter").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "Enter") return;
  event.preventDefault();
  byId("vms").querySelector("button")?.focus();
});
addEventListener("hashchange", () => {
  if (!byId("workspace").hidden) attempt(null, () => followAddress());
});

// Access.

byId("get-access").addEventListener("click", (event) =>
  attempt(event.currentTarget, async () => {
    say("Sealing the bundle; this takes a moment.");
    const granted = await api.grant(state.vm, state.point, Number(byId("lifetime").value));
    say("");
    showAccess(granted);
    await refreshGrants();
  }),
);

// Whatever is left in the field would come back with "Back".
addEventListener("pagehide", () => {
  byId("token").value = "";
});

async function begin() {
  try {
    const session = await api.session();
    await attempt(null, () => showWorkspace(session));
  } catch (problem) {
    showSignIn();
    if (problem.kind !== "not-signed-in") failed(problem);
  }
}

begin();
