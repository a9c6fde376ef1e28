/* Import into a reading list: a text or a file, read in the browser, looked up, and shown before anything is added. */
(() => {
  const { ask, make, part } = window.akinListPage;
  const lists = window.akinLists;
  const text = window.akinText;
  const LARGEST = 4 << 20; // bytes of a file
  const LONGEST_TEXT = 1_000_000; // characters of an import

  /* Return the text of a file: UTF-8, UTF-16 with a mark, or else Latin 1 as older programs write it. */
  function decoded(bytes) {
    const [first, second] = new Uint8Array(bytes.slice(0, 2));
    const isWide = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
    if (isWide) return new TextDecoder(first === 0xff ? "utf-16le" : "utf-16be").decode(bytes);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return new TextDecoder("windows-1252").decode(bytes);
    }
  }

  function tell(...content) {
    part("found").replaceChildren(...content);
  }

  async function readFile() {
    const file = part("file").files[0];
    if (!file) return;
    if (file.size > LARGEST) {
      tell(make("p", { className: "akin-problem" }, text("list.large_file", { most: LARGEST >> 20 })));
      return;
    }
    part("text").value = decoded(await file.arrayBuffer());
    await lookUp();
  }

  async function lookUp() {
    const given = part("text").value;
    if (!given.trim()) {
      part("text").focus();
      return;
    }
    if (given.length > LONGEST_TEXT) {
      tell(make("p", { className: "akin-problem" }, text("list.long_text", { most: LONGEST_TEXT })));
      return;
    }
    tell(make("p", {}, text("list.asking")));
    try {
      show(await ask("resolve", { text: given }));
    } catch (error) {
      tell(make("p", { className: "akin-problem", role: "alert" }, error.message));
    }
  }

  /* Show what was found, what is uncertain and what was not found. */
  function show({ references }) {
    const found = references.filter((each) => each.paper);
    const perhaps = references.filter((each) => !each.paper && each.candidates.length);
    const lost = references.filter((each) => !each.paper && !each.candidates.length);
    const choices = new Map();
    const add = make("button", { type: "button" });
    const count = () => [...choices.values()].filter(({ box }) => box.checked).length;
    const update = () => {
      add.textContent = window.akinCount("list.add_found", count());
      add.disabled = !count();
    };
    const choice = (paper, checked) => {
      if (choices.has(paper.id)) return "";
      const box = make("input", { type: "checkbox", checked });
      choices.set(paper.id, { box, paper });
      return make("li", {}, make("label", {}, box, ` ${paper.title || paper.id} `, make("small", {}, paper.id)));
    };
    const where = (each) => (each.line ? `${text("list.line", { line: each.line })}: ` : "") + each.reference;
    const section = (key, many, items) => (many ? [make("h3", {}, window.akinCount(key, many)), make("ul", {}, ...items)] : []);
    const parts = [
      ...section("list.found", found.length, found.map((each) => choice(each.paper, true))),
      ...section("list.perhaps", perhaps.length, perhaps.map((each) => make("li", {}, where(each), make("ul", {}, ...each.candidates.map((one) => choice(one, false)))))),
      ...section("list.lost", lost.length, lost.map((each) => make("li", {}, where(each) + (each.problem ? ` (${each.problem})` : "")))),
    ];
    add.addEventListener("click", () => {
      const chosen = [...choices.values()].filter(({ box }) => box.checked).map(({ paper }) => paper);
      const added = lists.change((state) => lists.add(lists.currentOf(state), chosen));
      tell();
      part("text").value = "";
      part("file").value = "";
      part("look").focus();
      lists.say(window.akinCount("list.imported", added) + (added < chosen.length ? ` ${window.akinCount("list.had", chosen.length - added)}` : ""));
    });
    part("found").onchange = update;
    update();
    tell(...parts, choices.size ? add : "");
  }

  part("file").addEventListener("change", readFile);
  part("look").addEventListener("click", lookUp);
})();
