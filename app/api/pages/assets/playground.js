"use strict";
// Shows answers while they are written: each place asks for its own, as server-sent events.
(() => {
  // The events of a stream, each as its name and its JSON.
  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let unread = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      unread += value;
      const whole = unread.split("\n\n");
      unread = whole.pop();
      for (const each of whole) {
        const lines = each.split("\n");
        const field = (name) => lines.find((line) => line.startsWith(name + ": "))?.slice(name.length + 2);
        yield { name: field("event"), data: JSON.parse(field("data")) };
      }
    }
  }

  async function ask(place) {
    const text = place.querySelector(".answer");
    try {
      const answer = await fetch(place.action, { method: "POST", body: new URLSearchParams(new FormData(place)) });
      if (answer.redirected) throw new Error("you are no longer signed in");
      if (!answer.ok) throw new Error("the service answered " + answer.status);
      for await (const { name, data } of events(answer.body)) {
        if (name === "text") {
          text.classList.remove("empty");
          text.textContent = (place.dataset.begun ? text.textContent : "") + data;
          place.dataset.begun = "1";
        } else if (name === "whole") {
          // the service's own HTML, in which all texts are escaped
          place.outerHTML = data;
          return;
        }
      }
      throw new Error("the answer ended early");
    } catch (error) {
      text.classList.remove("empty");
      text.textContent = "There is no answer: " + error.message + ". Ask again.";
    }
  }

  for (const place of document.querySelectorAll("form[data-answer]")) ask(place);
})();
