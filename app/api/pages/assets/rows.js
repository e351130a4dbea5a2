"use strict";
// Moves through the rows of a page by keyboard, and decides on them where the page has boxes to tick.
(() => {
  const rows = [...document.querySelectorAll(".row")];
  const changes = document.getElementById("changes");
  const boxOf = (row) => row.querySelector('input[type="checkbox"]');

  // Whether a text says something else than at first, or the row is merged into another.
  function rewritten(row) {
    const texts = [...row.querySelectorAll("textarea")];
    return texts.some((text) => text.value !== text.defaultValue) || Boolean(row.querySelector("select")?.value);
  }

  function move(step) {
    const now = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[Math.min(Math.max(now + step, 0), rows.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  function decide(row, accept) {
    const box = boxOf(row);
    if (!box) return;
    box.checked = (box.name === "accept") === accept; // the other boxes leave something out
    count();
  }

  function count() {
    if (!changes) return;
    const changed = rows.filter((row) => boxOf(row)?.checked || rewritten(row)).length;
    changes.textContent = changed ? changed + " of " + rows.length + " changed" : "";
  }

  // Letters act on the row that has the keyboard, so that nothing is decided by mistake.
  function press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const row = rows.find((each) => each.contains(document.activeElement));
    const typing = document.activeElement.matches('textarea, select, input:not([type="checkbox"])');
    if (typing) {
      if (event.key === "Escape" && row) row.focus();
      return;
    }
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (row && event.key === "a") decide(row, true);
    else if (row && event.key === "r") decide(row, false);
    else if (row && event.key === "e" && row.querySelector("textarea:not([readonly])")) row.querySelector("textarea").focus();
    else return;
    event.preventDefault(); // a letter that moves to a text must not be written into it
  }

  if (!rows.length) return;
  for (const row of rows) row.tabIndex = -1;
  document.addEventListener("keydown", press);
  document.addEventListener("change", count);
  count(); // a browser keeps ticked boxes when the page is loaded again
})();
