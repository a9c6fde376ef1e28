/* Texts of the scripts in the reader's language: akinText("key", {name: value}). */
(() => {
  const root = document.documentElement.dataset.akinRoot;
  const language = document.documentElement.lang || "en";
  let texts = {};
  try {
    texts = JSON.parse(document.getElementById("akin-words").textContent);
  } catch {
    /* The keys are shown instead. */
  }
  const written = (value) => (typeof value === "number" ? value.toLocaleString(language) : String(value));
  window.akinText = (key, values = {}) =>
    (texts[key] ?? key).replace(/\{([a-z_]+)\}/gu, (place, name) => (name in values ? written(values[name]) : place));
  /* The form for a number: akinCount("papers", 3) reads papers.one or papers.other. */
  window.akinCount = (key, number, values = {}) =>
    window.akinText(`${key}.${number === 1 ? "one" : "other"}`, { ...values, number });
  /* The address of one of the page's paths, also below a proxy's path. */
  window.akinLink = (path) => new URL(path, root ? new URL(root, location.href) : document.baseURI).href;

  /* Copy a text, and say on its button what became of it. */
  window.akinCopy = (button, copied) => navigator.clipboard?.writeText(copied).then(
    () => { button.textContent = window.akinText("copied"); },
    () => { button.textContent = window.akinText("select_and_copy"); },
  );
})();
