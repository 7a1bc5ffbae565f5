// What the holder of a new grant needs, shown once. The password and the bundle are in this module's memory while the
// dialog is open, and nowhere else: closing it or leaving the page drops them.

import { byId, duration, time } from "./words.js";

/** Milliseconds that a download may take to begin. */
const DOWNLOAD_TIME = 10_000;

let held = null;
let isSafe = false;

const dialog = byId("access");
const say = (text) => {
  byId("access-message").textContent = text;
};

/** Opens the dialog for a new grant and downloads its bundle. */
export function showAccess(granted) {
  held = granted;
  isSafe = false;
  const { grant } = granted;
  byId("access-title").textContent = `Access to ${grant.vm}, ${grant.point}`;
  byId("access-until").textContent =
    `Read-only, until ${time(grant.expires_at)} (${duration(grant.expires_at - grant.made_at)}).`;
  byId("password").textContent = granted.password;
  byId("file-name").textContent = granted.file_name;
  byId("command-linux").textContent = granted.commands.linux;
  byId("command-windows").textContent = granted.commands.windows;
  say("");
  dialog.showModal();
  byId("copy-password").focus();
  download(granted.file_name, granted.bundle);
}

/** Forgets the secrets, and takes them off the page. */
export function dropAccess() {
  held = null;
  for (const id of ["password", "file-name", "command-linux", "command-windows", "access-message"])
    byId(id).textContent = "";
  if (dialog.open) dialog.close();
}

function closed() {
  dropAccess();
  byId("get-access").focus();
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), DOWNLOAD_TIME);
}

async function copy(id, what) {
  try {
    await navigator.clipboard.writeText(byId(id).textContent);
    say(`${what} copied.`);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(byId(id));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    say("The browser did not allow copying: it is selected now, press Ctrl+C.");
    return false;
  }
}

byId("copy-password").addEventListener("click", async () => {
  isSafe = (await copy("password", "Password")) || isSafe;
});
byId("copy-command-linux").addEventListener("click", () => copy("command-linux", "Command"));
byId("copy-command-windows").addEventListener("click", () => copy("command-windows", "Command"));
byId("download-bundle").addEventListener("click", () => held && download(held.file_name, held.bundle));
byId("download-linux").addEventListener(
  "click",
  () => held && download(held.launchers.linux.file_name, held.launchers.linux.text),
);
byId("download-windows").addEventListener(
  "click",
  () => held && download(held.launchers.windows.file_name, held.launchers.windows.text),
);
byId("close-access").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", closed);
dialog.addEventListener("cancel", (event) => {
  // Escape closes; where the password would be lost by it, only the second time.
  if (isSafe) return;
  event.preventDefault();
  isSafe = true;
  say("The password was not copied, and will not be shown again. Press Escape once more to close.");
});
// A page that is kept for "Back" must not keep them.
addEventListener("pagehide", dropAccess);
