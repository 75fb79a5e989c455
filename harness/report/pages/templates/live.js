"use strict";
const every = 1000 * Number(document.getElementById("live").dataset.every);
const renew = async () => {
  const note = document.getElementById("renewal");
  try {
    const answer = await fetch(location.href, {cache: "no-store", credentials: "omit", redirect: "error"});
    if (!answer.ok) throw new Error("no page");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("live").replaceWith(fresh.getElementById("live"));
    document.title = fresh.title;
    note.textContent = "";
    setTimeout(renew, every);
  } catch {
    note.textContent = "The run does not answer any more: it has ended, and what stands here is the last that was seen of it. Its page is " + note.dataset.page;
    setTimeout(renew, 5 * every);
  }
};
setTimeout(renew, every);
