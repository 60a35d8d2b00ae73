// What would happen to the order in a form, asked of the exchange whenever the form rests for a moment.

const PAUSE_MS = 300;

/** @param {HTMLFormElement} form whose [data-quote] shows the answer */
export function quoteWhileTyping(form) {
  const target = form.querySelector("[data-quote]");
  const url = form.dataset.quoteUrl;
  if (!target || !url) return;
  let turn = 0;
  const ask = async () => {
    const mine = ++turn;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (mine !== turn) return;
    const shown = form.checkValidity() ? await quote(url, form) : null;
    if (mine === turn) target.replaceChildren(...(shown ?? []));
  };
  form.addEventListener("input", ask);
  document.addEventListener("refreshed", ask);
  ask();
}

/**
 * @param {string} url
 * @param {HTMLFormElement} form
 * @returns {Promise<NodeListOf<ChildNode> | null>}
 */
async function quote(url, form) {
  const entries = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
  try {
    const answer = await fetch(`${url}?${new URLSearchParams(entries)}`);
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes;
  } catch {
    return null;
  }
}
