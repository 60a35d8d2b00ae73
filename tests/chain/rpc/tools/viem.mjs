import { createPublicClient, createWalletClient, defineChain, http, webSocket } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { abi, bytecode, heard, report, secret, url, webSocketUrl } from './scenario.mjs';

const chainId = await createPublicClient({ transport: http(url) }).getChainId();
const chain = defineChain({
  id: chainId, name: 'region', nativeCurrency: { name: 'none', symbol: 'NONE', decimals: 18 },
  rpcUrls: { default: { http: [url], webSocket: [webSocketUrl] } },
});
const reader = createPublicClient({ chain, transport: http() });
const listener = createPublicClient({ chain, transport: webSocket() });
const account = privateKeyToAccount(secret);
const wallet = createWalletClient({ account, chain, transport: http() });

const created = await wallet.deployContract({ abi, bytecode });
const { contractAddress: address } = await reader.waitForTransactionReceipt({ hash: created });
const at = { address, abi };

const store = async (key) => {
  const hash = await wallet.writeContract({ ...at, functionName: 'store', args: [key, key + 1n] });
  return reader.waitForTransactionReceipt({ hash });
};
const receipt = await store(7n);
const sent = await reader.getTransaction({ hash: receipt.transactionHash });
const value = await reader.readContract({ ...at, functionName: 'values', args: [7n] });
const found = await reader.getContractEvents({ ...at, eventName: 'Stored', fromBlock: 0n });

async function watched(client, key) {
  let stop;
  const coming = new Promise((resolve, reject) => {
    stop = client.watchContractEvent({ ...at, eventName: 'Stored', onLogs: resolve, onError: reject });
  });
  const [{ args }] = await heard(coming, () => store(key));
  stop();
  return [args.key, args.sender, args.value];
}

const polled = await watched(reader, 9n);
const pushed = await watched(listener, 11n);

const names = (error) => [error.name, error.cause?.name, error.cause?.reason ?? error.cause?.data?.errorName];
const refusal = await reader.simulateContract({ ...at, functionName: 'refuse', account }).catch(names);
const custom = await reader.readContract({ ...at, functionName: 'refuseWith', args: [5n] }).catch(names);
const stale = await wallet.sendTransaction({ to: account.address, nonce: 0 }).catch((error) => error.cause.name);
const block = await reader.getBlock({ blockTag: 'finalized', includeTransactions: true });

report({
  chainId, address, value, polled, pushed, refusal, custom, stale,
  type: sent.type === 'eip1559' ? 2 : sent.type,
  status: receipt.status === 'success' ? 1 : 0,
  logs: receipt.logs.length,
  found: found.map((event) => event.transactionHash),
  sent: sent.hash,
  block: block.hash,
  from: block.transactions[0].from,
});
