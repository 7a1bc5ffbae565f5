// Numbers and moments in words, and making elements: text only ever becomes text, never markup.

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** Bytes with three digits: `900 MiB`, `1.46 GiB`. */
export function size(bytes) {
  let unit = 0;
  while (bytes >= 1000 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || bytes >= 100 ? 0 : bytes >= 10 ? 1 : 2;
  return `${Number(bytes.toFixed(digits))} ${UNITS[unit]}`;
}

const two = (number) => String(number).padStart(2, "0");

/** Seconds since 1970 in the reader's own time zone: `2026-11-28 09:47`. */
export function time(seconds) {
  const at = new Date(seconds * 1000);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The same with seconds and in UTC, for who wants to be sure. */
export const exactTime = (seconds) => `${new Date(seconds * 1000).toISOString().replace(/\.\d+/, "")} (UTC)`;

const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

/** How long ago that was. */
export function age(seconds) {
  const past = Math.max(0, Math.floor(Date.now() / 1000 - seconds));
  if (past < 60) return "just now";
  if (past < 3600) return `${plural(Math.floor(past / 60), "minute")} ago`;
  if (past < 24 * 3600) return `${plural(Math.floor(past / 3600), "hour")} ago`;
  return `${plural(Math.floor(past / 86400), "day")} ago`;
}

/** How much time is left: `11:59:03`, `0:42`. */
export function countdown(seconds) {
  const left = Math.max(0, Math.round(seconds));
  const hours = Math.floor(left / 3600);
  const minutes = Math.floor(left / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(left % 60)}` : `${minutes}:${two(left % 60)}`;
}

/** A length of time: `12 hours`, `90 minutes`, `20 seconds`. */
export function duration(seconds) {
  if (seconds % 3600 === 0) return plural(seconds / 3600, "hour");
  if (seconds % 60 === 0) return plural(seconds / 60, "minute");
  return plural(seconds, "second");
}

const CONSISTENCIES = {
  crash: "crash-consistent",
  "file-system": "file-system consistent",
  application: "application-consistent",
};

/** What the state of the disks is worth. */
export const consistency = (word) => CONSISTENCIES[word] ?? word;

export const count = plural;

/** Makes an element. `properties` are those of the node; `data-…`, `aria-…`, `scope` and `role` are attributes. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "scope" || key === "role") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);
