// What every tool does: reads from standard input where the chain is and who signs, and prints what it found as JSON.
import { readFileSync } from 'node:fs';

export const { url, webSocketUrl, secret, abi, bytecode } = JSON.parse(readFileSync(0, 'utf8'));

// Send until what waits for it hears of it: how long a filter or a subscription takes to begin nobody knows.
export async function heard(coming, send) {
  let isHeard = false;
  coming.then(() => (isHeard = true), () => (isHeard = true));
  for (let turn = 0; turn < 60 && !isHeard; turn++) {
    await send();
    await Promise.race([coming, new Promise((resolve) => setTimeout(resolve, 2_000))]);
  }
  if (!isHeard) throw new Error('nothing came');
  return coming;
}

export function report(found) {
  console.log(JSON.stringify(found, (_, value) => (typeof value === 'bigint' ? value.toString() : value)));
  process.exit(0);
}
