/* The map: tiles of points on a canvas, moved by mouse, touch and keyboard. */
(() => {
  const box = document.getElementById("akin-map");
  if (!box) return;
  const canvas = box.querySelector("canvas");
  const brush = canvas.getContext("2d");
  const tip = document.getElementById("akin-map-tip");
  const choice = document.getElementById("akin-map-colour");
  const given = (name) => JSON.parse(document.getElementById(name)?.textContent ?? "[]");
  const about = given("akin-map-about"), marks = given("akin-map-marks");
  const EDGE = 65534, AGES = 8, MOST_ZOOM = 9, NEAR = 9;
  const FEW = 200; // papers, of which each is drawn large
  const view = { x: 0.5, y: 0.5, zoom: 0 };
  const tiles = new Map(), titles = new Map();
  let image, width = 0, height = 0, colours = {}, drawing = false, shown = null, over = null, asked = 0, byKeys = false;

  const unit = () => Math.min(width, height) * 2 ** view.zoom;
  const toScreen = (x, y) => [(x - view.x) * unit() + width / 2, (y - view.y) * unit() + height / 2];
  const toMap = (left, top) => [(left - width / 2) / unit() + view.x, (top - height / 2) / unit() + view.y];
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
  const isWhole = () => view.zoom === 0 && view.x === 0.5 && view.y === 0.5;

  /* Tiles */
  const key = (tile) => `${tile.z}/${tile.x}/${tile.y}`;
  const left = (tile) => [tile.x / 2 ** tile.z, tile.y / 2 ** tile.z, 1 / 2 ** tile.z];
  const isSeen = (tile) => {
    const [x, y, side] = left(tile), [x0, y0] = toMap(0, 0), [x1, y1] = toMap(width, height);
    return x < x1 && x + side > x0 && y < y1 && y + side > y0;
  };
  /* A tile is drawn once its square is large enough to have room for further points. */
  const isWanted = (tile) => tile.z === 0 || (unit() / 2 ** tile.z > 150 && isSeen(tile));

  async function load(tile) {
    const entry = { tile, points: null };
    tiles.set(key(tile), entry);
    try {
      const answer = await fetch(`${box.dataset.tiles.split("?")[0]}/${about.version}/${key(tile)}`);
      if (!answer.ok) throw new Error(answer.status);
      const bytes = await answer.arrayBuffer(), n = bytes.byteLength / 6;
      entry.points = { n, x: new Uint16Array(bytes, 0, n), y: new Uint16Array(bytes, 2 * n, n),
        group: new Uint8Array(bytes, 4 * n, n), year: new Uint8Array(bytes, 5 * n, n) };
      draw();
    } catch {
      setTimeout(() => tiles.delete(key(tile)), 5000);
    }
  }

  /* The number of each point's colour. */
  function coded(entry) {
    const by = choice.value, { points } = entry;
    if (entry.by !== by) {
      const years = Math.max(about.last_year - about.first_year + 1, 1), last = about.groups.length - 1;
      entry.code = Uint8Array.from({ length: points.n }, (_, i) => by === "year"
        ? (points.year[i] ? Math.min(AGES - 1, Math.floor(((points.year[i] - 1) * AGES) / years)) : AGES)
        : (points.group[i] === last ? 8 : points.group[i]));
      entry.by = by;
    }
    return entry;
  }

  /* Drawing */
  function readColours() {
    const style = getComputedStyle(document.body), read = (name) => style.getPropertyValue(name).trim();
    const parts = (name) => [1, 3, 5].map((at) => parseInt(read(name).slice(at, at + 2), 16));
    colours = { ink: read("--akin-ink"), paper: read("--input-background-fill"), accent: read("--akin-accent"),
      group: Array.from({ length: 9 }, (_, i) => parts(`--akin-map-${i}`)),
      year: [...Array.from({ length: AGES }, (_, i) => parts(`--akin-map-y${i}`)), parts("--akin-map-8")] };
  }

  function draw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      paint();
    });
  }

  function paint() {
    const ratio = devicePixelRatio || 1;
    paintPoints(ratio);
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    paintLabels();
    paintMarks();
    if (over) ring(...toScreen(over.x, over.y), 7);
    if (byKeys && document.activeElement === box) {
      brush.strokeStyle = colours.ink;
      brush.lineWidth = 1;
      brush.strokeRect(width / 2 - 7, height / 2 - 7, 14, 14);
    }
    box.dataset.zoom = view.zoom.toFixed(2);
    box.dataset.points = String([...tiles.values()].reduce((sum, each) => sum + (each.points?.n ?? 0), 0));
  }

  /* Points are written into the pixels: a canvas without a graphics card draws a hundred thousand squares too slowly. */
  function paintPoints(ratio) {
    const across = canvas.width, down = canvas.height, side = unit() * ratio;
    if (!across || !down) return;
    if (image?.width !== across || image.height !== down) image = brush.createImageData(across, down);
    const pixels = image.data;
    pixels.fill(0);
    const more = about.placed < FEW ? 7 : about.placed < 5000 ? 2.2 : 0;
    const size = Math.max(1, Math.round(ratio * clamp(1.1 + view.zoom * 0.55 + more, 1.2, more > 6 ? 10 : 6)));
    const strength = marks.length ? 0.45 : clamp(0.5 + view.zoom * 0.1, 0.5, 0.9);
    const scale = side / EDGE, dx = across / 2 - view.x * side - size / 2, dy = down / 2 - view.y * side - size / 2;
    for (const tile of about.tiles) {
      if (!isWanted(tile) || !isSeen(tile)) continue;
      const entry = tiles.get(key(tile));
      if (!entry) load(tile);
      if (!entry?.points) continue;
      const { points: { n, x, y }, code } = coded(entry), palette = colours[choice.value];
      for (let i = 0; i < n; i += 1) {
        const px = Math.round(x[i] * scale + dx), py = Math.round(y[i] * scale + dy);
        if (px < 0 || py < 0 || px + size > across || py + size > down) continue;
        const [red, green, blue] = palette[code[i]];
        for (let row = py; row < py + size; row += 1) {
          for (let at = 4 * (row * across + px), end = at + 4 * size; at < end; at += 4) {
            pixels[at] = red;
            pixels[at + 1] = green;
            pixels[at + 2] = blue;
            pixels[at + 3] += (255 - pixels[at + 3]) * strength;
          }
        }
      }
    }
    brush.putImageData(image, 0, 0);
  }

  function ring(x, y, radius) {
    brush.strokeStyle = colours.ink;
    brush.lineWidth = 2;
    brush.beginPath();
    brush.arc(x, y, radius, 0, 2 * Math.PI);
    brush.stroke();
  }

  function paintLabels() {
    const level = view.zoom < 0.9 ? 0 : view.zoom < 2.2 ? 1 : view.zoom < 3.4 ? 2 : 3;
    const taken = [];
    brush.textAlign = "center";
    brush.textBaseline = "middle";
    brush.lineJoin = "round";
    for (const label of about.labels) {
      if (label.level > level || label.level < level - 1) continue;
      let [x, y] = toScreen(label.x, label.y);
      if (about.placed < FEW) y -= 16; // a point of its own is not covered
      if (x < 0 || y < 0 || x > width || y > height) continue;
      brush.font = `${label.level === level && level > 1 ? 400 : 600} ${width < 500 ? 11 : 13}px system-ui, sans-serif`;
      const half = brush.measureText(label.text).width / 2 + 6;
      const at = clamp(x, half, Math.max(half, width - half));
      if (taken.some((each) => Math.abs(each.y - y) < 20 && Math.abs(each.x - at) < each.half + half)) continue;
      taken.push({ x: at, y, half });
      brush.lineWidth = 4;
      brush.strokeStyle = colours.paper;
      brush.strokeText(label.text, at, y);
      brush.fillStyle = colours.ink;
      brush.fillText(label.text, at, y);
    }
  }

  function paintMarks() {
    brush.font = "600 11px system-ui, sans-serif";
    brush.textAlign = "center";
    brush.textBaseline = "middle";
    for (const mark of [...marks].reverse()) {
      const [x, y] = toScreen(mark.x, mark.y);
      brush.fillStyle = colours.accent;
      brush.beginPath();
      brush.arc(x, y, 9, 0, 2 * Math.PI);
      brush.fill();
      brush.fillStyle = colours.paper;
      brush.fillText(mark.rank, x, y);
    }
  }

  /* The paper at a place: a result first, then the nearest point that is drawn. */
  function hit(px, py) {
    let best = null, nearest = (NEAR + 3) ** 2;
    for (const mark of marks) {
      const [x, y] = toScreen(mark.x, mark.y), distance = (x - px) ** 2 + (y - py) ** 2;
      if (distance < nearest) [best, nearest] = [mark, distance];
    }
    if (best) return best;
    nearest = NEAR ** 2;
    const side = unit() / EDGE, [mx, my] = toMap(px, py).map((value) => value * EDGE);
    for (const { tile, points } of tiles.values()) {
      if (!points || !isWanted(tile)) continue;
      for (let i = 0; i < points.n; i += 1) {
        const distance = ((points.x[i] - mx) * side) ** 2 + ((points.y[i] - my) * side) ** 2;
        if (distance < nearest) [best, nearest] = [{ x: points.x[i] / EDGE, y: points.y[i] / EDGE }, distance];
      }
    }
    return best;
  }

  async function paperAt(place) {
    if (place.id) return place;
    const name = `x=${place.x.toFixed(7)}&y=${place.y.toFixed(7)}`;
    if (!titles.has(name)) {
      const address = box.dataset.near;
      const answer = await fetch(`${address}${address.includes("?") ? "&" : "?"}${name}`);
      if (!answer.ok) throw new Error(answer.status);
      titles.set(name, (await answer.json()).points[0]);
    }
    return titles.get(name);
  }

  async function tell(place) {
    const turn = (asked += 1);
    over = place;
    box.classList.toggle("akin-map-over", Boolean(place));
    draw();
    if (!place) {
      tip.textContent = "";
      shown = null;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 90));
    if (turn !== asked) return;
    try {
      const paper = await paperAt(place);
      if (turn !== asked || !paper) return;
      shown = paper;
      tip.textContent = paper.year ? `${paper.title} (${paper.year})` : paper.title;
    } catch {
      tip.textContent = window.akinText("map_away");
    }
  }

  async function open(place) {
    try {
      const paper = await paperAt(place);
      if (!paper) return;
      const [path, query] = box.dataset.paper.split("?");
      location.href = path + encodeURIComponent(paper.id).replaceAll("%2F", "/") + (query ? `?${query}` : "");
    } catch {
      tip.textContent = window.akinText("map_away");
    }
  }

  /* Moving */
  let saving = 0;
  function moved() {
    view.zoom = clamp(view.zoom, 0, MOST_ZOOM);
    view.x = clamp(view.x, 0, 1);
    view.y = clamp(view.y, 0, 1);
    draw();
    clearTimeout(saving);
    saving = setTimeout(() => {
      const place = isWhole() ? "" : `#${view.x.toFixed(4)},${view.y.toFixed(4)},${view.zoom.toFixed(2)}`;
      history.replaceState(null, "", location.pathname + location.search + place);
      window.akinLanguages();
    }, 300);
  }

  function zoom(steps, px = width / 2, py = height / 2) {
    const [x, y] = toMap(px, py);
    view.zoom = clamp(view.zoom + steps, 0, MOST_ZOOM);
    const [nx, ny] = toMap(px, py);
    view.x += x - nx;
    view.y += y - ny;
    if (view.zoom === 0) [view.x, view.y] = [0.5, 0.5];
    moved();
  }

  const actions = {
    in: () => zoom(0.7),
    out: () => zoom(-0.7),
    whole: () => {
      Object.assign(view, { x: 0.5, y: 0.5, zoom: 0 });
      moved();
    },
  };
  for (const button of document.querySelectorAll("[data-map]")) {
    button.addEventListener("click", () => actions[button.dataset.map]());
  }

  const pointers = new Map();
  let travelled = 0;
  const placeOf = (event) => {
    const edge = box.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    box.setPointerCapture(event.pointerId);
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, placeOf(event));
    byKeys = false;
  });
  box.addEventListener("pointermove", (event) => {
    const now = placeOf(event), before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") tell(hit(...now));
      return;
    }
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    travelled += Math.abs(dx) + Math.abs(dy);
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
      zoom(Math.log2(apart(now) / apart(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if (travelled > 4) {
      view.x -= dx / unit();
      view.y -= dy / unit();
      moved();
    }
    pointers.set(event.pointerId, now);
  });
  box.addEventListener("pointerup", (event) => {
    const was = pointers.delete(event.pointerId);
    if (!was || pointers.size || travelled > 4) return;
    const place = hit(...placeOf(event));
    /* A finger cannot hover: its first touch tells the title, its second opens the paper. */
    if (place && event.pointerType === "touch" && !(over && over.x === place.x && over.y === place.y)) tell(place);
    else if (place) open(place);
    else tell(null);
  });
  box.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  box.addEventListener("pointerleave", () => !byKeys && tell(null));
  box.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(clamp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002), -1, 1), ...placeOf(event));
  }, { passive: false });

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = steps[event.key];
    if (step) {
      view.x += (step[0] * 60) / unit();
      view.y += (step[1] * 60) / unit();
      moved();
    } else if (event.key === "+" || event.key === "=") actions.in();
    else if (event.key === "-") actions.out();
    else if (event.key === "0") actions.whole();
    else if (event.key === "Enter") {
      if (shown) open(shown);
    } else return;
    event.preventDefault();
    byKeys = true;
    if (event.key !== "Enter") tell({ x: clamp(view.x, 0, 1), y: clamp(view.y, 0, 1) });
  });

  choice.addEventListener("change", () => {
    for (const legend of document.querySelectorAll("[data-colour]")) legend.hidden = legend.dataset.colour !== choice.value;
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    draw();
  });
  const fit = () => {
    const ratio = devicePixelRatio || 1;
    [width, height] = [box.clientWidth, box.clientHeight];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    draw();
  };
  new ResizeObserver(fit).observe(box);

  readColours();
  const [x, y, level] = location.hash.slice(1).split(",").map(Number);
  if ([x, y, level].every(Number.isFinite)) Object.assign(view, { x, y, zoom: level });
  fit();
  moved();
})();
