// Sign-In with Ethereum (ERC-4361) through the wallet that the browser offers as window.ethereum (EIP-1193).

/** @typedef {{ request(call: { method: string, params?: unknown[] }): Promise<unknown> }} Wallet */

const form = /** @type {HTMLFormElement} */ (document.querySelector("#wallet"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
const status = /** @type {HTMLElement} */ (form.querySelector("[data-status]"));
const wallet = /** @type {{ ethereum?: Wallet }} */ (globalThis).ethereum;

button.disabled = !wallet;
status.textContent = wallet ? "" : (form.dataset.none ?? "");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!wallet) return;
  button.disabled = true;
  status.textContent = form.dataset.asking ?? "";
  try {
    await signIn(wallet);
    location.assign(form.dataset.next ?? "/");
  } catch (error) {
    status.textContent = `${form.dataset.refused} ${error instanceof Error ? error.message : ""}`;
    button.disabled = false;
  }
});

/** @param {Wallet} wallet */
async function signIn(wallet) {
  const [address] = /** @type {string[]} */ (await wallet.request({ method: "eth_requestAccounts" }));
  const { message } = await post("/api/v1/sign-in/message", { address });
  const text = new TextEncoder().encode(message);
  const hex = `0x${[...text].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const signature = await wallet.request({ method: "personal_sign", params: [hex, address] });
  await post("/api/v1/sign-in/ethereum", { message, signature });
}

/**
 * @param {string} url
 * @param {object} content
 */
async function post(url, content) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(content) });
  const result = await answer.json();
  if (!answer.ok) throw new Error(result.detail);
  return result;
}
