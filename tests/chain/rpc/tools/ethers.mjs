import { Contract, ContractFactory, JsonRpcProvider, Wallet, WebSocketProvider } from 'ethers';
import { abi, bytecode, heard, report, secret, url, webSocketUrl } from './scenario.mjs';

const provider = new JsonRpcProvider(url);
const wallet = new Wallet(secret, provider);
const chainId = (await provider.getNetwork()).chainId;

const deployed = await new ContractFactory(abi, bytecode, wallet).deploy();
await deployed.waitForDeployment();
const address = await deployed.getAddress();
const contract = new Contract(address, abi, wallet);

// ethers answers itself for a quarter of a second what it has asked, nonces among it; our blocks are sealed sooner.
const store = async (key) => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  return contract.store(key, key + 1);
};
const sent = await store(7);
const receipt = await sent.wait();
const value = await contract.values(7);
const found = await contract.queryFilter('Stored', 0);

async function watched(watcher, key) {
  const coming = new Promise((resolve) => watcher.once('Stored', (...fields) => resolve(fields.slice(0, 3))));
  return heard(coming, async () => (await store(key)).wait());
}

const polled = await watched(contract, 9);
const webSocket = new WebSocketProvider(webSocketUrl);
const pushed = await watched(new Contract(address, abi, webSocket), 11);

const refusal = await contract.refuse.staticCall().catch((error) => [error.code, error.reason]);
const custom = await contract.refuseWith.staticCall(5).catch((error) => [error.code, error.revert?.name]);
const stale = await wallet.sendTransaction({ to: wallet.address, nonce: 0 }).catch((error) => error.code);
const block = await provider.getBlock('finalized', true);

report({
  chainId, address, value, polled, pushed, refusal, custom, stale,
  type: sent.type,
  status: receipt.status,
  logs: receipt.logs.length,
  found: found.map((event) => event.transactionHash),
  sent: sent.hash,
  block: block.hash,
  from: block.prefetchedTransactions[0].from,
});
