// The disks of a recovery point as a picture, and its volumes as a table that says the same in words.
//
// A disk or a group (an array, a volume group) is a bar; the parts in it are as wide as they are large, but never too
// narrow to be seen. Groups have a letter and a colour, which their members carry: so it can be followed with and
// without colours.

import { make, size } from "./words.js";

const TABLES = ["GPT", "MBR", "hybrid"];
const HUES = 8;
/** Nothing real lies deeper: an array on partitions, a volume group on it, a pool in it. */
const DEPTH_MAX = 24;
/** How wide the bar of a small disk is at least beside that of a large one, in hundredths: its parts are to be read. */
const BAR_SHARE_MIN = 60;
/** Space in no partition is drawn from this share of a disk on. */
const FREE_SHARE_MIN = 0.01;

const isTable = (group) => TABLES.some((table) => group.kind.startsWith(table));

/** What the report says, with ways to get from one thing to another. */
class Layout {
  constructor(report) {
    this.report = report;
    this.volumes = new Map(report.volumes.map((volume) => [volume.position, volume]));
    this.parts = new Map(report.parts.map((part) => [part.position, part]));
    this.groups = report.groups.map((group, number) => ({
      ...group,
      number,
      parts: report.parts.filter((part) => part.group === number),
    }));
    const drawn = this.groups.filter((group) => !isTable(group) || !this.#isOfDisk(group));
    drawn.sort((a, b) => this.#depth(a, 0) - this.#depth(b, 0) || a.number - b.number);
    drawn.forEach((group, place) => Object.assign(group, { letter: letter(place), hue: `hue-${place % HUES}` }));
    this.drawn = drawn;
  }

  /** The table of a disk; what lies in it is drawn in the disk's own bar. */
  tableOf(position) {
    return this.groups.find(
      (group) =>
        isTable(group) && this.#isOfDisk(group) && group.members.some((member) => member.position === position),
    );
  }

  /** The groups that the device at `position` is a member of. */
  groupsOn(position) {
    return this.drawn.filter((group) => group.members.some((member) => member.position === position));
  }

  /** Where something is, in words, down to the disks. */
  where(position, depth = 0) {
    const disk = this.report.disks.find((disk) => String(disk.disk) === position);
    if (disk) return `disk ${position}`;
    const group = this.groups[this.parts.get(position)?.group];
    if (!group || depth > DEPTH_MAX) return position;
    const members = group.members.filter((member) => member.position !== null).map((member) => member.position);
    const below = listed.format(members.map((member) => this.where(member, depth + 1)));
    if (isTable(group)) return `${below} partition ${position.split(":").at(-1)}`;
    return `${groupName(group)} on ${below}`;
  }

  #isOfDisk(group) {
    return group.members.some((member) => this.report.disks.some((disk) => String(disk.disk) === member.position));
  }

  #depth(group, depth) {
    if (depth > DEPTH_MAX) return depth;
    const below = group.members.map((member) => this.groups[this.parts.get(member.position)?.group]).filter(Boolean);
    return Math.max(0, ...below.map((member) => 1 + this.#depth(member, depth + 1)));
  }
}

/** `a, b and c` */
const listed = new Intl.ListFormat("en-GB");
const letter = (place) => (place < 26 ? String.fromCharCode(65 + place) : String(place + 1));
const groupName = (group) => (group.name ? `${group.kind} ${group.name}` : group.kind);
const volumeName = (volume) =>
  volume.drive_letters.length > 0 ? `${volume.drive_letters.join(" ")} ${volume.label ?? ""}`.trim() : volume.name;

/** A box in a bar: a device of a group, if it is `within` one. `kind` says what it is when nothing better is known. */
function box(layout, { position, bytes, kind }, within = null) {
  const volume = layout.volumes.get(position);
  const groups = layout.groupsOn(position);
  const hasFiles = volume !== undefined && ["readable", "mounted"].includes(volume.state);
  const ownName = volume && (hasFiles || volume.format) ? volumeName(volume) : kind;
  const title = groups.length > 0 ? groups.map(groupName).join(", ") : ownName;
  const what = [groups.length > 0 ? kind : volume?.format, size(bytes)].filter(Boolean).join(" · ");
  const element = make("div", { className: "part", title: `${title}\n${what}\n${position}` });
  if (hasFiles) element.classList.add("volume");
  if (volume?.state === "unreadable") element.classList.add("broken");
  const group = groups[0] ?? within;
  if (group) element.classList.add("group", group.hue);
  element.append(make("b", {}, ...groups.map(tag), title), make("span", {}, what));
  element.style.flexGrow = String(Math.max(bytes, 1));
  return element;
}

const tag = (group) => make("span", { className: `tag ${group.hue}` }, group.letter);

function free(bytes) {
  const element = make(
    "div",
    { className: "part free", title: `in no partition\n${size(bytes)}` },
    make("span", {}, "free"),
    make("span", {}, size(bytes)),
  );
  element.style.flexGrow = String(bytes);
  return element;
}

function diskRow(layout, disk, widest) {
  const position = String(disk.disk);
  const table = layout.tableOf(position);
  const parts = table?.parts ?? [];
  const boxes = table
    ? parts.map((part) => box(layout, part))
    : [box(layout, { position, bytes: disk.bytes, kind: "no partitions" })];
  const rest = disk.bytes - parts.reduce((sum, part) => sum + part.bytes, 0);
  if (table && rest > disk.bytes * FREE_SHARE_MIN) boxes.push(free(rest));
  const bar = make("div", { className: "bar" }, ...boxes);
  bar.style.width = `${Math.max(BAR_SHARE_MIN, (100 * disk.bytes) / widest)}%`;
  const facts = [size(disk.bytes), disk.table, disk.model].filter(Boolean).join(" · ");
  return make(
    "div",
    {},
    make("p", { className: "row-title" }, make("strong", {}, `Disk ${position} `), make("small", {}, facts)),
    bar,
  );
}

function groupRow(layout, group) {
  const members = group.members.map((member) =>
    member.position === null ? `${member.role || "a member"} (missing)` : layout.where(member.position),
  );
  const health = group.health === "whole" ? "" : `${group.health}, `;
  const title = make(
    "p",
    { className: "row-title" },
    tag(group),
    make("strong", {}, `${groupName(group)} `),
    make("small", {}, `${health}on ${listed.format(members)}`),
  );
  const shown = group.parts.filter((part) => part.role === null);
  const bar = make("div", { className: "bar" }, ...shown.map((part) => box(layout, part, group)));
  return make("div", {}, title, bar);
}

const STATES = { readable: "readable", mounted: "readable" };

function volumeTable(layout) {
  const hasFiles = (volume) => volume.state in STATES;
  const volumes = [...layout.report.volumes].sort((a, b) => hasFiles(b) - hasFiles(a));
  const rows = volumes.map((volume) => {
    const state =
      STATES[volume.state] ?? (volume.state === "unreadable" ? `not readable: ${volume.reason}` : volume.reason);
    const health = volume.health === "whole" ? "" : ` (${volume.health})`;
    const notes = volume.notices.map((notice) => make("small", {}, notice));
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, volumeName(volume)),
      make("td", { "data-label": "Type" }, volume.format ?? "unknown"),
      make("td", { "data-label": "Size", className: "number" }, size(volume.bytes)),
      make("td", { "data-label": "Lies on" }, layout.where(volume.position)),
      make("td", { "data-label": "Files" }, state + health, ...notes),
    );
  });
  const heads = [["Volume"], ["Type"], ["Size", "number"], ["Lies on"], ["Files"]];
  const head = make(
    "thead",
    {},
    make("tr", {}, ...heads.map(([text, className = ""]) => make("th", { scope: "col", className }, text))),
  );
  return make("table", { "data-test": "volumes" }, make("caption", {}, "Volumes"), head, make("tbody", {}, ...rows));
}

/** The picture and the table for a report, as elements. */
export function drawDisks(report) {
  const layout = new Layout(report);
  const widest = Math.max(1, ...report.disks.map((disk) => disk.bytes));
  // Whoever does not see the picture has the table, which says the same.
  const picture = make(
    "div",
    { className: "picture", role: "img", "aria-label": "Picture of the disks; the table of volumes says the same" },
    make("h3", {}, "Disks"),
    ...report.disks.map((disk) => diskRow(layout, disk, widest)),
  );
  if (layout.drawn.length > 0)
    picture.append(make("h3", {}, "Arrays and volume groups"), ...layout.drawn.map((group) => groupRow(layout, group)));
  const notices =
    report.notices.length === 0
      ? []
      : [make("ul", { className: "notices" }, ...report.notices.map((notice) => make("li", {}, notice)))];
  return [picture, volumeTable(layout), ...notices];
}
