"use strict";
// Says that the plan below a form is of other settings than the form's, from a change until its plan has come.
addEventListener("DOMContentLoaded", () => {
  const plan = document.getElementById("plan");
  const asked = new WeakMap(); // request -> the changes that it knows of
  let changes = 0;
  document.getElementById("settings").addEventListener("change", () => {
    changes += 1;
    plan.setAttribute("aria-busy", "true");
  });
  plan.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful || asked.get(event.detail.xhr) !== changes) return;
    document.getElementById("plan-text").textContent = "There is no plan: the service did not answer. Load the page again.";
    plan.setAttribute("aria-busy", "false");
  });
  plan.addEventListener("htmx:beforeRequest", (event) => asked.set(event.detail.xhr, changes));
  plan.addEventListener("htmx:afterSettle", (event) => {
    if (asked.get(event.detail.xhr) === changes) plan.setAttribute("aria-busy", "false");
  });
});
