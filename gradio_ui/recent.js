/* Recent searches, and which papers are new since the last look at each: kept in this browser only, never on the server. */
(() => {
  const NAME = "akin.recent";
  const MOST = 20;
  const MOST_KEPT = 20;
  const MOST_IDS = 300;
  const LONGEST = 2000;
  /* A look that begins later is another one; until then, marks stay and further pages belong to the same look. */
  const ONE_LOOK = 30 * 60 * 1000;

  const isText = (value) => typeof value === "string" && value.length <= LONGEST;
  const ids = (value) => (Array.isArray(value) ? value.filter(isText).slice(-MOST_IDS) : []);
  const day = (value) => (isText(value) && /^\d{4}-\d\d-\d\d/u.test(value) ? value : "");

  /* What is stored may be of another version, or changed by hand. */
  function entry(value) {
    if (!value || !isText(value.address) || !value.address.startsWith("?")) return null;
    return {
      address: value.address,
      kept: value.kept === true,
      at: Number.isFinite(value.at) ? value.at : 0,
      newest: day(value.newest),
      base: day(value.base),
      since: Number.isFinite(value.since) ? value.since : 0,
      old: ids(value.old),
      now: ids(value.now),
    };
  }

  function read() {
    try {
      const stored = JSON.parse(localStorage.getItem(NAME) ?? "[]");
      return Array.isArray(stored) ? stored.map(entry).filter(Boolean).slice(0, MOST + MOST_KEPT) : [];
    } catch {
      return [];
    }
  }

  function write(entries) {
    const kept = entries.filter((one) => one.kept).slice(0, MOST_KEPT);
    const others = entries.filter((one) => !one.kept).slice(0, MOST);
    try {
      localStorage.setItem(NAME, JSON.stringify([...kept, ...others]));
    } catch {
      /* Private mode, or no space: nothing is remembered. */
    }
  }

  /* The search without its page and language. */
  function search(address) {
    const query = new URLSearchParams(address);
    for (const name of ["offset", "k", "lang"]) query.delete(name);
    const text = query.toString();
    return text ? `?${text}` : "";
  }

  /* What a search is for, and how it differs from a plain one, in the reader's language. */
  function named(address) {
    const query = new URLSearchParams(address);
    const like = query.getAll("like");
    const text = query.get("q") ?? (like.length ? akinText("like", { ids: like.join(", ") }) : "");
    const years = [query.get("from") ?? "", query.get("to") ?? ""];
    const choices = ["mode", "sort", "withdrawn"].filter((name) => query.has(name)).map((name) => `${name}_${query.get(name)}`);
    const switches = ["varied", "boosted", "chase", "deep"].filter((name) => query.has(name));
    const parts = [...query.getAll("categories"), years.some(Boolean) ? years.join("–") : "",
      ...[...choices, ...switches].map((name) => akinText(`recent.${name}`))];
    return [text.slice(0, 120), ...parts.filter(Boolean)].join(" · ").slice(0, 200);
  }

  function remember(address, cards, newest) {
    const entries = read();
    const found = entries.find((one) => one.address === address);
    const now = Date.now();
    const one = found ?? { address, kept: false, at: 0, newest: "", base: "", since: 0, old: [], now: [] };
    if (now - one.at > ONE_LOOK || one.at > now) {
      one.old = [...new Set([...one.old, ...one.now])].slice(-MOST_IDS);
      one.now = [];
      one.base = one.newest;
      one.since = one.at;
    }
    one.at = now;
    one.now = [...new Set([...one.now, ...cards.map((card) => card.dataset.id)])].slice(-MOST_IDS);
    one.newest = newest || one.newest;
    write([one, ...entries.filter((other) => other !== found)]);
    return one;
  }

  /* A paper is new if the corpus could not have had it at the last look, and it was not shown then. */
  function mark(cards, one) {
    if (!one.base) return;
    const old = new Set(one.old);
    let count = 0;
    for (const card of cards) {
      const date = card.querySelector("time.akin-date")?.getAttribute("datetime") ?? "";
      if (!date || date < one.base || old.has(card.dataset.id) || card.querySelector(".akin-new")) continue;
      count += 1;
      const flag = Object.assign(document.createElement("strong"), { className: "akin-new", textContent: akinText("new") });
      card.querySelector(".akin-facts")?.prepend(flag);
    }
    const line = document.querySelector("#akin-status .akin-line");
    if (!count || !line) return;
    const at = new Date(one.since);
    const local = [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
    const news = akinCount("new_since", count, { day: akinDay(local) });
    line.append(Object.assign(document.createElement("span"), { className: "akin-news", textContent: ` · ${news}` }));
  }

  function show() {
    const place = document.getElementById("akin-recent");
    if (!place) return;
    const entries = read();
    place.hidden = !entries.length;
    const list = place.querySelector("ul");
    list.replaceChildren(...entries.map((one) => {
      const item = document.createElement("li");
      const link = Object.assign(document.createElement("a"), { href: window.akinLink(one.address), textContent: named(one.address) });
      link.dataset.akinGo = "";
      const keep = Object.assign(document.createElement("button"), { type: "button", textContent: one.kept ? "★" : "☆" });
      keep.dataset.akinKeep = one.address;
      keep.title = akinText("keep");
      keep.setAttribute("aria-label", `${akinText("keep")}: ${named(one.address)}`);
      keep.setAttribute("aria-pressed", String(one.kept));
      item.append(keep, link);
      return item;
    }));
  }

  document.addEventListener("akin:settled", (event) => {
    const address = search(event.detail.address);
    const cards = [...document.querySelectorAll("#akin-results article.akin-paper")];
    if (address && address.length <= LONGEST && cards.length) {
      mark(cards, remember(address, cards, day(document.querySelector("#akin-corpus [data-newest]")?.dataset.newest)));
    }
    show();
  });

  document.addEventListener("click", (event) => {
    const keep = event.target.closest?.("[data-akin-keep]");
    if (keep) {
      const address = keep.dataset.akinKeep;
      write(read().map((one) => (one.address === address ? { ...one, kept: !one.kept } : one)));
      show();
      [...document.querySelectorAll("[data-akin-keep]")].find((one) => one.dataset.akinKeep === address)?.focus();
    }
    if (event.target.closest?.("[data-akin-forget]")) {
      try {
        localStorage.removeItem(NAME);
      } catch {
        /* There is nothing to forget. */
      }
      show();
      document.querySelector("#akin-query textarea")?.focus();
    }
  });
})();
