// A list from which one thing is chosen. One Tab stop for all of it; the arrow keys, Home and End move in it.

import { make } from "./words.js";

/** More is not drawn at once: a filter or a button leads to the rest. */
export const SHOWN_MAX = 200;

export class Choices {
  /** `list` is the `ul`; every choice becomes a button of class `kind`; `choose` is called with its key. */
  constructor(list, kind, choose) {
    this.list = list;
    this.kind = kind;
    this.choose = choose;
    list.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Draws `items`: `{key, title, note, hint}`. */
  show(items, chosen) {
    const had = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.list.replaceChildren(...items.map((item) => this.#choice(item)));
    this.mark(chosen);
    if (had !== null) this.#button(had)?.focus();
  }

  /** Says which one is chosen, without drawing anew. */
  mark(chosen) {
    for (const button of this.#buttons()) {
      const is = button.dataset.key === chosen;
      if (is) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      button.tabIndex = is ? 0 : -1;
    }
    const first = this.#buttons()[0];
    if (first && !this.#button(chosen)) first.tabIndex = 0;
    this.#button(chosen)?.scrollIntoView({ block: "nearest" });
  }

  #choice({ key, title, note, hint }) {
    const button = make(
      "button",
      { type: "button", className: this.kind, title: hint ?? "", "data-key": key, "data-test": `${this.kind}-${key}` },
      make("strong", {}, title),
      make("small", {}, note),
    );
    button.addEventListener("click", () => this.choose(key));
    return make("li", {}, button);
  }

  #buttons() {
    return [...this.list.querySelectorAll("button")];
  }

  #button(key) {
    return this.#buttons().find((button) => button.dataset.key === key);
  }

  #move(event) {
    const buttons = this.#buttons();
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  }
}
