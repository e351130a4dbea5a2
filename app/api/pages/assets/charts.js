"use strict";
// Draws the charts of a page, and draws them again while the run works and its numbers change.
(() => {
  const EVERY = 5000;
  const options = { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: { theme: "page", disableDefaultStyle: true } };
  const drawn = {};

  async function draw(name, spec) {
    const figure = document.getElementById("figure-" + name);
    const text = JSON.stringify(spec);
    if (!figure || drawn[name] === text) return;
    drawn[name] = text;
    figure.hidden = false;
    const place = figure.querySelector(".drawing");
    place.style.minHeight = place.offsetHeight + "px"; // the page must not jump while the chart is made anew
    try {
      await vegaEmbed(place, spec, options);
    } catch (error) {
      place.textContent = "This chart could not be drawn: " + error.message;
    }
  }

  async function update(source) {
    let over = false;
    try {
      const answer = await fetch(source, { headers: { Accept: "application/json" } });
      if (answer.ok) {
        const content = await answer.json();
        over = content.over;
        for (const [name, spec] of Object.entries(content.charts)) await draw(name, spec);
      }
    } catch (error) {
      console.warn("The charts could not be loaded; they are tried again.", error);
    }
    if (!over) setTimeout(update, EVERY, source);
  }

  const charts = document.querySelector("[data-charts]");
  if (charts) update(charts.dataset.charts);
})();
