/* What only the browser can do: keep the address bar and the page in step, copy citations, speak to screen readers. */
(() => {
  /* Servers and proxies on the way refuse long addresses, so a long pasted text goes behind the #, which is not sent. */
  const LONGEST_SENT = 7000;

  let fromAddress = true;

  const byId = (id) => document.getElementById(id);
  const busy = (yes) => byId("akin-results")?.setAttribute("aria-busy", String(yes));

  const written = (address) => (address.length > LONGEST_SENT ? `#${address.slice(1)}` : address || location.pathname);
  const current = () => location.search || (location.hash.length > 1 ? `?${location.hash.slice(1)}` : "");

  function titled(address) {
    const asked = new URLSearchParams(address);
    const words = asked.get("q") || (asked.get("like") ? `like ${asked.get("like")}` : "");
    return words ? `${words.slice(0, 80)} – Akin` : "Akin";
  }

  function go(address) {
    if (address !== current()) history.pushState(null, "", written(address));
    byId("akin-restore")?.click();
  }

  function settled() {
    busy(false);
    for (const id of ["akin-status", "akin-corpus"]) byId(id)?.setAttribute("aria-live", "polite");
  }

  window.akin = {
    settled,
    /* No answer came, as the page is full or its server is away. Gradio's note about it fades; this stays. */
    failed() {
      settled();
      return "<p class=\"akin-problem\" role=\"alert\">The page could not answer this time. Wait a moment, then search again.</p>";
    },
    /* A search from the inputs begins. */
    begin(inputs) {
      fromAddress = false;
      busy(true);
      return inputs;
    },
    /* The page is to show what its address asks for. */
    restoring() {
      fromAddress = true;
      busy(true);
      return [current()];
    },
    /* The answer is shown; `address` is where it can be found again. */
    settle(address) {
      settled();
      document.title = titled(address);
      if (address === current()) return;
      if (fromAddress) history.replaceState(null, "", written(address));
      else history.pushState(null, "", written(address));
    },
  };

  /* Links of the page itself change the address and not the document; opened in a new tab they work all the same. */
  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-akin-copy]");
    if (copy) {
      navigator.clipboard?.writeText(copy.parentElement.querySelector("pre").textContent).then(
        () => { copy.textContent = "Copied"; },
        () => { copy.textContent = "Select and copy"; },
      );
      return;
    }
    const link = event.target.closest("a[data-akin-go]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(new URL(link.href).search);
    window.scrollTo({ top: link.classList.contains("akin-page") ? byId("akin-status").offsetTop - 16 : 0 });
  });

  window.addEventListener("popstate", () => byId("akin-restore")?.click());
})();
