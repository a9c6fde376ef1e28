/* Show formulas with KaTeX, which is loaded when the first formula appears. Without it, or if a formula is not valid, its
   source stays. Texts of papers are untrusted: KaTeX gets no trust, and the number and the length of formulas are limited. */
(() => {
  const MOST_FORMULAS = 500;
  const LONGEST = 1000;
  /* Elements within elements: a formula has up to sixty, and browsers crash when they lay out thousands. */
  const DEEPEST = 200;
  const OPTIONS = { throwOnError: true, trust: false, strict: "ignore", maxExpand: 200, maxSize: 4, output: "htmlAndMathml", errorColor: "currentcolor" };

  /* The same expression and rule as in akin/papers/text/mathematics.py; a test compares them. */
  const MATHEMATICS = /\\\\|\$\$[^$]+\$\$|\$(?:[^$\\\n]|\\[^\n])+\$|\\\((?:(?!\\[()])[^\n])+\\\)|\\\[(?:(?!\\[\[\]])[^\n])+\\\]|\\\$/gu;

  function isMoney(inner, behind) {
    if (/^\d/u.test(inner) && /^\d/u.test(behind)) return true;
    const padded = /^\s|\s$/u.test(inner);
    const words = inner.trim().split(/\s+/u);
    return padded && (/^\d/u.test(inner) || words.length > 1 || /^\p{L}{2,}$/u.test(words[0])) && !/[\\^_=<>+{}]/u.test(inner);
  }

  function formulas(text) {
    const found = [];
    MATHEMATICS.lastIndex = 0;
    for (let match; (match = MATHEMATICS.exec(text)); ) {
      const source = match[0];
      const start = match.index;
      if (source === "\\\\" || source === "\\$") continue;
      const width = source.startsWith("$") && !source.startsWith("$$") ? 1 : 2;
      const inner = source.slice(width, -width);
      if (width === 1 && isMoney(inner, text.slice(start + source.length))) MATHEMATICS.lastIndex = start + 1;
      else found.push({ start, end: start + source.length, inner });
    }
    return found;
  }

  function isTooDeep(box) {
    let level = [box];
    for (let depth = 0; level.length; depth++) {
      if (depth > DEEPEST) return true;
      level = level.flatMap((element) => [...element.children]);
    }
    return false;
  }

  let shown = 0;

  function show(node) {
    const pieces = [];
    let end = 0;
    for (const formula of formulas(node.data)) {
      if (formula.inner.length > LONGEST || ++shown > MOST_FORMULAS) continue;
      const box = document.createElement("span");
      box.className = "akin-formula";
      try {
        window.katex.render(formula.inner, box, OPTIONS);
      } catch {
        continue;
      }
      if (isTooDeep(box)) continue;
      pieces.push(node.data.slice(end, formula.start), box);
      end = formula.end;
    }
    if (pieces.length) node.replaceWith(...pieces, node.data.slice(end));
  }

  function showAll() {
    const waiting = [...document.querySelectorAll(".akin-tex")];
    if (!waiting.length) return;
    shown = document.querySelectorAll(".akin-formula").length;
    for (const element of waiting) {
      element.classList.remove("akin-tex");
      const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      const nodes = [];
      while (texts.nextNode()) nodes.push(texts.currentNode);
      nodes.forEach(show);
    }
  }

  let loading;

  function load() {
    loading ??= new Promise((done, failed) => {
      const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: window.akinLink("katex/katex.min.css", false) });
      const script = Object.assign(document.createElement("script"), { src: window.akinLink("katex/katex.min.js", false), onload: done, onerror: failed });
      document.head.append(style, script);
    });
    return loading;
  }

  let scheduled = false;

  function look() {
    if (scheduled || !document.querySelector(".akin-tex")) return;
    scheduled = true;
    load().then(showAll, () => {}).finally(() => { scheduled = false; });
  }

  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });
  look();
})();
