"""A real headless Chromium for the tests: what a page logs, requests and shows."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

# Runs in the page once it is loaded, and leaves what it found in the DOM that Chromium prints.
PROBE = """
<script>
addEventListener("load", async () => {
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  const found = { images: [], requests: [], sorted: [], errors: window.probeErrors };
  for (const image of document.images) {
    const box = image.getBoundingClientRect();
    found.images.push([image.alt, image.naturalWidth > 0 && box.width > 50 && box.height > 50]);
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = table.querySelectorAll("thead th button");
    for (let column = 0; column < heads.length; column++) {
      for (const way of ["ascending", "descending"]) {
        heads[column].click();
        const cells = [...table.tBodies[0].rows].map((row) => row.cells[column]);
        found.sorted.push([table.id, heads[column].textContent, way, heads[column].parentNode.ariaSort,
          cells.map((cell) => cell.dataset.value ?? cell.textContent.trim())]);
      }
    }
  }
  found.filters = [...document.querySelectorAll(".filters")].map((box) => {
    const button = box.querySelector("[data-kind=gained]");
    button.click();
    const list = [...document.getElementById(box.dataset.list).children];
    return [list.filter((one) => !one.hidden).length, Number(button.textContent.match(/[0-9]+/)[0]), list.length];
  });
  found.ladder = [...document.querySelectorAll("svg.chart .mark")].map((mark) => {
    const said = mark.closest("svg").nextElementSibling.nextElementSibling, texts = [];
    said.textContent = "";
    mark.focus();
    texts.push(said.textContent);
    mark.blur();
    said.textContent = "";
    mark.querySelector("text").dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
    texts.push(said.textContent);
    const row = document.getElementById(mark.getAttribute("href").slice(1));
    return [mark.getAttribute("aria-label"), ...texts, row?.cells[0].dataset.value];
  });
  // With the filter `gained` still on: the seeds in turn.
  found.seeds = [...document.querySelectorAll(".seeds")].map((box) => [...box.children].map((button) => {
    button.click();
    const list = [...document.getElementById(box.dataset.list).children];
    for (const one of list) one.open = true;
    const panels = list.filter((one) => !one.hidden).map((one) =>
      [...one.querySelectorAll("[data-seed]")].filter((panel) => panel.offsetParent));
    return [button.dataset.seed, button.ariaPressed, panels.flat().map((panel) => panel.innerText), panels.length];
  }));
  found.requests = performance.getEntriesByType("resource").map((one) => one.name).filter((one) => !/^data:/.test(one));
  const note = document.createElement("pre");
  note.id = "probe";
  note.textContent = JSON.stringify(found);
  document.body.append(note);
});
</script>
"""
CATCH = '<script>window.probeErrors = []; addEventListener("error", (e) => probeErrors.push(e.message));</script>'


def chromium(*flags):
    """Run Chromium and return (standard output, console lines); skips, with the reason, where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs a browser: no chromium on this machine (apt-get install chromium)")
    fixed = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", "--v=0"]
    done = subprocess.run([program, *fixed, *flags], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def probe(page, folder):
    """Open a copy of `page` with the probe in it; returns (what the probe found, console lines)."""
    text = page.read_text(encoding="utf-8").replace("<head>", "<head>" + CATCH, 1)
    copy = folder / "probed.html"
    copy.write_text(text.replace("</body>", PROBE + "</body>", 1), encoding="utf-8")
    dom, console = chromium("--virtual-time-budget=20000", "--dump-dom", copy.as_uri())
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.DOTALL)
    assert found, f"the probe did not run: {console}"
    return json.loads(html.unescape(found[1])), console


def screenshot(address, path, size=(1200, 3000), wait=5000):
    """Write a PNG of the page; returns the console's lines."""
    flags = [f"--window-size={size[0]},{size[1]}", f"--virtual-time-budget={wait}", f"--screenshot={path}"]
    return chromium(*flags, address)[1]


def colours(path):
    """How many different colours a screenshot holds, and the share of its commonest one."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    counts = sorted((count for count, _ in image.getcolors(1 << 24)), reverse=True)
    return len(counts), counts[0] / (image.width * image.height)


# Runs in a page inside a frame of a chosen width, and tells the outer page what it found.
AUDIT = """
addEventListener("load", async () => {
  const printed = document.documentElement.dataset.printed;
  if (printed) dispatchEvent(new Event("beforeprint"));
  else for (const one of document.querySelectorAll("details")) one.open = true;
  const wide = [...document.body.querySelectorAll("*")].filter((one) => {
    const box = one.getBoundingClientRect();
    const plain = one.childElementCount === 0 && !(one instanceof SVGElement); // whose box is what it draws
    const words = plain ? one.scrollWidth : 0; // of text that nothing breaks
    const scrolls = !printed && one.closest(".wide, pre");
    return box.width && Math.max(box.right, box.left + words) > innerWidth + 1 && !scrolls;
  });
  const empty = [...document.querySelectorAll("section")].filter((one) => one.innerText.trim().split("\\n").length < 2);
  const sight = (one) => one.checkVisibility() && one.innerText.trim() !== "";
  const folds = [...document.querySelectorAll("details:not(.problem), [id^=problems-]")];
  const unseen = folds.filter((one) => ![...one.querySelectorAll("pre, td, li")].some(sight));
  const open = () => [...document.querySelectorAll("details[open]")].map((one) => one.dataset.kind ?? "");
  const opened = open();
  const rules = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] };
  const found = await axe.run(document, rules);
  if (printed) dispatchEvent(new Event("afterprint"));
  parent.postMessage(JSON.stringify({
    width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches,
    background: getComputedStyle(document.body).backgroundColor,
    wide: [...new Set(wide.map((one) => one.tagName + "#" + (one.closest("[id]") || document.body).id))],
    empty: empty.map((one) => one.id),
    unseen: unseen.map((one) => one.id || one.innerText.split("\\n")[0]),
    opened: opened, left: open(),
    violations: found.violations.map((one) => one.id + ": " + one.nodes.slice(0, 3).map((node) =>
      node.html.slice(0, 200) + " | " + node.failureSummary).join(" || ")),
    checked: found.passes.length,
  }), "*");
});
"""
FRAME = """<!doctype html><body style="margin:0"><iframe src="{page}" style="border:0;width:{width}px;height:4000px">
</iframe><script>addEventListener("message", (event) => {{
  const note = document.createElement("pre"); note.id = "probe";
  note.textContent = event.data; document.body.append(note);
}});</script>"""


def audit(page, folder, width, dark=False, printed=False):
    """What axe-core finds in a page of that width, what reaches over its edge, which sections are empty, and which
    folded parts show no row, line or code; `printed`: as its style sheet for paper shows it, between the two events
    that a browser sends when it prints.

    Skips, with the reason, where axe-core is not installed.
    """
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("needs axe-core: pip install --no-deps axe-playwright-python, which brings it")
    axe = (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    scripts = f"<script>{axe}</script><script>{AUDIT}</script>"
    text = page.read_text(encoding="utf-8")
    if printed:
        text = text.replace("@media print", "@media all").replace("<html", "<html data-printed=1", 1)
    (folder / "audited.html").write_text(text.replace("</body>", scripts + "</body>", 1), encoding="utf-8")
    outer = folder / "frame.html"
    outer.write_text(FRAME.format(page="audited.html", width=width), encoding="utf-8")
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    dom, console = chromium(*scheme, "--virtual-time-budget=60000", "--dump-dom", outer.as_uri())
    answer = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.DOTALL)
    assert answer, f"the audit did not run: {console}"
    return json.loads(html.unescape(answer[1]))
