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
for (const box of document.querySelectorAll(".filters")) {
  const list = document.getElementById(box.dataset.list);
  box.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    box.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    for (const problem of list.children) {
      problem.hidden = button.dataset.kind !== "all" && problem.dataset.kind !== button.dataset.kind;
    }
  });
}
