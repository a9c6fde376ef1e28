/* A paper's page works without this: it adds one-click copies, and shows a paper of the list in the drawing. */
(() => {
  for (const button of document.querySelectorAll("[data-akin-copy]")) button.hidden = !navigator.clipboard;

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-akin-copy]");
    if (button) window.akinCopy(button, button.parentElement.querySelector("pre").textContent);
  });

  function near(event) {
    const number = event.target.closest?.("[data-akin-near]")?.dataset.akinNear;
    for (const each of document.querySelectorAll("[data-akin-near]")) {
      each.classList.toggle("akin-here", each.dataset.akinNear === number);
    }
  }

  for (const kind of ["pointerover", "focusin"]) document.querySelector(".akin-drawing")?.addEventListener(kind, near);
  document.querySelector(".akin-drawing")?.addEventListener("pointerleave", near);
})();
