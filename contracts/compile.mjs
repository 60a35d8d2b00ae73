// Compiles src/ with the pinned solc and writes the ABI and bytecode of every deployable contract as JSON.
//   node compile.mjs OUTPUT_FOLDER
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import solc from "solc";

const deployables = ["Balancing", "Consortium", "EnergyMarket", "SlaveAnchors", "SlaveLedger"];
// What answers at a contract's address, where that is more than its own code knows.
const faces = { EnergyMarket: "IExchange" };
const folder = process.argv[2];
if (!folder) {
  console.error("usage: node compile.mjs OUTPUT_FOLDER");
  process.exit(2);
}

const root = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const sources = Object.fromEntries(
  readdirSync(join(root, "src"), { recursive: true })
    .filter((name) => name.endsWith(".sol"))
    .sort()
    .map((name) => [`src/${name}`, { content: readFileSync(join(root, "src", name), "utf8") }]),
);
const input = {
  language: "Solidity",
  sources,
  settings: {
    evmVersion: "cancun",
    viaIR: true,
    optimizer: { enabled: true, runs: 10_000 },
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const messages = output.errors ?? [];
for (const message of messages) console.error(message.formattedMessage);
if (messages.length > 0) process.exit(1);

mkdirSync(folder, { recursive: true });
for (const name of deployables) {
  const { abi: own, evm } = output.contracts[`src/${name}.sol`][name];
  const face = faces[name];
  const creation = own.filter((entry) => entry.type === "constructor");
  const abi = face ? [...creation, ...output.contracts[`src/interfaces/${face}.sol`][face].abi] : own;
  const artifact = { contract: name, compiler: solc.version(), abi, bytecode: `0x${evm.bytecode.object}` };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(artifact, null, 1)}\n`);
}
