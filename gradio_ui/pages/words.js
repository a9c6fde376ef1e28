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
  /* A day such as 2024-03-05 as the language writes it; another text as it is. */
  window.akinDay = (iso) => {
    const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)/u.exec(iso) ?? [];
    const name = texts["form.months"]?.split(" ")[month - 1];
    return name ? window.akinText("form.day", { day: String(Number(day)), month: name, year }) : iso;
  };
  /* Titles in the language's quotation marks, with commas between them. */
  window.akinQuoted = (titles) => titles.map((title) => window.akinText("quoted", { title })).join(", ");
  /* The language that the address asks for; a long search has its address behind the #. */
  const asked = () => new URLSearchParams(location.search || location.hash.slice(1)).get("lang") === language;
  /* The address of one of the page's paths, also below a proxy's path, in the language that this one asks for. */
  window.akinLink = (path, inLanguage = asked()) => {
    const address = new URL(path, root ? new URL(root, location.href) : document.baseURI);
    if (inLanguage) address.searchParams.set("lang", language);
    return address.href;
  };

  /* Links to the same page in the other languages keep the rest of the address, which scripts change. */
  window.akinLanguages = (query = location.search, place = location.hash) => {
    for (const link of document.querySelectorAll("a[data-akin-language]")) {
      const address = new URLSearchParams(query);
      address.set("lang", link.lang);
      link.href = `?${address}${place}`;
    }
  };
  for (const kind of ["DOMContentLoaded", "hashchange"]) window.addEventListener(kind, () => window.akinLanguages());

  /* Copy a text, and say on its button what became of it. */
  window.akinCopy = (button, copied) => navigator.clipboard?.writeText(copied).then(
    () => { button.textContent = window.akinText("copied"); },
    () => { button.textContent = window.akinText("select_and_copy"); },
  );
})();
