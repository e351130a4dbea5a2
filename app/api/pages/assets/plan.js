"use strict";
// Says that the plan below a form is of other settings than the form's, from a change until its plan has come.
addEventListener("DOMContentLoaded", () => {
  const plan = document.getElementById("plan");
  let changes = 0;
  let asked = 0;
  document.getElementById("settings").addEventListener("change", () => {
    changes += 1;
    plan.setAttribute("aria-busy", "true");
  });
  plan.addEventListener("htmx:beforeRequest", () => { asked = changes; });
  plan.addEventListener("htmx:afterSettle", () => {
    if (asked === changes) plan.setAttribute("aria-busy", "false");
  });
});
