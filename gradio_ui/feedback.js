/* Useful or not: the buttons of each result, where the service keeps what readers say. */
(() => {
  const line = () => document.getElementById("akin-stored");

  async function send(group, said, keepalive = false) {
    const answer = await fetch(akinLink("feedback"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      keepalive,
      body: JSON.stringify({
        search: line().dataset.akinSearch,
        paper: group.closest("[data-id]").dataset.id,
        rank: Number(group.dataset.akinRank),
        ...said,
      }),
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
  }

  /* Screen readers hear it from the line below the results; a failure is shown beside the buttons too. */
  function say(group, text, failed = false) {
    const place = line()?.querySelector(".akin-said");
    if (place) place.textContent = text;
    if (failed) group.dataset.akinSaid = text;
    else delete group.dataset.akinSaid;
  }

  async function press(button) {
    const group = button.closest(".akin-useful");
    if (group.dataset.akinBusy) return;
    group.dataset.akinBusy = "true";
    const pressed = button.getAttribute("aria-pressed") === "true";
    try {
      await send(group, pressed ? { withdraw: true } : { useful: button.dataset.akinUseful === "true" });
      for (const each of group.querySelectorAll("button")) {
        each.setAttribute("aria-pressed", String(!pressed && each === button));
      }
      say(group, akinText(pressed ? "feedback_withdrawn" : "feedback_stored"));
    } catch (error) {
      const reason = error instanceof TypeError ? "" : error.message;
      say(group, akinText("feedback_failed", { reason }).trim(), true);
    } finally {
      delete group.dataset.akinBusy;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-akin-useful]");
    if (button) press(button);
  });

  /* Opened papers are told only where the operator keeps them too; nothing waits for it. */
  for (const name of ["click", "auxclick"]) {
    document.addEventListener(name, (event) => {
      const link = event.target.closest(".akin-title a, .akin-actions a[target=_blank]");
      const group = link?.closest(".akin-paper")?.querySelector(".akin-useful");
      if (group && event.button !== 2 && line()?.dataset.akinOpened !== undefined) {
        send(group, { opened: true }, true).catch(() => {});
      }
    });
  }
})();
