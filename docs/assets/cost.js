// Turn the tables of the page "Cost calculator" into a calculator: defaults become inputs, results follow them.
"use strict";

/** Return the results for inputs, both by the names of the page's tables. */
function estimate(input) {
  const exact = input.papers < 50000;
  const vectorBytes = input.dimensions * (exact ? input.exact_bytes : input.packed_bytes);
  const million = input.papers / 1e6;
  const searchMs = input.search_ms + input.search_ms_per_million * million;
  const busy = (input.searches * searchMs) / 1000 / (input.cores * input.utilisation);
  const machines = Math.max(1, Math.ceil(busy - 1e-9)) + input.spare;
  const serviceMb = (input.papers * (vectorBytes + input.paper_bytes)) / 1e6;
  const memoryGb = (serviceMb * input.update_factor + input.encoder_mb + input.other_mb) / 1000;
  const diskGb =
    (input.papers * (input.snapshots * (input.disk_bytes + vectorBytes * input.disk_factor) + 2 * input.dimensions)) / 1e9;
  const buildHours = input.papers / (input.encode_rate * input.cores) / 3600;
  const gpuHours = input.papers / input.gpu_rate / 3600;
  const machineMoney = machines * input.machine_price * 730;
  const diskMoney = machines * diskGb * input.disk_price;
  const updateMoney = (input.changed / (input.encode_rate * input.cores) / 3600) * input.machine_price;
  const month = machineMoney + diskMoney + updateMoney;
  return {
    machines,
    memory_gb: memoryGb,
    memory_fits: memoryGb <= input.memory,
    disk_gb: diskGb,
    search_ms_all: searchMs,
    searches_per_machine: (input.cores * input.utilisation * 1000) / searchMs,
    build_hours: buildHours,
    build_money: buildHours * input.machine_price,
    gpu_build_hours: gpuHours,
    gpu_build_money: gpuHours * input.gpu_price,
    month_money: month,
    million_money: month / ((input.searches * input.mean_share * 730 * 3600) / 1e6),
  };
}

/** Return a number of the page, which may have commas between thousands; NaN if it is none. */
function numberOf(text) {
  const plain = text.trim();
  if (/^\d{1,3}(,\d{3})+(\.\d+)?$/.test(plain)) return Number(plain.replaceAll(",", ""));
  return /^(\d+\.?\d*|\.\d+)(e\d{1,2})?$/.test(plain) ? Number(plain) : NaN;
}

const share = (value) => value > 0 && value <= 1;
const RULES = {
  spare: (value) => value >= 0 && Number.isInteger(value),
  snapshots: (value) => value >= 1 && Number.isInteger(value),
  changed: (value) => value >= 0,
  mean_share: share,
  utilisation: share,
};

/** Return true if an input can have a value. */
function usable(name, value) {
  return Number.isFinite(value) && (RULES[name] ?? ((each) => each > 0))(value);
}

/** Return a result as the page shows it. */
function shown(value) {
  if (typeof value === "boolean") return value ? "yes" : "no: choose a machine with more";
  if (!Number.isFinite(value)) return "–";
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Replace the defaults by inputs, and keep the results up to date. */
function start() {
  const tables = [...document.querySelectorAll("article table")];
  const rowsOf = (head) =>
    tables
      .filter((table) => table.querySelector("th")?.textContent.trim() === head)
      .flatMap((table) => [...table.querySelectorAll("tbody tr")])
      .map((row) => [row.cells[0].textContent.trim(), row.cells[1], row]);
  const inputs = new Map();
  for (const [name, cell, row] of rowsOf("input")) {
    const field = document.createElement("input");
    field.type = "text";
    field.inputMode = "decimal";
    field.value = field.defaultValue = cell.textContent.trim();
    field.setAttribute("aria-label", row.cells[2].textContent.trim());
    cell.replaceChildren(field);
    inputs.set(name, field);
  }
  const results = rowsOf("result");
  const update = () => {
    const given = {};
    let all = true;
    for (const [name, field] of inputs) {
      given[name] = numberOf(field.value);
      const good = usable(name, given[name]);
      field.setAttribute("aria-invalid", String(!good));
      all &&= good;
    }
    const made = all ? estimate(given) : {};
    for (const [name, cell] of results) cell.textContent = all ? shown(made[name]) : "–";
  };
  const again = document.createElement("button");
  again.type = "button";
  again.className = "md-button";
  again.textContent = "Back to the defaults";
  again.addEventListener("click", () => {
    for (const field of inputs.values()) field.value = field.defaultValue;
    update();
  });
  results[0][2].closest("table").after(again);
  for (const field of inputs.values()) field.addEventListener("input", update);
  update();
}

if (typeof document === "undefined") module.exports = { estimate, numberOf, shown, usable };
else document.addEventListener("DOMContentLoaded", start);
