/* Reading lists, kept in this browser: their storage, the button of every paper that adds it, and the counter. */
(() => {
  const KEY = "akin.lists";
  const MOST_PAPERS = 5000;
  const MOST_LISTS = 100;
  const LONGEST = { id: 500, title: 400, by: 120, date: 10, note: 2000, name: 80 };

  const text = (value, most) => (typeof value === "string" ? value.trim().slice(0, most) : "");
  const empty = () => ({ current: "", lists: [] });
  let memory = null; // What could not be stored is kept for this page only.
  let trouble = "";

  /* Versions of an arXiv paper are one paper of a list. */
  const base = (id) => id.replace(/^arxiv:/iu, "").replace(/^(\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?\/\d{7})v\d{1,3}$/iu, "$1");

  function cleanPaper(given) {
    const id = text(given?.id, LONGEST.id);
    if (!id) return null;
    const paper = { id };
    for (const name of ["title", "by", "date", "note"]) if (text(given[name], LONGEST[name])) paper[name] = text(given[name], LONGEST[name]);
    if (given.unlike === true) paper.unlike = true;
    return paper;
  }

  function cleanList(given) {
    const id = text(given?.id, 40);
    if (!id || !Array.isArray(given.papers)) return null;
    const list = { id, name: text(given.name, LONGEST.name) || window.akinText("list.first_name"), papers: [] };
    add(list, given.papers);
    return list;
  }

  /* Return the lists of what was stored, by whatever version of the page or by another hand. */
  function cleaned(stored) {
    const state = empty();
    for (const given of Array.isArray(stored?.lists) ? stored.lists.slice(0, MOST_LISTS) : []) {
      const list = cleanList(given);
      if (list && !state.lists.some((each) => each.id === list.id)) state.lists.push(list);
    }
    state.current = state.lists.some((each) => each.id === stored?.current) ? stored.current : (state.lists[0]?.id ?? "");
    return state;
  }

  /* Return the lists as they are stored; who changes them takes a copy from `load`. */
  let read = { stored: "", state: empty() };
  function look() {
    if (memory) return memory;
    let stored = "";
    try {
      stored = localStorage.getItem(KEY) ?? "";
      if (stored !== read.stored) read = { stored, state: stored ? cleaned(JSON.parse(stored)) : empty() };
      return read.state;
    } catch {
      if (stored) {
        trouble = "broken";
        try {
          localStorage.setItem(`${KEY}.broken`, stored);
          localStorage.removeItem(KEY);
        } catch { /* It stays where it is. */ }
      } else trouble = "disabled";
      return empty();
    }
  }
  const load = () => structuredClone(look());

  function save(state) {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
      memory = null;
      trouble = trouble === "broken" ? trouble : "";
    } catch (error) {
      memory = structuredClone(state);
      trouble = error?.name === "QuotaExceededError" ? "full" : "disabled";
    }
    show();
    document.dispatchEvent(new CustomEvent("akin-lists"));
  }

  /* Change the lists as another tab may have left them. */
  function change(work) {
    const state = load();
    const result = work(state);
    save(state);
    return result;
  }

  const newId = () => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;

  function currentOf(state) {
    let list = state.lists.find((each) => each.id === state.current);
    if (!list) {
      list = { id: newId(), name: window.akinText("list.first_name"), papers: [] };
      state.lists.push(list);
      state.current = list.id;
    }
    return list;
  }

  /* Add papers that a list lacks; return how many were added. */
  function add(list, papers) {
    const known = new Set(list.papers.map((each) => base(each.id)));
    const before = list.papers.length;
    for (const given of papers) {
      const paper = cleanPaper(given);
      if (!paper || known.has(base(paper.id)) || list.papers.length >= MOST_PAPERS) continue;
      known.add(base(paper.id));
      list.papers.push(paper);
    }
    return list.papers.length - before;
  }

  const has = (list, id) => Boolean(list?.papers.some((each) => base(each.id) === base(id)));
  const current = (state) => state.lists.find((each) => each.id === state.current);

  /* Show on every button whether its paper is in the current list, and the size of the list in the masthead. */
  function show() {
    const list = current(look());
    const known = new Set(list?.papers.map((each) => base(each.id)));
    for (const button of document.querySelectorAll("[data-akin-list]")) {
      const isIn = known.has(base(button.dataset.akinList));
      if (button.getAttribute("aria-pressed") === String(isIn)) continue;
      button.setAttribute("aria-pressed", String(isIn));
      button.textContent = window.akinText(isIn ? "list.in" : "list.add");
    }
    for (const link of document.querySelectorAll(".akin-navigation a:not([data-akin-language])")) {
      if (!new URL(link.href).pathname.endsWith("/list")) continue;
      const count = link.querySelector(".akin-count") ?? link.appendChild(Object.assign(document.createElement("span"), { className: "akin-count" }));
      const shown = known.size ? ` ${known.size.toLocaleString(document.documentElement.lang || "en")}` : "";
      if (count.textContent !== shown) count.textContent = shown;
    }
  }

  /* Say what happened, with a way back if there is one. */
  let clearing;
  function say(message, undo) {
    let box = document.getElementById("akin-said");
    if (!box) {
      box = Object.assign(document.createElement("div"), { id: "akin-said" });
      box.setAttribute("role", "status");
      document.body.append(box);
    }
    const before = document.activeElement;
    box.replaceChildren(message);
    if (undo) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: window.akinText("list.undo") });
      button.addEventListener("click", () => {
        undo();
        // The button that has the focus goes: back to where the reader was, or to the content.
        (before?.isConnected && before !== document.body ? before : document.querySelector("main"))?.focus();
        box.replaceChildren();
      });
      box.append(" ", button);
    }
    clearTimeout(clearing);
    clearing = setTimeout(() => { if (!box.contains(document.activeElement)) box.replaceChildren(); }, 15000);
  }

  /* Put a paper that was removed in its place again. */
  function restore(listId, paper, at) {
    change((state) => {
      const list = state.lists.find((each) => each.id === listId);
      if (list && !has(list, paper.id)) list.papers.splice(at, 0, paper);
    });
  }

  function removeWithUndo(listId, id) {
    let removed = null;
    change((state) => {
      const list = state.lists.find((each) => each.id === listId);
      const at = list?.papers.findIndex((each) => base(each.id) === base(id)) ?? -1;
      if (at >= 0) removed = { at, paper: list.papers.splice(at, 1)[0] };
    });
    if (removed) say(window.akinText("list.removed", { title: removed.paper.title ?? id }), () => restore(listId, removed.paper, removed.at));
  }

  function toggle(button) {
    const id = button.dataset.akinList;
    const list = current(look());
    if (list && has(list, id)) {
      removeWithUndo(list.id, id);
      return;
    }
    const card = button.closest("article");
    const title = (card?.querySelector("h1, h2, h3") ?? document.querySelector("main h1"))?.textContent;
    const date = card?.querySelector("time")?.dateTime ?? "";
    const added = change((state) => add(currentOf(state), [{ id, title, date }]));
    if (!added) say(window.akinText("list.too_long", { most: MOST_PAPERS }));
    else if (trouble && trouble !== "broken") say(window.akinText(`list.${trouble}`));
  }

  window.akinLists = {
    MOST_PAPERS, MOST_LISTS, load, change, current, currentOf, newId, add, removeWithUndo, say, show,
    get trouble() { return trouble; },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-akin-list]");
    if (button) toggle(button);
  });
  /* Another tab has changed the lists. */
  window.addEventListener("storage", (event) => {
    if (event.key !== KEY && event.key !== null) return;
    memory = null;
    show();
    document.dispatchEvent(new CustomEvent("akin-lists"));
  });
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; show(); });
  }).observe(document.documentElement, { childList: true, subtree: true });
  show();
})();
