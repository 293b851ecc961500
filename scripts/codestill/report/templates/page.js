"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sort(table, head, column));
  });
}
function sort(table, head, column) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const x = key(a), y = key(b);
    if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays last
    const p = Number(x), q = Number(y);
    const order = Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q;
    return up ? order : -order;
  });
  table.tBodies[0].append(...rows);
}
for (const chart of document.querySelectorAll("svg.chart")) {
  const said = chart.nextElementSibling.nextElementSibling;
  for (const what of ["mouseover", "focusin"]) {
    chart.addEventListener(what, (event) => {
      const mark = event.target.closest(".mark");
      if (mark) said.textContent = mark.getAttribute("aria-label");
    });
  }
}
function press(button) {
  for (const one of button.parentNode.children) one.setAttribute("aria-pressed", String(one === button));
}
function filter(box) {
  const kind = box.querySelector("[aria-pressed=true]").dataset.kind;
  for (const problem of document.getElementById(box.dataset.list).children) {
    problem.hidden = kind !== "all" && problem.dataset.kind !== kind;
  }
}
for (const box of document.querySelectorAll(".filters, .seeds")) {
  box.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    press(button);
    if (button.dataset.seed) take(box.dataset.list, button.dataset.seed);
    filter(document.querySelector(`.filters[data-list="${box.dataset.list}"]`));
  });
}
function take(list, seed) { // the completions of another seed, and which problems they solve
  const counts = { all: 0 };
  for (const problem of document.getElementById(list).children) {
    for (const panel of problem.querySelectorAll("[data-seed]")) {
      panel.hidden = panel.dataset.seed !== seed;
      if (!panel.hidden) problem.dataset.kind = panel.dataset.kind;
    }
    const kind = problem.dataset.kind, shown = problem.querySelector(".kind");
    shown.className = `kind ${kind}`;
    shown.textContent = kind;
    counts[kind] = (counts[kind] ?? 0) + 1;
    counts.all += 1;
  }
  for (const button of document.querySelectorAll(`.filters[data-list="${list}"] button`)) {
    button.textContent = `${button.dataset.kind} ${counts[button.dataset.kind] ?? 0}`;
  }
}
let unfolded = []; // for paper, which nobody can click
addEventListener("beforeprint", () => {
  const folds = [...document.querySelectorAll("details:not(.problem)")];
  for (const list of document.querySelectorAll('[id^="problems-"]')) {
    const first = (kind) => list.querySelector(`.problem${kind}:not([hidden])`);
    const changed = [first("[data-kind=gained]"), first("[data-kind=lost]")].filter(Boolean);
    folds.push(...(changed.length ? changed : [first("")].filter(Boolean)));
  }
  const shut = folds.filter((one) => !one.open);
  for (const one of shut) one.open = true;
  unfolded.push(...shut);
});
addEventListener("afterprint", () => {
  for (const one of unfolded) one.open = false;
  unfolded = [];
});
