/* Keys for those who do without a mouse, on all pages: "/", j, k, Enter or o, c, l, and "?" for the list of them. */
(() => {
  const OFF = "akin.keys";
  const ROWS = [["/", "box"], ["j", "next"], ["k", "previous"], ["Enter", "open"], ["o", "open"], ["c", "cite"], ["l", "list"], ["?", "help"]];

  const stored = {
    read() {
      try {
        return localStorage.getItem(OFF) !== "off";
      } catch {
        return true;
      }
    },
    write(on) {
      try {
        if (on) localStorage.removeItem(OFF);
        else localStorage.setItem(OFF, "off");
      } catch {
        /* Without storage the choice holds for this page. */
      }
    },
  };
  let on = stored.read();

  /* Results, papers of a list, and those that a paper's page or the map lists. */
  const PAPERS = "article.akin-paper, article.akin-listed, .akin-alike .akin-list > li, .akin-map-results > li";
  const papers = () => [...document.querySelectorAll(PAPERS)];
  const chosen = () => document.activeElement?.closest?.(PAPERS);

  function move(step) {
    const all = papers();
    const at = all.indexOf(chosen());
    const next = at < 0 ? all[step > 0 ? 0 : all.length - 1] : all[at + step];
    if (!next) {
      const page = at < 0 ? null : document.querySelector(`a[rel="${step > 0 ? "next" : "prev"}"]`);
      page?.focus();
      return;
    }
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function cite(paper) {
    const details = paper.querySelector("[data-akin-cite], .akin-citations details");
    if (!details) return;
    details.open = true;
    details.querySelector("summary").focus();
  }

  function focusBox() {
    const box = document.querySelector("#akin-query textarea, main input[type=search]");
    if (!box) {
      location.assign(window.akinLink("./"));
      return;
    }
    box.focus();
    box.select();
  }

  function help() {
    const dialog = document.createElement("dialog");
    dialog.className = "akin-keys";
    dialog.setAttribute("aria-labelledby", "akin-keys-title");
    const title = Object.assign(document.createElement("h2"), { id: "akin-keys-title", textContent: akinText("keys.title") });
    const list = document.createElement("dl");
    for (const [key, does] of ROWS) {
      const term = document.createElement("dt");
      term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
      list.append(term, Object.assign(document.createElement("dd"), { textContent: akinText(`keys.${does}`) }));
    }
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: on });
    box.addEventListener("change", () => stored.write((on = box.checked)));
    const label = document.createElement("label");
    label.append(box, ` ${akinText("keys.on")}`);
    const close = Object.assign(document.createElement("button"), { type: "button", textContent: akinText("keys.close") });
    close.addEventListener("click", () => dialog.close());
    const before = document.activeElement;
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
    });
    dialog.append(title, list, label, close);
    (document.querySelector(".gradio-container") ?? document.body).append(dialog);
    dialog.showModal();
    close.focus();
  }

  const typing = (element) => element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/u.test(element.tagName);

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat && !/^[jk]$/u.test(event.key)) return;
    if (!on || typing(event.target) || document.querySelector("dialog[open]")) return;
    const paper = chosen();
    /* On a paper's own page, c and l are about this paper until another one is chosen. */
    const whole = paper ?? document.querySelector("article.akin-whole");
    const open = () => paper.querySelector(".akin-title a, a.akin-title, :scope > a")?.click();
    const acts = {
      "/": focusBox,
      j: () => move(1),
      k: () => move(-1),
      o: paper && open,
      /* On a link or a button Enter does what it always does. */
      Enter: event.target === paper && open,
      c: whole && (() => cite(whole)),
      l: whole && (() => whole.querySelector("[data-akin-list]")?.click()),
      "?": help,
    };
    const act = Object.hasOwn(acts, event.key) && acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-akin-keys]")) help();
  });
})();
