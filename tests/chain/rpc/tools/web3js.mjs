import { Web3 } from 'web3';
import { abi, bytecode, heard, report, secret, url, webSocketUrl } from './scenario.mjs';

const web3 = new Web3(url);
const listener = new Web3(webSocketUrl);
const chainId = await web3.eth.getChainId();
const account = web3.eth.accounts.wallet.add(secret)[0];
const from = account.address;

const deployed = await new web3.eth.Contract(abi).deploy({ data: bytecode }).send({ from });
const address = deployed.options.address;
const contract = new web3.eth.Contract(abi, address);

const receipt = await contract.methods.store(7, 8).send({ from });
const sent = await web3.eth.getTransaction(receipt.transactionHash);
const value = await contract.methods.values(7).call();
const found = await contract.getPastEvents('Stored', { fromBlock: 0 });

const subscription = new listener.eth.Contract(abi, address).events.Stored();
const coming = new Promise((resolve, reject) => {
  subscription.on('data', (event) => resolve(event.returnValues));
  subscription.on('error', reject);
});
await new Promise((resolve) => subscription.on('connected', resolve));
const event = await heard(coming, () => contract.methods.store(11, 12).send({ from }));

const refusal = await contract.methods.refuse().call({ from }).catch((error) => [error.name, error.cause?.message ?? error.message]);
const custom = await contract.methods.refuseWith(5).call({ from }).catch((error) => [error.name, error.cause?.errorName]);
const stale = await web3.eth.sendTransaction({ from, to: from, nonce: 0 }).catch((error) => error.message);
const block = await web3.eth.getBlock('finalized', true);

report({
  chainId, address, value, refusal, custom, stale,
  pushed: [event.key, event.sender, event.value],
  type: Number(sent.type),
  status: Number(receipt.status),
  logs: receipt.logs.length,
  found: found.map((each) => each.transactionHash),
  sent: receipt.transactionHash,
  block: block.hash,
  from: block.transactions[0].from,
});
