/* The part that only the browser can do: update the address bar, copy citations, announce changes to screen readers. */
(() => {
  /* Servers and proxies refuse long addresses, so a long text goes behind the #, which is not sent. */
  const LONGEST_SENT = 7000;

  let fromAddress = true;
  let asked = "";
  let waiting = false; // for the restored page
  let searching = false;
  let overtaken = false; // a search began meanwhile, so that the restored inputs and results are those of before it
  let followed = false; // a link within the results, which go with it: the focus moves to the new ones

  /* Gradio takes the language of its own buttons and of the document from the browser, also where the address asks for another. */
  const language = document.documentElement.lang;
  for (const [name, value] of [["language", language], ["languages", [language]]]) {
    Object.defineProperty(navigator, name, { value, configurable: true });
  }

  const byId = (id) => document.getElementById(id);
  const busy = (yes) => byId("akin-results")?.setAttribute("aria-busy", String(yes));

  const written = (address) => (address.length > LONGEST_SENT ? `#${address.slice(1)}` : address || location.pathname);
  const current = () => location.search || (location.hash.length > 1 ? `?${location.hash.slice(1)}` : "");

  function titled(address) {
    const query = new URLSearchParams(address);
    const text = query.get("q") || (query.has("like") ? akinText("like", { ids: query.getAll("like").join(", ") }) : "");
    return text ? `${text.slice(0, 80)} – Akin` : "Akin";
  }

  function go(address) {
    if (address !== current()) history.pushState(null, "", written(address));
    busy(true);
    byId("akin-restore")?.click();
  }

  /* The same search in the other languages, and as a feed. */
  function linkTo(address) {
    window.akinLanguages(address, "");
    document.head.querySelector("link[type='application/atom+xml']")?.remove();
    const feed = document.querySelector("a[data-akin-feed]");
    if (!feed) return;
    const link = Object.assign(document.createElement("link"), { rel: "alternate", type: "application/atom+xml", href: feed.href });
    document.head.append(link);
  }

  /* Gradio puts the results in the page some frames later; an answer like the last one changes nothing. */
  function whenShown(act, frames = 30) {
    const shown = document.querySelector("#akin-results :is(.akin-list, .akin-problem, .akin-welcome):not([data-akin-shown])");
    if (!shown && frames) {
      requestAnimationFrame(() => whenShown(act, frames - 1));
      return;
    }
    shown?.setAttribute("data-akin-shown", "");
    act();
  }

  function again() {
    overtaken = false;
    byId("akin-restore")?.click();
  }

  function settled() {
    busy(false);
    byId("akin-form")?.setAttribute("data-akin-ready", "");
    byId("akin-form")?.setAttribute("role", "search");
    for (const id of ["akin-status", "akin-corpus"]) byId(id)?.setAttribute("aria-live", "polite");
  }

  window.akin = {
    settled,
    /* No answer: the page is overloaded or its server is stopped. Gradio's own message fades; this one stays. */
    failed() {
      waiting = searching = overtaken = false;
      settled();
      return `<p class="akin-problem" role="alert">${akinText("failed")}</p>`;
    },
    /* Start a search from the inputs. */
    begin(inputs) {
      fromAddress = false;
      searching = true;
      overtaken ||= waiting;
      busy(true);
      return inputs;
    },
    /* Start to restore the page from its address. */
    restoring() {
      fromAddress = true;
      waiting = true;
      asked = current();
      busy(true);
      return [asked];
    },
    /* Finish what was restored, unless it is older than a search: then the search's own address is restored. */
    restored(address) {
      waiting = false;
      if (!overtaken) window.akin.settle(address);
      else if (!searching) again();
    },
    /* Finish a search. */
    found(address) {
      searching = false;
      window.akin.settle(address);
      if (overtaken && !waiting) again();
    },
    /* Show the end of a search or of what was restored; `address` is the address of its results. */
    settle(address) {
      // The reader has gone on meanwhile: the answer to the present address follows.
      if (fromAddress && asked !== current()) return;
      settled();
      document.title = titled(address);
      if (address !== current()) {
        if (fromAddress) history.replaceState(null, "", written(address));
        else history.pushState(null, "", written(address));
      }
      linkTo(address);
      whenShown(() => {
        if (followed) byId("akin-results-title")?.focus({ preventScroll: true });
        followed = false;
        document.dispatchEvent(new CustomEvent("akin:settled", { detail: { address } }));
      });
    },
  };

  /* Beside the results there is room for the years and categories; on narrow screens they stay folded. */
  const ROOM = matchMedia("(min-width: 80rem)");
  new MutationObserver(() => {
    const facets = document.querySelector(".akin-facets:not([data-akin-seen])");
    if (!facets) return;
    facets.dataset.akinSeen = "";
    facets.open = ROOM.matches;
  }).observe(document.documentElement, { childList: true, subtree: true });

  /* The service writes citations; its text is shown and copied as it is. */
  async function cite(details, format) {
    const text = details.querySelector("pre");
    for (const button of details.querySelectorAll("[data-akin-format]")) {
      button.setAttribute("aria-pressed", String(button.dataset.akinFormat === format));
    }
    details.querySelector("[data-akin-copy]").textContent = akinText("copy");
    details.dataset.akinShown = format;
    try {
      const id = encodeURIComponent(details.dataset.akinCite);
      const answer = await (await fetch(window.akinLink(`citation/${format}/${id}`))).text();
      if (details.dataset.akinShown === format) text.textContent = answer;
    } catch {
      text.textContent = akinText("no_citation");
    }
  }

  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (details.matches?.("[data-akin-cite]") && details.open && !details.dataset.akinShown) cite(details, "bibtex");
  }, true);

  /* Links within the page change the address without loading the document; in a new tab they load it as usual. */
  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-akin-copy]");
    if (copy) {
      window.akinCopy(copy, copy.closest("[data-akin-cite]").querySelector("pre").textContent);
      return;
    }
    const filters = event.target.closest("[data-akin-filters]");
    if (filters) {
      const form = byId("akin-form");
      filters.setAttribute("aria-expanded", String(form.toggleAttribute("data-akin-filters-open")));
      return;
    }
    const format = event.target.closest("[data-akin-format]");
    if (format) {
      cite(format.closest("[data-akin-cite]"), format.dataset.akinFormat);
      return;
    }
    const link = event.target.closest("a[data-akin-go]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    followed = Boolean(link.closest("#akin-results, #akin-status"));
    go(new URL(link.href).search);
    window.scrollTo({ top: link.classList.contains("akin-page") ? byId("akin-status").offsetTop - 16 : 0 });
  });

  window.addEventListener("popstate", () => byId("akin-restore")?.click());
})();
