"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const options = { actions: false, renderer: "svg", ast: true, tooltip: { theme: "page" } };
  for (const [name, spec] of Object.entries(specs)) {
    const place = document.getElementById("chart-" + name);
    vegaEmbed(place, spec, options).catch((error) => {
      place.textContent = "This chart could not be drawn: " + error.message;
    });
  }
  // Paper cannot be unfolded: print all but the rest of long texts, then put the page back as it was.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open], .long)")];
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
  });
})();
