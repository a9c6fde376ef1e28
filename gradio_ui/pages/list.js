/* The page of the reading lists: shows one, asks the page's server about it, shares, exports and imports it. */
(() => {
  const lists = window.akinLists;
  const text = window.akinText;
  const MOST_ASKED = 1000; // papers of one question
  const MOST_ANSWERED = 20; // papers of an answer, which has more where some of them may be of the list
  const SHOWN = 100; // papers that are shown at once
  const LONGEST_ADDRESS = 8000; // characters that mail programs and chats leave whole
  const MOST_FOLLOWED = 150; // papers in the address of a feed

  const part = (name) => document.getElementById(`akin-list-${name}`);
  const known = new Map(); // what the server said of a paper, by its id in a list
  const unknown = new Set();
  let shared = null; // the list of the address: a copy that is saved only on request
  let shown = SHOWN;

  function make(tag, properties = {}, ...children) {
    const { aria, data, ...plain } = properties;
    const element = Object.assign(document.createElement(tag), plain);
    for (const [name, value] of Object.entries(aria ?? {})) element.setAttribute(`aria-${name}`, value);
    Object.assign(element.dataset, data ?? {});
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }

  const paperLink = (id) => window.akinLink(`paper/${id.split("/").map(encodeURIComponent).join("/")}`);
  const list = () => shared ?? lists.current(lists.load()) ?? { id: "", name: "", papers: [] };

  function changeList(work) {
    if (shared) {
      work(shared);
      show();
    } else lists.change((state) => work(lists.currentOf(state)));
  }

  /* Ask the page's server; an error has a message for the reader. */
  async function ask(question, body, asText = false) {
    let answer;
    try {
      answer = await fetch(window.akinLink(`list/${question}`), {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
    } catch {
      throw new Error(text("list.no_answer"));
    }
    if (!answer.ok) {
      let message = "";
      try {
        message = (await answer.json()).error.message;
      } catch { /* A proxy's page. */ }
      throw new Error(message || text("list.no_answer"));
    }
    return asText ? answer.text() : answer.json();
  }

  /* Return the papers that can be asked about: those that the corpus has, by their ids there. */
  async function asked() {
    await lookUp();
    const ids = { ids: [], unlike: [] };
    for (const paper of list().papers) {
      const found = known.get(paper.id);
      if (found) ids[paper.unlike ? "unlike" : "ids"].push(found.id);
    }
    if (!ids.ids.length) throw new Error(text(list().papers.length ? "list.none_known" : "list.empty"));
    if (ids.ids.length > MOST_ASKED) lists.say(text("list.first_only", { most: MOST_ASKED, number: ids.ids.length }));
    return { ids: ids.ids.slice(0, MOST_ASKED), unlike: ids.unlike.slice(0, MOST_ASKED) };
  }

  /* Of a list that one question does not hold, its other papers may be in the answer. */
  function withoutOwn(answer) {
    const own = new Set(list().papers.flatMap((paper) => [paper.id, known.get(paper.id)?.id]));
    return { ...answer, papers: answer.papers.filter((paper) => !own.has(paper.id)).slice(0, MOST_ANSWERED) };
  }

  /* Ask for the papers that are not known yet, and keep what a reader sees of them. */
  let looking = Promise.resolve();
  function lookUp() {
    looking = looking.catch(() => {}).then(async () => {
      const ids = list().papers.map((paper) => paper.id).filter((id) => !known.has(id) && !unknown.has(id));
      for (let at = 0; at < ids.length; at += MOST_ASKED / 2) {
        const answer = await ask("papers", { ids: ids.slice(at, at + MOST_ASKED / 2) });
        for (const paper of answer.papers) for (const id of paper.named) known.set(id, paper);
        for (const id of answer.unknown) unknown.add(id);
      }
      if (ids.length) keepTexts(ids);
    });
    return looking;
  }

  function keepTexts(ids) {
    const fresh = new Set(ids);
    changeList((of) => {
      for (const paper of of.papers) {
        const found = fresh.has(paper.id) && known.get(paper.id);
        if (found) Object.assign(paper, { title: found.title, by: found.by, date: found.date });
      }
    });
  }

  /* The parts of a paper that lists and answers share. */
  function card(paper, more, actions) {
    const found = known.get(paper.id) ?? paper;
    const title = found.title || paper.title || paper.id;
    const look = `akin-title${/[$]|\\[([]/u.test(title) ? " akin-tex" : ""}`;
    const link = unknown.has(paper.id) ? title : make("a", { href: paperLink(found.id ?? paper.id) }, title);
    const facts = make("div", { className: "akin-facts" });
    if (found.withdrawn) facts.append(make("strong", { className: "akin-withdrawn" }, text("list.withdrawn")));
    if (unknown.has(paper.id)) facts.append(make("strong", { className: "akin-unknown" }, text("list.unknown")));
    if (found.date) facts.append(make("time", { dateTime: found.date }, window.akinDay(found.date)));
    for (const code of found.categories ?? []) facts.append(make("span", { className: "akin-chip" }, code));
    facts.append(make("span", {}, paper.id));
    const links = [["arxiv", "arXiv"], ["page", text("list.page")], ["pdf", "PDF"]]
      .filter(([name]) => found[name])
      .map(([name, label]) => make("a", { href: found[name], target: "_blank", rel: "noopener noreferrer" }, label));
    return make("article", { className: "akin-listed", data: { id: paper.id } },
      make("h3", { className: look, dir: "auto" }, link),
      found.by ? make("p", { className: "akin-authors" }, found.by) : "",
      facts, ...more, make("div", { className: "akin-actions" }, ...links, ...actions));
  }

  function listedItem(paper) {
    const mark = make("button", { type: "button", aria: { pressed: String(paper.unlike === true) }, data: { akinUnlike: paper.id } }, text("list.unlike"));
    const drop = make("button", { type: "button", data: { akinRemove: paper.id } }, text("list.remove"));
    const note = make("input", { value: paper.note ?? "", maxLength: 2000, placeholder: text("list.note"), aria: { label: text("list.note_of", { title: paper.title ?? paper.id }) }, data: { akinNote: paper.id } });
    const written = shared ? (paper.note ? [make("p", { className: "akin-why" }, paper.note)] : []) : [note];
    return make("li", {}, card(paper, written, shared ? [mark] : [mark, drop]));
  }

  const sorts = {
    added: (papers) => papers,
    date: (papers) => papers.toSorted((one, other) => (other.date ?? "").localeCompare(one.date ?? "")),
    title: (papers) => papers.toSorted((one, other) => (one.title ?? one.id).localeCompare(other.title ?? other.id)),
  };

  function show() {
    const state = lists.load();
    const of = list();
    const focused = document.activeElement?.dataset ?? {};
    part("own").hidden = Boolean(shared);
    part("import").hidden = Boolean(shared);
    part("shared").hidden = !shared;
    part("choice").replaceChildren(...state.lists.map((each) => make("option", { value: each.id, selected: each.id === state.current }, `${each.name} (${each.papers.length})`)));
    part("choice").disabled = part("delete").disabled = !state.lists.length;
    part("sort").closest("label").hidden = of.papers.length < 2;
    if (document.activeElement !== part("name")) part("name").value = of.name;
    part("trouble").hidden = !lists.trouble;
    part("trouble").textContent = lists.trouble ? text(`list.${lists.trouble}`) : "";
    const papers = sorts[part("sort").value](of.papers);
    const strange = papers.filter((paper) => unknown.has(paper.id)).length;
    part("size").textContent = papers.length
      ? window.akinCount("list.papers", papers.length) + (strange ? ` ${window.akinCount("list.strange", strange)}` : "")
      : text("list.empty");
    // A note that is being written stays as it is.
    if (!focused.akinNote) part("papers").replaceChildren(...papers.slice(0, shown).map(listedItem));
    if (focused.akinUnlike) {
      const same = [...part("papers").querySelectorAll("[data-akin-unlike]")].find((each) => each.dataset.akinUnlike === focused.akinUnlike);
      same?.focus({ preventScroll: true });
    }
    part("more").hidden = papers.length <= shown;
  }

  function showAndLookUp() {
    show();
    lookUp().catch((error) => lists.say(error.message));
  }

  /* Show the answer to a question about the list. */
  async function answer(heading, question) {
    const place = part("asked");
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(make("p", {}, text("list.asking")));
    try {
      const found = await question(await asked());
      const items = found.papers.map((paper) => make("li", {}, card(paper, [
        ...(paper.near ? [make("p", { className: "akin-why" }, text("list.near", { papers: window.akinQuoted(paper.near.map((each) => each.title)) }))] : []),
      ], [make("button", { type: "button", data: { akinList: paper.id }, aria: { pressed: "" } }, text("list.add"))])));
      const topics = (found.topics ?? []).length > 1
        ? [make("ul", { className: "akin-why" }, ...found.topics.map((topic) => make("li", {}, window.akinCount("list.topic", topic.papers, { near: window.akinQuoted(topic.near.map((each) => each.title)) }))))]
        : [];
      place.replaceChildren(
        make("h2", {}, heading), ...found.notes.map((note) => make("p", { className: "akin-why" }, note)), ...topics,
        items.length ? make("ol", { className: "akin-list" }, ...items) : make("p", {}, text("list.nothing")),
        ...(found.follow ? [found.follow] : []),
      );
      lists.show();
      place.focus({ preventScroll: true });
    } catch (error) {
      place.replaceChildren(make("p", { className: "akin-problem", role: "alert" }, error.message));
    } finally {
      place.setAttribute("aria-busy", "false");
    }
  }

  function feedLink({ ids, unlike }) {
    const query = new URLSearchParams([...ids.slice(0, MOST_FOLLOWED).map((id) => ["like", id]), ...unlike.slice(0, MOST_FOLLOWED / 4).map((id) => ["unlike", id])]);
    const address = window.akinLink(`feed?${query}`);
    const cut = ids.length > MOST_FOLLOWED ? ` ${text("list.feed_first", { most: MOST_FOLLOWED })}` : "";
    return make("p", { className: "akin-feed" }, make("a", { href: address, type: "application/atom+xml" }, text("list.feed")), cut);
  }

  const written = (papers) => papers.map((paper) => encodeURIComponent(paper.id)).join(",");
  function sharedAddress() {
    const of = list();
    const unlike = of.papers.filter((paper) => paper.unlike);
    return `${window.akinLink("list", false)}#name=${encodeURIComponent(of.name)}&ids=${written(of.papers)}${unlike.length ? `&unlike=${written(unlike)}` : ""}`;
  }

  const decoded = (piece) => {
    try {
      return decodeURIComponent(piece);
    } catch {
      return piece;
    }
  };
  function readAddress() {
    const fields = Object.fromEntries(location.hash.slice(1).split("&").map((field) => [field.split("=", 1)[0], field.slice(field.indexOf("=") + 1)]));
    if (!fields.ids) return null;
    const unlike = new Set((fields.unlike ?? "").split(",").map(decoded));
    const found = { id: "", name: decoded(fields.name ?? "").slice(0, 80) || text("list.shared_name"), papers: [] };
    lists.add(found, fields.ids.split(",").slice(0, lists.MOST_PAPERS).map((piece) => ({ id: decoded(piece), unlike: unlike.has(decoded(piece)) })));
    return found.papers.length ? found : null;
  }

  function openAddress() {
    shared = readAddress();
    shown = SHOWN;
    part("asked").replaceChildren();
    if (shared) part("shared").querySelector("p").textContent = window.akinCount("list.shared", shared.papers.length, { name: shared.name });
    showAndLookUp();
  }

  async function share() {
    const address = sharedAddress();
    const box = make("input", { readOnly: true, value: address, aria: { label: text("list.address") } });
    const copied = await (navigator.clipboard?.writeText(address).then(() => true, () => false) ?? false);
    part("asked").replaceChildren(make("h2", {}, text("list.share")), make("p", {}, text(copied ? "list.copied" : "list.copy_it")), box,
      address.length > LONGEST_ADDRESS ? make("p", { className: "akin-why" }, text("list.long_address", { number: address.length })) : "");
    box.select();
  }

  async function exportAs(format) {
    await lookUp();
    const ids = list().papers.map((paper) => known.get(paper.id)?.id).filter(Boolean);
    if (!ids.length) throw new Error(text(list().papers.length ? "list.none_known" : "list.empty"));
    const files = [];
    for (let at = 0; at < ids.length; at += MOST_ASKED) files.push(await ask("export", { ids: ids.slice(at, at + MOST_ASKED), format }, true));
    const ends = { bibtex: "bib", ris: "ris", "csl-json": "json", csv: "csv", jsonl: "jsonl" };
    // Each file is whole by itself, so a list of more papers than one question takes becomes several files.
    files.forEach((content, number) => {
      const link = make("a", { href: URL.createObjectURL(new Blob([content])), download: `akin-list${files.length > 1 ? `-${number + 1}` : ""}.${ends[format]}` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    });
    const left = list().papers.length - ids.length;
    if (left) lists.say(window.akinCount("list.not_exported", left));
  }

  const guarded = (work) => (event) => Promise.resolve(work(event)).catch((error) => lists.say(error.message));
  const on = (name, kind, work) => part(name).addEventListener(kind, guarded(work));

  on("choice", "change", () => { shown = SHOWN; lists.change((state) => { state.current = part("choice").value; }); part("asked").replaceChildren(); });
  on("name", "change", () => { const name = part("name").value.trim(); if (name) changeList((of) => { of.name = name; }); });
  on("new", "click", () => {
    lists.change((state) => {
      if (state.lists.length >= lists.MOST_LISTS) return;
      const fresh = { id: lists.newId(), name: text("list.next_name", { number: state.lists.length + 1 }), papers: [] };
      state.lists.push(fresh);
      state.current = fresh.id;
    });
    part("name").focus();
    part("name").select();
  });
  on("delete", "click", () => {
    let removed = null;
    lists.change((state) => {
      removed = lists.current(state);
      state.lists = state.lists.filter((each) => each !== removed);
      state.current = state.lists[0]?.id ?? "";
    });
    if (part("delete").disabled) part("new").focus();
    if (removed) lists.say(text("list.deleted", { name: removed.name }), () => lists.change((state) => { state.lists.push(removed); state.current = removed.id; }));
  });
  on("like", "click", () => answer(text("list.like"), async (of) => ({ ...withoutOwn(await ask("like", of)), follow: feedLink(of) })));
  on("missing", "click", () => answer(text("list.missing"), async (of) => withoutOwn(await ask("missing", of))));
  on("within", "submit", (event) => {
    event.preventDefault();
    const words = part("query").value.trim();
    if (words) return answer(text("list.within_heading", { words }), ({ ids, unlike }) => ask("within", { ids: [...ids, ...unlike].slice(0, MOST_ASKED), text: words }));
    return part("query").focus();
  });
  on("share", "click", share);
  on("sort", "change", show);
  on("more", "click", () => {
    shown += SHOWN;
    show();
    part("papers").children[shown - SHOWN]?.querySelector("a, button")?.focus();
  });
  on("keep", "click", () => {
    const kept = { ...shared, id: lists.newId() };
    lists.change((state) => { state.lists.push(kept); state.current = kept.id; });
    history.replaceState(null, "", location.pathname + location.search);
    openAddress();
    part("choice").focus();
  });
  part("files").addEventListener("click", guarded((event) => {
    const format = event.target.closest("[data-akin-export]")?.dataset.akinExport;
    return format ? exportAs(format) : null;
  }));
  part("papers").addEventListener("click", (event) => {
    const { akinRemove, akinUnlike } = event.target.dataset;
    if (akinRemove) {
      lists.removeWithUndo(list().id, akinRemove);
      part("size").tabIndex = -1;
      part("size").focus();
    }
    if (akinUnlike) changeList((of) => { for (const paper of of.papers) if (paper.id === akinUnlike) paper.unlike = !paper.unlike; });
  });
  part("papers").addEventListener("change", (event) => {
    const id = event.target.dataset.akinNote;
    if (id) changeList((of) => { for (const paper of of.papers) if (paper.id === id) paper.note = event.target.value.trim(); });
  });
  document.addEventListener("akin-lists", () => { if (!shared) showAndLookUp(); });
  window.addEventListener("hashchange", openAddress);
  window.akinListPage = { ask, make, part };
  openAddress();
})();
